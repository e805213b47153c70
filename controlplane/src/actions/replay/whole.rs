//! Replay of a long dead-letter queue by redrive: thousands of messages in seconds, none of them looked at.
//!
//! Invariant: a queue is not redriven if one of the [`LONG`] messages looked at belongs to a failed job (workers would drop it)
//! or needs its source split again. It is replayed message by message instead.

use std::time::Duration;

use stereospot_domain::QueueName;
use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, Target};
use stereospot_ports::Result as PortResult;

use crate::actions::draft::{Draft, attempted, result};
use crate::app::App;
use crate::platform::Redrives;

/// A queue with more messages than this is redriven.
pub(super) const LONG: usize = 1_000;
/// Between two looks at a move.
const LOOK: Duration = Duration::from_secs(1);
/// After so many failed looks in a row a move is no longer followed; it goes on.
const MAX_MISSES: u32 = 10;

/// The plan of a move. `needless` of the `seen` messages that were looked at need not be sent.
pub(super) async fn draft(app: &App, name: QueueName, ready: u64, seen: usize, needless: usize) -> PortResult<Draft> {
    let main = QueueName::main(name.role);
    let before = app.backend.queue_named(main)?.stats().await?.ready;
    let mut assumptions = vec![
        "the platform moves them as they are: none is looked at; they get new ids and new times of sending".to_owned(),
        format!("`stereospot queues stop-move {name}` stops it; what was moved stays moved"),
    ];
    if needless > 0 {
        assumptions
            .push(format!("{needless} of the {seen} looked at are no longer needed: workers drop such messages"));
    }
    Ok(Draft {
        scope: format!("all of {name}, about {ready} messages, by the platform's own move"),
        items: vec![PlanItem::new(
            Target::Queue { queue: name },
            format!("move all of it to {main}, about {ready} messages"),
        )],
        effect: format!("{main} ready ≈ {before} → ≈ {}", before + ready),
        assumptions,
        confirm: Some(format!("replay {ready}")),
        ..Draft::default()
    })
}

/// Why no replay may start: the platform is already moving this queue. None also if the platform can't be asked.
pub(super) async fn running(moves: &dyn Redrives, name: QueueName) -> Option<String> {
    match moves.newest().await {
        Ok(Some(newest)) if newest.is_running => Some(format!(
            "a move of {name} runs, {}: wait for it, or stop it with `stereospot queues stop-move {name}`",
            newest.progress()
        )),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(queue = %name, %error, "whether a move runs can't be asked");
            None
        }
    }
}

/// Starts the move and follows it to its end.
pub(super) async fn apply(app: &App, name: QueueName, target: &Target) -> Vec<ItemResult> {
    let Some(moves) = app.platform.redrives.get(&name) else {
        return vec![result(target, Outcome::Failed, "this platform moves no queues")];
    };
    let began = app.now();
    if let Err(error) = moves.start().await {
        return vec![attempted(target, Err(error))];
    }
    let mut misses = 0;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return vec![result(target, Outcome::Done, "started; it goes on by itself")],
            () = tokio::time::sleep(LOOK) => {}
        }
        let newest = moves.newest().await;
        match newest {
            // An older one is an earlier move: ours is not listed yet. A minute allows for clocks that differ.
            Ok(Some(newest)) if newest.started_at >= began.minus(Duration::from_secs(60)) => {
                misses = 0;
                let said = newest.progress();
                app.set_redrive(name, Some(newest.clone()));
                if newest.is_running {
                    continue;
                }
                app.set_redrive(name, None);
                return vec![match newest.failure {
                    None => result(target, Outcome::Done, said),
                    Some(why) => result(target, Outcome::Failed, format!("{said}, then it ended: {why}")),
                }];
            }
            other => {
                misses += 1;
                if misses >= MAX_MISSES {
                    app.set_redrive(name, None);
                    let why = other.err().map_or(String::new(), |error| format!(": {error}"));
                    return vec![result(target, Outcome::Done, format!("started; it can't be followed{why}"))];
                }
            }
        }
    }
}
