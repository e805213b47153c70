use std::collections::BTreeMap;

use super::*;
use crate::QueueRole;
use crate::queue::{Attribute, Envelope};

#[test]
fn a_purge_that_names_no_messages_is_of_the_whole_queue() {
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let whole = Action::Purge { queue, message_ids: None };
    let text = r#"{"action":"purge","queue":"inference-dlq"}"#;
    assert_eq!(serde_json::from_str::<Action>(text).unwrap(), whole, "as it was before there was a choice");
    assert_eq!(serde_json::to_string(&whole).unwrap(), text);
    let chosen = r#"{"action":"purge","queue":"inference-dlq","message_ids":["m-1"]}"#;
    let message_ids = Some(vec!["m-1".to_owned()]);
    assert_eq!(serde_json::from_str::<Action>(chosen).unwrap(), Action::Purge { queue, message_ids });
}

#[test]
fn targets_are_data_and_come_back_from_the_disk() {
    let job_id = JobId(Uuid::nil());
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let message = PlanItem::message(queue, "m-1", Some((job_id, Some(3))), "send to inference");
    let attribute = Attribute { data_type: "Binary.png".into(), value: "AAH/".into() };
    let envelope = Envelope { attributes: BTreeMap::from([("picture".into(), attribute)]), ..Envelope::default() };
    assert_eq!((message.job_id, message.segment_index), (Some(job_id), Some(3)));
    let items = [
        message.clone().with(envelope),
        message,
        PlanItem::new(Target::Queue { queue }, "move all of it"),
        PlanItem::new(Target::Job { job_id }, "set to failed"),
        PlanItem::new(Target::Source { job_id }, "send its notification again"),
        PlanItem::new(Target::Segment { job_id, index: 3 }, "send its notification again"),
        PlanItem::new(Target::Service { name: "video-worker".into(), desired_before: 0, desired_after: 2 }, "0 → 2"),
        PlanItem::new(Target::StartWorker { service: "video-worker".into() }, "start one task"),
    ];
    for item in items {
        let text = serde_json::to_string(&item).unwrap();
        assert_eq!(serde_json::from_str::<PlanItem>(&text).unwrap(), item, "{text}");
        assert_eq!(item.job_id.is_some(), item.target.job_id().is_some() || item.target.message_id().is_some());
    }
}

/// Rows as version 0.1 wrote them into controlplane.db.
#[test]
fn what_0_1_kept_is_read_back() {
    for (text, message_ids) in [
        (include_str!("tests/purge-0.1.json"), ["m-1", "m-2"].as_slice()),
        (include_str!("tests/repair-0.1.json"), &[]),
    ] {
        let kept: AppliedPlan = serde_json::from_str(text).unwrap();
        let names: Vec<String> = kept.plan.items.iter().map(|item| item.target.to_string()).collect();
        let results: Vec<String> = kept.results.iter().map(|result| result.target.to_string()).collect();
        assert_eq!(names, results, "what became of each item is still told");
        assert!(kept.plan.items.iter().all(|item| matches!(item.target, Target::Named { .. })));
        if !message_ids.is_empty() {
            let found: Vec<&str> = kept.results.iter().filter_map(|result| result.target.message_id()).collect();
            assert_eq!(found, message_ids, "an undo finds its messages");
        }
        let again = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<AppliedPlan>(&again).unwrap(), kept);
    }
}
