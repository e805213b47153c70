//! What becomes of a job after its end: its result is lost or damaged, its row is gone, a deleted job is back.

use super::code::FindingCode;
use super::facts::JobFacts;
use super::finding::{Finding, Repair};
use crate::job::JobStatus;

pub(super) fn changed(facts: &JobFacts, findings: &mut Vec<Finding>) {
    let job = &facts.job.value;
    if let Some(since) = facts.row_gone_since {
        findings.push(Finding::new(
            FindingCode::RowMissing,
            since,
            vec![format!("the job was {}", job.status), "the job store has no row of it".into()],
            Some(Repair::PutRow),
        ));
    }
    if let Some(since) = facts.deleted_before.filter(|_| job.status != JobStatus::Deleted) {
        let repair = job.status.is_final().then_some(Repair::DeleteAgain);
        findings.push(Finding::new(
            FindingCode::DeletedCameBack,
            since,
            vec!["the job was deleted".into(), format!("its row says {}", job.status)],
            repair,
        ));
    }
    if job.status != JobStatus::Completed {
        return;
    }
    if let Some(result) = facts.result_exists.as_ref().filter(|result| !result.value) {
        findings.push(Finding::new(
            FindingCode::ResultMissing,
            result.observed_at,
            vec!["the job is completed".into(), "final.mp4 does not exist".into()],
            Some(Repair::AssembleAgain),
        ));
    } else if let Some(damage) = &facts.result_damage {
        findings.push(Finding::new(
            FindingCode::ResultDamaged,
            damage.observed_at,
            vec![damage.value.clone()],
            Some(Repair::AssembleAgain),
        ));
    }
}
