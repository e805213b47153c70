//! What a job's events say about it.
//!
//! Invariant: the order and repetition of events don't matter, up to the limits below: every field is a maximum, a set or a
//! [`Latest`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stereospot_domain::event::StepFailed;
use stereospot_domain::{ErrorCode, Event, EventKind, Payload, Stage, Timestamp, Warning};
use uuid::Uuid;

use super::failures::Failures;
use super::latest::{Latest, Moment, moment};

mod reporters;

pub use reporters::Reporter;
use reporters::{Reporters, Said};

/// Segments kept of one job; later ones are ignored here; the job store still counts them.
const MAX_SEGMENTS: usize = 100_000;
/// Attempts kept of one job.
const MAX_ATTEMPTS: usize = 200;
/// Samples of frames kept of one job.
const MAX_SAMPLES: usize = 4096;
/// Warnings kept of one job.
const MAX_WARNINGS: usize = 200;
/// The rate is that of this last time.
const RATE_WINDOW: Duration = Duration::from_secs(30);

/// One segment, by its events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SegmentProgress {
    reporters: Reporters,
    /// When an attempt last began.
    begun: Option<Moment>,
    /// When an attempt last succeeded.
    ended: Option<Moment>,
    /// Which attempt succeeded, and how many frames it converted.
    done: Latest<(Reporter, Option<u32>)>,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// The time of the last event.
    pub last_seen_at: Option<Timestamp>,
    /// Frames in all.
    pub frames: Latest<u32>,
    /// Of the last failed attempt.
    pub error: Latest<Reported>,
    /// Whether the last failed attempt blamed the stored segment. A new attempt resets it.
    damaged: Latest<bool>,
    pub attempts: u32,
    /// Attempts that failed since the last success.
    pub failures: Failures,
}

impl SegmentProgress {
    /// True when a worker reports work on it.
    pub fn is_started(&self) -> bool {
        !self.is_done() && self.reporters.trusted().is_some_and(|report| report.is_at_work)
    }

    /// The worker that completed it, else the one that works on it or worked on it last.
    pub fn worker(&self) -> Option<&Reporter> {
        match self.done.get() {
            Some((reporter, _)) if self.is_done() => Some(reporter),
            _ => self.reporters.trusted().map(|report| report.reporter),
        }
    }

    /// Frames converted so far.
    pub fn frames_done(&self) -> Option<u32> {
        match self.done.get() {
            Some((_, frames)) if self.is_done() => *frames,
            _ => self.reporters.trusted().and_then(|report| report.frames),
        }
    }

    /// True when its last attempt failed because the stored segment is damaged: the source must be split again.
    pub fn is_damaged(&self) -> bool {
        !self.is_done() && self.damaged.get() == Some(&true)
    }

    /// The workers of attempts that reported no end, one for each attempt, and when it began. None once it is done.
    pub fn unended(&self) -> Vec<(&str, Timestamp)> {
        if self.is_done() { Vec::new() } else { self.reporters.unended() }
    }

    /// An attempt that lost its lease may still report, so a success is undone only by an attempt that began after it.
    fn is_done(&self) -> bool {
        self.ended > self.begun
    }
}

/// Why an attempt failed, as its worker reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    pub error: String,
    /// Absent in events of earlier versions, and in those inferred from log lines.
    pub code: Option<ErrorCode>,
}

impl From<&StepFailed> for Reported {
    fn from(failed: &StepFailed) -> Self {
        let error = failed.error.clone().unwrap_or_else(|| "no reason given".into());
        Self { error, code: failed.code }
    }
}

/// One attempt at a stage.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attempt {
    pub started_at: Latest<()>,
    /// When it succeeded or failed.
    pub ended_at: Latest<()>,
    pub worker: Latest<String>,
    pub error: Latest<String>,
}

/// Time, segment, boot id of the worker, frames done.
type Sample = (Timestamp, u32, Uuid, u32);

