//! `actions`: the log of what was applied.

use stereospot_api::Client;
use stereospot_domain::plan::Outcome;

use super::patience::answered;
use super::print::{Column, Table, age, duration, json, line};
use super::{Result, now};
use crate::cli::Actions;

pub(super) async fn run(client: &Client, options: Actions) -> Result {
    let actions = answered(client, client.actions(options.limit)).await?;
    if options.json.json {
        return json(&actions);
    }
    if actions.is_empty() {
        return line("nothing was applied yet");
    }
    let mut table = Table::new(&[
        Column::Right("AGO"),
        Column::Left("WHO"),
        Column::Left("ACTION"),
        Column::Cut("SCOPE"),
        Column::Right("DONE"),
        Column::Right("SKIPPED"),
        Column::Right("FAILED"),
        Column::Right("TOOK"),
        Column::Left("UNDO"),
        Column::Left("PLAN"),
    ]);
    let now = now();
    for action in actions {
        table.row([
            age(Some(action.applied_at), now),
            action.applied_by.clone(),
            action.plan.action.name().into(),
            action.plan.scope.clone(),
            action.count(Outcome::Done).to_string(),
            action.count(Outcome::Skipped).to_string(),
            action.count(Outcome::Failed).to_string(),
            // It still runs, or the server died in the middle: this log can't tell which.
            action.finished_at.map_or_else(|| "unfinished".into(), |at| duration(at.since(action.applied_at))),
            action
                .undo_until
                .filter(|until| *until > now)
                .map_or_else(|| "·".into(), |until| format!("for {}", duration(until.since(now)))),
            action.plan.id.to_string(),
        ]);
    }
    table.print()
}
