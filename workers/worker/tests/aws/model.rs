//! A managed model: SageMaker's runtime and an inference server, as far as a caller sees them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use object_store::ObjectStoreExt as _;
use serde_json::Value;
use stereospot_ports::{Backend, Bucket, objects};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::world::put;

/// SageMaker's runtime: takes every invocation and says where its result will be, like AWS, in the bucket of the request.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    _task: AbortOnDropHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = serve(listener, |request: Request<Incoming>| async move {
            let input = request.headers()["x-amzn-sagemaker-inputlocation"].to_str().unwrap();
            let bucket = input.split('/').nth(2).unwrap();
            let id = uuid::Uuid::new_v4();
            Response::builder()
                .status(202)
                .header("x-amzn-sagemaker-outputlocation", format!("s3://{bucket}/sagemaker-async-responses/{id}.out"))
                .header(
                    "x-amzn-sagemaker-failurelocation",
                    format!("s3://{bucket}/sagemaker-async-failures/{id}-error.out"),
                )
                .body(format!(r#"{{"InferenceId":"{id}"}}"#))
                .unwrap()
        });
        Self { url, _task: task }
    }
}

/// An inference server that copies; it refuses and fails on demand.
pub(crate) struct Server {
    pub(crate) url: String,
    listener: TcpListener,
}

/// The requests that a [`Server`] got, and how it answers the next conversions.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) asked: Vec<String>,
    /// Status and body to answer the next conversions with, last first.
    pub(crate) instead: Vec<(u16, &'static str)>,
}

impl Server {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { url: format!("http://{}", listener.local_addr().unwrap()), listener }
    }

    /// Answers from now on, with the deployment's buckets.
    pub(crate) fn start(self, backend: Backend) -> (Arc<Mutex<Exchange>>, AbortOnDropHandle<()>) {
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let shared = Arc::clone(&exchange);
        let task = serve(self.listener, move |request: Request<Incoming>| {
            let (shared, backend) = (Arc::clone(&shared), backend.clone());
            async move { reply(&shared, &backend, request).await }
        });
        (exchange, task)
    }
}

async fn reply(shared: &Mutex<Exchange>, backend: &Backend, request: Request<Incoming>) -> Response<String> {
    let line = format!("{} {}", request.method(), request.uri().path());
    let instead = {
        let mut exchange = shared.lock().unwrap();
        exchange.asked.push(line.clone());
        if line == "GET /ping" { None } else { exchange.instead.pop() }
    };
    if let Some((status, body)) = instead {
        return Response::builder().status(status).body(body.to_owned()).unwrap();
    }
    if line == "POST /invocations" {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let wanted: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(wanted["mode"], "sbs");
        convert(backend, &wanted).await;
    }
    Response::new(r#"{"status":"ok"}"#.to_owned())
}

/// Does what the model's container does: reads the segment, writes the output.
pub(crate) async fn convert(backend: &Backend, wanted: &Value) {
    let key =
        |bucket: &Bucket, uri: &str| wanted[uri].as_str().unwrap().strip_prefix(&bucket.uri("")).unwrap().to_owned();
    let from = objects::path(&key(&backend.input, "s3_input_uri")).unwrap();
    let content = backend.input.store.get(&from).await.unwrap().bytes().await.unwrap();
    put(&backend.output, &key(&backend.output, "s3_output_uri"), content.to_vec()).await;
}

fn serve<F, A>(listener: TcpListener, answer: F) -> AbortOnDropHandle<()>
where
    F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<String>> + Send,
{
    let answer = Arc::new(answer);
    AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = hyper::service::service_fn(move |request| {
                let answer = Arc::clone(&answer);
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }))
}
