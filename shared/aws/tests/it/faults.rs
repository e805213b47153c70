//! Things that are missing, don't answer, or disappear: each is one sentence, and the rest goes on working.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use object_store::ObjectStoreExt as _;
use stereospot_aws::{AwsBackend, Connections, Deployment, config};
use stereospot_domain::{JobId, QueueRole};
use stereospot_ports::work_queue::{Outgoing, Receive};
use stereospot_ports::{Clock as _, Error, ErrorCode, SystemClock, objects};
use tokio::net::TcpListener;
use tokio::time::Instant;
use uuid::Uuid;

use crate::emulator::{Emulator, Shape};

async fn open(connections: Connections) -> Result<stereospot_ports::Backend, Error> {
    Ok(AwsBackend::connect(connections, Arc::new(SystemClock)).await?.backend)
}

#[tokio::test]
async fn a_queue_deleted_while_running_hides_no_other() {
    let emulator = Emulator::start();
    let connections = emulator.deploy(Shape::Usual).await;
    let backend = open(connections.clone()).await.unwrap();
    let url = &connections.deployment.queues[&QueueRole::Chunking];
    aws_sdk_sqs::Client::new(&connections.config).delete_queue().queue_url(url).send().await.unwrap();
    let gone = backend.queue(QueueRole::Chunking).unwrap();
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: Some(Duration::from_secs(5)) };
    for error in [
        gone.receive(how).await.unwrap_err(),
        gone.send(&[Outgoing::now("a")]).await.unwrap_err(),
        gone.stats().await.unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(error.to_string().contains("-chunking does not exist: was it deleted"), "{error}");
    }
    backend.queue(QueueRole::Inference).unwrap().send(&[Outgoing::now("a")]).await.unwrap();
    // It still opens.
    let again = open(connections).await.unwrap();
    assert_eq!(again.queues.len(), 8);
}

#[tokio::test]
async fn a_missing_table_or_bucket_is_named() {
    let emulator = Emulator::start();
    let mut deployment = emulator.deploy(Shape::Usual).await.deployment;
    deployment.tables.locks = Some("no-such-table".into());
    deployment.output_bucket = Some("no-such-bucket".into());
    let backend = open(emulator.connect(deployment).await).await.unwrap();
    let job_id = JobId(Uuid::new_v4());
    let error = backend.jobs.lock(job_id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.to_string().starts_with("the table no-such-table does not exist"), "{error}");
    assert_eq!(backend.jobs.get(job_id).await.unwrap(), None, "the other tables answer");
    let error = backend.output.store.put(&objects::path("a").unwrap(), "b".into()).await.unwrap_err();
    let error = Error::from(error);
    assert!(error.to_string().starts_with("the bucket no-such-bucket does not exist"), "{error:?}");
}

#[tokio::test]
async fn a_deployment_may_lack_queues_and_buckets() {
    let emulator = Emulator::start();
    let mut deployment = emulator.deploy(Shape::Usual).await.deployment;
    deployment.queues.remove(&QueueRole::Reassembly);
    let backend = open(emulator.connect(deployment.clone()).await).await.unwrap();
    assert_eq!(backend.queues.len(), 6);
    assert_eq!(backend.queue(QueueRole::Reassembly).unwrap_err().code(), ErrorCode::NotFound);
    deployment.input_bucket = None;
    let backend = open(emulator.connect(deployment).await).await.unwrap();
    let said =
        "this deployment has no bucket of sources and segments: INPUT_BUCKET_NAME is missing in the environment file";
    let store = &*backend.input.store;
    let key = objects::path("a").unwrap();
    for error in [
        objects::size(store, "a").await.unwrap_err(),
        objects::keys_below(store, "a").await.unwrap_err(),
        Error::from(store.put(&key, "b".into()).await.unwrap_err()),
        Error::from(store.delete(&key).await.unwrap_err()),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::NotFound, said));
    }
    backend.output.store.put(&key, "b".into()).await.unwrap();
}

