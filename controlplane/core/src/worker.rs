//! What a worker's events say of it.
//!
//! Invariant: as for jobs, neither the order nor the repetition of events matters; what must be counted is counted by the
//! store, where each event counts once.

use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_api::view::{WorkerState, WorkerView};
use stereospot_domain::{Event, EventKind, JobId, Stage, Timestamp};
use uuid::Uuid;

use super::latest::{Latest, moment};

/// A worker that was not heard of for so long is called silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(30);
/// A worker that was not heard of for so long is shown no more.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Lives kept of one worker: late events of an earlier one must not pass for the present one's.
const MAX_BOOTS: usize = 4;

/// What is counted of one life of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootCount {
    /// Steps that ended well.
    pub done: u64,
    /// Steps that failed.
    pub failed: u64,
    /// Events that never came, by the gaps in their numbers from the first one seen. Each life begins with `worker.started`, which no
    /// sender drops: a first number above 1 was told to an earlier memory of this process, and what came before it is not lost.
    pub lost: u64,
}

/// One life of a worker.
#[derive(Debug, Clone, PartialEq, Default)]
struct Boot {
    last_event_at: Timestamp,
    started_at: Latest<()>,
    version: Latest<String>,
    provider: Latest<String>,
    stage: Latest<Option<Stage>>,
    /// True: at work, by its own word.
    busy: Latest<bool>,
    spooled: Latest<u64>,
    /// Draining or stopped.
    ending: Latest<WorkerState>,
    /// Why it stopped by itself.
    error: Latest<String>,
    /// What it works on; none once that is done or failed.
    work: Latest<Option<(JobId, Option<u32>)>>,
    rate: Latest<f32>,
    segment_started: Latest<(JobId, u32)>,
    count: BootCount,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Worker {
    boots: BTreeMap<Uuid, Boot>,
    heard_at: Timestamp,
    is_silent: bool,
}

impl Worker {
    /// Takes in one event of this worker, received at a time by our clock.
    pub fn apply(&mut self, event: &Event, received_at: Timestamp) {
        self.heard_at = self.heard_at.max(received_at);
        let boot = self.boots.entry(event.boot).or_default();
        boot.apply(event);
        if self.boots.len() > MAX_BOOTS {
            let oldest = self.boots.iter().min_by_key(|(id, boot)| (boot.last_event_at, **id)).map(|(id, _)| *id);
            oldest.and_then(|id| self.boots.remove(&id));
        }
    }

    /// What the store counted of one life.
    pub fn set_count(&mut self, boot: Uuid, count: BootCount) {
        if let Some(boot) = self.boots.get_mut(&boot) {
            boot.count = count;
        }
    }

    /// When it was last heard of, by our clock.
    pub fn heard_at(&self) -> Timestamp {
        self.heard_at
    }

    /// True when it has gone silent, or is heard of again, since the last call.
    pub fn turns_silent(&mut self, now: Timestamp) -> bool {
        let is_silent = now.since(self.heard_at) >= SILENT_AFTER;
        std::mem::replace(&mut self.is_silent, is_silent) != is_silent
    }

    /// True when it surely doesn't work on what it said it worked on in a life: that life is over.
    pub fn has_left(&self, boot: Uuid) -> bool {
        let Some((current, state)) = self.current() else { return false };
        current != boot || state.ending.get() == Some(&WorkerState::Stopped)
    }

    /// True when it takes work of a stage now.
    pub fn serves(&self, stage: Stage, now: Timestamp) -> bool {
        let Some((_, boot)) = self.current() else { return false };
        let serves = boot.stage.get().is_some_and(|own| own.is_none_or(|own| own == stage));
        serves && boot.ending.get().is_none() && now.since(self.heard_at) < SILENT_AFTER
    }

    /// True when it tells of what is done at a stage; `None` is any.
    pub fn tells_of(&self, stage: Option<Stage>) -> bool {
        let own = self.current().and_then(|(_, boot)| boot.stage.get().copied());
        stage.is_none() || own.is_some_and(|own| own.is_none() || own == stage)
    }

    /// As shown.
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
        use EventKind::*;
        let at = moment(event);
        self.last_event_at = self.last_event_at.max(event.time);
        if let Some(provider) = event.text("provider") {
            self.provider.offer(at, provider.to_owned());
        }
        match event.kind {
            WorkerStarted => {
                self.started_at.offer(at, ());
                self.stage.offer(at, event.stage);
                if let Some(version) = event.text("version") {
                    self.version.offer(at, version.to_owned());
                }
            }
            WorkerHeartbeat => {
                let is_busy = event.data.get("busy").is_some_and(|busy| {
                    busy.as_bool().unwrap_or_else(|| busy.as_f64().is_some_and(|number| number > 0.0))
                });
                self.busy.offer(at, is_busy);
                self.spooled.offer(at, event.data.get("spooled").and_then(serde_json::Value::as_u64).unwrap_or(0));
                if !is_busy {
                    self.work.offer(at, None);
                }
            }
            WorkerDraining => self.ending.offer(at, WorkerState::Draining),
            WorkerStopped => {
                self.ending.offer(at, WorkerState::Stopped);
                self.work.offer(at, None);
                if let Some(error) = event.text("error") {
                    self.error.offer(at, error.to_owned());
                }
            }
            ChunkingStarted | SegmentStarted | SegmentProgress | ReassemblyStarted => {
                self.work.offer(at, event.job_id.map(|job_id| (job_id, event.segment_index)));
            }
            ChunkingCompleted | ChunkingFailed | SegmentCompleted | SegmentFailed | ReassemblyCompleted
            | ReassemblyFailed => self.work.offer(at, None),
            _ => {}
        }
        if self.stage.get().is_none()
            && let Some(stage) = event.stage
        {
            // The start was not heard: what it does tells its stage.
            self.stage.offer((Timestamp(i64::MIN), Uuid::nil()), Some(stage));
        }
        self.rate(event);
    }

    fn rate(&mut self, event: &Event) {
        let (Some(job_id), Some(index), at) = (event.job_id, event.segment_index, moment(event)) else { return };
        let per_second = |frames: f64, secs: f64| (frames > 0.0 && secs > 0.05).then(|| (frames / secs) as f32);
        match event.kind {
            EventKind::SegmentStarted => self.segment_started.offer(at, (job_id, index)),
            EventKind::SegmentProgress if self.segment_started.get() == Some(&(job_id, index)) => {
                let started = self.segment_started.time().unwrap_or(event.time);
                let frames = event.number("frames_done").unwrap_or(0.0);
                if let Some(rate) = per_second(frames, event.time.since(started).as_secs_f64()) {
                    self.rate.offer(at, rate);
                }
            }
            EventKind::SegmentCompleted => {
                let (frames, secs) = (event.number("frames").unwrap_or(0.0), event.number("wall_secs").unwrap_or(0.0));
                if let Some(rate) = per_second(frames, secs) {
                    self.rate.offer(at, rate);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
