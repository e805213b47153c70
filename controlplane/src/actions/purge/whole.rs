//! Purge of a queue whose messages can't be read one by one: SQS removes all of them, and nothing can be copied.

use std::time::Duration;

use stereospot_domain::plan::{ItemResult, PlanItem, RefusalCode, Target};
use stereospot_domain::{QueueName, Timestamp};
use stereospot_ports::WorkQueue;
use stereospot_ports::work_queue::Stats;

use crate::actions::draft::{Draft, attempted, refused};
use crate::app::App;

/// SQS purges a queue at most once in this time.
const ONCE_IN: Duration = Duration::from_secs(60);

pub(super) fn draft(app: &App, name: QueueName, stats: Stats) -> Draft {
    let Stats { ready, in_flight, delayed, .. } = stats;
    let all = ready + in_flight + delayed;
    let now = app.now();
    let purged_at = app.live.with(|world| world.queue_view(name, now)?.purged_at);
    let refused = if all == 0 {
        refused(RefusalCode::Nothing, format!("{name} is empty, as far as SQS counts"))
    } else {
        too_soon(purged_at, now).and_then(|wait| {
            let why =
                format!("{name} was purged less than a minute ago: SQS does that once in 60 s; try again in {wait} s");
            refused(RefusalCode::TooSoon, why)
        })
    };
    let lost = match app.config.reconciles() {
        true => "unfinished jobs whose messages go are asked for again by the reconciler, which is on",
        false => "unfinished jobs whose messages go stay stuck until they are repaired: the reconciler is off",
    };
    let of_jobs = name.role.is_in_pipeline().then(|| lost.to_owned());
    Draft {
        scope: format!("all of {name}, about {all} messages"),
        items: vec![PlanItem::new(
            Target::Queue { queue: name },
            format!("remove all: about {ready} ready, {in_flight} in flight, {delayed} delayed"),
        )],
        effect: format!("{name} is empty within a minute. No copies can be kept: this can't be undone"),
        assumptions: vec![
            "this queue's messages can't be read without SQS counting a receive, so none can be copied".into(),
            "messages in flight go too, and some of those sent within a minute after".into(),
            "it was not purged in the last 60 s".into(),
        ]
        .into_iter()
        .chain(of_jobs)
        .collect(),
        confirm: Some(format!("purge {name}")),
        refused,
        ..Draft::default()
    }
}

pub(super) async fn apply(name: QueueName, queue: &dyn WorkQueue) -> Vec<ItemResult> {
    let removed = queue.purge().await;
    let note = |count| format!("SQS removes about {count} messages, within a minute; no copies are kept");
    vec![attempted(&Target::Queue { queue: name }, removed.map(note))]
}

/// Seconds until the queue may be purged again; none when it may now.
fn too_soon(purged_at: Option<Timestamp>, now: Timestamp) -> Option<u64> {
    let left = ONCE_IN.checked_sub(now.since(purged_at?)).filter(|left| !left.is_zero())?;
    Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_purge_waits_for_the_rest_of_the_minute() {
        let check = |millis, expected| assert_eq!(too_soon(Some(Timestamp(1_000)), Timestamp(millis)), expected);
        check(1_000, Some(60));
        check(1_001, Some(60));
        check(60_999, Some(1));
        check(61_000, None);
        assert_eq!(too_soon(None, Timestamp(0)), None);
    }
}
