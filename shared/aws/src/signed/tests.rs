use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::retry::RetryConfig;
use serde_json::json;
use stereospot_ports::log_source::line;

use super::replay::Replay;
use super::service::{ECS, IAM, S3, STS};
use super::*;
use crate::calls::Count;

fn ecs(replay: &Replay, calls: &Calls) -> Api {
    Api::new(&replay.config(), calls, &ECS).unwrap()
}

#[tokio::test]
async fn a_json_call_is_signed_named_and_counted() {
    let replay = Replay::default().answer("DescribeServices", json!({ "services": [] }));
    let calls = Calls::default();
    let about = on("DescribeServices", "cluster", "c");
    let answer: Value = ecs(&replay, &calls).json(about, json!({ "cluster": "c" })).await.unwrap();
    assert_eq!(answer, json!({ "services": [] }));
    let sent = &replay.sent()[0];
    assert_eq!(sent.header("x-amz-target"), Some("AmazonEC2ContainerServiceV20141113.DescribeServices"));
    assert_eq!(sent.header("content-type"), Some("application/x-amz-json-1.1"));
    assert!(sent.uri.starts_with("https://ecs.eu-central-1.amazonaws.com"), "{}", sent.uri);
    assert!(sent.header("authorization").unwrap().contains("/eu-central-1/ecs/aws4_request"));
    let counted = calls.snapshot();
    assert_eq!(counted[&("ecs".into(), "DescribeServices".into())], Count { attempts: 1, throttled: 0, failed: 0 });
    replay.finish();
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_and_both_attempts_are_counted() {
    let replay = Replay::default()
        .refuse("UpdateService", "ThrottlingException", "Rate exceeded")
        .raw("UpdateService", 500, &[], "")
        .answer("UpdateService", json!({}));
    let config = replay.config().to_builder().retry_config(RetryConfig::adaptive().with_max_attempts(4)).build();
    let calls = Calls::default();
    let api = Api::new(&config, &calls, &ECS).unwrap();
    api.json::<Value>(on("UpdateService", "service", "s"), json!({})).await.unwrap();
    let counted = calls.snapshot()[&("ecs".into(), "UpdateService".into())];
    assert_eq!(counted, Count { attempts: 3, throttled: 1, failed: 1 });
    replay.finish();
}

async fn check(status: u16, headers: &[(&'static str, &str)], body: &str, code: ErrorCode, says: &str) {
    let replay = Replay::default().raw("UpdateService", status, headers, body);
    let about = on("UpdateService", "service", "video-worker");
    let error = ecs(&replay, &Calls::default()).json::<Value>(about, json!({})).await.unwrap_err();
    assert_eq!(error.code(), code, "{body}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn refusals_in_every_form_become_sentences() {
    let denied = r#"{"__type":"AccessDeniedException","message":"User: x is not authorized"}"#;
    check(400, &[], denied, ErrorCode::Denied, "ecs:UpdateService on the service video-worker is not allowed").await;
    check(
        400,
        &[],
        r#"{"__type":"com.amazonaws.ecs#ServiceNotFoundException","message":"m"}"#,
        ErrorCode::NotFound,
        "",
    )
    .await;
    check(400, &[("x-amzn-errortype", "ClusterNotFoundException:http://x/")], "{}", ErrorCode::NotFound, "").await;
    check(400, &[], r#"{"__type":"ExpiredTokenException"}"#, ErrorCode::Denied, "have expired").await;
    let xml = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>m</Message></Error></ErrorResponse>";
    check(403, &[], xml, ErrorCode::Denied, "is not allowed").await;
    check(403, &[], "<html>", ErrorCode::Denied, "").await;
    check(503, &[], "", ErrorCode::Unavailable, "").await;
    check(400, &[], r#"{"__type":"ValidationException","message":"Could not find endpoint"}"#, ErrorCode::NotFound, "")
        .await;
    check(
        301,
        &[("x-amz-bucket-region", "eu-west-1")],
        "",
        ErrorCode::Invalid,
        "it lies in eu-west-1: set REGION to that",
    )
    .await;
    check(200, &[], "<html>", ErrorCode::Corrupt, "unknown shape").await;
}

#[tokio::test]
async fn no_connection_and_no_credentials_are_told_apart() {
    let replay = Replay::default();
    let about = on("ListServices", "cluster", "c");
    let error = ecs(&replay, &Calls::default()).json::<Value>(about, json!({})).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    let without = SdkConfig::builder().region(Region::new("eu-central-1")).http_client(replay.clone()).build();
    let api = Api::new(&without, &Calls::default(), &ECS).unwrap();
    assert!(api.json::<Value>(about, json!({})).await.is_err());
    assert_eq!(replay.sent().len(), 1, "nothing is sent unsigned");
}

#[tokio::test]
async fn query_calls_and_addresses_follow_each_services_rules() {
    let replay = Replay::default().raw("GetCallerIdentity", 200, &[], "<R><Arn>arn:aws:iam::1:user/a</Arn></R>").raw(
        "SimulatePrincipalPolicy",
        200,
        &[],
        "<R/>",
    );
    let (config, calls) = (replay.config(), Calls::default());
    let sts = Api::new(&config, &calls, &STS).unwrap();
    let xml = sts.query(on("GetCallerIdentity", "account", ""), &[]).await.unwrap();
    assert_eq!(xml::first(&xml, "Arn").unwrap(), "arn:aws:iam::1:user/a");
    let iam = Api::new(&config, &calls, &IAM).unwrap();
    let parameters = [("ActionNames.member.1".to_owned(), "sqs:SendMessage".to_owned())];
    iam.query(on("SimulatePrincipalPolicy", "principal", "a"), &parameters).await.unwrap();
    let sent = &replay.sent()[1];
    assert!(sent.body.ends_with("&ActionNames.member.1=sqs%3ASendMessage"), "{}", sent.body);
    assert!(sent.uri.starts_with("https://iam.amazonaws.com/"), "{}", sent.uri);
    assert!(sent.header("authorization").unwrap().contains("/us-east-1/iam/"));
    let local = config.to_builder().endpoint_url("http://127.0.0.1:5000/").build();
    assert_eq!(S3.endpoint(&local, "eu-central-1"), "http://127.0.0.1:5000");
    assert_eq!(ECS.endpoint(&config, "cn-north-1"), "https://ecs.cn-north-1.amazonaws.com.cn");
}

#[tokio::test]
async fn a_clock_that_is_off_is_made_up_for() {
    let theirs = SystemTime::now() + Duration::from_secs(3600);
    let date = DateTime::from(theirs).fmt(Format::HttpDate).unwrap();
    let refusal = r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#;
    let replay = Replay::default()
        .raw("DescribeServices", 403, &[("date", &date)], refusal)
        .answer("DescribeServices", json!({}));
    let config = replay.config().to_builder().retry_config(RetryConfig::adaptive().with_max_attempts(2)).build();
    let api = Api::new(&config, &Calls::default(), &ECS).unwrap();
    api.json::<Value>(on("DescribeServices", "cluster", "c"), json!({})).await.unwrap();
    let dates: Vec<String> = replay.sent().iter().map(|sent| sent.header("x-amz-date").unwrap().to_owned()).collect();
    let hour = |date: &str| {
        line::time(&format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..8],
            &date[9..11],
            &date[11..13],
            &date[13..15]
        ))
        .unwrap()
    };
    let corrected = hour(&dates[1]).since(hour(&dates[0]));
    assert!((3590..=3610).contains(&corrected.as_secs()), "{dates:?}");
    replay.finish();
}

#[tokio::test]
async fn a_connection_that_hangs_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(300)).build();
    let credentials = Replay::default().config().credentials_provider().unwrap();
    let config = SdkConfig::builder()
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(limits)
        .build();
    let calls = Calls::default();
    let api = Api::new(&config, &calls, &ECS).unwrap();
    let error = api.json::<Value>(on("ListServices", "cluster", "c"), json!({})).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert_eq!(calls.snapshot()[&("ecs".into(), "ListServices".into())].failed, 1);
}
