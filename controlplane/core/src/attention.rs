//! The landing screen's list: what is wrong, gravest first, each with its evidence and what to do.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_api::view::{Attention, WorkerState};
use stereospot_domain::diagnosis::{Finding, FindingCode, Repair, Severity};
use stereospot_domain::text::age;
use stereospot_domain::{QueueName, QueueRole, Timestamp};

use super::World;

mod sources;

pub use sources::{Outage, down_since};

/// A queue without consumers may be that old before it counts as stalled.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// Scaling on queue depth acts on numbers of each minute, and a task takes minutes to start.
const SCALING_TAKES: Duration = Duration::from_secs(600);
/// What an operator can do where what is tried by itself can't be done.
const UNMENDED: &str = "Enter: show; f: repair, F: give up";
/// Most lines.
const MAX_LINES: usize = 500;

impl World {
    /// The list as of now.
    pub fn attention_list(&self, now: Timestamp) -> Vec<Attention> {
        let mut list = Vec::new();
        self.dead_letter_lines(&mut list);
        self.job_lines(&mut list);
        self.stalled_lines(now, &mut list);
        self.service_lines(now, &mut list);
        self.source_lines(now, &mut list);
        self.worker_lines(now, &mut list);
        list.sort_by(|a, b| {
            (Reverse(a.severity), rank(&a.id), a.since, &a.id).cmp(&(Reverse(b.severity), rank(&b.id), b.since, &b.id))
        });
        list.truncate(MAX_LINES);
        list
    }

    fn dead_letter_lines(&self, list: &mut Vec<Attention>) {
        for (queue, seen) in self.dead.iter().filter(|(_, seen)| !seen.is_empty()) {
            let mut errors: BTreeMap<String, usize> = BTreeMap::new();
            for dead in seen {
                let error =
                    dead.about.and_then(|(job_id, segment)| self.jobs.get(&job_id)?.last_error(queue.role, segment));
                if let Some(error) = error {
                    *errors.entry(error).or_default() += 1;
                }
            }
            let mut errors: Vec<(String, usize)> = errors.into_iter().collect();
            errors.sort_by_key(|(_, count)| Reverse(*count));
            let told: Vec<String> = errors.iter().take(3).map(|(error, count)| format!("{error} ×{count}")).collect();
            let count = self
                .queues
                .get(queue)
                .and_then(|flow| flow.stats())
                .map_or(seen.len() as u64, |(stats, _)| super::flow::total(stats).max(seen.len() as u64));
            let plural = if count == 1 { "" } else { "s" };
            let evidence = match told.is_empty() {
                true => format!("{count} message{plural}{}", consequence(queue.role)),
                false => format!("{count} message{plural}: {}", told.join(", ")),
            };
            list.push(Attention {
                id: format!("dlq/{}", queue.role.as_str()),
                severity: Severity::Critical,
                subject: format!("DLQ {}", queue.role.as_str()),
                evidence,
                since: seen.iter().map(|dead| dead.since).min().unwrap_or_default(),
                next: if self.is_read_only { "Enter: triage" } else { "Enter: triage, r: replay" }.into(),
                command: Some(match self.is_read_only {
                    true => format!("stereospot queues peek {queue}"),
                    false => format!("stereospot queues replay {queue}"),
                }),
                job_id: None,
                queue: Some(*queue),
                code: "dlq-not-empty".into(),
            });
        }
    }

    fn job_lines(&self, list: &mut Vec<Attention>) {
        for entry in self.flagged.iter().filter_map(|job_id| self.jobs.get(job_id)) {
            for finding in entry.findings.iter().filter(|finding| finding.severity > Severity::Notice) {
                let job_id = entry.job.job_id;
                let is_unmended = entry.unmended.as_ref().is_some_and(|(code, _)| *code == finding.code);
                let done = match (&entry.truth.completed, entry.job.total_segments) {
                    (Some(completed), Some(total)) => format!("{}/{total}  ", completed.value.len()),
                    _ => String::new(),
                };
                list.push(Attention {
                    id: format!("job/{job_id}/{}", finding.code),
                    severity: finding.severity,
                    subject: format!("job {} {}", job_id.short(), state_of(finding)),
                    evidence: format!("{done}{}: {}", finding.code.title(), finding.evidence.join("; ")),
                    since: finding.since,
                    next: if is_unmended { UNMENDED } else { self.next_step(finding) }.into(),
                    command: Some(match &finding.repair {
                        Some(_) if !self.is_read_only => format!("stereospot jobs repair {job_id} {}", finding.code),
                        _ => format!("stereospot jobs show {job_id}"),
                    }),
                    job_id: Some(job_id),
                    queue: None,
                    code: finding.code.as_str().into(),
                });
            }
        }
    }

