//! Explains why a job is stuck: a pure function from facts to findings.
//!
//! Each [`FindingCode`] is one known way to lose or stall a job. It has a page of the same name in `dashboards/runbooks/`, and a test
//! with facts that produce it. A finding says what is wrong, since when, on which evidence, and which repair is safe.
//!
//! Invariant: an unknown fact never produces a finding.

use std::collections::HashSet;
use std::time::Duration;

use crate::job::JobStatus;
use crate::queue::{QueueName, QueueRole};
use crate::stage::Stage;
use crate::time::Timestamp;
use crate::trigger;

mod code;
mod dead;
mod ended;
mod facts;
mod failing;
mod finding;
mod ingest;

pub use code::{FindingCode, Remedy};
pub use facts::{DeadLetter, Fact, FailingStep, JobFacts, Patience, RunningSegment, Unknown, Unseen};
pub use finding::{Finding, Repair, Severity};

/// Finds what is wrong with a job, most severe first. Returns nothing for a healthy job.
#[must_use]
pub fn diagnose(facts: &JobFacts, now: Timestamp, patience: Patience) -> Vec<Finding> {
    let mut findings = Vec::new();
    let job = &facts.job.value;
    dead::letters(facts, &mut findings);
    match job.status {
        JobStatus::Created => not_split(facts, now, patience.step, &mut findings),
        // Chunking sends no reports while it works, so only a long silence counts.
        JobStatus::ChunkingInProgress => not_split(facts, now, patience.segment, &mut findings),
        JobStatus::ChunkingComplete | JobStatus::Reassembling => {
            after_chunking(facts, now, patience, &mut findings);
        }
        JobStatus::Failed => failed(facts, &mut findings),
        JobStatus::Ingesting => ingest::lost(facts, now, &mut findings),
        JobStatus::Completed | JobStatus::Deleted => {}
    }
    ended::changed(facts, &mut findings);
    silent_segments(facts, now, patience, &mut findings);
    failing::steps(facts, now, patience.step, &mut findings);
    if let (Some(completed), Some(total)) = (&facts.completed, job.total_segments)
        && job.status != JobStatus::Deleted
        && let surplus = trigger::within(Some(total), &completed.value).1
        && !surplus.is_empty()
    {
        findings.push(Finding::new(
            FindingCode::TooManyCompletions,
            facts.last_activity_at,
            vec![
                format!("{} completions of {total} segments", completed.value.len()),
                format!("of no segment of the job: {}", list(&surplus)),
            ],
            None,
        ));
    }
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.code));
    findings
}

fn not_split(facts: &JobFacts, now: Timestamp, patience: Duration, findings: &mut Vec<Finding>) {
    let job = &facts.job.value;
    let since = job.uploaded_at.unwrap_or(job.created_at).max(facts.last_activity_at);
    if now.since(since) < patience {
        return;
    }
    let is_dead = |role| facts.dead_letters.iter().any(|letter| letter.queue.role == role);
    match &facts.source_exists {
        Some(source) if !source.value && is_dead(QueueRole::Ingest) => {}
        Some(source) if !source.value => findings.push(Finding::new(
            FindingCode::SourceMissing,
            since,
            vec!["no source object exists".into(), "submit the video again".into()],
            None,
        )),
        Some(_) if !is_dead(QueueRole::Chunking) => {
            let (depth, tries) = (facts.chunking_depth.as_ref(), facts.chunking_tries);
            let gone = message_gone(QueueRole::Chunking, depth, tries, since, now);
            let Some(gone) = gone.and_then(|gone| gone.unless_dead(facts.unseen_sources.as_ref())) else { return };
            let mut evidence = vec!["the source object exists".into()];
            evidence.extend(gone.evidence);
            findings.push(Finding {
                severity: gone.severity,
                ..Finding::new(FindingCode::SourceIgnored, since, evidence, Some(Repair::ResendSource))
            });
        }
        _ => {}
    }
}

/// The evidence that a message is lost.
struct Gone {
    queue: QueueRole,
    severity: Severity,
    evidence: Vec<String>,
}

impl Gone {
    /// Takes into account that the message may be an unseen dead letter: no evidence while the next poll may show it; if none will,
    /// a warning that says so and is never repaired automatically.
    fn unless_dead(mut self, unseen: Option<&Unseen>) -> Option<Self> {
        match unseen {
            None => Some(self),
            Some(Unseen::NotRead) => None,
            Some(Unseen::Unreadable(why)) => {
                let name = QueueName::dead_letter(self.queue);
                self.severity = Severity::Warning;
                self.evidence.push(format!("{name}, where it may lie, can't be read: {why}"));
                Some(self)
            }
        }
    }
}

