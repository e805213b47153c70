//! Metrics that workers record.

use std::time::Duration;

use super::{add, change, number, observe, set};
use crate::catalogue::{self as table, FramePart, Provider, StepOutcome};

/// Counts messages taken from a queue; `queue` is `QueueRole::as_str`.
pub fn messages_received(queue: &str, count: u64) {
    add(table::MESSAGES_RECEIVED, &[queue], count);
}

/// Counts a message that was deleted after its work was done.
pub fn message_deleted(queue: &str) {
    add(table::MESSAGES_DELETED, &[queue], 1);
}

/// Counts a message that was given back to be received again.
pub fn message_released(queue: &str) {
    add(table::MESSAGES_RELEASED, &[queue], 1);
}

/// Counts a message whose last allowed receive failed, so that the queue dead-letters it.
pub fn message_dead(queue: &str) {
    add(table::MESSAGES_DEAD, &[queue], 1);
}

/// Records a step's end; `stage` is `Stage::as_str`.
pub fn step(stage: &str, outcome: StepOutcome, took: Duration) {
    observe(table::STEP_SECONDS, &[stage, outcome.as_str()], took);
}

/// Counts frames that a stage wrote.
pub fn frames(stage: &str, count: u64) {
    add(table::FRAMES, &[stage], count);
}

/// Records the mean time that a segment's frames took in a part of inference. Once per segment, so that the cost does not depend on
/// the frame rate.
pub fn frame_part(part: FramePart, took: Duration) {
    observe(table::FRAME_SECONDS, &[part.as_str()], took);
}

/// Counts a lease that was extended.
pub fn lease_extended(queue: &str) {
    add(table::LEASE_EXTENDED, &[queue], 1);
}

/// Counts a lease that ran out while the worker was busy.
pub fn lease_lost(queue: &str) {
    add(table::LEASE_LOST, &[queue], 1);
}

/// Counts a step in progress, until the guard is dropped.
#[must_use = "the step counts as ended once this is dropped"]
pub fn busy(stage: &str) -> Busy {
    let stage = table::STAGE.closed(stage);
    debug_assert!(stage.is_some(), "not a stage");
    if let Some(stage) = stage {
        change(table::WORKER_BUSY, &[stage], 1.0);
    }
    Busy { stage }
}

/// A step in progress; see [`busy`].
#[derive(Debug)]
pub struct Busy {
    stage: Option<&'static str>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(stage) = self.stage {
            change(table::WORKER_BUSY, &[stage], -1.0);
        }
    }
}

/// Records the execution provider that runs the depth model, and sets the others to 0.
pub fn execution_provider(provider: Provider) {
    for known in Provider::ALL {
        set(table::PROVIDER_INFO, &[known.as_str()], if *known == provider { 1.0 } else { 0.0 });
    }
}

/// Records the events that wait on disk for the control plane, and the size at which progress events are dropped.
pub fn spool(events: u64, bytes: u64, limit_bytes: u64) {
    set(table::SPOOL_EVENTS, &[], number(events));
    set(table::SPOOL_BYTES, &[], number(bytes));
    set(table::SPOOL_LIMIT_BYTES, &[], number(limit_bytes));
}

/// Counts progress events that were dropped from a full spool.
pub fn spool_dropped(count: u64) {
    add(table::SPOOL_DROPPED, &[], count);
}
