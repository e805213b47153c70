//! The landing screen's list: what is wrong, gravest first, each with its evidence and what an operator can do.
//!
//! Titles and evidence are sentences for people. What is decided on, here and by clients, is typed beside them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_api::view::{Attention, WorkerState};
use stereospot_domain::attention::{Means, Step, Subject, Wait};
use stereospot_domain::diagnosis::{Finding, FindingCode, Repair, Severity};
use stereospot_domain::text::{age, plural};
use stereospot_domain::{Fingerprint, JobStatus, QueueName, QueueRole, Timestamp};

use super::World;
use super::known::{LetterKind, SeenDead};

mod sources;

pub use sources::down_since;

/// A message may wait so long without a consumer before the stage counts as stalled.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// A message may be in flight so long before a worker must be known to hold it. Approximate counts lag by a minute.
const HELD_AFTER: Duration = Duration::from_secs(120);
/// Scaling on queue depth acts on numbers of each minute, and a task takes minutes to start.
const SCALING_TAKES: Duration = Duration::from_secs(600);
/// Most lines.
const MAX_LINES: usize = 500;

impl World {
    /// The list as of now.
    pub fn attention_list(&self, now: Timestamp) -> Vec<Attention> {
        let mut list = Vec::new();
        self.dead_letter_lines(&mut list);
        self.job_lines(&mut list);
        self.stalled_lines(now, &mut list);
        self.held_lines(now, &mut list);
        self.service_lines(now, &mut list);
        self.source_lines(now, &mut list);
        self.worker_lines(now, &mut list);
        list.sort_by(|a, b| order(a).cmp(&order(b)));
        list.truncate(MAX_LINES);
        list
    }

    fn dead_letter_lines(&self, list: &mut Vec<Attention>) {
        for (queue, seen) in self.dead.iter().filter(|(_, seen)| !seen.is_empty()) {
            // One cause may differ in ids and numbers from job to job: an example of it is shown.
            let mut causes: BTreeMap<Fingerprint, (String, usize)> = BTreeMap::new();
            for dead in seen {
                let error = dead
                    .about
                    .and_then(|(job_id, segment)| self.last_error(self.jobs.get(&job_id)?, queue.role, segment));
                if let Some(error) = error {
                    causes.entry(Fingerprint::of(&error)).or_insert((error, 0)).1 += 1;
                }
            }
            let mut causes: Vec<(String, usize)> = causes.into_values().collect();
            causes.sort_by_key(|(_, count)| Reverse(*count));
            let causes: Vec<String> = causes.iter().take(3).map(|(error, count)| format!("{error} ×{count}")).collect();
            let counted = self.queues.get(queue).and_then(|flow| flow.stats());
            let count = counted.map_or(0, |(stats, _)| super::flow::total(stats)).max(seen.len() as u64);
            let messages = plural(count as usize, "message");
            let needless = self.needless(*queue, seen);
            let evidence = match (causes.is_empty(), needless, queue.role.dead_letters_are()) {
                (_, Some(what), _) => format!("{messages}: {what}"),
                (false, None, _) => format!("{messages}: {}", causes.join(", ")),
                (true, None, Some(what)) => format!("{messages}: {what}"),
                (true, None, None) => messages,
            };
            let mut next = vec![Step::Triage { queue: *queue }];
            if !self.is_read_only {
                let may_help = count > seen.len() as u64 || seen.iter().any(|dead| self.can_replay(*queue, dead));
                // A replay would leave all of them alone.
                next.extend(match needless {
                    _ if may_help => Some(Step::Replay { queue: *queue }),
                    Some(_) => Some(Step::Discard { queue: *queue }),
                    None => None,
                });
            }
            let since = seen.iter().map(|dead| dead.since).min().unwrap_or_default();
            let said = (format!("DLQ {}", queue.role.as_str()), evidence);
            let about = Subject::DeadLetterQueue { queue: *queue };
            list.push(Attention::new(about, Severity::Critical, since, said, next));
        }
    }

    /// False if a replay surely leaves a dead letter alone: no worker can read it, its work is done, or what it needs is gone.
    fn can_replay(&self, queue: QueueName, dead: &SeenDead) -> bool {
        if dead.kind != LetterKind::Work {
            return false;
        }
        // Of the others' messages it is not known who can read them.
        let Some((job_id, segment)) = dead.about else { return true };
        let Some(entry) = self.jobs.get(&job_id) else { return true };
        let is_over = matches!(entry.job.status, JobStatus::Completed | JobStatus::Deleted);
        let is_done = segment.is_some_and(|index| {
            entry.truth.completed.as_ref().is_some_and(|done| done.value.binary_search(&index).is_ok())
        });
        let is_of_segments = queue.role == QueueRole::Inference;
        let code = match queue.role {
            QueueRole::Chunking => Some(FindingCode::SourceDeadLettered),
            QueueRole::Inference => Some(FindingCode::SegmentDeadLettered),
            _ => None,
        };
        let finding = entry.findings.iter().find(|finding| Some(finding.code) == code);
        let is_useless = finding.is_some_and(|finding| match &finding.repair {
            Some(Repair::ReplayDeadLetters { message_ids, .. }) => !message_ids.contains(&dead.message_id),
            _ => true,
        });
        !(queue.role.stage().is_some() && is_over || is_of_segments && is_done || is_useless)
    }