/// Evidence that no message of a job is left on a queue: the queue is empty, or the job has been silent for longer than a message can
/// be tried. The second is no proof, because the message may have waited long before its first try. So it is only a warning, which is
/// never repaired automatically.
fn message_gone(
    queue: QueueRole,
    depth: Option<&Fact<u64>>,
    tries: Option<Duration>,
    since: Timestamp,
    now: Timestamp,
) -> Option<Gone> {
    let name = queue.as_str();
    if depth.is_some_and(|depth| depth.value == 0) {
        let evidence = vec![format!("the {name} queue is empty")];
        return Some(Gone { queue, severity: Severity::Critical, evidence });
    }
    let tries = tries.filter(|tries| now.since(since) >= *tries)?;
    let minutes = tries.as_secs().div_ceil(60);
    let evidence = format!(
        "the {name} queue holds others' messages, but one of its own was done or dead after {minutes} min of tries"
    );
    Some(Gone { queue, severity: Severity::Warning, evidence: vec![evidence] })
}

fn after_chunking(facts: &JobFacts, now: Timestamp, patience: Patience, findings: &mut Vec<Finding>) {
    let job = &facts.job.value;
    let quiet = now.since(facts.last_activity_at) >= patience.step;
    if let Some(result) = &facts.result_exists
        && result.value
    {
        if quiet {
            findings.push(Finding::new(
                FindingCode::CompletedStatusLost,
                facts.last_activity_at,
                vec!["final.mp4 exists".into(), format!("the status is still {}", job.status)],
                Some(Repair::MarkCompleted),
            ));
        }
        return;
    }
    let (Some(completed), Some(total)) = (&facts.completed, job.total_segments) else { return };
    if trigger::within(Some(total), &completed.value).0 >= total {
        if quiet {
            waiting_for_reassembly(facts, now, patience, findings);
        }
    } else if quiet {
        missing_segments(facts, total, &completed.value, now, findings);
    }
}

fn waiting_for_reassembly(facts: &JobFacts, now: Timestamp, patience: Patience, findings: &mut Vec<Finding>) {
    let has_dead_letter = facts.dead_letters.iter().any(|letter| letter.queue.role == QueueRole::Reassembly);
    let (Some(lock), false) = (&facts.lock, has_dead_letter) else { return };
    let (depth, tries) = (facts.reassembly_depth.as_ref(), facts.reassembly_tries);
    let gone = |since| message_gone(QueueRole::Reassembly, depth, tries, since, now);
    match &lock.value {
        None => findings.push(Finding::new(
            FindingCode::TriggerMissed,
            facts.last_activity_at,
            vec!["every completion is recorded".into(), "no reassembly lock exists".into()],
            Some(Repair::Trigger),
        )),
        Some(lock) => {
            let Some(started) = lock.reassembly_started_at else {
                if now.since(lock.triggered_at) >= patience.step
                    && let Some(gone) = gone(lock.triggered_at)
                {
                    let mut evidence = vec!["the lock was made and never acquired".into()];
                    evidence.extend(gone.evidence);
                    findings.push(Finding {
                        severity: gone.severity,
                        ..Finding::new(
                            FindingCode::ReassemblyMessageLost,
                            lock.triggered_at,
                            evidence,
                            Some(Repair::SendReassembly),
                        )
                    });
                }
                return;
            };
            // A holder without a lease counts as working while its message is hidden. After that another worker saw the message.
            let silent_since = lock.lease_until.unwrap_or(started.plus(facts.holder_presumed));
            if silent_since >= now {
                return;
            }
            let gone = match lock.lease_until {
                None if now.since(silent_since) >= facts.holder_presumed => gone(now).or(Some(Gone {
                    queue: QueueRole::Reassembly,
                    severity: Severity::Warning,
                    evidence: vec!["its message came back since, and no worker joins a job whose lock is held".into()],
                })),
                _ => gone(silent_since),
            };
            let Some(gone) = gone else { return };
            let owner = lock.owner.as_deref().map_or(String::new(), |owner| format!(" by {owner}"));
            let mut evidence = vec![format!("the lock was acquired{owner}"), "final.mp4 does not exist".into()];
            evidence.extend(gone.evidence);
            findings.push(Finding {
                severity: gone.severity,
                ..Finding::new(
                    FindingCode::ReassemblyDied,
                    started,
                    evidence,
                    Some(Repair::ResetLockAndSend { observed: started }),
                )
            });
        }
    }
}

