//! Gathers everything that is known of a job, and diagnoses it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use stereospot_domain::diagnosis::{
    self, DeadLetter, Fact, FailingStep, FindingCode, JobFacts, Patience, RunningSegment, Unknown, Unseen,
};
use stereospot_domain::queue::Settings;
use stereospot_domain::text::plural;
use stereospot_domain::{ErrorCode, JobId, QueueName, QueueRole, Stage, Timestamp};

use super::World;
use super::flow::{Flow, LAG};
use super::known::{Entry, SeenDead};
use super::progress::{Reported, SegmentProgress};
use super::worker::ProcessEnd;

/// The reassembly queue's visibility timeout where it is unknown: the longest that deployments use.
const LONGEST_HIDDEN: Duration = Duration::from_secs(3600);
/// The ingest queue's visibility timeout and max receives where they are unknown: those that deployments use.
const INGEST_HIDDEN: Duration = Duration::from_secs(1200);
const INGEST_RECEIVES: u32 = 5;

impl World {
    /// Diagnoses a job again. True when its findings change.
    pub fn diagnose(&mut self, job_id: JobId, now: Timestamp, patience: Patience) -> bool {
        let Some(facts) = self.facts(job_id, patience) else { return false };
        let mut findings = diagnosis::diagnose(&facts, now, patience);
        let Some(entry) = self.jobs.get_mut(&job_id) else { return false };
        let failed_repair = entry.failed_repair.take().and_then(|(code, why)| {
            let finding = findings.iter_mut().find(|finding| finding.code == code)?;
            finding.evidence.push(format!("a repair was tried, and can't be done: {why}"));
            Some((code, why))
        });
        entry.failed_repair = failed_repair;
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

    /// Diagnoses all jobs with findings, because what their findings rest on is no longer known.
    pub fn diagnose_flagged(&mut self, now: Timestamp, patience: Patience) {
        for job_id in self.flagged.clone() {
            self.diagnose(job_id, now, patience);
        }
    }

    /// Keeps why a finding's repair failed, for as long as the finding stays. `None`: the repair succeeded.
    pub fn tried(&mut self, job_id: JobId, code: FindingCode, failure: Option<String>) {
        if let Some(entry) = self.jobs.get_mut(&job_id) {
            entry.failed_repair = failure.map(|why| (code, why));
        }
    }

    /// All facts about a job; none when there is no such job.
    pub fn facts(&self, job_id: JobId, patience: Patience) -> Option<JobFacts> {
        let entry = self.jobs.get(&job_id)?;
        Some(JobFacts {
            job: Fact::exact(entry.job.clone(), entry.observed_at),
            completed: entry.truth.completed.clone(),
            lock: entry.truth.lock.clone(),
            gone: entry.truth.gone.clone(),
            source_exists: exists(entry.truth.source.as_ref()),
            result_exists: exists(entry.truth.result.as_ref()),
            result_damage: entry.truth.damage.clone(),
            row_gone_since: entry.row_gone_since,
            deleted_before: entry.deleted_before,
            outputs: entry.truth.outputs.clone(),
            dead_letters: self.dead_letters(entry),
            unseen_sources: self.unseen_dead_letters(QueueRole::Chunking),
            unseen_segments: self.unseen_dead_letters(QueueRole::Inference),
            unseen_ingests: self.unseen_dead_letters(QueueRole::Ingest),
            running: self.running(entry, patience),
            failing: entry.failing(),
            join_error: entry
                .last_reported(QueueRole::Reassembly, None)
                .map(|reported| (reported.error.clone(), reported.code)),
            chunking_depth: self.depth_since(QueueRole::Chunking, entry.touched_at),
            inference_depth: self.depth_since(QueueRole::Inference, entry.touched_at),
            reassembly_depth: self.depth_since(QueueRole::Reassembly, entry.touched_at),
            ingest_depth: self.depth_since(QueueRole::Ingest, entry.touched_at),
            ingest_unknown: self.unknown(QueueRole::Ingest),
            chunking_tries: self.tries(QueueRole::Chunking),
            inference_tries: self.tries(QueueRole::Inference),
            reassembly_tries: self.tries(QueueRole::Reassembly),
            ingest_tries: self.tries(QueueRole::Ingest),
            fetch_presumed: self.fetch_presumed(),
            fetch_tries: self.fetch_tries(),
            holder_presumed: self.holder_presumed(),
            last_activity_at: entry.last_activity_at(),
        })
    }

    /// How long to presume that the holder of a reassembly lock without a lease works: as long as the message that it received stays
    /// invisible to others.
    pub fn holder_presumed(&self) -> Duration {
        self.settings(QueueRole::Reassembly).map_or(LONGEST_HIDDEN, |settings| settings.visibility)
    }

    /// How long fetching a source may take without a sign: as long as its message stays invisible to others.
    pub fn fetch_presumed(&self) -> Duration {
        self.settings(QueueRole::Ingest).map_or(INGEST_HIDDEN, |settings| settings.visibility)
    }

    /// How long the attempts at fetching a source may take in all.
    fn fetch_tries(&self) -> Duration {
        let receives = self.settings(QueueRole::Ingest).and_then(|settings| settings.max_receives);
        self.fetch_presumed().saturating_mul(receives.unwrap_or(INGEST_RECEIVES))
    }

    /// A queue's settings, as last read.
    fn settings(&self, role: QueueRole) -> Option<Settings> {
        self.queues.get(&QueueName::main(role)).and_then(Flow::settings)
    }

    /// Why it can't be known whether messages wait on a queue; none while the queue is read.
    fn unknown(&self, role: QueueRole) -> Option<Unknown> {
        let name = QueueName::main(role);
        let Some(flow) = self.queues.get(&name) else { return Some(Unknown::NotDeployed) };
        let fault = self.queue_faults.get(&name).filter(|_| flow.stats().is_none())?;
        Some(Unknown::Unreadable(fault.error.clone()))
    }

    /// A queue's depth, unless the reading may be too old to count a message sent at this time.
    fn depth_since(&self, role: QueueRole, sent_at: Timestamp) -> Option<Fact<u64>> {
        self.depth(role).filter(|depth| depth.observed_at >= if depth.is_exact { sent_at } else { sent_at.plus(LAG) })
    }

    /// How long a message can be tried before it is dead-lettered. None where counts are exact, or while messages are ready,
    /// because some may never have been received.
    fn tries(&self, role: QueueRole) -> Option<Duration> {
        let name = QueueName::main(role);
        let flow = self.queues.get(&name).filter(|_| !self.queue_faults.contains_key(&name))?;
        let ((stats, _), settings) = (flow.stats()?, flow.settings()?);
        let is_known = !stats.is_exact && stats.ready == 0;
        is_known.then_some(settings.visibility.saturating_mul(settings.max_receives?))
    }

    /// Why the work of a queue did not succeed: the last error that a worker reported, else which workers ended without a report.
    pub fn last_error(&self, entry: &Entry, role: QueueRole, segment_index: Option<u32>) -> Option<String> {
        let reported = entry.last_reported(role, segment_index).map(|reported| reported.error.clone());
        reported.or_else(|| self.died(&entry.silent_ends(role, segment_index)?))
    }

    /// Says which workers died, and how, given the attempts that reported no end.
    fn died(&self, attempts: &[(&str, Timestamp)]) -> Option<String> {
        let workers: Vec<&str> =
            attempts.iter().map(|(worker, _)| *worker).collect::<BTreeSet<_>>().into_iter().collect();
        let who = match workers[..] {
            [] => return None,
            [one] => format!("worker {one}"),
            _ => format!("workers {}", workers.join(", ")),
        };
        let mut ends: BTreeMap<ProcessEnd, usize> = BTreeMap::new();
        for (worker, began_at) in attempts {
            if let Some(end) = self.workers.get(*worker).and_then(|worker| worker.end_of_process_at(*began_at)) {
                *ends.entry(end).or_default() += 1;
            }
        }
        let all = attempts.len();
        let how = |(end, count): (&ProcessEnd, &usize)| {
            let end = match end {
                ProcessEnd::Signal(signal) => format!("signal {signal}"),
                ProcessEnd::ExitCode(code) => format!("exit code {code}"),
            };
            if *count == all { end } else { format!("{end} in {count} of them") }
        };
        let ends: Vec<String> = ends.iter().map(how).collect();
        let how = if ends.is_empty() { "its log may show a kill or a crash".to_owned() } else { ends.join(", ") };
        Some(format!("{who} ended without a report in {}: {how}", plural(all, "attempt")))
    }

    /// The dead letters of a job.
    pub fn dead_letters(&self, entry: &Entry) -> Vec<DeadLetter> {
        let of_job = |(queue, seen): (&QueueName, &Vec<SeenDead>)| {
            let queue = *queue;
            seen.iter()
                .filter_map(|dead| {
                    let (job_id, segment_index) = dead.about?;
                    (job_id == entry.job.job_id).then(|| DeadLetter {
                        queue,
                        message_id: dead.message_id.clone(),
                        segment_index,
                        since: dead.since,
                        error: self.last_error(entry, queue.role, segment_index),
                        code: entry.last_reported(queue.role, segment_index).and_then(|reported| reported.code),
                        is_damaged: segment_index.is_some_and(|index| entry.is_damaged(index)),
                    })
                })
                .collect::<Vec<_>>()
        };
        self.dead.iter().flat_map(of_job).collect()
    }

    /// Jobs with a message on a dead-letter queue, among those that were looked at.
    pub fn dead_jobs(&self, name: QueueName) -> HashSet<JobId> {
        self.dead.get(&name).into_iter().flatten().filter_map(|dead| Some(dead.about?.0)).collect()
    }

    /// Why a dead-letter queue may hold messages that were not seen: it can't be read, holds more than were looked at, or was not
    /// read since its main queue became empty, so that messages may have moved.
    pub fn unseen_dead_letters(&self, role: QueueRole) -> Option<Unseen> {
        let name = QueueName::dead_letter(role);
        let fault = self.queue_faults.get(&name);
        let read_at = self.queues.get(&name).and_then(Flow::stats).map(|(_, at)| at);
        match self.has_more_dead_letters(role) {
            None => Some(fault.map_or(Unseen::NotRead, |fault| Unseen::Unreadable(fault.error.clone()))),
            Some(true) => Some(Unseen::NotRead),
            Some(false) => {
                let settled_at = self.queues.get(&QueueName::main(role)).and_then(Flow::settled_at);
                let is_behind = |read_at| fault.is_some() || settled_at.is_some_and(|at| read_at < at);
                read_at.is_some_and(is_behind).then_some(Unseen::NotRead)
            }
        }
    }

    /// Whether a dead-letter queue holds more messages than were looked at; none while that is unknown.
    pub fn has_more_dead_letters(&self, role: QueueRole) -> Option<bool> {
        let name = QueueName::dead_letter(role);
        let Some(flow) = self.queues.get(&name) else { return Some(false) };
        let Some((stats, _)) = flow.stats() else {
            // A deleted queue may have held anything. But where the main queue has no redrive policy, there never was one.
            let is_missing = self.queue_faults.get(&name).is_some_and(|fault| fault.is_missing);
            let has_none = self.settings(role).is_some_and(|settings| settings.max_receives.is_none());
            return (is_missing && has_none).then_some(false);
        };
        Some(super::flow::total(stats) > self.dead.get(&name).map_or(0, |seen| seen.len() as u64))
    }

    /// True when a message of the job is dead-lettered, or may be.
    pub fn may_be_dead_lettered(&self, job_id: JobId, role: QueueRole) -> bool {
        let of_job = |dead: &SeenDead| dead.about.is_some_and(|(dead, _)| dead == job_id);
        let is_seen = self.dead.get(&QueueName::dead_letter(role)).is_some_and(|seen| seen.iter().any(of_job));
        is_seen || self.unseen_dead_letters(role).is_some()
    }

    /// Segments on which workers report work that may well go on.
    pub fn running(&self, entry: &Entry, patience: Patience) -> Vec<RunningSegment> {
        let Some(progress) = &entry.progress else { return Vec::new() };
        let completed = entry.truth.completed.as_ref();
        let is_done = |index: &u32| completed.is_some_and(|done| done.value.binary_search(index).is_ok());
        // A worker holds the message of its segment: when no message is left on the queue, none is at work.
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
                // Logs show only when work begins and ends: while messages are left, the work may go on.
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
    /// The last sign of life of the job.
    pub fn last_activity_at(&self) -> Timestamp {
        let heard = self.progress.as_ref().and_then(|progress| progress.last_activity_at);
        let completed = self.job.completed_at.unwrap_or_default().max(self.job.uploaded_at.unwrap_or_default());
        let reported = self.job.created_at.max(completed).max(heard.unwrap_or_default());
        reported.max(self.touched_at).max(self.truth.newest())
    }

    /// True when the last attempt at a segment found the stored segment damaged.
    pub fn is_damaged(&self, segment_index: u32) -> bool {
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
            .map(|(stage, segment_index, (attempts, since, last_failed_at), reported)| FailingStep {
                stage,
                segment_index,
                attempts,
                since,
                last_failed_at,
                error: reported.error.clone(),
                is_out_of_space: reported.code == Some(ErrorCode::Full),
            })
            .collect()
    }

    /// The workers that began this work and ended without a report, one for each attempt, and when it began: they were killed, or
    /// crashed.
    fn silent_ends(&self, role: QueueRole, segment_index: Option<u32>) -> Option<Vec<(&str, Timestamp)>> {
        let progress = self.progress.as_ref()?;
        Some(match role.stage()? {
            Stage::Inference => progress.segments.get(&segment_index?)?.unended(),
            stage => progress.unended(stage),
        })
    }

    fn last_reported(&self, role: QueueRole, segment_index: Option<u32>) -> Option<&Reported> {
        let progress = self.progress.as_ref()?;
        let reported = match role {
            QueueRole::Chunking => progress.errors.get(&Stage::Chunking)?,
            QueueRole::Inference => &progress.segments.get(&segment_index?)?.error,
            QueueRole::Reassembly => progress.errors.get(&Stage::Reassembly)?,
            QueueRole::OutputEvents
            | QueueRole::JobStatusEvents
            | QueueRole::Deletion
            | QueueRole::Ingest
            | QueueRole::JobEvents => return None,
        };
        reported.get()
    }
}

fn exists(size: Option<&Fact<Option<u64>>>) -> Option<Fact<bool>> {
    size.map(|fact| Fact { value: fact.value.is_some(), observed_at: fact.observed_at, is_exact: fact.is_exact })
}

#[cfg(test)]
mod tests;
