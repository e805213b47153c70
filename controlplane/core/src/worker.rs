//! What a worker's events say about it.
//!
//! Invariant: as for jobs, neither the order nor the repetition of events matters. Counting is the store's task, where each event
//! counts once.

use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_api::view::{WorkerState, WorkerView};
use stereospot_domain::{Event, JobId, Payload, Stage, Timestamp};
use uuid::Uuid;

use super::latest::{Latest, Moment, moment};

/// A worker without events for this long is silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(30);
/// A worker without events for this long is no longer shown.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Boots kept of one worker, so that late events of an earlier one are not taken for the current one's.
const MAX_BOOTS: usize = 4;
/// Ends kept of one worker: more than there are attempts at a message.
const MAX_ENDS: usize = 16;

/// How a process ended, as what started it again reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcessEnd {
    Signal(i32),
    ExitCode(i32),
}

/// What the store counted of one boot of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootCount {
    /// Steps that succeeded.
    pub done: u64,
    /// Steps that failed.
    pub failed: u64,
    /// Events that never came, by the gaps in their numbers. It counts from the first one received: a boot's first event is never
    /// dropped, so where it is missing, an earlier control-plane database received the beginning.
    pub lost: u64,
}

/// One boot of a worker: the time from a start of its process to the end.
#[derive(Debug, Clone, PartialEq, Default)]
struct Boot {
    last_event_at: Timestamp,
    started_at: Latest<()>,
    version: Latest<String>,
    provider: Latest<String>,
    stage: Latest<Option<Stage>>,
    /// True when its last heartbeat reported work.
    busy: Latest<bool>,
    spooled: Latest<u64>,
    /// Draining or stopped.
    ending: Latest<WorkerState>,
    /// Why it stopped, if it did so without being asked to.
    error: Latest<String>,
    /// What it works on; none once that has succeeded or failed.
    work: Latest<Option<(JobId, Option<u32>)>>,
    rate: Latest<f32>,
    segment_started: Latest<(JobId, u32)>,
    count: BootCount,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Worker {
    boots: BTreeMap<Uuid, Boot>,
    /// How its processes ended, each with the start of the next.
    ends: BTreeMap<Moment, ProcessEnd>,
    heard_at: Timestamp,
    is_silent: bool,
}

impl Worker {
    /// Takes in one event of this worker. `received_at` is by our clock.
    pub fn apply(&mut self, event: &Event, received_at: Timestamp) {
        self.heard_at = self.heard_at.max(received_at);
        let boot = self.boots.entry(event.boot).or_default();
        boot.apply(event);
        if let Payload::WorkerStarted(begun) = &event.payload {
            let end = begun.previous_signal.map(ProcessEnd::Signal);
            if let Some(end) = end.or(begun.previous_exit_code.map(ProcessEnd::ExitCode)) {
                self.ends.insert(moment(event), end);
            }
            while self.ends.len() > MAX_ENDS {
                self.ends.pop_first();
            }
        }
        if self.boots.len() > MAX_BOOTS {
            let oldest = self.boots.iter().min_by_key(|(id, boot)| (boot.last_event_at, **id)).map(|(id, _)| *id);
            oldest.and_then(|id| self.boots.remove(&id));
        }
    }

    /// Takes in the store's counts of one boot.
    pub fn set_count(&mut self, boot: Uuid, count: BootCount) {
        if let Some(boot) = self.boots.get_mut(&boot) {
            boot.count = count;
        }
    }

    /// How the process ended that ran at a time; none if that is not known.
    pub fn end_of_process_at(&self, time: Timestamp) -> Option<ProcessEnd> {
        self.ends.range((time, Uuid::max())..).next().map(|(_, end)| *end)
    }

    /// When its last event was received, by our clock.
    pub fn heard_at(&self) -> Timestamp {
        self.heard_at
    }

    /// True when it has become silent since the last call, or stopped being so.
    pub fn turns_silent(&mut self, now: Timestamp) -> bool {
        let is_silent = now.since(self.heard_at) >= SILENT_AFTER;
        std::mem::replace(&mut self.is_silent, is_silent) != is_silent
    }

    /// True when the worker has surely dropped the work of this boot: it has stopped or restarted since.
    pub fn has_left(&self, boot: Uuid) -> bool {
        let Some((current, state)) = self.current() else { return false };
        current != boot || state.ending.get() == Some(&WorkerState::Stopped)
    }

    /// True when it takes work of this stage now.
    pub fn serves(&self, stage: Stage, now: Timestamp) -> bool {
        let Some((_, boot)) = self.current() else { return false };
        let serves = boot.stage.get().is_some_and(|own| own.is_none_or(|own| own == stage));
        serves && boot.ending.get().is_none() && now.since(self.heard_at) < SILENT_AFTER
    }