fn missing_segments(facts: &JobFacts, total: u32, completed: &[u32], now: Timestamp, findings: &mut Vec<Finding>) {
    let missing: Vec<u32> = (0..total).filter(|index| completed.binary_search(index).is_err()).collect();
    let has_output =
        |index: &u32| facts.outputs.as_ref().is_some_and(|outputs| outputs.value.binary_search(index).is_ok());
    let running = facts.running.iter().map(|running| running.segment_index);
    let accounted_for: HashSet<u32> =
        running.chain(facts.dead_letters.iter().filter_map(|letter| letter.segment_index)).collect();
    let (unrecorded, open): (Vec<u32>, Vec<u32>) = missing.into_iter().partition(has_output);
    if !unrecorded.is_empty() {
        findings.push(Finding::new(
            FindingCode::CompletionLost,
            facts.last_activity_at,
            vec![format!("output exists, completion does not: {}", list(&unrecorded))],
            Some(Repair::PutCompletions { segments: unrecorded }),
        ));
    }
    let lost: Vec<u32> = open.into_iter().filter(|index| !accounted_for.contains(index)).collect();
    if lost.is_empty() {
        return;
    }
    let (depth, tries) = (facts.inference_depth.as_ref(), facts.inference_tries);
    let gone = message_gone(QueueRole::Inference, depth, tries, facts.last_activity_at, now);
    if let Some(gone) = gone.and_then(|gone| gone.unless_dead(facts.unseen_segments.as_ref())) {
        let nor_dead = if facts.unseen_segments.is_none() { ", running nor dead-lettered" } else { " nor running" };
        let mut evidence = vec![format!("neither completed{nor_dead}: {}", list(&lost))];
        evidence.extend(gone.evidence);
        findings.push(Finding {
            severity: gone.severity,
            ..Finding::new(
                FindingCode::SegmentLost,
                facts.last_activity_at,
                evidence,
                Some(Repair::ResendSegments { segments: lost }),
            )
        });
    }
}

fn failed(facts: &JobFacts, findings: &mut Vec<Finding>) {
    let job = &facts.job.value;
    if facts.result_exists.as_ref().is_some_and(|result| result.value) {
        findings.push(Finding::new(
            FindingCode::StatusContradictsResult,
            facts.last_activity_at,
            vec!["final.mp4 exists".into(), "the status is failed".into()],
            Some(Repair::MarkCompleted),
        ));
    } else if let (Some(completed), Some(total)) = (&facts.completed, job.total_segments)
        && trigger::within(Some(total), &completed.value).0 >= total
    {
        if facts.dead_letters.iter().any(|letter| letter.queue.role == QueueRole::Reassembly) {
            // Joining failed: the dead letter says so already, and its repair takes the job back.
            return;
        }
        let mut evidence = vec![format!("all {total} completions are recorded"), "the status is failed".into()];
        evidence.extend(facts.join_error.iter().map(|(error, _)| format!("joining them failed: {error}")));
        let finding =
            Finding::new(FindingCode::FailedButComplete, facts.last_activity_at, evidence, Some(Repair::Trigger));
        let code = facts.join_error.as_ref().and_then(|(_, code)| *code);
        findings.push(finding.of_failed_step(Stage::Reassembly, code));
    }
}

fn silent_segments(facts: &JobFacts, now: Timestamp, patience: Patience, findings: &mut Vec<Finding>) {
    if facts.job.value.status.is_final() {
        return;
    }
    let silent: Vec<&RunningSegment> =
        facts.running.iter().filter(|running| now.since(running.last_seen_at) >= patience.segment).collect();
    if let Some(since) = silent.iter().map(|running| running.last_seen_at).min() {
        let segments: Vec<u32> = silent.iter().map(|running| running.segment_index).collect();
        findings.push(Finding::new(
            FindingCode::SegmentSilent,
            since,
            vec![
                format!("no sign of life: {}", list(&segments)),
                "the message comes back by itself when its lease ends".into(),
            ],
            None,
        ));
    }
}

/// `segment 3` or `segments 3, 7, 9`; at most ten are listed.
fn list(segments: &[u32]) -> String {
    let named: Vec<String> = segments.iter().take(10).map(u32::to_string).collect();
    let more = segments.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("segment{} {}{more}", if segments.len() == 1 { "" } else { "s" }, named.join(", "))
}

#[cfg(test)]
mod tests;
