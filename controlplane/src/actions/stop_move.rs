//! Stop the redrive of a dead-letter queue.

use stereospot_domain::QueueName;
use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, RefusalCode, Target};

use super::draft::{self, Draft, Error, attempted, refused, result};
use crate::app::App;

pub(super) async fn draft(app: &App, name: QueueName) -> Result<Draft, Error> {
    draft::queue(app, name)?;
    let running = match app.platform.redrives.get(&name) {
        Some(moves) => moves.newest().await?.filter(|newest| newest.is_running),
        None => None,
    };
    let Some(running) = running else {
        let refused = refused(RefusalCode::NoMove, format!("no move of {name} runs"));
        return Ok(Draft { scope: name.to_string(), refused, ..Draft::default() });
    };
    Ok(Draft {
        scope: format!("the move of {name}, {}", running.progress()),
        items: vec![PlanItem::new(Target::Queue { queue: name }, "stop it")],
        effect: format!("what was moved stays moved, the rest stays on {name}"),
        assumptions: vec!["it still runs".into()],
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, name: QueueName) -> Vec<ItemResult> {
    let target = &Target::Queue { queue: name };
    let Some(moves) = app.platform.redrives.get(&name) else {
        return vec![result(target, Outcome::Skipped, "no move of it runs")];
    };
    vec![match moves.stop().await {
        Ok(true) => result(target, Outcome::Done, "it is being stopped"),
        Ok(false) => result(target, Outcome::Skipped, "it had ended"),
        Err(error) => attempted(target, Err(error)),
    }]
}
