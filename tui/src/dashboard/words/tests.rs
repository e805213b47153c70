use stereospot_domain::attention::Wait;
use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::{JobId, QueueName, QueueRole};

use super::*;

#[test]
fn hints_name_the_keys_as_they_are_bound() {
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let (job_id, code) = (JobId(uuid::Uuid::nil()), FindingCode::SegmentLost);
    let triage = [Step::Triage { queue }, Step::Replay { queue }];
    let unrepaired = [Step::ShowJob { job_id }, Step::Repair { job_id, code }, Step::GiveUp { job_id }];
    let waits = [Step::Wait { until: Wait::LeaseEnds }, Step::ShowWorkers];
    let usual = Keymap::default();
    assert_eq!(next(&usual, &triage), "enter: triage, r: replay");
    assert_eq!(next(&usual, &unrepaired), "enter: show, f: repair, F: give up");
    assert_eq!(next(&usual, &waits), "its message comes back when the lease ends, 6: workers");
    assert_eq!(next(&usual, &[Step::Scale { service: "video-worker".into(), desired: 1 }]), "s: scale to 1");
    let remapped = Keymap::from_toml("[keys]\nreplay = \"R\"\nfail = []\nrepair = \"f2\"\n").unwrap();
    assert_eq!(next(&remapped, &triage), "enter: triage, R: replay");
    assert_eq!(next(&remapped, &unrepaired), "enter: show, f2: repair, give up", "a command without a key");
}
