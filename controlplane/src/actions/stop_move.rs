//! Stop the platform's own move of a dead-letter queue.

use stereospot_domain::QueueName;
use stereospot_domain::plan::{ItemResult, Outcome};

use super::{Draft, Error, attempted, item, replay, result};
use crate::app::App;

pub(super) async fn draft(app: &App, name: QueueName) -> Result<Draft, Error> {
    super::queue(app, name)?;
    let command = format!("stereospot queues stop-move {name}");
    let running = match app.platform.moves.get(&name) {
        Some(moves) => moves.newest().await?.filter(|newest| newest.is_running),
        None => None,
    };
    let Some(running) = running else {
        let refused = Some(format!("no move of {name} runs"));
        return Ok(Draft { scope: name.to_string(), refused, command, ..Draft::default() });
    };
    Ok(Draft {
        scope: format!("the move of {name}, {}", replay::progress(&running)),
        items: vec![item(name.to_string(), "stop it")],
        effect: format!("what was moved stays moved, the rest stays on {name}"),
        assumptions: vec!["it still runs".into()],
        command,
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, name: QueueName) -> Vec<ItemResult> {
    let id = name.to_string();
    let Some(moves) = app.platform.moves.get(&name) else {
        return vec![result(id, Outcome::Skipped, "no move of it runs")];
    };
    vec![match moves.stop().await {
        Ok(true) => result(id, Outcome::Done, "it is being stopped"),
        Ok(false) => result(id, Outcome::Skipped, "it had ended"),
        Err(error) => attempted(id, Err(error)),
    }]
}
