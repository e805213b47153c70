//! Views of the state for the API: jobs, queues, workers, timelines.

use std::collections::BTreeSet;
use std::time::Duration;

use stereospot_api::view::{JobDetail, JobView, QueueView, SegmentState, SegmentView, TimelineEntry, WorkerView};
use stereospot_domain::diagnosis::Patience;
use stereospot_domain::text::{age, plural};
use stereospot_domain::trigger::{self, Decision, Queued, Why};
use stereospot_domain::{Job, JobId, JobStatus, QueueName, QueueRole, Stage, Timestamp};

use super::World;
use super::known::Entry;
use super::progress::JobProgress;

impl World {
    /// One job as shown in a list.
    pub fn job_view(&self, job_id: JobId, now: Timestamp) -> Option<JobView> {
        let entry = self.jobs.get(&job_id)?;
        let job = &entry.job;
        let progress = entry.progress.as_ref();
        let running = self.running(entry, Patience::default());
        let dead: BTreeSet<u32> =
            self.dead_letters(entry).into_iter().filter_map(|letter| letter.segment_index).collect();
        let (segments_done, share, left) = done_and_left(entry);
        let is_final = job.status.is_final();
        let rate = progress.filter(|_| !is_final).and_then(|progress| progress.frames_per_second(now));
        let eta = rate.zip(left).map(|(rate, left)| now.plus(Duration::from_secs_f32(left as f32 / rate)));
        Some(JobView {
            job: job.clone(),
            observed_at: entry.observed_at,
            segments_done,
            segments_running: if is_final { 0 } else { running.len() as u32 },
            segments_dead: (!dead.is_empty() || self.sees_all_dead_segments()).then_some(dead.len() as u32),
            progress: share,
            frames_per_second: rate,
            eta,
            last_activity_at: entry.last_activity_at(),
            last_event: progress.and_then(|progress| progress.last_event.get().cloned()),
            attempts: progress.map_or(0, |progress| progress.most_attempts),
            findings: entry.findings.clone(),
        })
    }

    /// One job in full. `progress` is used if the job's own progress is not in memory.
    pub fn job_detail(
        &self,
        job_id: JobId,
        progress: Option<JobProgress>,
        waits: Waits,
        now: Timestamp,
    ) -> Option<JobDetail> {
        let mut entry = self.jobs.get(&job_id)?.clone();
        let mut view = self.job_view(job_id, now)?;
        if entry.progress.is_none() {
            entry.progress = progress;
            if let Some(progress) = &entry.progress {
                view.last_event = progress.last_event.get().cloned();
                view.attempts = progress.most_attempts;
                view.last_activity_at = entry.last_activity_at();
            }
        }
        let (can_trigger, trigger_note) = trigger_note(&entry, waits, now);
        Some(JobDetail {
            segments: self.segments(&entry),
            timeline: timeline(&entry),
            lock: entry.truth.lock.as_ref().and_then(|lock| lock.value.clone()),
            can_trigger,
            trigger_note,
            result_sha256: entry.progress.as_ref().and_then(|progress| progress.result_sha256.clone()),
            check: None,
            result_bytes: entry.truth.result.as_ref().and_then(|result| result.value),
            warnings: entry
                .progress
                .iter()
                .flat_map(|progress| progress.warnings.iter().cloned().map(Into::into))
                .collect(),
            view,
        })
    }

    /// True if every message on the dead-letter queues about segments was seen.
    fn sees_all_dead_segments(&self) -> bool {
        let of_segments = [QueueRole::Inference, QueueRole::OutputEvents, QueueRole::JobStatusEvents];
        of_segments.iter().all(|role| self.has_more_dead_letters(*role) == Some(false))
    }

    /// The state of each segment of a job; empty before their number is known.
    pub fn segment_states(&self, job_id: JobId) -> Vec<SegmentState> {
        self.jobs.get(&job_id).map(|entry| self.states(entry)).unwrap_or_default()
    }

    fn states(&self, entry: &Entry) -> Vec<SegmentState> {
        let Some(total) = entry.job.total_segments else { return Vec::new() };
        let empty = JobProgress::default();
        let progress = entry.progress.as_ref().unwrap_or(&empty);
        let running: BTreeSet<u32> =
            self.running(entry, Patience::default()).into_iter().map(|running| running.segment_index).collect();
        let dead: BTreeSet<u32> =
            self.dead_letters(entry).into_iter().filter_map(|letter| letter.segment_index).collect();
        let is_over = matches!(entry.job.status, JobStatus::Completed | JobStatus::Deleted);
        let may_be_queued = self.depth(QueueRole::Inference).is_none_or(|depth| depth.value > 0);
        let state_of = |index: u32| {
            let is_recorded =
                entry.truth.completed.as_ref().is_some_and(|done| done.value.binary_search(&index).is_ok());
            let was_reported = progress.segments.get(&index).is_some_and(|segment| segment.completed_at.is_some());
            let is_unread = entry.truth.completed.is_none();
            if is_recorded || is_over || (is_unread && was_reported) {
                SegmentState::Done
            } else if dead.contains(&index) {
                SegmentState::DeadLettered
            } else if running.contains(&index) {
                SegmentState::Running
            } else if may_be_queued {
                SegmentState::Queued
            } else {
                SegmentState::Missing
            }
        };
        (0..total).map(state_of).collect()
    }

