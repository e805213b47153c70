use proptest::prelude::*;

use super::*;
use crate::options::Mode;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

#[test]
fn unknown_fields_of_a_notification_are_ignored() {
    let body = format!(
        r#"{{"Records":[{{"eventVersion":"2.1","awsRegion":"eu-west-1","s3":{{"s3SchemaVersion":"1.0",
        "bucket":{{"name":"b","arn":"x"}},"object":{{"key":"segments%2F{JOB}%2F00001_00002_sbs.mp4","size":3}}}}}}]}}"#
    );
    let Request::Convert(key) = parse(QueueRole::Inference, &body).unwrap()[0] else { panic!() };
    assert_eq!((key.index, key.total, key.mode), (1, 2, Mode::Sbs));
    assert_eq!(job_of(QueueRole::Inference, &body), Some((JOB.parse().unwrap(), Some(1))));
}

#[test]
fn bodies_match_existing_deployments() {
    let key = format!("input/{JOB}/source.mp4");
    let body = object_created("b", &key);
    assert_eq!(body, format!(r#"{{"Records":[{{"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}]}}"#));
    assert_eq!(parse(QueueRole::Chunking, &body).unwrap(), [Request::Chunk(JOB.parse().unwrap())]);
    assert_eq!(reassemble(JOB.parse().unwrap()), format!(r#"{{"job_id":"{JOB}"}}"#));
}

#[test]
fn a_test_notification_is_recognised() {
    let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    assert_eq!(parse(QueueRole::Chunking, body).unwrap(), [Request::Test]);
}

#[test]
fn a_test_notification_is_recognised_on_every_queue_that_s3_may_be_pointed_at() {
    let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    for role in QueueRole::ALL.iter().filter(|role| **role != QueueRole::JobEvents) {
        assert_eq!(parse(*role, body), Ok(vec![Request::Test]), "{role:?}");
        assert_eq!(parse(*role, &through_sns(body)), Ok(vec![Request::Test]), "{role:?}");
    }
}

#[test]
fn a_foreign_or_broken_record_does_not_spoil_the_others() {
    let record = |key: &str| format!(r#"{{"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}"#);
    let good = record(&format!("input/{JOB}/source.mp4"));
    let job_id: JobId = JOB.parse().unwrap();
    let body = format!(r#"{{"Records":[{},7,{good},{{"s3":{{}}}}]}}"#, record("elsewhere/x.mp4"));
    let read = records(QueueRole::Chunking, &body).unwrap();
    assert_eq!(read[0], Err(Error::Key("elsewhere/x.mp4".into())));
    assert_eq!(read[2], Ok(Request::Chunk(job_id)));
    assert!(matches!((&read[1], &read[3]), (Err(Error::Shape(_)), Err(Error::Shape(_)))), "{read:?}");
    assert_eq!(parse(QueueRole::Chunking, &body), Ok(vec![Request::Chunk(job_id)]));
    assert_eq!(job_of(QueueRole::Chunking, &body), Some((job_id, None)));
    let none = format!(r#"{{"Records":[{},7]}}"#, record("elsewhere/x.mp4"));
    assert_eq!(parse(QueueRole::Chunking, &none), Err(Error::Key("elsewhere/x.mp4".into())));
}

/// What SNS puts around a message that it does not deliver raw.
fn through_sns(message: &str) -> String {
    serde_json::json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Subject": "Amazon S3 Notification",
        "Message": message, "Timestamp": "2026-11-30T12:00:00.000Z", "SignatureVersion": "1", "Signature": "s",
    })
    .to_string()
}

/// What S3 sends through EventBridge.
fn through_event_bridge(kind: &str, key: &str) -> String {
    serde_json::json!({
        "version": "0", "id": "i", "detail-type": kind, "source": "aws.s3", "account": "1", "region": "eu-west-1",
        "resources": ["arn:aws:s3:::b"],
        "detail": { "version": "0", "bucket": { "name": "b" }, "object": { "key": key, "size": 3 }, "reason": "PutObject" },
    })
    .to_string()
}

#[test]
fn what_comes_through_sns_or_event_bridge_is_understood() {
    let job_id: JobId = JOB.parse().unwrap();
    let (source, segment) = (format!("input/{JOB}/source.mp4"), format!("segments/{JOB}/00001_00002_sbs.mp4"));
    let check = |role, key: &str, expected: Request| {
        let created = "Object Created";
        for body in [
            through_sns(&object_created("b", key)),
            through_event_bridge(created, key),
            through_sns(&through_event_bridge(created, key)),
        ] {
            assert_eq!(parse(role, &body), Ok(vec![expected]), "{body}");
        }
    };
    check(QueueRole::Chunking, &source, Request::Chunk(job_id));
    let converted = keys::SegmentKey { job_id, index: 1, total: 2, mode: Mode::Sbs };
    check(QueueRole::Inference, &segment, Request::Convert(converted));
    check(QueueRole::OutputEvents, &format!("jobs/{JOB}/final.mp4"), Request::Output(OutputKey::Final(job_id)));
    for (role, expected) in
        [(QueueRole::Reassembly, Request::Reassemble(job_id)), (QueueRole::Deletion, Request::Delete(job_id))]
    {
        assert_eq!(parse(role, &through_sns(&reassemble(job_id))), Ok(vec![expected]));
    }
    let deleted = through_event_bridge("Object Deleted", &source);
    assert_eq!(parse(QueueRole::Chunking, &deleted), Err(Error::Event("Object Deleted".into())));
    // EventBridge does not encode keys: a plus is a plus.
    let strange = through_event_bridge("Object Created", "input/u+s er/%41.mp4");
    assert_eq!(parse(QueueRole::Chunking, &strange), Err(Error::Key("input/u+s er/%41.mp4".into())));
}

#[test]
fn a_body_that_does_not_belong_on_its_queue_is_refused() {
    let segment = object_created("b", &format!("segments/{JOB}/00000_00001_sbs.mp4"));
    assert!(matches!(parse(QueueRole::Chunking, &segment), Err(Error::Key(_))));
    assert!(matches!(parse(QueueRole::Chunking, "hello"), Err(Error::Shape(_))));
    assert!(matches!(parse(QueueRole::Chunking, "{}"), Err(Error::Empty)));
    assert!(matches!(parse(QueueRole::Reassembly, &segment), Err(Error::Shape(_))));
}

#[test]
fn job_status_events_are_read_like_output_events() {
    let body = object_created("out", &format!("jobs/{JOB}/segments/7.mp4"));
    let job_id = JOB.parse().unwrap();
    assert_eq!(parse(QueueRole::JobStatusEvents, &body), parse(QueueRole::OutputEvents, &body));
    assert_eq!(job_of(QueueRole::JobStatusEvents, &body), Some((job_id, Some(7))));
    let source = object_created("in", &format!("input/{JOB}/source.mp4"));
    assert!(matches!(parse(QueueRole::JobStatusEvents, &source), Err(Error::Key(_))));
}

#[test]
fn requests_to_delete_and_to_fetch_name_their_job() {
    let job_id: JobId = JOB.parse().unwrap();
    let body = format!(r#"{{"job_id":"{JOB}"}}"#);
    assert_eq!(parse(QueueRole::Deletion, &body).unwrap(), [Request::Delete(job_id)]);
    assert_eq!(job_of(QueueRole::Deletion, &body), Some((job_id, None)));
    assert!(matches!(parse(QueueRole::Ingest, &body), Err(Error::Shape(why)) if why.contains("source_url")));
    let body = format!(r#"{{"source_type":"youtube","job_id":"{JOB}","source_url":"https://example.org/v"}}"#);
    assert_eq!(parse(QueueRole::Ingest, &body).unwrap(), [Request::Ingest(job_id)]);
    assert_eq!(job_of(QueueRole::Ingest, &body), Some((job_id, None)));
    for role in [QueueRole::Deletion, QueueRole::Ingest] {
        assert!(matches!(parse(role, r#"{"job_id":"no"}"#), Err(Error::Shape(_))));
    }
}

#[test]
fn a_stream_record_is_read_alone_and_in_a_list() {
    let check = |body: &str, expected: &[(Option<&str>, Option<u32>)]| {
        let expected: Vec<Request> =
            expected.iter().map(|(job, index)| Request::Changed(job.map(|job| job.parse().unwrap()), *index)).collect();
        assert_eq!(parse(QueueRole::JobEvents, body), Ok(expected), "{body}");
    };
    let of_job = format!(
        r#"{{"eventName":"MODIFY","dynamodb":{{"Keys":{{"job_id":{{"S":"{JOB}"}}}},"NewImage":{{"status":{{"S":"failed"}}}}}}}}"#
    );
    let of_segment = format!(
        r#"{{"eventName":"INSERT","dynamodb":{{"NewImage":{{"job_id":{{"S":"{JOB}"}},"segment_index":{{"N":"3"}}}}}}}}"#
    );
    check(&of_job, &[(Some(JOB), None)]);
    check(&of_segment, &[(Some(JOB), Some(3))]);
    check(
        &format!(r#"{{"Records":[{of_job},{of_segment},1]}}"#),
        &[(Some(JOB), None), (Some(JOB), Some(3)), (None, None)],
    );
    check(r#"{"dynamodb":{"Keys":{"job_id":{"S":"no"}}}}"#, &[(None, None)]);
    assert_eq!(job_of(QueueRole::JobEvents, &of_segment), Some((JOB.parse().unwrap(), Some(3))));
    assert_eq!(job_of(QueueRole::JobEvents, "{}"), None);
    assert_eq!(parse(QueueRole::JobEvents, r#"{"Records":[]}"#), Err(Error::Empty));
    for body in ["hello", "[]", "7"] {
        assert!(matches!(parse(QueueRole::JobEvents, body), Err(Error::Shape(_))), "{body}");
    }
}

#[test]
fn keys_are_encoded_as_s3_does() {
    assert_eq!(form_encode("jobs/a b+c/ü~(1)*.mp4"), "jobs/a+b%2Bc/%C3%BC%7E%281%29*.mp4");
    // The emulator encodes slashes too; what is no escape stays.
    assert_eq!(form_decode("jobs%2Fa+b%2Bc%2f%C3%BC100%/%zz"), "jobs/a b+c/ü100%/%zz");
}

proptest! {
    #[test]
    fn form_encoding_round_trips(text in ".*") {
        prop_assert_eq!(form_decode(&form_encode(&text)), text);
    }

    #[test]
    fn no_body_panics(text in ".*") {
        for role in QueueRole::ALL {
            let _ = job_of(*role, &text);
        }
    }
}
