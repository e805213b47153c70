use serde_json::json;
use stereospot_domain::Mode;

use super::*;
use crate::replay::Replay;

fn segment() -> Segment {
    Segment {
        job_id: "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap(),
        index: 0,
        total: 1,
        mode: Mode::Anaglyph,
        input_uri: "s3://in/a".into(),
        output_uri: "s3://out/b".into(),
    }
}

fn server(replay: &Replay, address: &str) -> Result<HttpInference> {
    HttpInference::new(&replay.config(), &Calls::default(), address, Duration::from_secs(9999))
}

#[tokio::test]
async fn a_segment_is_posted_unsigned_and_tried_again_once_when_the_server_fails() {
    let replay = Replay::default().raw("POST /gpu/invocations", 500, &[], r#"{"error": "CUDA out of memory"}"#).raw(
        "POST /gpu/invocations",
        200,
        &[],
        r#"{"status": "ok"}"#,
    );
    server(&replay, "http://10.0.0.7:8080/gpu/").unwrap().convert(&segment()).await.unwrap();
    let sent = &replay.sent()[0];
    assert_eq!(sent.json(), json!({ "s3_input_uri": "s3://in/a", "s3_output_uri": "s3://out/b", "mode": "anaglyph" }));
    assert!(sent.uri.starts_with("http://10.0.0.7:8080/"), "{}", sent.uri);
    assert!(sent.header("authorization").is_none());
    replay.finish();
}

#[tokio::test]
async fn the_servers_words_reach_the_reader() {
    let refused = Replay::default().raw("POST /invocations", 400, &[], r#"{"error": "mode must be anaglyph or sbs"}"#);
    let error = server(&refused, "http://h").unwrap().convert(&segment()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
    assert_eq!(error.to_string(), "the inference server failed: mode must be anaglyph or sbs");
    refused.finish();

    let failing = r#"{"error": "iw3 exited 1"}"#;
    let broken =
        Replay::default().raw("POST /invocations", 500, &[], failing).raw("POST /invocations", 500, &[], failing);
    let error = server(&broken, "http://h").unwrap().convert(&segment()).await.unwrap_err();
    assert!(error.retryable() && error.to_string().ends_with("iw3 exited 1"), "{error}");
    broken.finish();
}

#[tokio::test]
async fn health_is_one_quick_question() {
    let replay = Replay::default().raw("GET /ping", 200, &[], "").raw("GET /ping", 503, &[], "");
    let server = server(&replay, "https://h").unwrap();
    server.ping().await.unwrap();
    let error = server.ping().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert_eq!(error.to_string(), "the inference server failed: it answered with status 503");
    replay.finish();
}

#[test]
fn addresses_that_are_none_are_refused() {
    for address in ["", "localhost:8080", "ftp://h", "http://", "http:// h"] {
        assert!(server(&Replay::default(), address).is_err(), "{address}");
    }
}

/// With a real socket, because a recorded exchange can't hang.
#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let config = SdkConfig::builder().build();
    let server = HttpInference::new(&config, &Calls::default(), &address, Duration::from_secs(1)).unwrap();
    let error = server.convert(&segment()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
}
