//! Everything known of one job, gathered for the diagnosis.

use std::time::Duration;

use stereospot_domain::diagnosis::{self, DeadLetter, Fact, FailingStep, JobFacts, Patience, RunningSegment};
use stereospot_domain::{JobId, QueueName, QueueRole, Stage, Timestamp};

use super::World;
use super::flow::Flow;
use super::progress::SegmentProgress;
use super::world::Entry;

/// A reassembly queue's visibility timeout where it is not known: the longest that deployments are made with.
const LONGEST_HIDDEN: Duration = Duration::from_secs(3600);

impl World {
    /// Diagnoses a job anew. True when something else is wrong with it than before.
    pub(crate) fn diagnose(&mut self, job_id: JobId, now: Timestamp, patience: Patience) -> bool {
        let Some(facts) = self.facts(job_id, patience) else { return false };
        let findings = diagnosis::diagnose(&facts, now, patience);
        let Some(entry) = self.jobs.get_mut(&job_id) else { return false };
        if entry.findings == findings {
            return false;
        }
        match findings.is_empty() {
            true => self.flagged.remove(&job_id),
            false => self.flagged.insert(job_id),
        };
        entry.findings = findings;
        self.dirty.jobs.insert(job_id);
        true
    }

    /// What is known of a job; none when there is no such job.
    pub(crate) fn facts(&self, job_id: JobId, patience: Patience) -> Option<JobFacts> {
        let entry = self.jobs.get(&job_id)?;
        Some(JobFacts {
            job: Fact::exact(entry.job.clone(), entry.observed_at),
            completed: entry.truth.completed.clone(),
            lock: entry.truth.lock.clone(),
            gone: entry.truth.gone.clone(),
            source_exists: exists(entry.truth.source.as_ref()),
            result_exists: exists(entry.truth.result.as_ref()),
            outputs: entry.truth.outputs.clone(),
            dead_letters: self.dead_letters(entry),
            has_unseen_dead_sources: self.has_unseen_dead_letters(QueueRole::Chunking),
            has_unseen_dead_letters: self.has_unseen_dead_letters(QueueRole::Inference),
            running: self.running(entry, patience),
            failing: entry.failing(),
            chunking_depth: self.depth(QueueRole::Chunking),
            inference_depth: self.depth(QueueRole::Inference),
            reassembly_depth: self.depth(QueueRole::Reassembly),
            chunking_tries: self.tries(QueueRole::Chunking),
            inference_tries: self.tries(QueueRole::Inference),
            reassembly_tries: self.tries(QueueRole::Reassembly),
            holder_presumed: self.holder_presumed(),
            last_activity_at: entry.last_activity_at(),
        })
    }

    /// How long a reassembly lock's holder that gave no lease is presumed to work: as long as the message that it received is
    /// hidden from others.
    pub(crate) fn holder_presumed(&self) -> Duration {
        let settings = self.queues.get(&QueueName::main(QueueRole::Reassembly)).and_then(Flow::settings);
        settings.map_or(LONGEST_HIDDEN, |settings| settings.visibility)
    }

    /// How long a message can be tried before it is dead; none where the queue's depth is exact, or messages wait there that
    /// were perhaps never tried.
    fn tries(&self, role: QueueRole) -> Option<Duration> {
        let name = QueueName::main(role);
        let flow = self.queues.get(&name).filter(|_| !self.queue_faults.contains_key(&name))?;
        let ((stats, _), settings) = (flow.stats()?, flow.settings()?);
        let is_known = !stats.is_exact && stats.ready == 0;
        is_known.then_some(settings.visibility.saturating_mul(settings.max_receives?))
    }

    /// The job's messages on dead-letter queues.
    pub(crate) fn dead_letters(&self, entry: &Entry) -> Vec<DeadLetter> {
        let of_job = |(queue, seen): (&QueueName, &Vec<super::world::SeenDead>)| {
            let queue = *queue;
            seen.iter()
                .filter_map(|dead| {
                    let (job_id, segment_index) = dead.about?;
                    (job_id == entry.job.job_id).then(|| DeadLetter {
                        queue,
                        message_id: dead.message_id.clone(),
                        segment_index,
                        since: dead.since,
                        error: entry.last_error(queue.role, segment_index),
                        is_damaged: segment_index.is_some_and(|index| entry.is_damaged(index)),
                    })
                })
                .collect::<Vec<_>>()
        };
        self.dead.iter().flat_map(of_job).collect()
    }

    /// True when a dead-letter queue holds more messages than were looked at, was not looked at yet though it holds some, or was not
    /// read since its main queue became empty: what left that may lie there.
    pub(crate) fn has_unseen_dead_letters(&self, role: QueueRole) -> bool {
        let name = QueueName::dead_letter(role);
        let Some(flow) = self.queues.get(&name) else { return false };
        // One that can't be read, or was not read yet, may hold anything; one that does not exist, nothing.
        let is_missing = self.queue_faults.get(&name).is_some_and(|fault| fault.is_missing);
        let Some((stats, read_at)) = flow.stats() else { return !is_missing };
        let settled_at = self.queues.get(&QueueName::main(role)).and_then(Flow::settled_at);
        if self.queue_faults.contains_key(&name) || settled_at.is_some_and(|at| read_at < at) {
            return true;
        }
        super::flow::total(stats) > self.dead.get(&name).map_or(0, |seen| seen.len() as u64)
    }

