//! Inference by a managed model.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt as _;
use serde_json::Value;
use stereospot_aws::http_inference::HttpInference;
use stereospot_aws::sagemaker::{FAILURES, RESPONSES, Sagemaker};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, keys};
use stereospot_ports::objects;
use stereospot_worker::managed::{Endpoint, EndpointResults, HttpServer, InFlight};
use stereospot_worker::outputs::Outputs;

use crate::model;
use crate::world::{World, put};

const ENDPOINT: &str = "SAGEMAKER_ENDPOINT_NAME=stereo-spot-inference";

struct Managed {
    world: World,
    endpoint: Endpoint,
    outputs: Outputs,
    in_flight: Arc<InFlight>,
}

impl Managed {
    async fn new(world: World) -> Self {
        let in_flight = Arc::new(InFlight::new(5, Duration::from_secs(1200)));
        let sagemaker = Sagemaker::of(&world.connections, world.backend().output.clone()).unwrap();
        let results = EndpointResults { sagemaker: sagemaker.clone(), in_flight: Arc::clone(&in_flight) };
        let endpoint = Endpoint { sagemaker, in_flight: Arc::clone(&in_flight) };
        Self { world, endpoint, outputs: Outputs { results: Some(Arc::new(results)) }, in_flight }
    }

    /// Cuts a source and hands its two segments to the model.
    async fn hand_over(&self) -> JobId {
        let job_id = self.world.submit().await;
        self.world.work(&[&*self.world.chunking(), &self.endpoint]).await;
        assert!(!self.has_messages(QueueRole::Inference).await, "handed over and deleted");
        job_id
    }

    async fn has_messages(&self, role: QueueRole) -> bool {
        let stats = self.world.backend().queue_named(QueueName::main(role)).unwrap().stats().await.unwrap();
        stats.ready + stats.in_flight + stats.delayed > 0
    }

    /// Does what the model's container does with a request, and writes the result object where the caller expects it.
    async fn answer(&self, job_id: JobId, index: u32, is_success: bool) {
        let output = &self.world.backend().output;
        let invocation = self.in_flight.invocation(job_id, index).expect("it was handed over");
        let key = |uri: &str| uri.strip_prefix(&output.uri("")).unwrap().to_owned();
        if is_success {
            let request = format!("sagemaker-invocation-requests/{job_id}/{index}.json");
            let request = output.store.get(&objects::path(&request).unwrap()).await.unwrap().bytes().await.unwrap();
            let wanted: Value = serde_json::from_slice(&request).unwrap();
            model::convert(self.world.backend(), &wanted).await;
            let key = key(&invocation.success_uri);
            assert!(key.starts_with(RESPONSES));
            put(output, &key, b"{}".to_vec()).await;
        } else {
            let key = key(&invocation.failure_uri.unwrap());
            assert!(key.starts_with(FAILURES));
            put(output, &key, b"iw3 exited 1".to_vec()).await;
        }
    }
}

#[tokio::test]
#[ignore = "run with credentials by the test in main.rs"]
async fn an_endpoint_s_results_complete_the_segments() {
    let managed = Managed::new(World::new(ENDPOINT).await).await;
    let world = &managed.world;
    let job_id = managed.hand_over().await;
    assert_eq!(world.completions(job_id).await, 0);
    managed.answer(job_id, 0, true).await;
    managed.answer(job_id, 1, true).await;
    world.work(&[&managed.outputs]).await;
    assert_eq!((world.completions(job_id).await, world.status(job_id).await), (2, JobStatus::Reassembling));
    assert!(managed.in_flight.invocation(job_id, 0).is_none(), "there is room again");
    assert!(!managed.has_messages(QueueRole::OutputEvents).await);
}

#[tokio::test]
#[ignore = "run with credentials by the test in main.rs"]
async fn what_the_endpoint_fails_at_is_handed_over_again_and_fails_the_job_in_the_end() {
    let managed = Managed::new(World::new(ENDPOINT).await).await;
    let world = &managed.world;
    let job_id = managed.hand_over().await;
    managed.answer(job_id, 0, true).await;
    for failures in 1..=3 {
        managed.answer(job_id, 1, false).await;
        world.work(&[&managed.outputs]).await;
        let is_over = failures == 3;
        assert_eq!(managed.has_messages(QueueRole::Inference).await, !is_over);
        assert_eq!(world.status(job_id).await == JobStatus::Failed, is_over);
        world.work(&[&managed.endpoint]).await;
    }
    let error = world.job(job_id).await.error.unwrap();
    assert_eq!(error, "the endpoint failed 3 times at segment 1: iw3 exited 1");
    // The result of an unknown invocation is looked at a few times, then dropped.
    put(&world.backend().output, "sagemaker-async-responses/stranger.out", b"{}".to_vec()).await;
    world.work(&[&managed.outputs]).await;
    assert!(managed.has_messages(QueueRole::OutputEvents).await, "it may be known in a moment");
}

#[tokio::test]
#[ignore = "run with credentials by the test in main.rs"]
async fn with_a_job_worker_results_only_make_room() {
    let managed = Managed::new(World::with_job_worker(ENDPOINT).await).await;
    let world = &managed.world;
    let job_id = managed.hand_over().await;
    managed.answer(job_id, 0, true).await;
    managed.answer(job_id, 1, false).await;
    world.work(&[&managed.outputs]).await;
    assert!(managed.in_flight.invocation(job_id, 0).is_none() && managed.in_flight.invocation(job_id, 1).is_none());
    assert_eq!((world.completions(job_id).await, world.status(job_id).await), (0, JobStatus::ChunkingComplete));
    for role in [QueueRole::OutputEvents, QueueRole::Inference] {
        assert!(!managed.has_messages(role).await, "{role:?}");
    }
}

#[tokio::test]
#[ignore = "run with credentials by the test in main.rs"]
async fn a_server_converts_while_the_message_is_held() {
    let server = model::Server::listen().await;
    let world = World::new(&format!("INFERENCE_HTTP_URL={}", server.url)).await;
    let (exchange, _serving) = server.start(world.backend().clone());
    let inference = HttpServer { server: HttpInference::of(&world.connections).unwrap().unwrap() };
    let job_id = world.submit().await;
    world.work(&[&*world.chunking(), &inference]).await;
    assert_eq!(exchange.lock().unwrap().asked, ["GET /ping", "POST /invocations"].repeat(2));
    assert_eq!((world.completions(job_id).await, world.status(job_id).await), (2, JobStatus::Reassembling));

    // When the endpoint refuses a segment, the job fails with the endpoint's words.
    let job_id = world.submit().await;
    exchange.lock().unwrap().instead = vec![(400, r#"{"error": "no such mode"}"#)];
    world.work(&[&*world.chunking(), &inference]).await;
    let job = world.job(job_id).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert_eq!(
        job.error.unwrap(),
        "the inference server failed: no such mode; change what it says and submit the video again"
    );
    assert!(!world.exists(&world.backend().output, &keys::output_segment(job_id, 1)).await, "left alone then");
}
