//! A bucket's failures, seen through the object store.

use aws_smithy_runtime_api::client::http::{HttpConnector as SdkConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse as SdkResponse;
use http_body_util::Full;
use object_store::client::HttpRequestBody;
use object_store::{ObjectStoreExt as _, PutPayload};
use stereospot_ports::objects;

use crate::replay::Replay;
use crate::{Connections, Deployment};

use super::*;

fn connections(answers: &[(u16, &str)]) -> (Connections, Replay) {
    let replay = Replay::in_order(answers);
    let deployment = Deployment::parse("REGION=us-east-1\nAWS_ENDPOINT_URL=http://127.0.0.1:9", &|_| None).unwrap();
    (replay.connections(deployment), replay)
}

async fn check(status: u16, code: &str, expected: ErrorCode, says: &str) {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
    let (connections, _) = connections(&[(status, &body)]);
    let bucket = crate::s3::bucket(&connections, "in").unwrap();
    let error = bucket.store.get(&objects::path("a").unwrap()).await.map(|_| ()).unwrap_err();
    let error = Error::from(error);
    assert_eq!(error.code(), expected, "{code}: {error:?}");
    assert!(error.to_string().contains(says), "{code}: {error}");
}

#[tokio::test]
async fn each_failure_is_a_sentence() {
    check(404, "NoSuchKey", ErrorCode::NotFound, "no object at a").await;
    check(404, "NoSuchBucket", ErrorCode::NotFound, "the bucket in does not exist").await;
    check(403, "AccessDenied", ErrorCode::Denied, "s3:GetObject (or s3:ListBucket) on the bucket in is not allowed")
        .await;
    check(400, "ExpiredToken", ErrorCode::Denied, "have expired").await;
    check(403, "InvalidAccessKeyId", ErrorCode::Denied, "does not know these credentials").await;
    check(301, "PermanentRedirect", ErrorCode::Invalid, "another region").await;
    check(403, "RequestTimeTooSkewed", ErrorCode::Denied, "clock is off").await;
}

#[test]
fn what_passes_is_a_sentence_and_tried_again() {
    let check = |status, body: &str, expected, says: &str| {
        let error = refusal("PUT", "in", status, &Bytes::copy_from_slice(body.as_bytes())).unwrap();
        assert_eq!((error.code(), error.retryable()), (expected, true), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    check(
        503,
        "<Error><Code>SlowDown</Code></Error>",
        ErrorCode::Throttled,
        "AWS throttles s3:PutObject on the bucket in",
    );
    check(500, "<Error><Code>InternalError</Code></Error>", ErrorCode::Unavailable, "AWS failed at s3:PutObject");
    check(503, "", ErrorCode::Unavailable, "AWS failed at s3:PutObject on the bucket in");
    check(429, "", ErrorCode::Throttled, "AWS throttles s3:PutObject");
    assert!(refusal("PUT", "in", 412, &Bytes::from_static(b"<Code>PreconditionFailed</Code>")).is_none());
}

#[test]
fn a_date_header_shows_a_wrong_clock() {
    let check = |date: &str, expected| {
        let headers = http::HeaderMap::from_iter([(http::header::DATE, date.parse().unwrap())]);
        // Thu, 01 Jan 1970 01:00:00 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
        assert_eq!(is_of_another_time(&headers, now), expected, "{date}");
    };
    check("Thu, 01 Jan 1970 01:14:59 GMT", false);
    check("Thu, 01 Jan 1970 01:15:01 GMT", true);
    check("Thu, 01 Jan 1970 00:44:59 GMT", true);
    check("Thu, 01 Jan 1970 00:45:01 GMT", false);
    check("yesterday", false);
    assert!(!is_of_another_time(&http::HeaderMap::new(), SystemTime::now()));
}

#[tokio::test]
async fn a_put_is_one_signed_request_and_counted() {
    let (connections, replay) = connections(&[(200, "")]);
    let bucket = crate::s3::bucket(&connections, "in").unwrap();
    let parts = PutPayload::from_iter([Bytes::from_static(b"ab"), Bytes::from_static(b"cd")]);
    // The result does not matter: the recorded answer lacks the ETag that S3 always sends.
    drop(bucket.store.put(&objects::path("k").unwrap(), parts).await);
    assert_eq!(
        (replay.sent()[0].action.as_str(), replay.sent()[0].uri.as_str()),
        ("PUT /in/k", "http://127.0.0.1:9/in/k")
    );
    assert_eq!(connections.calls.snapshot()[&("s3".into(), "PUT".into())].attempts, 1);
}

/// Sends nothing, or the beginning of an object.
#[derive(Debug)]
struct Stops {
    has_begun: bool,
}

impl SdkConnector for Stops {
    fn call(&self, _: SdkRequest) -> HttpConnectorFuture {
        if !self.has_begun {
            return HttpConnectorFuture::new(std::future::pending());
        }
        let begin = BodyStream::new(Full::new(Bytes::from_static(b"begin")));
        let body = SdkBody::from_body_1_x(StreamBody::new(begin.chain(futures::stream::pending())));
        HttpConnectorFuture::ready(Ok(SdkResponse::new(200.try_into().unwrap(), body)))
    }
}

#[tokio::test]
async fn neither_a_silent_nor_a_stopping_answer_is_waited_for_for_ever() {
    for (has_begun, says) in [(false, "S3 did not answer in time"), (true, "S3 stopped in the middle of an object")] {
        let brief = Duration::from_millis(50);
        let connector = SharedHttpConnector::new(Stops { has_begun });
        let transport =
            SdkTransport { read: brief, stall: brief, ..SdkTransport::new(connector, Calls::default(), "in") };
        let request = http::Request::get("http://127.0.0.1:9/in/k").body(HttpRequestBody::empty()).unwrap();
        let error = match transport.call(request).await {
            Ok(answer) => answer.into_body().bytes().await.map(|_| ()).unwrap_err(),
            Err(error) => HttpError::new_boxed(error.kind(), error.into()),
        };
        assert_eq!(error.kind(), HttpErrorKind::Timeout);
        assert!(format!("{error:?}").contains(says), "{error:?}");
    }
}
