//! `actions`: the log of applied plans.

use stereospot_api::Client;
use stereospot_domain::plan::Outcome;

use super::error::Result;
use super::patience::answered;
use super::print::{UNKNOWN, age, json, line, table};
use super::session::server_time;
use crate::cli::Actions;
use crate::text::duration;

pub(super) async fn run(client: &Client, options: Actions) -> Result {
    let actions = answered(client, client.actions(options.limit)).await?;
    if options.json.json {
        return json(&actions);
    }
    if actions.is_empty() {
        return line("nothing was applied yet");
    }
    let now = server_time(client).await?;
    table(&actions)
        .right("AGO", |action| age(Some(action.applied_at), now))
        .left("WHO", |action| action.applied_by.clone())
        .left("ACTION", |action| action.plan.action.name().into())
        .cut("SCOPE", |action| action.plan.scope.clone())
        .right("DONE", |action| action.count(Outcome::Done).to_string())
        .right("SKIPPED", |action| action.count(Outcome::Skipped).to_string())
        .right("FAILED", |action| action.count(Outcome::Failed).to_string())
        // Unfinished: it is still running, or the server died halfway. The log doesn't say which.
        .right("TOOK", |action| {
            action.finished_at.map_or_else(|| "unfinished".into(), |at| duration(at.since(action.applied_at)))
        })
        .left("UNDO", |action| match action.undo_until.filter(|until| *until > now) {
            Some(until) => format!("for {}", duration(until.since(now))),
            None => UNKNOWN.into(),
        })
        .left("PLAN", |action| action.plan.id.to_string())
        .print()
}
