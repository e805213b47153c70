//! Numbers and settings of all queues, and what lies on the dead-letter queues.

use stereospot_ports::Result;

use crate::shared::Shared;

/// Messages of a dead-letter queue that are looked at.
const MAX_DEAD: usize = 1_000;

/// Reads every queue's numbers: those that answer, whatever the others do.
pub(super) async fn numbers(shared: &Shared) -> Result<()> {
    let mut all = Ok(());
    for (name, queue) in &shared.backend.queues {
        match async { Ok((queue.stats().await?, queue.settings().await?)) }.await {
            Ok((stats, settings)) => {
                let at = shared.now();
                shared.live.with(|world| world.set_queue(*name, stats, settings, at));
                crate::measure::queue(*name, stats);
            }
            Err(error) => all = all.and(Err(error)),
        }
    }
    all
}

/// Reads what lies on the dead-letter queues.
pub(super) async fn dead_letters(shared: &Shared) -> Result<()> {
    for (name, queue) in shared.backend.queues.iter().filter(|(name, _)| name.is_dead_letter) {
        let messages = queue.peek(MAX_DEAD).await?;
        let at = shared.now();
        shared.live.with(|world| world.set_dead(*name, &messages, at));
    }
    Ok(())
}
