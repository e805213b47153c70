//! Properties of all generated clients, tested with the one of ECS.

use std::time::SystemTime;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::json;
use stereospot_domain::Timestamp;
use stereospot_ports::log_source::line;
use stereospot_ports::{ErrorCode, Result};

use super::*;
use crate::calls::Count;
use crate::error::failed;
use crate::replay::Replay;

async fn update(config: &SdkConfig, calls: &Calls) -> Result<()> {
    let call = client!(aws_sdk_ecs, config, calls).update_service().service("video-worker");
    call.send().await.map(drop).map_err(failed("ecs:UpdateService", "service", "video-worker"))
}

fn counted(calls: &Calls) -> Count {
    calls.snapshot()[&("ecs".into(), "UpdateService".into())]
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_and_every_attempt_counted() {
    let replay = Replay::default()
        .refuse("UpdateService", "ThrottlingException", "Rate exceeded")
        .raw("UpdateService", 500, &[], "")
        .answer("UpdateService", json!({}));
    let config = replay.config().to_builder().retry_config(RetryConfig::adaptive().with_max_attempts(4)).build();
    let calls = Calls::default();
    update(&config, &calls).await.unwrap();
    assert_eq!(counted(&calls), Count { attempts: 3, throttled: 1, failed: 1 });
    let sent = &replay.sent()[0];
    assert!(sent.uri.starts_with("https://ecs.eu-central-1.amazonaws.com"), "{}", sent.uri);
    assert!(sent.header("authorization").unwrap().contains("/eu-central-1/ecs/aws4_request"));
    replay.finish();
}

async fn check(status: u16, headers: &[(&'static str, &str)], body: &str, code: ErrorCode, says: &str) {
    let replay = Replay::default().raw("UpdateService", status, headers, body);
    let error = update(&replay.config(), &Calls::default()).await.unwrap_err();
    assert_eq!(error.code(), code, "{body}: {error}");
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
    check(400, &[], r#"{"__type":"UpdateInProgressException"}"#, ErrorCode::Throttled, "").await;
    check(403, &[], "<html>", ErrorCode::Unavailable, "is not AWS").await;
    check(503, &[], "", ErrorCode::Unavailable, "").await;
    check(400, &[], r#"{"__type":"ValidationException","message":"Could not find endpoint"}"#, ErrorCode::NotFound, "")
        .await;
    check(200, &[], "<html>", ErrorCode::Unavailable, "is not AWS").await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_made_up_for() {
    let theirs = SystemTime::now() + Duration::from_secs(3600);
    let date = DateTime::from(theirs).fmt(Format::HttpDate).unwrap();
    let refusal = r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#;
    let replay =
        Replay::default().raw("UpdateService", 403, &[("date", &date)], refusal).answer("UpdateService", json!({}));
    let config = replay.config().to_builder().retry_config(RetryConfig::adaptive().with_max_attempts(2)).build();
    update(&config, &Calls::default()).await.unwrap();
    let times: Vec<Timestamp> =
        replay.sent().iter().map(|sent| signed_at(sent.header("x-amz-date").unwrap())).collect();
    let corrected = times[1].since(times[0]);
    assert!((3590..=3610).contains(&corrected.as_secs()), "{times:?}");
    replay.finish();
}

/// `20261121T194957Z`.
fn signed_at(date: &str) -> Timestamp {
    let (day, clock) = (&date[..8], &date[9..15]);
    let text = [&day[..4], "-", &day[4..6], "-", &day[6..], "T", &clock[..2], ":", &clock[2..4], ":", &clock[4..]];
    line::time(&text.concat()).unwrap()
}

#[tokio::test]
async fn a_connection_that_hangs_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(300)).build();
    let credentials = aws_credential_types::Credentials::new("key", "secret", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(limits)
        .build();
    let calls = Calls::default();
    assert_eq!(update(&config, &calls).await.unwrap_err().code(), ErrorCode::Unavailable);
    assert_eq!(counted(&calls).failed, 1);
}