    fn segments(&self, entry: &Entry) -> Vec<SegmentView> {
        let empty = JobProgress::default();
        let progress = entry.progress.as_ref().unwrap_or(&empty);
        (0..)
            .zip(self.states(entry))
            .map(|(index, state)| {
                let segment = progress.segments.get(&index);
                SegmentView {
                    index,
                    state,
                    worker: segment.and_then(|segment| Some(segment.worker()?.0.clone())),
                    attempts: segment.map_or(0, |segment| segment.attempts),
                    frames_done: segment.and_then(|segment| segment.frames_done()),
                    frames: segment.and_then(|segment| segment.frames.get().copied()),
                    started_at: segment.and_then(|segment| segment.started_at),
                    completed_at: segment.and_then(|segment| segment.completed_at),
                    last_seen_at: segment.and_then(|segment| segment.last_seen_at),
                    // An error before the success is history: the events show it.
                    error: segment
                        .filter(|_| state != SegmentState::Done)
                        .and_then(|segment| Some(segment.error.get()?.error.clone())),
                }
            })
            .collect()
    }

    /// A page of jobs, newest first, starting after `after`, with the place where the next page starts.
    pub fn page(
        &self,
        status: Option<JobStatus>,
        after: Option<(Timestamp, JobId)>,
        limit: usize,
    ) -> (Vec<JobId>, Option<(Timestamp, JobId)>) {
        use std::cmp::Reverse;
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, |(at, id)| Bound::Excluded((Reverse(at), id)));
        let is_wanted =
            |id: &JobId| status.is_none_or(|status| self.jobs.get(id).is_some_and(|entry| entry.job.status == status));
        let mut ids: Vec<(Timestamp, JobId)> = self
            .order
            .range((from, Bound::Unbounded))
            .map(|(Reverse(at), id)| (*at, *id))
            .filter(|(_, id)| is_wanted(id))
            .take(limit + 1)
            .collect();
        let next = (ids.len() > limit).then(|| ids[limit - 1]);
        ids.truncate(limit);
        (ids.into_iter().map(|(_, id)| id).collect(), next)
    }

    /// One queue as shown.
    pub fn queue_view(&mut self, name: QueueName, now: Timestamp) -> Option<QueueView> {
        let is_served = name.role.served_by().is_some() && !name.is_dead_letter;
        let consumers = is_served.then(|| self.consumers(name, now));
        Some(self.queues.get_mut(&name)?.view(consumers, now))
    }

    /// Every queue, each main queue followed by its dead-letter queue.
    pub fn queue_views(&mut self, now: Timestamp) -> Vec<QueueView> {
        QueueName::all().filter_map(|name| self.queue_view(name, now)).collect()
    }

    /// All workers as shown.
    pub fn worker_views(&self, now: Timestamp) -> Vec<WorkerView> {
        let heard_until = self.heard_until(now);
        self.workers.iter().filter_map(|(name, worker)| worker.view(name, heard_until)).collect()
    }

    /// True if nothing receives from a queue. Absent if unknown: other consumers than our workers are seen by their services only.
    pub fn is_unserved(&self, role: QueueRole, now: Timestamp) -> Option<bool> {
        let name = QueueName::main(role);
        if self.consumers(name, now) > 0 {
            return Some(false);
        }
        if let Some(service) = self.services.iter().find(|service| service.name == role.service()) {
            return Some(service.running == 0);
        }
        let has_only_ours = self.queues.get(&name)?.stats()?.0.is_exact;
        has_only_ours.then_some(true)
    }

    /// Workers that reported lately and consume a queue.
    pub fn consumers(&self, name: QueueName, now: Timestamp) -> u32 {
        let Some(stage) = name.role.served_by().filter(|_| !name.is_dead_letter) else { return 0 };
        let heard_until = self.heard_until(now);
        self.workers.values().filter(|worker| worker.serves(stage, heard_until)).count() as u32
    }
}