    /// True when it reports on this stage; `None` is any stage.
    pub fn reports_on(&self, stage: Option<Stage>) -> bool {
        let own = self.current().and_then(|(_, boot)| boot.stage.get().copied());
        stage.is_none() || own.is_some_and(|own| own.is_none() || own == stage)
    }

    /// The worker as shown on screens.
    pub fn view(&self, name: &str, now: Timestamp) -> Option<WorkerView> {
        let (_, boot) = self.current()?;
        let work = boot.work.get().copied().flatten();
        let state = match boot.ending.get() {
            Some(WorkerState::Stopped) => WorkerState::Stopped,
            _ if now.since(self.heard_at) >= SILENT_AFTER => WorkerState::Silent,
            Some(ending) => *ending,
            None if work.is_some() || boot.busy.get() == Some(&true) => WorkerState::Busy,
            None => WorkerState::Idle,
        };
        Some(WorkerView {
            name: name.to_owned(),
            stage: boot.stage.get().copied().flatten(),
            state,
            job_id: work.map(|(job_id, _)| job_id),
            segment_index: work.and_then(|(_, index)| index),
            frames_per_second: boot.rate.get().copied(),
            last_seen_at: self.heard_at,
            started_at: boot.started_at.time(),
            done: boot.count.done,
            failed: boot.count.failed,
            events_lost: boot.count.lost,
            spooled: boot.spooled.get().copied().unwrap_or(0),
            version: boot.version.get().cloned(),
            provider: boot.provider.get().cloned(),
            error: boot.error.get().cloned(),
        })
    }

    fn current(&self) -> Option<(Uuid, &Boot)> {
        self.boots.iter().max_by_key(|(id, boot)| (boot.last_event_at, **id)).map(|(id, boot)| (*id, boot))
    }
}

impl Boot {
    fn apply(&mut self, event: &Event) {
        use Payload::*;
        let at = moment(event);
        let segment = event.job_id.zip(event.segment_index);
        self.last_event_at = self.last_event_at.max(event.time);
        match &event.payload {
            WorkerStarted(begun) => {
                self.started_at.offer(at, ());
                self.stage.offer(at, event.stage);
                self.version.offer_known(at, begun.version.clone());
                self.provider.offer_known(at, begun.provider.clone());
            }
            WorkerHeartbeat(beat) => {
                let is_busy = beat.busy == Some(true);
                self.busy.offer(at, is_busy);
                self.spooled.offer(at, beat.spooled.unwrap_or(0));
                if !is_busy {
                    self.work.offer(at, None);
                }
            }
            WorkerDraining => self.ending.offer(at, WorkerState::Draining),
            WorkerStopped(stopped) => {
                self.ending.offer(at, WorkerState::Stopped);
                self.work.offer(at, None);
                self.error.offer_known(at, stopped.error.clone());
            }
            ChunkingStarted | ReassemblyStarted => self.works(event),
            SegmentStarted(begun) => {
                self.works(event);
                self.provider.offer_known(at, begun.provider.clone());
                self.segment_started.offer_known(at, segment);
            }
            SegmentProgress(progress) => {
                self.works(event);
                if segment.is_some() && self.segment_started.get() == segment.as_ref() {
                    let started = self.segment_started.time().unwrap_or(event.time);
                    self.rate
                        .offer_known(at, rate(progress.frames_done, Some(event.time.since(started).as_secs_f64())));
                }
            }
            SegmentCompleted(completed) => {
                self.work.offer(at, None);
                self.provider.offer_known(at, completed.provider.clone());
                if segment.is_some() {
                    self.rate.offer_known(at, rate(completed.frames, completed.wall_secs));
                }
            }
            ChunkingCompleted(_)
            | ChunkingFailed(_)
            | SegmentFailed(_)
            | ReassemblyCompleted(_)
            | ReassemblyFailed(_) => self.work.offer(at, None),
            JobSubmitted(_)
            | JobCompleted(_)
            | JobFailed(_)
            | JobRepaired(_)
            | LeaseExtended(_)
            | LeaseLost(_)
            | ReassemblyTriggered(_)
            | SpoolDropped(_)
            | Unknown(_) => {}
        }
        if self.stage.get().is_none()
            && let Some(stage) = event.stage
        {
            // Its start was missed: infer the stage from its work.
            self.stage.offer((Timestamp(i64::MIN), Uuid::nil()), Some(stage));
        }
    }

    fn works(&mut self, event: &Event) {
        self.work.offer(moment(event), event.job_id.map(|job_id| (job_id, event.segment_index)));
    }
}

/// Frames a second; none when the time is too short to measure.
fn rate(frames: Option<u64>, secs: Option<f64>) -> Option<f32> {
    let (frames, secs) = (frames?, secs?);
    (frames > 0 && secs > 0.05).then(|| (frames as f64 / secs) as f32)
}

#[cfg(test)]
mod tests;