    fn stalled_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        if self.is_deaf(now) {
            // Whether anybody serves it is not known; why, another line says.
            return;
        }
        // Of the others' consumers nothing is heard: their services are looked at.
        for role in QueueRole::ALL.iter().filter(|role| role.served_by().is_some()) {
            let name = QueueName::main(*role);
            let Some((stats, _)) = self.queues.get(&name).and_then(|flow| flow.stats()) else { continue };
            let Some(oldest) = stats.oldest_enqueued_at.filter(|_| stats.ready > 0) else { continue };
            if now.since(oldest) < STALLED_AFTER || self.consumers(name, now) > 0 {
                continue;
            }
            list.push(Attention {
                id: format!("stage/{role}", role = role.as_str()),
                severity: Severity::Critical,
                subject: format!("{} idle", role.as_str()),
                evidence: format!("queue {}, oldest {}, 0 consumers", stats.ready, age(now.since(oldest))),
                since: oldest,
                next: "start a worker of this stage; of one that died logs/ has the reason, and `stereospot up` starts it again".into(),
                command: None,
                job_id: None,
                queue: Some(name),
                code: "stage-stalled".into(),
            });
        }
    }

    /// Work waits and the service that does it has no task, or is not there at all, for longer than scaling takes.
    fn service_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        for role in QueueRole::ALL {
            let (name, service) = (QueueName::main(*role), role.service());
            let Some(flow) = self.queues.get(&name) else { continue };
            let (Some(waiting), Some((stats, _))) = (flow.waiting_since(), flow.stats()) else { continue };
            if self.consumers(name, now) > 0 {
                // Workers of ours have taken the place of the service's.
                continue;
            }
            let (since, evidence, next, command) = match self.services.iter().find(|view| view.name == service) {
                Some(view) => {
                    let Some(without) = self.without_tasks.get(service) else { continue };
                    let note = view.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
                    let scale = format!("stereospot services scale {service} 1");
                    let (next, command) = match view.desired {
                        0 if self.is_read_only => ("it is to be scaled up".into(), None),
                        0 => (format!("s: scale; {scale}"), Some(scale)),
                        _ => ("its tasks don't start: see the service's own events".into(), None),
                    };
                    (waiting.max(*without), format!("0 running of {} desired{note}", view.desired), next, command)
                }
                // Ours may be there, and send no events.
                None if self.services.is_empty() || role.served_by().is_some() => continue,
                None => {
                    let next = format!("nobody else receives from this queue: bring {service} back");
                    (waiting, "the cluster has no such service".into(), next, None)
                }
            };
            if now.since(since) < SCALING_TAKES {
                continue;
            }
            list.push(Attention {
                id: format!("service/{service}/{}", role.as_str()),
                severity: Severity::Critical,
                subject: format!("{service} has no task"),
                evidence: format!("queue {} {}, {evidence}", role.as_str(), stats.ready),
                since,
                next,
                command,
                job_id: None,
                queue: Some(name),
                code: if QueueRole::PIPELINE.contains(role) { "stage-stalled" } else { "queue-unserved" }.into(),
            });
        }
    }

    fn worker_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        let workers = self.worker_views(now);
        for worker in workers.iter().filter(|worker| worker.state == WorkerState::Stopped) {
            // Whoever runs it starts it again; it is here until one of these starts goes well.
            let Some(error) = &worker.error else { continue };
            list.push(Attention {
                id: format!("worker/{}", worker.name),
                severity: Severity::Critical,
                subject: format!("worker {} failed", worker.name),
                evidence: error.clone(),
                since: worker.last_seen_at,
                next: "put that right and start it; `stereospot up` tries again by itself".into(),
                command: None,
                job_id: None,
                queue: None,
                code: "worker-silent".into(),
            });
        }
        for worker in workers.into_iter().filter(|worker| worker.state == WorkerState::Silent) {
            let doing = worker.job_id.map_or("it was idle".to_owned(), |job_id| {
                let segment = worker.segment_index.map_or(String::new(), |index| format!(" segment {index}"));
                format!("it worked on job {}{segment}", job_id.short())
            });
            list.push(Attention {
                id: format!("worker/{}", worker.name),
                severity: Severity::Warning,
                subject: format!("worker {} silent", worker.name),
                evidence: format!("not heard of for {}; {doing}", age(now.since(worker.last_seen_at))),
                since: worker.last_seen_at,
                next: "its message comes back when the lease ends; 6: workers".into(),
                command: Some("its message comes back when the lease ends; stereospot workers".into()),
                job_id: worker.job_id,
                queue: None,
                code: "worker-silent".into(),
            });
        }
    }

    /// What an operator can do about a finding, by the dashboard's keys.
    fn next_step(&self, finding: &Finding) -> &'static str {
        match &finding.repair {
            None if finding.code == FindingCode::IngestLost && !self.is_read_only => "Enter: show; F: give up",
            None => "Enter: show",
            Some(_) if self.is_read_only => "Enter: show (read-only)",
            Some(Repair::ReplayDeadLetters { .. }) => "r: replay",
            Some(
                Repair::SendReassembly | Repair::Trigger | Repair::ResetLockAndSend { .. } | Repair::MarkCompleted,
            ) => "t: trigger reassembly",
            // What only its age tells, an operator judges.
            Some(_) if self.reconciles && finding.severity == Severity::Critical => {
                "Enter: show; it is repaired by itself"
            }
            Some(Repair::ResendSource | Repair::ResendSegments { .. } | Repair::PutCompletions { .. }) => "f: repair",
        }
    }
}

/// What it means that messages of a queue that is not the pipeline's are dead: mostly no job's findings say so.
fn consequence(role: QueueRole) -> &'static str {
    match role {
        QueueRole::Chunking | QueueRole::Inference | QueueRole::Reassembly | QueueRole::OutputEvents => "",
        QueueRole::JobStatusEvents => ": outputs that the job-worker did not record",
        QueueRole::Deletion => ": objects of jobs that should be gone",
        QueueRole::Ingest => ": sources that were not fetched",
        QueueRole::JobEvents => ": changes that the web page was not told of",
    }
}

/// In one word, what is the matter with the job: one whose step is tried again is not stuck.
fn state_of(finding: &Finding) -> &'static str {
    if finding.code == FindingCode::StepFailing { "failing" } else { "stuck" }
}

/// Among matters of equal gravity, the one that holds up most comes first.
fn rank(id: &str) -> u8 {
    match id.split('/').next() {
        // What can't be read makes the rest doubtful.
        Some("backend") => 0,
        Some("collector" | "queue") => 1,
        Some("stage" | "service") => 2,
        Some("dlq") => 3,
        Some("job") => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests;