fn deployment(endpoint: &str) -> Deployment {
    let text = format!(
        "REGION=us-east-1\nAWS_ENDPOINT_URL={endpoint}\nINPUT_BUCKET_NAME=in\nOUTPUT_BUCKET_NAME=out\nJOBS_TABLE_NAME=j\n\
         SEGMENT_COMPLETIONS_TABLE_NAME=c\nREASSEMBLY_TRIGGERED_TABLE_NAME=r\nCHUNKING_QUEUE_URL={endpoint}/1/p-chunking"
    );
    Deployment::parse(&text, &|_| None).unwrap()
}

/// Time limits of a fraction of a second, and one attempt.
async fn impatient(deployment: Deployment) -> Connections {
    let brief = Duration::from_millis(300);
    let limits = config::timeouts(Duration::ZERO).to_builder().read_timeout(brief).operation_timeout(brief * 2).build();
    let credentials = SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test"));
    let loader = config::loader(&deployment).timeout_config(limits).credentials_provider(credentials);
    Connections::with_loader(deployment, loader).await
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let began = Instant::now();
    let error = open(impatient(deployment(&endpoint)).await).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(
        error.to_string().starts_with("no answer in time to sqs:GetQueueAttributes on the queue p-chunking"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(error.retryable());
    accepting.abort();
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named() {
    // Bound and closed again, so no one listens.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let connections = impatient(deployment(&format!("http://{address}"))).await;
    let error = open(connections.clone()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error:?}");
    let counts = connections.calls.snapshot();
    assert!(counts[&("sqs".into(), "GetQueueAttributes".into())].failed >= 1, "{counts:?}");
}

type Cause = fn() -> CredentialsError;

/// The credential chain finds nothing, or an expired SSO session.
#[derive(Debug)]
struct NoCredentials(Cause);

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}

#[tokio::test]
async fn without_credentials_it_says_how_to_give_some() {
    let causes: [(Cause, &str); 2] = [
        (
            || CredentialsError::not_loaded("no providers in chain provided credentials"),
            "no AWS credentials were found",
        ),
        (|| CredentialsError::provider_error("the SSO session has expired"), "the AWS credentials can't be loaded"),
    ];
    for (cause, says) in causes {
        let deployment = deployment("http://127.0.0.1:9");
        let loader =
            config::loader(&deployment).credentials_provider(SharedCredentialsProvider::new(NoCredentials(cause)));
        let connections = Connections::with_loader(deployment, loader).await;
        let error = open(connections.clone()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Denied, "{error:?}");
        assert!(error.to_string().starts_with(says), "{error}");
        let bucket = stereospot_aws::s3::bucket(&connections, "in").unwrap();
        let error = Error::from(bucket.store.head(&objects::path("a").unwrap()).await.unwrap_err());
        assert_eq!(error.code(), ErrorCode::Denied, "{error:?}");
        assert!(error.to_string().starts_with(says), "{error}");
    }
}

#[tokio::test]
async fn the_clock_is_awss_from_the_first_answers_on() {
    const TWO_DAYS_SECS: i64 = 2 * 24 * 3600;
    let emulator = Emulator::start();
    for ahead in [TWO_DAYS_SECS, -TWO_DAYS_SECS] {
        emulator.control(&format!("clock?secs={ahead}")).await;
        let connections = emulator.deploy(Shape::Usual).await;
        let clock = connections.calls.clock();
        let backend = AwsBackend::connect(connections, clock).await.unwrap().backend;
        let off_secs = || (backend.clock.now().as_millis() - SystemClock.now().as_millis()) / 1000 - ahead;
        // The first call may be refused for its signature's time; the SDK corrects that and tries again.
        let ask = async || assert_eq!(backend.jobs.get(JobId(Uuid::new_v4())).await.unwrap(), None);
        ask().await;
        assert!(off_secs().abs() < 60, "{ahead} s ahead: off by {} s", off_secs());
        emulator.control(&format!("clock?secs={}", ahead - 3600)).await;
        for _ in 0..3 {
            ask().await;
        }
        assert!(off_secs().abs() < 60, "it went back by {} s", off_secs());
    }
}
