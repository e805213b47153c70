use proptest::prelude::*;

use super::*;
use crate::options::Mode;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

#[test]
fn a_notification_is_read_beside_fields_that_we_do_not_know() {
    let body = format!(
        r#"{{"Records":[{{"eventVersion":"2.1","awsRegion":"eu-west-1","s3":{{"s3SchemaVersion":"1.0",
        "bucket":{{"name":"b","arn":"x"}},"object":{{"key":"segments%2F{JOB}%2F00001_00002_sbs.mp4","size":3}}}}}}]}}"#
    );
    let Request::Convert(key) = parse(QueueRole::Inference, &body).unwrap()[0] else { panic!() };
    assert_eq!((key.index, key.total, key.mode), (1, 2, Mode::Sbs));
    assert_eq!(job_of(QueueRole::Inference, &body), Some((JOB.parse().unwrap(), Some(1))));
}

#[test]
fn bodies_are_exactly_the_contracts() {
    let key = format!("input/{JOB}/source.mp4");
    let body = object_created("b", &key);
    assert_eq!(body, format!(r#"{{"Records":[{{"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}]}}"#));
    assert_eq!(parse(QueueRole::Chunking, &body).unwrap(), [Request::Chunk(JOB.parse().unwrap())]);
    assert_eq!(reassemble(JOB.parse().unwrap()), format!(r#"{{"job_id":"{JOB}"}}"#));
}

#[test]
fn a_test_notification_is_benign() {
    let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    assert_eq!(parse(QueueRole::Chunking, body).unwrap(), [Request::Test]);
}

#[test]
fn what_does_not_belong_is_refused_with_its_reason() {
    let segment = object_created("b", &format!("segments/{JOB}/00000_00001_sbs.mp4"));
    assert!(matches!(parse(QueueRole::Chunking, &segment), Err(Error::Key(_))));
    assert!(matches!(parse(QueueRole::Chunking, "hello"), Err(Error::Shape(_))));
    assert!(matches!(parse(QueueRole::Chunking, "{}"), Err(Error::Empty)));
    assert!(matches!(parse(QueueRole::Reassembly, &segment), Err(Error::Shape(_))));
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
