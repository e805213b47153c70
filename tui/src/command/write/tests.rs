use stereospot_domain::plan::Refusal;
use stereospot_domain::{QueueName, QueueRole, Timestamp};
use uuid::Uuid;

use super::*;

#[test]
fn only_a_queue_that_is_empty_needs_nothing() {
    let queue = QueueName::main(QueueRole::Inference);
    let plan = |action: Action, code: RefusalCode, skips: usize| {
        let skip = PlanItem::message(queue, "m", None, "taken");
        Plan {
            id: Uuid::nil(),
            action,
            who: "me".into(),
            created_at: Timestamp(0),
            valid_until: Timestamp(1),
            scope: queue.to_string(),
            items: Vec::new(),
            skips: vec![skip; skips],
            effect: String::new(),
            assumptions: Vec::new(),
            confirm: None,
            refused: Some(Refusal::new(code, "whatever it says")),
            command: String::new(),
        }
    };
    let replay = || Action::Replay { queue, message_ids: None };
    assert_eq!(emptied(&plan(Action::Purge { queue, message_ids: None }, RefusalCode::Empty, 0)), Some(queue));
    assert_eq!(emptied(&plan(replay(), RefusalCode::Empty, 0)), Some(queue));
    assert_eq!(emptied(&plan(replay(), RefusalCode::Nothing, 1)), None);
    assert_eq!(emptied(&plan(Action::Purge { queue, message_ids: None }, RefusalCode::ReadOnly, 0)), None);
    assert_eq!(emptied(&plan(Action::StopMove { queue }, RefusalCode::NoMove, 0)), None);
}

#[test]
fn a_plan_lists_what_it_touches_and_leaves_and_counts_what_it_does_not_list() {
    let item =
        |at: usize| PlanItem::message(QueueName::dead_letter(QueueRole::Inference), format!("m{at}"), None, "send");
    let plan = Plan {
        id: Uuid::nil(),
        action: Action::Replay { queue: QueueName::dead_letter(QueueRole::Inference), message_ids: None },
        who: "me".into(),
        created_at: Timestamp(0),
        valid_until: Timestamp(1),
        scope: "inference-dlq, 25 messages".into(),
        items: (0..24).map(item).collect(),
        skips: vec![PlanItem { what: "segment already complete".into(), ..item(99) }],
        effect: "inference 3 → 27".into(),
        assumptions: vec!["the messages are still there".into()],
        confirm: Some("replay 24".into()),
        refused: None,
        command: String::new(),
    };
    let lines = describe(&plan);
    assert_eq!(lines[0], "PLAN replay: inference-dlq, 25 messages");
    assert_eq!(lines[1], "  + m0  send");
    assert_eq!(lines[21], "  + … 4 more: --json lists them all");
    assert_eq!(lines[22], "  skip m99  segment already complete");
    assert_eq!(lines[23], "  24 to do, 1 skipped; inference 3 → 27");
    assert_eq!(lines[24], "  as long as the messages are still there");
}
