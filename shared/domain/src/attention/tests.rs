use super::*;
use crate::Timestamp;
use crate::diagnosis::{Repair, Severity};

const JOB: JobId = JobId(uuid::Uuid::nil());
const FREE: Means = Means { is_read_only: false, reconciles: false, has_failed: false };

fn finding(code: FindingCode, severity: Severity, repair: Option<Repair>) -> Finding {
    Finding { code, severity, since: Timestamp(0), evidence: Vec::new(), repair, retry_helps: None }
}

#[test]
fn the_next_step_is_one_that_can_be_taken() {
    let code = FindingCode::SegmentLost;
    let resend = finding(code, Severity::Critical, Some(Repair::ResendSegments { segments: vec![1] }));
    let trigger = finding(FindingCode::TriggerMissed, Severity::Critical, Some(Repair::Trigger));
    let unfetched = finding(FindingCode::IngestLost, Severity::Critical, None);
    let (show, repair) = (Step::ShowJob { job_id: JOB }, Step::Repair { job_id: JOB, code });
    let give_up = Step::GiveUp { job_id: JOB };
    let reconciled = Means { reconciles: true, ..FREE };
    assert_eq!(resend.steps(JOB, FREE), std::slice::from_ref(&repair));
    assert_eq!(resend.steps(JOB, reconciled), [show.clone(), Step::Wait { until: Wait::Repaired }]);
    let unsure = Finding { severity: Severity::Warning, ..resend.clone() };
    assert_eq!(unsure.steps(JOB, reconciled), std::slice::from_ref(&repair), "nothing acts on a warning");
    assert_eq!(trigger.steps(JOB, reconciled), [Step::Trigger { job_id: JOB }]);
    assert_eq!(unfetched.steps(JOB, FREE), [show.clone(), give_up.clone()]);
    let failed = Means { has_failed: true, ..reconciled };
    assert_eq!(resend.steps(JOB, failed), [show.clone(), repair, give_up]);
    for finding in [resend, trigger, unfetched] {
        assert_eq!(finding.steps(JOB, Means { is_read_only: true, ..FREE }), std::slice::from_ref(&show));
    }
}

#[test]
fn subjects_and_steps_keep_their_names_on_the_wire() {
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let check = |subject: Subject, text: &str| {
        assert_eq!(serde_json::to_string(&subject).unwrap(), text);
        assert_eq!(serde_json::from_str::<Subject>(text).unwrap(), subject);
    };
    check(Subject::Backend, r#"{"kind":"backend"}"#);
    check(Subject::DeadLetterQueue { queue }, r#"{"kind":"dead_letter_queue","queue":"inference-dlq"}"#);
    check(
        Subject::Job { job_id: JOB, code: FindingCode::SegmentLost },
        r#"{"kind":"job","job_id":"00000000-0000-0000-0000-000000000000","code":"segment-lost"}"#,
    );
    let step = serde_json::to_string(&Step::Wait { until: Wait::LeaseEnds }).unwrap();
    assert_eq!(step, r#"{"step":"wait","until":"lease_ends"}"#);
}
