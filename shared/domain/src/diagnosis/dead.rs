//! Dead letters: which step gave up, and whether a replay can help.

use super::{DeadLetter, Finding, FindingCode, JobFacts, Repair, list};
use crate::job::JobStatus;
use crate::queue::{QueueName, QueueRole};
use crate::text::plural;

/// Adds a finding for each queue with dead letters of the job.
pub(super) fn letters(facts: &JobFacts, findings: &mut Vec<Finding>) {
    use QueueRole::{Chunking, Inference, Ingest, Reassembly};
    if facts.job.value.status == JobStatus::Completed || facts.job.value.status == JobStatus::Deleted {
        return;
    }
    let codes = [
        (Ingest, FindingCode::IngestDeadLettered),
        (Chunking, FindingCode::SourceDeadLettered),
        (Inference, FindingCode::SegmentDeadLettered),
        (Reassembly, FindingCode::ReassemblyDeadLettered),
    ];
    for (role, code) in codes {
        if role == Ingest && !waits_for_source(facts) {
            continue;
        }
        let letters: Vec<&DeadLetter> = facts.dead_letters.iter().filter(|letter| letter.queue.role == role).collect();
        let Some(since) = letters.iter().map(|letter| letter.since).min() else { continue };
        let mut evidence = Vec::new();
        let segments: Vec<u32> = letters.iter().filter_map(|letter| letter.segment_index).collect();
        evidence.push(if segments.is_empty() {
            format!("{} in {}", plural(letters.len(), "message"), QueueName::dead_letter(role))
        } else {
            format!("in {}: {}", QueueName::dead_letter(role), list(&segments))
        });
        evidence.extend(letters.iter().find_map(|letter| letter.error.clone()));
        let hopeless = |letter: &&&DeadLetter| is_hopeless(facts, letter);
        let message_ids: Vec<String> =
            letters.iter().filter(|letter| !hopeless(letter)).map(|letter| letter.message_id.clone()).collect();
        let what_is_gone = match role {
            Chunking => "the source is",
            _ if letters.iter().any(|letter| letter.is_damaged) => "a stored segment is damaged and the source is",
            _ => "segments and the source are",
        };
        if message_ids.len() < letters.len() {
            evidence.push(format!("{what_is_gone} gone: submit the video again"));
        } else if role == Inference && letters.iter().any(|letter| is_gone(facts, letter)) {
            evidence.push("a segment is gone: the source can be split again".into());
        } else if role == Inference && letters.iter().any(|letter| letter.is_damaged) {
            evidence.push("a stored segment is damaged: the source can be split again".into());
        }
        let repair = Repair::ReplayDeadLetters { queue: QueueName::dead_letter(role), message_ids };
        let is_of_use = matches!(&repair, Repair::ReplayDeadLetters { message_ids, .. } if !message_ids.is_empty());
        let finding = Finding::new(code, since, evidence, is_of_use.then_some(repair));
        // A damaged segment is cut again, and what is gone stays gone: neither depends on the error.
        let is_plain = !letters.iter().any(|letter| letter.is_damaged || is_gone(facts, letter)) && is_of_use;
        let error_code = letters.iter().find_map(|letter| letter.code).filter(|_| is_plain);
        findings.push(match role.stage() {
            Some(stage) => finding.of_failed_step(stage, error_code),
            None => finding,
        });
    }
}

/// True while the job still needs its source fetched.
fn waits_for_source(facts: &JobFacts) -> bool {
    let is_there = facts.source_exists.as_ref().is_some_and(|source| source.value);
    matches!(facts.job.value.status, JobStatus::Created | JobStatus::Ingesting) && !is_there
}

/// True if the object that a message refers to no longer exists.
fn is_gone(facts: &JobFacts, letter: &DeadLetter) -> bool {
    let gone = facts.gone.as_ref();
    letter.segment_index.is_some_and(|index| gone.is_some_and(|gone| gone.value.binary_search(&index).is_ok()))
}

/// True if the input for the message's work no longer exists.
fn is_hopeless(facts: &JobFacts, letter: &DeadLetter) -> bool {
    let has_no_source = facts.source_exists.as_ref().is_some_and(|source| !source.value);
    has_no_source
        && match letter.queue.role {
            QueueRole::Chunking => true,
            QueueRole::Inference => letter.is_damaged || is_gone(facts, letter),
            _ => false,
        }
}
