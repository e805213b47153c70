use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use stereospot_ports::{Error, ErrorCode};

use super::*;
use crate::calls::Count;
use crate::replay::Replay;

fn request(action: &'static str, method: &'static str, path: &str) -> Request {
    Request { action, method, path: path.into(), content_type: None, body: String::new() }
}

async fn list(api: &Api) -> Result<String> {
    api.send(request("s3:ListBucket", "GET", "/in"), "bucket", "in").await
}

#[tokio::test]
async fn a_call_is_signed_as_s3_wants_and_counted() {
    let replay = Replay::default().raw("GET /in", 200, &[], "<a/>");
    let calls = Calls::default();
    assert_eq!(list(&Api::s3(&replay.config(), &calls)).await.unwrap(), "<a/>");
    let sent = &replay.sent()[0];
    assert_eq!(sent.uri, "https://s3.eu-central-1.amazonaws.com/in");
    assert!(sent.header("authorization").unwrap().contains("/eu-central-1/s3/aws4_request"));
    assert!(sent.header("x-amz-content-sha256").is_some());
    let counted = calls.snapshot();
    assert_eq!(counted[&("s3".into(), "ListBucket".into())], Count { attempts: 1, throttled: 0, failed: 0 });
    replay.finish();
}

#[tokio::test]
async fn iam_is_one_service_for_all_regions() {
    let replay = Replay::default().raw("POST /", 200, &[], "");
    let api = Api::iam(&replay.config(), &Calls::default());
    api.send(request("iam:SimulatePrincipalPolicy", "POST", "/"), "principal", "a").await.unwrap();
    let sent = &replay.sent()[0];
    assert_eq!(sent.uri, "https://iam.amazonaws.com/");
    assert!(sent.header("authorization").unwrap().contains("/us-east-1/iam/"));
}

#[test]
fn addresses_follow_partition_and_override() {
    let config = Replay::default().config();
    assert_eq!(suffix("cn-north-1"), "amazonaws.com.cn");
    assert_eq!(endpoint(&config, "S3", "s3.eu-central-1.amazonaws.com"), "https://s3.eu-central-1.amazonaws.com");
    let local = config.to_builder().endpoint_url("http://127.0.0.1:5000/").build();
    assert_eq!(endpoint(&local, "S3", "h"), "http://127.0.0.1:5000");
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_and_every_attempt_counted() {
    let slow = "<Error><Code>SlowDown</Code><Message>m</Message></Error>";
    let replay = Replay::in_order(&[(503, slow), (500, ""), (200, "<a/>")]);
    let config = replay.config().to_builder().retry_config(RetryConfig::adaptive().with_max_attempts(4)).build();
    let calls = Calls::default();
    list(&Api::s3(&config, &calls)).await.unwrap();
    let counted = calls.snapshot()[&("s3".into(), "ListBucket".into())];
    assert_eq!(counted, Count { attempts: 3, throttled: 1, failed: 1 });
    replay.finish();
}

async fn check(status: u16, headers: &[(&'static str, &str)], body: &str, code: ErrorCode, says: &str) {
    let replay = Replay::default().raw("GET /in", status, headers, body);
    let error: Error = list(&Api::s3(&replay.config(), &Calls::default())).await.unwrap_err();
    assert_eq!(error.code(), code, "{body}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn refusals_in_every_form_become_sentences() {
    let iam = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>m</Message></Error></ErrorResponse>";
    check(403, &[], iam, ErrorCode::Denied, "s3:ListBucket on the bucket in is not allowed").await;
    let s3 = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>m</Message><Bucket>in</Bucket></Error>";
    check(404, &[], s3, ErrorCode::NotFound, "does not exist").await;
    check(409, &[], "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>", ErrorCode::Conflict, "").await;
    check(403, &[], "<html>", ErrorCode::Denied, "").await;
    check(404, &[], "", ErrorCode::NotFound, "").await;
    check(503, &[], "", ErrorCode::Unavailable, "").await;
    check(
        301,
        &[("x-amz-bucket-region", "eu-west-1")],
        "",
        ErrorCode::Invalid,
        "it lies in eu-west-1: set REGION to that",
    )
    .await;
}

#[tokio::test]
async fn no_connection_and_no_credentials_are_different_errors() {
    let replay = Replay::default();
    let error = list(&Api::s3(&replay.config(), &Calls::default())).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    let without = SdkConfig::builder().region(Region::new("eu-central-1")).http_client(replay.clone()).build();
    assert!(list(&Api::s3(&without, &Calls::default())).await.is_err());
    assert_eq!(replay.sent().len(), 1, "nothing is sent unsigned");
}

#[tokio::test]
async fn a_clock_that_is_off_is_made_up_for() {
    let theirs = SystemTime::now() + Duration::from_secs(3600);
    let date = DateTime::from(theirs).fmt(Format::HttpDate).unwrap();
    let refusal = "<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>";
    let replay = Replay::default().raw("GET /in", 403, &[("date", &date)], refusal).raw("GET /in", 200, &[], "");
    let config = replay.config().to_builder().retry_config(RetryConfig::adaptive().with_max_attempts(2)).build();
    list(&Api::s3(&config, &Calls::default())).await.unwrap();
    let hours: Vec<u32> =
        replay.sent().iter().map(|sent| sent.header("x-amz-date").unwrap()[9..11].parse().unwrap()).collect();
    assert_eq!((hours[0] + 1) % 24, hours[1]);
    replay.finish();
}

#[test]
fn the_checksum_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(b""), 0);
}