/// A job, by its events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobProgress {
    pub segments: BTreeMap<u32, SegmentProgress>,
    /// Attempts at chunking and reassembly. Attempts at inference are kept with the segments.
    pub attempts: BTreeMap<(Stage, u32), Attempt>,
    /// Frames of the whole source.
    pub total_frames: Latest<u64>,
    /// The last event's type and segment.
    pub last_event: Latest<String>,
    /// When each kind of event, progress events apart, was last reported.
    pub reported: BTreeMap<EventKind, Timestamp>,
    /// The time of the last event.
    pub last_activity_at: Option<Timestamp>,
    /// Most attempts at any step.
    pub most_attempts: u32,
    /// The last error of chunking and of reassembly.
    pub errors: BTreeMap<Stage, Latest<Reported>>,
    /// Attempts at chunking and reassembly that failed since the last success.
    pub failures: BTreeMap<Stage, Failures>,
    /// The SHA-256 of the result.
    pub result_sha256: Option<String>,
    /// What was changed or left out of the video. Two stages may report the same.
    pub warnings: BTreeSet<Warning>,
    /// Frames done over the last minute.
    samples: BTreeSet<Sample>,
}

impl JobProgress {
    /// Takes in one event of the job.
    pub fn apply(&mut self, event: &Event) {
        let at = moment(event);
        self.last_activity_at = self.last_activity_at.max(Some(event.time));
        self.most_attempts = self.most_attempts.max(event.attempt.unwrap_or(0));
        if !event.kind().is_progress() {
            let reported = self.reported.entry(event.kind()).or_insert(event.time);
            *reported = event.time.max(*reported);
        }
        let place = event.segment_index.map_or(String::new(), |index| format!(" {index}"));
        self.last_event.offer(at, format!("{}{place}", event.payload.name()));
        for warning in event.payload.warnings() {
            if self.warnings.len() < MAX_WARNINGS {
                self.warnings.insert(warning.clone());
            }
        }
        use Payload::*;
        match &event.payload {
            ChunkingStarted => self.started(Stage::Chunking, event),
            ReassemblyStarted => self.started(Stage::Reassembly, event),
            ChunkingCompleted(completed) => {
                self.total_frames.offer_known(at, completed.frames);
                self.completed(Stage::Chunking, event);
            }
            ReassemblyCompleted(fields) => {
                self.result_sha256 = fields.sha256.clone();
                self.completed(Stage::Reassembly, event);
            }
            ChunkingFailed(failed) => self.failed(Stage::Chunking, event, failed),
            ReassemblyFailed(failed) => self.failed(Stage::Reassembly, event, failed),
            SegmentStarted(begun) => self.segment(event, |segment| {
                segment.started_at = segment.started_at.max(Some(event.time));
                segment.begun = segment.begun.max(Some(at));
                segment.damaged.offer(at, false);
                segment.frames.offer_known(at, small(begun.frames));
                segment.reporters.add(event, Said::Begun, Some(0));
                Some(0)
            }),
            SegmentProgress(progress) => self.segment(event, |segment| {
                let done = small(progress.frames_done);
                segment.frames.offer_known(at, small(progress.frames));
                segment.reporters.add(event, Said::Working, done);
                done
            }),
            SegmentCompleted(completed) => self.segment(event, |segment| {
                let frames = small(completed.frames);
                segment.completed_at = segment.completed_at.max(Some(event.time));
                segment.failures.settled(event);
                segment.ended = segment.ended.max(Some(at));
                segment.frames.offer_known(at, frames);
                segment.done.offer(at, ((event.source.clone(), event.boot), frames));
                frames
            }),
            SegmentFailed(failed) => self.segment(event, |segment| {
                segment.error.offer(at, failed.into());
                segment.damaged.offer(at, failed.is_damaged == Some(true));
                segment.failures.failed(event, failed);
                segment.reporters.add(event, Said::Failed, None);
                None
            }),
            LeaseExtended(_) | LeaseLost(_) => self.segment(event, |_| None),
            JobSubmitted(_)
            | JobCompleted(_)
            | JobFailed(_)
            | JobRepaired(_)
            | ReassemblyTriggered(_)
            | WorkerStarted(_)
            | WorkerHeartbeat(_)
            | WorkerDraining
            | WorkerStopped(_)
            | SpoolDropped(_)
            | Unknown(_) => {}
        }
    }