/// Segments done; share of the work done; frames left, where known.
fn done_and_left(entry: &Entry) -> (u32, Option<f32>, Option<u64>) {
    let job = &entry.job;
    let total = job.total_segments;
    let progress = entry.progress.as_ref();
    let done = match &entry.truth.completed {
        Some(completed) => completed.value.len() as u32,
        None if job.status == JobStatus::Completed => total.unwrap_or(0),
        None => progress
            .map_or(0, |progress| progress.segments.values().filter(|one| one.completed_at.is_some()).count() as u32),
    };
    if job.status == JobStatus::Completed {
        return (done, Some(1.0), None);
    }
    let frames = progress.and_then(|progress| progress.total_frames.get().copied()).filter(|frames| *frames > 0);
    let by_segments = total.filter(|total| *total > 0).map(|total| (done as f32 / total as f32).min(1.0));
    let (Some(frames), Some(progress)) = (frames, progress) else { return (done, by_segments, None) };
    let is_done =
        |index: &u32| entry.truth.completed.as_ref().is_some_and(|done| done.value.binary_search(index).is_ok());
    let converted: u64 = progress
        .segments
        .iter()
        .map(|(index, segment)| {
            let so_far = segment.frames_done().unwrap_or(0);
            let whole = segment.frames.get().copied().unwrap_or(so_far);
            u64::from(if is_done(index) { whole } else { so_far })
        })
        .sum();
    let share = (converted as f32 / frames as f32).clamp(0.0, 1.0);
    // Completions without an event, from the time of another control plane, count too.
    (done, Some(share.max(by_segments.unwrap_or(0.0))), Some(frames.saturating_sub(converted)))
}

fn timeline(entry: &Entry) -> Vec<TimelineEntry> {
    let Some(progress) = &entry.progress else { return Vec::new() };
    // No attempt of an ended job still runs, even if its end was never reported.
    let over_at = entry.job.completed_at.or(progress.last_activity_at).filter(|_| entry.job.status.is_final());
    let mut entries: Vec<TimelineEntry> = progress
        .attempts
        .iter()
        .filter_map(|((stage, number), attempt)| {
            let ended_at = attempt.ended_at.time();
            let started_at = attempt.started_at.time().or(ended_at)?;
            Some(TimelineEntry {
                stage: *stage,
                attempt: *number,
                started_at,
                ended_at: ended_at.or(over_at.map(|at| at.max(started_at))),
                worker: attempt.worker.get().cloned(),
                error: attempt.error.get().cloned(),
            })
        })
        .collect();
    let segments = &progress.segments;
    let first = segments.values().filter_map(|segment| segment.started_at.or(segment.last_seen_at)).min();
    if let Some(started_at) = first {
        let done = segments.values().filter(|segment| segment.completed_at.is_some()).count();
        let is_over = entry.job.total_segments.is_some_and(|total| done >= total as usize);
        let ended_at = segments.values().filter_map(|segment| segment.completed_at).max();
        let workers: BTreeSet<&String> = segments.values().filter_map(|segment| Some(&segment.worker()?.0)).collect();
        let unfinished = segments.iter().filter(|(_, segment)| segment.completed_at.is_none());
        entries.push(TimelineEntry {
            stage: Stage::Inference,
            attempt: segments.values().map(|segment| segment.attempts).max().unwrap_or(1),
            started_at,
            ended_at: ended_at.filter(|_| is_over).or(over_at.map(|at| at.max(started_at))),
            worker: match workers.len() {
                0 => None,
                1 => workers.first().map(|name| (*name).clone()),
                more => Some(format!("{more} workers")),
            },
            error: unfinished
                .filter_map(|(index, one)| Some(format!("segment {index}: {}", one.error.get()?.error)))
                .next(),
        });
    }
    entries.sort_by_key(|entry| (entry.started_at, entry.stage, entry.attempt));
    entries
}

/// How long a trigger waits for a message or a lock holder before it acts without them.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// A reassembly message counts as lost after this long, if it is not in the queue.
    pub resend_after: Duration,
    /// The same if it may be in the queue.
    pub resend_anyway_after: Duration,
    pub queued: Queued,
    /// True if no worker receives from the reassembly queue; absent if that is unknown.
    pub is_unserved: Option<bool>,
    /// The holder of a lock without a lease may work for this long.
    pub holder_presumed: Duration,
}

impl Waits {
    /// Says that the message is, or may be, in the queue; none if it is not.
    fn in_queue(&self) -> Option<String> {
        let no_worker = if self.is_unserved == Some(true) { "; there is no worker" } else { "" };
        match self.queued {
            Queued::No => None,
            Queued::Yes => Some(format!("its message waits in reassembly{no_worker}")),
            Queued::Perhaps(messages) => {
                let held = plural(usize::try_from(messages).unwrap_or(usize::MAX), "message");
                Some(format!("its message may be among the {held} in reassembly{no_worker}"))
            }
        }
    }
}