    /// Why no message of a dead-letter queue needs a replay; none if one may.
    fn needless(&self, queue: QueueName, seen: &[SeenDead]) -> Option<&'static str> {
        let all = |kind| seen.iter().all(|dead| dead.kind == kind);
        let is_over = |dead: &SeenDead| {
            let entry = dead.about.and_then(|(job_id, _)| self.jobs.get(&job_id));
            queue.role.is_in_pipeline()
                && entry.is_some_and(|entry| matches!(entry.job.status, JobStatus::Completed | JobStatus::Deleted))
        };
        if all(LetterKind::TestNotice) {
            Some("S3's notice that notifications were configured; nothing to do")
        } else if all(LetterKind::Unreadable) {
            Some("no worker can read it")
        } else if seen.iter().all(|dead| dead.kind != LetterKind::Work || is_over(dead)) {
            Some("no job needs them any more")
        } else {
            None
        }
    }

    fn job_lines(&self, list: &mut Vec<Attention>) {
        for entry in self.flagged.iter().filter_map(|job_id| self.jobs.get(job_id)) {
            for finding in entry.findings.iter().filter(|finding| finding.severity > Severity::Notice) {
                let job_id = entry.job.job_id;
                let has_failed = entry.failed_repair.as_ref().is_some_and(|(code, _)| *code == finding.code);
                let means = Means { is_read_only: self.is_read_only, reconciles: self.reconciles, has_failed };
                let done = match (&entry.truth.completed, entry.job.total_segments) {
                    (Some(completed), Some(total)) => format!("{}/{total}  ", completed.value.len()),
                    _ => String::new(),
                };
                let title = format!("job {} {}", job_id.short(), state_of(entry.job.status, finding));
                let evidence = format!("{done}{}: {}", finding.code.title(), finding.evidence.join("; "));
                list.push(Attention::new(
                    Subject::Job { job_id, code: finding.code },
                    finding.severity,
                    finding.since,
                    (title, evidence),
                    finding.steps(job_id, means),
                ));
            }
        }
    }

    fn stalled_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        if self.misses_events(now) {
            // Whether any worker serves a queue is not known. Another line says why.
            return;
        }
        // Only our workers send events. Other consumers are seen by their services.
        for role in QueueRole::ALL {
            let Some(stage) = role.served_by() else { continue };
            let name = QueueName::main(*role);
            let Some((stats, _)) = self.queues.get(&name).and_then(|flow| flow.stats()) else { continue };
            let Some(oldest) = stats.oldest_enqueued_at.filter(|_| stats.ready > 0) else { continue };
            if now.since(oldest) < STALLED_AFTER || self.consumers(name, now) > 0 {
                continue;
            }
            let evidence = format!("queue {}, oldest {}, 0 consumers", stats.ready, age(now.since(oldest)));
            list.push(Attention::new(
                Subject::Stage { role: *role },
                Severity::Critical,
                oldest,
                (format!("{} idle", role.as_str()), evidence),
                vec![Step::StartWorker { stage }],
            ));
        }
    }

    /// Queues with messages in flight that no known worker holds: a poll that outlived its worker took them, or an unknown consumer.
    fn held_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        if self.misses_events(now) {
            return;
        }
        let workers = self.worker_views(now);
        for role in QueueRole::ALL {
            let Some(stage) = role.stage() else { continue };
            let name = QueueName::main(*role);
            let Some(flow) = self.queues.get(&name) else { continue };
            let (Some(since), Some((stats, _)), Some(settings)) = (flow.held_since(), flow.stats(), flow.settings())
            else {
                continue;
            };
            let ours = workers.iter().filter(|worker| worker.stage.is_none_or(|own| own == stage));
            let mut ours = ours.map(|worker| worker.state).peekable();
            // The tasks of a service report nothing: they may hold it. So may others, where neither workers nor services are known.
            let service = self.services.iter().find(|view| view.name == role.service());
            let is_served = service.map_or(ours.peek().is_none(), |view| view.running > 0);
            let is_held = ours.any(|state| matches!(state, WorkerState::Busy | WorkerState::Draining));
            let is_known = list.iter().any(|item| item.about == Subject::Stage { role: *role });
            if now.since(since) < HELD_AFTER || is_served || is_held || is_known {
                continue;
            }
            let evidence = format!(
                "{} in flight for {}, and no known worker is at work; what no worker holds comes back at most {} after it was received",
                plural(stats.in_flight as usize, "message"),
                age(now.since(since)),
                age(settings.visibility),
            );
            let said = (format!("{} held by no worker", role.as_str()), evidence);
            let next = vec![Step::Wait { until: Wait::LeaseEnds }, Step::ShowWorkers];
            list.push(Attention::new(Subject::Stage { role: *role }, Severity::Warning, since, said, next));
        }
    }

    /// Queues whose messages wait for longer than scaling takes, while their service has no task or does not exist.
    fn service_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        for role in QueueRole::ALL {
            let (name, service) = (QueueName::main(*role), role.service());
            let Some(flow) = self.queues.get(&name) else { continue };
            let (Some(waiting), Some((stats, _))) = (flow.waiting_since(), flow.stats()) else { continue };
            if self.consumers(name, now) > 0 {
                // Workers of ours stand in for the service.
                continue;
            }
            let service_name = || service.to_owned();
            let (since, evidence, next) = match self.services.iter().find(|view| view.name == service) {
                Some(view) => {
                    let Some(without) = self.without_tasks.get(service) else { continue };
                    let note = view.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
                    let next = match view.desired {
                        0 if self.is_read_only => Step::Wait { until: Wait::ScaledUp },
                        0 => Step::Scale { service: service_name(), desired: 1 },
                        _ => Step::ReadServiceEvents { service: service_name() },
                    };
                    (waiting.max(*without), format!("0 running of {} desired{note}", view.desired), next)
                }
                // Workers of ours may be there, and not be heard of.
                None if self.services.is_empty() || role.served_by().is_some() => continue,
                None => {
                    let next = Step::RestoreService { service: service_name() };
                    (waiting, "the cluster has no such service".into(), next)
                }
            };
            if now.since(since) < SCALING_TAKES {
                continue;
            }
            let evidence = format!("queue {} {}, {evidence}", role.as_str(), stats.ready);
            list.push(Attention::new(
                Subject::Service { name: service_name(), role: *role },
                Severity::Critical,
                since,
                (format!("{service} has no task"), evidence),
                vec![next],
            ));
        }
    }

    fn worker_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        let workers = self.worker_views(now);
        for worker in workers.iter().filter(|worker| worker.state == WorkerState::Stopped) {
            // The line stays until a start of the worker succeeds.
            let Some(error) = &worker.error else { continue };
            let name = worker.name.clone();
            list.push(Attention::new(
                Subject::Worker { name: name.clone() },
                Severity::Critical,
                worker.last_seen_at,
                (format!("worker {name} failed"), error.clone()),
                vec![Step::RestartWorker { name }],
            ));
        }
        for worker in workers.into_iter().filter(|worker| worker.state == WorkerState::Silent) {
            let doing = worker.job_id.map_or("it was idle".to_owned(), |job_id| {
                let segment = worker.segment_index.map_or(String::new(), |index| format!(" segment {index}"));
                format!("it worked on job {}{segment}", job_id.short())
            });
            let evidence = format!("not heard of for {}; {doing}", age(now.since(worker.last_seen_at)));
            let said = (format!("worker {} silent", worker.name), evidence);
            // An idle worker holds no message, and the work of an ended job is done or wanted no more.
            let job = worker.job_id.and_then(|job_id| self.jobs.get(&job_id));
            let holds_message = worker.job_id.is_some() && !job.is_some_and(|entry| entry.job.status.is_final());
            let mut next = vec![Step::ShowWorkers];
            if holds_message {
                next.insert(0, Step::Wait { until: Wait::LeaseEnds });
            } else if let Some(stage) =
                worker.stage.filter(|stage| self.consumers(QueueName::main(stage.queue()), now) == 0)
            {
                next.insert(0, Step::StartWorker { stage });
            }
            let about = Subject::Worker { name: worker.name };
            let item = Attention::new(about, Severity::Warning, worker.last_seen_at, said, next);
            list.push(Attention { job_id: worker.job_id, ..item });
        }
    }
}

/// Gravest first; among equals what holds up most, then what lasts longest.
fn order(item: &Attention) -> (Reverse<Severity>, u8, Timestamp, &Subject) {
    (Reverse(item.severity), item.about.rank(), item.since, &item.about)
}

/// A word or two for a job's state: a job whose step is tried again is not stuck, and one that failed waits for nothing.
fn state_of(status: JobStatus, finding: &Finding) -> &'static str {
    match (status, finding.code) {
        (JobStatus::Failed, code) if code != FindingCode::DeletedCameBack => "failed",
        (_, FindingCode::StepFailing) => "failing",
        (_, FindingCode::ResultMissing) => "lost its result",
        (_, FindingCode::ResultDamaged) => "has a damaged result",
        (_, FindingCode::RowMissing) => "lost its row",
        (_, FindingCode::DeletedCameBack) => "is back",
        _ => "stuck",
    }
}

#[cfg(test)]
mod tests;