    /// Frames a second over the last half minute; none when nothing was converted.
    pub fn frames_per_second(&self, now: Timestamp) -> Option<f32> {
        let from = now.minus(RATE_WINDOW);
        let mut before: BTreeMap<(u32, Uuid), u32> = BTreeMap::new();
        let (mut frames, mut first) = (0_u64, None);
        let samples = self.samples.range((from, 0, Uuid::nil(), 0)..);
        // An encoder holds back its first forty or more frames, so the rate is unknown until it returns some.
        for (time, segment, boot, done) in samples.skip_while(|(.., done)| *done == 0) {
            first.get_or_insert(*time);
            if let Some(earlier) = before.insert((*segment, *boot), *done) {
                // A new attempt counts from its own start.
                frames += u64::from(done.saturating_sub(earlier));
            }
        }
        let span = now.since(first?).as_secs_f32();
        (frames > 0 && span >= 0.5).then(|| frames as f32 / span)
    }

    /// The workers of attempts at chunking or reassembly that reported no end, one for each attempt, and when it began.
    pub fn unended(&self, stage: Stage) -> Vec<(&str, Timestamp)> {
        let of_stage = self.attempts.iter().filter(|((of, _), _)| *of == stage).map(|(_, attempt)| attempt);
        let unended = of_stage.filter(|attempt| attempt.started_at.time() > attempt.ended_at.time());
        unended.filter_map(|attempt| Some((attempt.worker.get()?.as_str(), attempt.started_at.time()?))).collect()
    }

    fn started(&mut self, stage: Stage, event: &Event) {
        let at = moment(event);
        self.attempt(stage, event, |attempt| attempt.started_at.offer(at, ()));
    }

    fn completed(&mut self, stage: Stage, event: &Event) {
        let at = moment(event);
        self.attempt(stage, event, |attempt| attempt.ended_at.offer(at, ()));
        self.failures.entry(stage).or_default().settled(event);
    }

    fn failed(&mut self, stage: Stage, event: &Event, failed: &StepFailed) {
        let (at, reported) = (moment(event), Reported::from(failed));
        self.attempt(stage, event, |attempt| {
            attempt.ended_at.offer(at, ());
            attempt.error.offer(at, reported.error.clone());
        });
        self.errors.entry(stage).or_default().offer(at, reported);
        self.failures.entry(stage).or_default().failed(event, failed);
    }

    fn attempt(&mut self, stage: Stage, event: &Event, change: impl FnOnce(&mut Attempt)) {
        let key = (stage, event.attempt.unwrap_or(1));
        if self.attempts.len() < MAX_ATTEMPTS || self.attempts.contains_key(&key) {
            let attempt = self.attempts.entry(key).or_default();
            attempt.worker.offer(moment(event), event.source.clone());
            change(attempt);
        }
    }

    /// Changes the event's segment; `change` returns the frames that the attempt has converted so far.
    fn segment(&mut self, event: &Event, change: impl FnOnce(&mut SegmentProgress) -> Option<u32>) {
        let Some(index) = event.segment_index else { return };
        if self.segments.len() >= MAX_SEGMENTS && !self.segments.contains_key(&index) {
            return;
        }
        let segment = self.segments.entry(index).or_default();
        segment.last_seen_at = segment.last_seen_at.max(Some(event.time));
        segment.attempts = segment.attempts.max(event.attempt.unwrap_or(1));
        if let Some(done) = change(segment) {
            self.sample((event.time, index, event.boot, done));
        }
    }

    fn sample(&mut self, sample: Sample) {
        self.samples.insert(sample);
        let newest = self.samples.last().map_or(sample.0, |(time, ..)| *time);
        let oldest_kept = newest.minus(RATE_WINDOW * 2);
        while self.samples.len() > MAX_SAMPLES || self.samples.first().is_some_and(|(time, ..)| *time < oldest_kept) {
            self.samples.pop_first();
        }
    }
}

/// A segment's number of frames; a number that does not fit is no valid count.
fn small(frames: Option<u64>) -> Option<u32> {
    u32::try_from(frames?).ok()
}

#[cfg(test)]
mod tests;