/// Says why a lock without a lease is left alone, and for how long. Breaking it could make two workers write the same result.
pub fn held_without_lease(started: Timestamp, presumed: Duration, now: Timestamp) -> String {
    let (since, left) = (now.since(started), started.plus(presumed).since(now));
    format!(
        "a worker took the lock {} ago and gave no lease: it may be joining; this is possible in {}, when its message would come back",
        age(since),
        age(left)
    )
}

/// Whether an operator can trigger the reassembly now, and what that would do or why not.
pub fn trigger_note(entry: &Entry, waits: Waits, now: Timestamp) -> (bool, String) {
    let completed = entry.truth.completed.as_ref().map_or(&[][..], |done| &done.value);
    let (completions, surplus) = trigger::within(entry.job.total_segments, completed);
    let facts = trigger::Facts {
        job: entry.job.clone(),
        completions,
        surplus: surplus.iter().map(u32::to_string).collect(),
        lock: entry.truth.lock.as_ref().and_then(|lock| lock.value.clone()),
        result_exists: entry.truth.result.as_ref().is_some_and(|result| result.value.is_some()),
    };
    trigger_verdict(&facts, completed, waits, now)
}

/// Whether an operator can trigger a job with these facts, and what that would do or why not.
pub fn trigger_verdict(facts: &trigger::Facts, completed: &[u32], waits: Waits, now: Timestamp) -> (bool, String) {
    let job = &facts.job;
    if job.status == JobStatus::Failed {
        return match job.total_segments {
            _ if facts.result_exists => (true, "the result exists: the job is set to completed".into()),
            Some(total) if facts.completions >= total => {
                (true, "every segment is converted: the job is taken back from failed and joined".into())
            }
            Some(total) => (false, format!("the job failed, and {}", missing(total, completed))),
            None => (false, "the job failed before its segments were known".into()),
        };
    }
    match trigger::decide(facts, now, waits.resend_after) {
        Decision::CreateLockAndSend => {
            (true, "every segment is converted: the lock is made and reassembly asked for".into())
        }
        Decision::SendAgain => match (waits.in_queue(), facts.lock.as_ref().map(|lock| now.since(lock.triggered_at))) {
            (Some(words), Some(age)) if waits.queued == Queued::Yes || age < waits.resend_anyway_after => {
                (false, words)
            }
            (Some(words), _) if waits.is_unserved == Some(true) => (false, words),
            _ => (true, "the reassembly message seems lost: it is sent again".into()),
        },
        Decision::MarkReassembling => (true, "reassembly runs already: only the status is set".into()),
        Decision::MarkCompleted => (true, "the result exists: the job is set to completed".into()),
        Decision::Wait(Why::HeldWithoutLease) => {
            match facts.lock.as_ref().and_then(|lock| lock.reassembly_started_at) {
                Some(started) if now.since(started) >= waits.holder_presumed => (
                    true,
                    "the lock's holder gave no lease and is old: its mark is taken off and the message sent".into(),
                ),
                Some(started) => (false, held_without_lease(started, waits.holder_presumed, now)),
                None => (false, reason(job, Why::HeldWithoutLease, completed)),
            }
        }
        Decision::Wait(why @ Why::MessageUnderWay) => {
            (false, waits.in_queue().unwrap_or_else(|| reason(job, why, completed)))
        }
        Decision::Wait(why) => (false, reason(job, why, completed)),
    }
}

fn reason(job: &Job, why: Why, completed: &[u32]) -> String {
    match why {
        Why::Ended => format!("the job is {}", job.status),
        Why::NotChunked => "the source is not split yet: the number of segments isn't known".into(),
        Why::Missing(count) => job.total_segments.map_or(format!("{count} missing"), |total| missing(total, completed)),
        Why::MessageUnderWay => "a reassembly message was sent a moment ago and is under way".into(),
        Why::Running => "a worker is joining the segments now".into(),
        Why::HeldWithoutLease => "a worker holds the lock without a lease".into(),
        Why::Surplus(count) => format!("{count} completions are of none of its segments, and may not be removed"),
    }
}

/// `3 of 8 segments missing: 1, 2, 7`.
fn missing(total: u32, completed: &[u32]) -> String {
    let absent: Vec<u32> = (0..total).filter(|index| completed.binary_search(index).is_err()).collect();
    let named: Vec<String> = absent.iter().take(10).map(u32::to_string).collect();
    let more = absent.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} of {total} segments missing: {}{more}", absent.len(), named.join(", "))
}

#[cfg(test)]
mod tests;
