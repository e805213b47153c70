//! Sources fetched from a URL. Only existing deployments do that, with a service that sends no reports meanwhile.

use super::{Finding, FindingCode, Gone, JobFacts, Repair, Severity, Unknown, message_gone};
use crate::queue::{QueueName, QueueRole};
use crate::time::Timestamp;

/// Adds a finding if a job is `ingesting` and no service fetches its source. If the source exists, only the status and the
/// notification were lost. If it doesn't, there is nothing to repair: only the lost message had the URL.
pub(super) fn lost(facts: &JobFacts, now: Timestamp, findings: &mut Vec<Finding>) {
    let since = facts.last_activity_at;
    let Some(source) = facts.source_exists.as_ref().filter(|_| now.since(since) >= facts.fetch_presumed) else {
        return;
    };
    let is_dead = facts.dead_letters.iter().any(|letter| letter.queue.role == QueueRole::Ingest);
    let gone = match (source.value, is_dead) {
        (true, true) => {
            let evidence = format!("its message, needed no more, is in {}", QueueName::dead_letter(QueueRole::Ingest));
            Some(Gone { queue: QueueRole::Ingest, severity: Severity::Critical, evidence: vec![evidence] })
        }
        // The source exists, so the message is no longer needed, dead or not.
        (true, false) => gone(facts, now),
        (false, false) => gone(facts, now).and_then(|gone| gone.unless_dead(facts.unseen_ingests.as_ref())),
        // The dead letter has its own finding and can be replayed.
        (false, true) => None,
    };
    let Some(gone) = gone else { return };
    let (mut evidence, repair) = match source.value {
        true => (vec!["the source object exists".to_owned()], Some(Repair::ResendSource)),
        false => (vec!["no source object exists".to_owned()], None),
    };
    evidence.extend(gone.evidence);
    if repair.is_none() {
        evidence.push("its address stood only in the message: submit it again".into());
        evidence.push(format!("`stereospot jobs fail {}` gives this job up", facts.job.value.job_id));
    }
    findings
        .push(Finding { severity: gone.severity, ..Finding::new(FindingCode::IngestLost, since, evidence, repair) });
}

/// The evidence that the message is lost. If its queue can't be read, the end of all its tries is a warning that says so.
fn gone(facts: &JobFacts, now: Timestamp) -> Option<Gone> {
    let since = facts.last_activity_at;
    let why = match &facts.ingest_unknown {
        None => return message_gone(QueueRole::Ingest, facts.ingest_depth.as_ref(), facts.ingest_tries, since, now),
        Some(Unknown::NotDeployed) => "this deployment has no ingest queue".to_owned(),
        Some(Unknown::Unreadable(why)) => format!("the ingest queue, where it may wait, can't be read: {why}"),
    };
    let is_over = now.since(since) >= facts.fetch_tries;
    is_over.then(|| Gone { queue: QueueRole::Ingest, severity: Severity::Warning, evidence: vec![why] })
}