    /// True when a message of the job lies on a dead-letter queue, or may be one of those that were not looked at.
    pub(crate) fn may_be_dead_lettered(&self, job_id: JobId, role: QueueRole) -> bool {
        let of_job = |dead: &super::world::SeenDead| dead.about.is_some_and(|(dead, _)| dead == job_id);
        let is_seen = self.dead.get(&QueueName::dead_letter(role)).is_some_and(|seen| seen.iter().any(of_job));
        is_seen || self.has_unseen_dead_letters(role)
    }

    /// Segments that workers say they work on and may well work on.
    pub(crate) fn running(&self, entry: &Entry, patience: Patience) -> Vec<RunningSegment> {
        let Some(progress) = &entry.progress else { return Vec::new() };
        let completed = entry.truth.completed.as_ref();
        let is_done = |index: &u32| completed.is_some_and(|done| done.value.binary_search(index).is_ok());
        // Who works on a segment holds its message: with no message left on the queue, nobody does.
        let depth = self.depth(QueueRole::Inference);
        let empty_since = depth.as_ref().filter(|depth| depth.value == 0).map(|depth| depth.observed_at);
        let depth_at = depth.as_ref().filter(|depth| depth.value > 0).map(|depth| depth.observed_at);
        progress
            .segments
            .iter()
            .filter(|(index, segment)| segment.is_started() && !is_done(index))
            .filter_map(|(index, segment)| {
                let ((worker, boot), last_seen_at) = (segment.worker()?, segment.last_seen_at?);
                let has_left = self.workers.get(worker).is_some_and(|worker| worker.has_left(*boot));
                // A log tells of beginnings and ends only: as long as messages are left, the work may go on.
                let is_log = super::world::is_observed(worker);
                let last_seen_at = depth_at.filter(|_| is_log).map_or(last_seen_at, |at| last_seen_at.max(at));
                let is_gone = empty_since.is_some_and(|at| at.since(last_seen_at) >= patience.step);
                (!has_left && !is_gone).then(|| RunningSegment {
                    segment_index: *index,
                    worker: worker.clone(),
                    last_seen_at,
                })
            })
            .collect()
    }
}

impl Entry {
    /// When anything was last heard or seen of the job.
    pub(crate) fn last_activity_at(&self) -> Timestamp {
        let heard = self.progress.as_ref().and_then(|progress| progress.last_activity_at);
        let completed = self.job.completed_at.unwrap_or_default().max(self.job.uploaded_at.unwrap_or_default());
        let told = self.job.created_at.max(completed).max(heard.unwrap_or_default());
        told.max(self.touched_at).max(self.truth.newest())
    }

    /// True when a segment's last attempt found the stored segment damaged.
    pub(crate) fn is_damaged(&self, segment_index: u32) -> bool {
        let segment = self.progress.as_ref().and_then(|progress| progress.segments.get(&segment_index));
        segment.is_some_and(SegmentProgress::is_damaged)
    }

    /// Steps whose last attempts failed.
    fn failing(&self) -> Vec<FailingStep> {
        let Some(progress) = &self.progress else { return Vec::new() };
        let of_segments = progress.segments.iter().filter_map(|(index, segment)| {
            Some((Stage::Inference, Some(*index), segment.failures.row()?, segment.error.get()?))
        });
        let of_stages = progress
            .failures
            .iter()
            .filter_map(|(stage, failures)| Some((*stage, None, failures.row()?, progress.errors.get(stage)?.get()?)));
        of_stages
            .chain(of_segments)
            .map(|(stage, segment_index, (attempts, since, last_failed_at), error)| FailingStep {
                stage,
                segment_index,
                attempts,
                since,
                last_failed_at,
                error: error.clone(),
                is_out_of_space: says_full(error),
            })
            .collect()
    }

    /// The last error that a worker reported for the work of a queue.
    pub(crate) fn last_error(&self, role: QueueRole, segment_index: Option<u32>) -> Option<String> {
        let progress = self.progress.as_ref()?;
        match role {
            QueueRole::Chunking => progress.errors.get(&Stage::Chunking)?.get().cloned(),
            QueueRole::Inference => progress.segments.get(&segment_index?)?.error.get().cloned(),
            QueueRole::Reassembly => progress.errors.get(&Stage::Reassembly)?.get().cloned(),
            QueueRole::OutputEvents
            | QueueRole::JobStatusEvents
            | QueueRole::Deletion
            | QueueRole::Ingest
            | QueueRole::JobEvents => None,
        }
    }
}

/// True for the errors that workers report while they wait for space: events carry the sentence, not its code.
fn says_full(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    error.contains("no space left") || error.contains("the disk is full")
}

fn exists(size: Option<&Fact<Option<u64>>>) -> Option<Fact<bool>> {
    size.map(|fact| Fact { value: fact.value.is_some(), observed_at: fact.observed_at, is_exact: fact.is_exact })
}
