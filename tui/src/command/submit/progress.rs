//! A job's progress, combined from reads, changes and events.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use stereospot_api::view::{JobDetail, JobView};
use stereospot_domain::{Event, JobStatus, Payload, Timestamp};

use super::super::print::{known, rate};
use crate::text::duration;

/// The last known state of a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Progress {
    pub(super) status: JobStatus,
    pub(super) segments_done: u32,
    segments: Option<u32>,
    /// By segment: frames done, and the total where known.
    by_segment: BTreeMap<u32, (u32, Option<u32>)>,
    /// The job's frame count, from the chunking worker.
    frames: Option<u64>,
    frames_per_second: Option<f32>,
    eta: Option<Timestamp>,
    /// A reading of the control plane's clock, which may differ from this machine's.
    clock: Option<(Timestamp, Instant)>,
    told_share: Option<f32>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            status: JobStatus::Created,
            segments_done: 0,
            segments: None,
            by_segment: BTreeMap::new(),
            frames: None,
            frames_per_second: None,
            eta: None,
            clock: None,
            told_share: None,
        }
    }
}

impl Progress {
    /// Takes a reading of the control plane's clock, for the time left.
    pub(super) fn set_clock(&mut self, now: Timestamp) {
        self.clock = Some((now, Instant::now()));
    }

    /// Applies a read of the job.
    pub(super) fn read(&mut self, detail: &JobDetail) {
        self.note(&detail.view);
        for segment in &detail.segments {
            if let Some(done) = segment.frames_done.or(segment.completed_at.and(segment.frames)) {
                self.by_segment.insert(segment.index, (done, segment.frames));
            } else if segment.frames.is_some() {
                self.by_segment.insert(segment.index, (0, segment.frames));
            }
        }
    }

    /// Applies a change from the stream.
    pub(super) fn note(&mut self, view: &JobView) {
        self.status = view.job.status;
        self.segments_done = view.segments_done;
        self.segments = view.job.total_segments.or(self.segments);
        self.frames_per_second = view.frames_per_second;
        self.eta = view.eta;
        self.told_share = view.progress;
    }

    /// Applies an event of the job.
    pub(super) fn hear(&mut self, event: &Event) {
        use Payload::*;
        let small = |frames: Option<u64>| frames.and_then(|frames| u32::try_from(frames).ok());
        let (done, frames) = match &event.payload {
            ChunkingCompleted(fields) => {
                self.frames = fields.frames;
                return;
            }
            SegmentStarted(fields) => (Some(0), fields.frames),
            SegmentProgress(fields) => (fields.frames_done, fields.frames),
            SegmentCompleted(fields) => (fields.frames, fields.frames),
            JobSubmitted(_)
            | JobCompleted(_)
            | JobFailed(_)
            | JobRepaired(_)
            | ChunkingStarted
            | ChunkingFailed(_)
            | SegmentFailed(_)
            | LeaseExtended(_)
            | LeaseLost(_)
            | ReassemblyTriggered(_)
            | ReassemblyStarted
            | ReassemblyCompleted(_)
            | ReassemblyFailed(_)
            | WorkerStarted(_)
            | WorkerHeartbeat(_)
            | WorkerDraining
            | WorkerStopped(_)
            | SpoolDropped(_)
            | Unknown(_) => return,
        };
        if let Some(index) = event.segment_index {
            self.by_segment.insert(index, (small(done).unwrap_or(0), small(frames)));
        }
    }

    /// The job's frame count, once known for every segment.
    pub(super) fn frames(&self) -> Option<u64> {
        let segments = self.segments?;
        let all = (0..segments).map(|index| self.by_segment.get(&index)?.1.map(u64::from)).sum::<Option<u64>>();
        all.or(self.frames)
    }

    /// The share done, 0 to 1.
    pub(super) fn share(&self) -> f32 {
        if self.status == JobStatus::Completed {
            return 1.0;
        }
        let by_frames = self.frames().filter(|frames| *frames > 0).map(|all| self.frames_done() as f32 / all as f32);
        let by_segments = self.segments.filter(|all| *all > 0).map(|all| self.segments_done as f32 / all as f32);
        by_frames.or(self.told_share).or(by_segments).unwrap_or(0.0).clamp(0.0, 1.0)
    }

    fn frames_done(&self) -> u64 {
        self.by_segment.values().map(|(done, _)| u64::from(*done)).sum()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.segments.is_some() {
            write!(f, "  segments {}/{}", self.segments_done, known(self.segments))?;
        }
        if self.status == JobStatus::Completed {
            // A segment's last progress event may be older than its completion.
            if let Some(frames) = self.frames() {
                write!(f, "  frames {frames}/{frames}")?;
            }
        } else if !self.by_segment.is_empty() {
            write!(f, "  frames {}/{}", self.frames_done(), known(self.frames()))?;
        }
        if self.status.is_final() {
            return Ok(());
        }
        if self.frames_per_second.is_some_and(|rate| rate > 0.0) {
            write!(f, "  {} frames/s", rate(self.frames_per_second))?;
        }
        if let (Some(eta), Some((read, at))) = (self.eta, self.clock) {
            write!(f, "  {} left", duration(eta.since(read.plus(at.elapsed()))))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
