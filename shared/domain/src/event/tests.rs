use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diagnosis::FindingCode;
use crate::error_code::ErrorCode;
use crate::trigger::Decision;

/// At least one event of each kind, as version 0.1 wrote them into spools and databases.
const OLD: &str = include_str!("../../golden/events-0.1.jsonl");
/// Unknown kinds, unknown fields, and fields of a wrong type.
const STRANGE: &str = include_str!("../../golden/events-strange.jsonl");

fn read(line: &str) -> Event {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// An event with this type and data.
fn event(kind: &str, data: Value) -> Event {
    let mut event = serde_json::to_value(read(OLD.lines().next().unwrap())).unwrap();
    (event["type"], event["data"]) = (kind.into(), data);
    serde_json::from_value(event).unwrap()
}

#[test]
fn events_of_other_versions_are_written_back_unchanged() {
    for line in OLD.lines().chain(STRANGE.lines()) {
        let written = serde_json::to_value(read(line)).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(line).unwrap());
    }
}

#[test]
fn each_kind_and_field_of_version_0_1_is_known() {
    let old: Vec<Event> = OLD.lines().map(read).collect();
    for kind in EventKind::ALL {
        assert!(old.iter().any(|event| event.kind() == *kind), "{kind}");
    }
    for event in old {
        assert!(event.unread.envelope.is_empty(), "{event:?}");
        // The control plane wrote a field without a value as null, and warnings were a text.
        let is_known = |(name, value): (&String, &Value)| value.is_null() || (name == "warnings" && value.is_string());
        assert!(event.unread.data.iter().all(is_known), "{event:?}");
    }
}

#[test]
fn unknown_kinds_and_fields_are_kept() {
    let [resumed, sleeping, completed, failed] = STRANGE.lines().map(read).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((resumed.kind(), resumed.payload.name()), (EventKind::Unknown, "segment.resumed"));
    assert_eq!((resumed.segment_index, &resumed.data()["from_frame"]), (Some(3), &json!(40)));
    assert_eq!((sleeping.kind(), sleeping.data().is_empty()), (EventKind::Unknown, true));
    let Payload::SegmentCompleted(fields) = &completed.payload else { panic!("{completed:?}") };
    assert_eq!((fields.frames, fields.wall_secs), (Some(75), Some(5.0)), "an integer is a number of seconds too");
    assert_eq!((&completed.unread.envelope["region"], completed.data().len()), (&json!("eu-central-1"), 3));
    let Payload::SegmentFailed(fields) = &failed.payload else { panic!("{failed:?}") };
    let known = StepFailed { error: Some("too hot".into()), is_final: Some(false), ..StepFailed::default() };
    assert_eq!(fields, &known, "a field of a wrong type is absent");
    assert_eq!(failed.data()["code"], "melted", "and passed on");
}

#[test]
fn fields_are_typed() {
    let check = |kind: &str, data: Value, expected: Payload| assert_eq!(event(kind, data).payload, expected, "{kind}");
    let failed = StepFailed { error: Some("no".into()), code: Some(ErrorCode::Full), ..StepFailed::default() };
    check("reassembly.failed", json!({"error": "no", "code": "full"}), Payload::ReassemblyFailed(failed));
    let triggered = Triggered { by: None, decision: Some(Decision::SendAgain) };
    check("reassembly.triggered", json!({"decision": "send_again"}), Payload::ReassemblyTriggered(triggered));
    let job_id: JobId = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap();
    for (text, item) in [
        ("source", RepairedItem::Source),
        ("segment 3", RepairedItem::Segment(3)),
        ("7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f", RepairedItem::Job(job_id)),
    ] {
        let code = Some(FindingCode::SegmentLost);
        let repaired = JobRepaired { item: Some(item), code, ..JobRepaired::default() };
        check("job.repaired", json!({"item": text, "code": "segment-lost"}), Payload::JobRepaired(repaired));
    }
    check("job.repaired", json!({"item": "segment -3"}), Payload::JobRepaired(JobRepaired::default()));
    check("chunking.started", json!({"frames": 3}), Payload::ChunkingStarted);
}

#[test]
fn kinds_round_trip_and_state_events_are_not_progress() {
    for kind in EventKind::ALL {
        assert_eq!(kind.as_str().parse::<EventKind>().unwrap(), *kind);
        assert_eq!(Payload::read(kind.as_str(), Map::new()).0.kind(), *kind);
        assert!(!(kind.is_progress() && kind.is_error()));
    }
    assert!(EventKind::Unknown.as_str().parse::<EventKind>().is_err());
    assert!(!EventKind::Unknown.is_progress(), "a full spool keeps unknown kinds");
}

#[test]
fn a_log_line_can_be_found_by_job_and_segment() {
    let event = Event { segment_index: Some(3), attempt: Some(1), ..event("segment.completed", json!({"frames": 25})) };
    assert_eq!(
        event.log_line(),
        "segment.completed job_id=7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f segment_index=3 attempt=1 frames=25"
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0_u32..100).prop_map(Value::from),
        (-1_000_000_i32..1_000_000).prop_map(|thousandths| Value::from(f64::from(thousandths) / 1000.0)),
        "[a-z-]{0,12}".prop_map(Value::from),
        Just(Value::from("inference-dlq")),
        Just(Value::from("segment 3")),
        Just(Value::from("full")),
        Just(Value::from("send_again")),
        Just(Value::from("segment-lost")),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Field names: mostly those that some kind knows, also made-up ones.
fn name() -> impl Strategy<Value = String> {
    let known: Vec<String> = OLD.lines().flat_map(|line| read(line).data().into_iter().map(|(name, _)| name)).collect();
    prop_oneof![3 => prop::sample::select(known), 1 => Just("code".to_owned()), 1 => "[a-z_]{1,10}"]
}

prop_compose! {
    fn any_event()(
        kind in prop_oneof![
            prop::sample::select(EventKind::ALL).prop_map(|kind| kind.as_str().to_owned()), "[a-z.]{0,12}"
        ],
        data in prop::collection::btree_map(name(), value(), 0..8),
        envelope in prop::collection::btree_map("x_[a-z]{0,5}", value(), 0..3),
        segment_index in prop::option::of(any::<u32>()),
        attempt in prop::option::of(any::<u32>()),
    ) -> Value {
        let mut event: Value = serde_json::from_str(OLD.lines().next().unwrap()).unwrap();
        let fields = event.as_object_mut().unwrap();
        fields.remove("data");
        fields.extend(envelope);
        fields.insert("type".into(), kind.into());
        if !data.is_empty() {
            fields.insert("data".into(), Value::Object(data.into_iter().collect()));
        }
        let counts = [("segment_index", segment_index), ("attempt", attempt)];
        fields.extend(counts.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count?.into()))));
        event
    }
}

proptest! {
    #[test]
    fn reading_and_writing_lose_nothing(given in any_event()) {
        let event = read(&given.to_string());
        let written = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Value>(&written).unwrap(), &given);
        prop_assert_eq!(read(&written), event);
    }
}
