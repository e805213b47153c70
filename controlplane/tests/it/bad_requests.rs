//! Every refusal is a problem with one sentence.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stereospot_api::Problem;
use stereospot_api::wire::NewJob;
use stereospot_domain::{EventKind, Stage};

use crate::harness::{Plane, Worker};

struct Raw {
    http: reqwest::Client,
    server: String,
}

impl Raw {
    fn of(plane: &Plane) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, server: plane.client.server().to_owned() }
    }

    async fn check(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: &str,
        status: u16,
        code: &str,
    ) -> Problem {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.server)).body(body.to_owned());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let response = request.send().await.unwrap();
        let place = format!("{method} {path} {body:.60}");
        assert_eq!(response.status().as_u16(), status, "{place}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{place}");
        let problem: Problem = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!((problem.status, problem.code.as_str()), (status, code), "{place}: {problem:?}");
        assert_eq!(problem.kind, format!("/problems/{code}"));
        assert!(!problem.detail.is_empty() && !problem.detail.ends_with('.'), "{problem:?}");
        problem
    }
}

#[tokio::test]
async fn each_kind_of_bad_request_has_its_own_answer() {
    let plane = Plane::passive().await;
    let raw = Raw::of(&plane);
    let json_type = Some("application/json");
    let nowhere = "/v1/jobs/00000000-0000-0000-0000-000000000000";
    raw.check(Method::GET, "/nothing", None, "", 404, "not-found").await;
    raw.check(Method::DELETE, "/v1/jobs", None, "", 405, "invalid").await;
    raw.check(Method::GET, nowhere, None, "", 404, "not-found").await;
    raw.check(Method::GET, &format!("{nowhere}/result"), None, "", 404, "not-found").await;
    raw.check(Method::GET, &format!("{nowhere}/events"), None, "", 404, "not-found").await;
    raw.check(Method::PUT, &format!("{nowhere}/source"), None, "x", 404, "not-found").await;
    let problem = raw.check(Method::GET, "/v1/jobs/7", None, "", 400, "invalid").await;
    assert!(problem.detail.contains("expected a UUID"), "{problem:?}");
    raw.check(Method::GET, "/v1/jobs?limit=many", None, "", 400, "invalid").await;
    for (path, said) in [
        ("/v1/jobs?limit=0", "limit is 0: give 1 to 1000"),
        ("/v1/jobs?limit=1001", "limit is 1001: give 1 to 1000"),
        ("/v1/actions?limit=0", "limit is 0: give 1 to 1000"),
        ("/v1/snapshot?jobs=0", "jobs is 0: give 1 to 100000"),
        ("/v1/queues/inference/messages?max=0", "max is 0: give 1 to 1000"),
        ("/v1/queues/inference/messages?limit=5", "unknown field `limit`"),
        (&format!("{nowhere}/events?limit=0"), "limit is 0: give 1 to 10000"),
        (&format!("{nowhere}/logs?limit=10001"), "limit is 10001: give 1 to 10000"),
        ("/v1/stream?since=1", "unknown field `since`"),
    ] {
        let problem = raw.check(Method::GET, path, None, "", 400, "invalid").await;
        assert!(problem.detail.contains(said), "{problem:?}");
    }
    raw.check(Method::GET, "/v1/jobs?status=lost", None, "", 400, "invalid").await;
    raw.check(Method::GET, "/v1/jobs?cursor=lost", None, "", 400, "invalid").await;
    let problem = raw.check(Method::GET, "/v1/queues/video/messages", None, "", 404, "not-found").await;
    assert!(problem.detail.contains("inference-dlq"), "{problem:?}");
    raw.check(Method::POST, "/v1/jobs", None, "{}", 415, "invalid").await;
    raw.check(Method::POST, "/v1/jobs", Some("text/plain"), "{}", 415, "invalid").await;
    raw.check(Method::POST, "/v1/jobs", json_type, "{", 400, "invalid").await;
    raw.check(Method::POST, "/v1/jobs", json_type, "", 400, "invalid").await;
    raw.check(Method::POST, "/v1/jobs", json_type, r#"{"titel":"x"}"#, 422, "invalid").await;
    let problem =
        raw.check(Method::POST, "/v1/jobs", json_type, r#"{"options":{"format":"3d"}}"#, 422, "invalid").await;
    assert!(problem.detail.contains("half-sbs"), "{problem:?}");
    let long = json!({"title": "x".repeat(201)}).to_string();
    raw.check(Method::POST, "/v1/jobs", json_type, &long, 422, "invalid").await;
    let huge = json!({"title": "x".repeat(3 * 1024 * 1024)}).to_string();
    raw.check(Method::POST, "/v1/jobs", json_type, &huge, 413, "too-large").await;
    raw.check(Method::POST, "/v1/plans", json_type, r#"{"action":"explode"}"#, 422, "invalid").await;
    let unknown = json!({"action": "trigger", "job_id": "00000000-0000-0000-0000-000000000000"}).to_string();
    raw.check(Method::POST, "/v1/plans", json_type, &unknown, 404, "not-found").await;
    let plan = "/v1/plans/00000000-0000-0000-0000-000000000000";
    raw.check(Method::GET, plan, None, "", 404, "not-found").await;
    raw.check(Method::POST, &format!("{plan}/apply"), json_type, "{}", 404, "not-found").await;
    raw.check(Method::POST, "/v1/plans/7/apply", json_type, "{}", 400, "invalid").await;
    raw.check(Method::GET, "/v1/stream?after=soon", None, "", 400, "invalid").await;
    raw.check(Method::GET, "/metrics", None, "", 503, "unavailable").await;
}

#[tokio::test]
async fn events_that_break_the_rules_are_refused_whole() {
    let plane = Plane::passive().await;
    let raw = Raw::of(&plane);
    let mut worker = Worker::new("w", Stage::Inference);
    let event = worker.event(EventKind::WorkerHeartbeat, plane.now(), None, json!({}));
    let good = serde_json::to_value(&event).unwrap();
    let with = |name: &str, value: Value| {
        let mut bad = good.clone();
        bad[name] = value;
        json!({"events": [good, bad]}).to_string()
    };
    let kind = Some("application/json");
    for bad in [with("v", json!(2)), with("seq", json!(0)), with("source", json!(""))] {
        let problem = raw.check(Method::POST, "/v1/events", kind, &bad, 422, "invalid").await;
        assert!(problem.detail.starts_with("event 1: "), "{problem:?}");
    }
    for bad in [with("type", json!(7)), with("time", json!("noon")), "[]".into()] {
        raw.check(Method::POST, "/v1/events", kind, &bad, 422, "invalid").await;
    }
    let large = with("data", json!({"error": "x".repeat(70_000)}));
    raw.check(Method::POST, "/v1/events", kind, &large, 422, "invalid").await;
    let many = json!({"events": vec![good.clone(); 1001]}).to_string();
    raw.check(Method::POST, "/v1/events", kind, &many, 413, "too-large").await;
    assert!(plane.client.workers().await.unwrap().is_empty(), "nothing of a refused batch is kept");
}

#[tokio::test]
async fn a_page_of_another_site_is_kept_out() {
    let plane = Plane::passive().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/snapshot", plane.client.server());
    let ask = async |host: &str| http.get(&url).header("host", host).send().await.unwrap().status();
    assert_eq!(ask("evil.example").await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(ask("127.0.0.1.evil.example:80").await, StatusCode::MISDIRECTED_REQUEST);
    for host in ["localhost:7847", "127.0.0.1", "[::1]:7847"] {
        assert_eq!(ask(host).await, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn a_repeated_request_to_create_a_job_makes_one_job() {
    let plane = Plane::passive().await;
    let (key, new) = (uuid::Uuid::new_v4(), NewJob { title: Some("clip.mp4".into()), options: Default::default() });
    let first = plane.client.create_job_once(&new, key).await.unwrap();
    assert_eq!(plane.client.create_job_once(&new, key).await.unwrap(), first);
    assert_eq!(plane.client.jobs(None, 10, None).await.unwrap().jobs.len(), 1);
    let other = NewJob { title: Some("other.mp4".into()), ..new };
    let refused = plane.client.create_job_once(&other, key).await.unwrap_err();
    assert!(refused.to_string().contains("send a new key for a new job"), "{refused}");
    assert_ne!(plane.client.create_job(&other).await.unwrap().job_id, first.job_id);
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_a_problem_too() {
    let plane = Plane::passive().await;
    let raw = Raw::of(&plane);
    for path in ["/v1/jobs/%ff", "/v1/plans/%ff", "/v1/queues/%ff/messages", "/v1/jobs/%ff/logs"] {
        raw.check(Method::GET, path, None, "", 400, "invalid").await;
    }
    let scale = r#"{"action":"scale","service":"s","desired":2147483648}"#;
    raw.check(Method::POST, "/v1/plans", Some("application/json"), scale, 400, "invalid").await;
    let numbered = r#"{"action":0,"queue":"chunking"}"#;
    raw.check(Method::POST, "/v1/plans", Some("application/json"), numbered, 422, "invalid").await;
}
