//! Steps that keep failing while the job is unfinished.

use std::time::Duration;

use super::{DeadLetter, FailingStep, Finding, FindingCode, JobFacts};
use crate::job::JobStatus;
use crate::stage::Stage;
use crate::time::Timestamp;

/// Failed attempts in a row that make a finding. Retries are meant to absorb a single failure.
const FAILING_FROM: u32 = 2;
/// At most this many steps are named in a finding.
const MOST_NAMED: usize = 5;

/// Adds a finding if a step that the job needs keeps failing. A dead-lettered step has its own finding. A step whose work is recorded
/// may still fail at what follows, such as the trigger check. It counts while it keeps failing, because its worker is blocked.
pub(super) fn steps(facts: &JobFacts, now: Timestamp, patience: Duration, findings: &mut Vec<Finding>) {
    let is_dead = |step: &FailingStep| {
        let concerns = |letter: &&DeadLetter| {
            letter.queue.role == step.stage.queue()
                && (step.segment_index.is_none() || letter.segment_index == step.segment_index)
        };
        facts.dead_letters.iter().any(|letter| concerns(&letter))
    };
    let is_failing = |step: &&FailingStep| {
        let is_needed = is_under_way(facts, step)
            || !facts.job.value.status.is_final() && now.since(step.last_failed_at) < patience;
        (step.attempts >= FAILING_FROM || step.is_out_of_space) && is_needed && !is_dead(step)
    };
    let failing: Vec<&FailingStep> = facts.failing.iter().filter(is_failing).collect();
    let Some(since) = failing.iter().map(|step| step.since).min() else { return };
    let mut evidence: Vec<String> = failing.iter().take(MOST_NAMED).map(|step| step.words()).collect();
    if failing.len() > MOST_NAMED {
        evidence.push(format!("and {} more", failing.len() - MOST_NAMED));
    }
    findings.push(Finding::new(FindingCode::StepFailing, since, evidence, None));
}

/// True if the job still needs the step.
fn is_under_way(facts: &JobFacts, step: &FailingStep) -> bool {
    use JobStatus::*;
    let is_done = |index| facts.completed.as_ref().is_some_and(|done| done.value.binary_search(&index).is_ok());
    match step.stage {
        Stage::Chunking => matches!(facts.job.value.status, Created | ChunkingInProgress),
        Stage::Inference => {
            matches!(facts.job.value.status, ChunkingInProgress | ChunkingComplete)
                && !step.segment_index.is_some_and(is_done)
        }
        Stage::Reassembly => matches!(facts.job.value.status, ChunkingComplete | Reassembling),
    }
}

impl FailingStep {
    fn words(&self) -> String {
        let what = self.segment_index.map_or(self.stage.to_string(), |index| format!("segment {index}"));
        let times = if self.attempts == 1 { "once".to_owned() } else { format!("{} times", self.attempts) };
        let waits = if self.is_out_of_space { ", and its worker waits for space" } else { "" };
        format!("{what} failed {times}{waits}: {}", self.error)
    }
}
