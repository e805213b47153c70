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
