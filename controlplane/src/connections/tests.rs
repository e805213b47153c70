use axum::http::StatusCode;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::*;

const LIMIT: usize = 4;

struct Serving {
    addr: std::net::SocketAddr,
    /// Requests for `/work` wait for a permit.
    gate: Arc<Semaphore>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, gate, stop) =
            (listener.local_addr().unwrap(), Arc::new(Semaphore::new(0)), CancellationToken::new());
        let work = {
            let gate = Arc::clone(&gate);
            move || async move { gate.acquire().await.map(|_| "done").unwrap_or("closed") }
        };
        let router = Router::new().route("/healthz", get(|| async { "well" })).route("/work", get(work));
        let spare = Router::new()
            .route("/healthz", get(|| async { "well" }))
            .fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, "busy") });
        let task = tokio::spawn(serve(listener, router, spare, LIMIT, stop.clone()));
        Self { addr, gate, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    async fn send(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        stream
    }

    /// Waits until a new connection is served by the spare router.
    async fn until_busy(&self) {
        while !answer(self.send("/else").await).await.ends_with("busy") {}
    }
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    // One that was closed early sent nothing.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn clients_that_send_no_request_keep_no_one_out() {
    let serving = Serving::start().await;
    let mut half_open = Vec::new();
    for _ in 0..3 * LIMIT {
        let mut stream = serving.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        half_open.push(stream);
        let answer = answer(serving.send("/healthz").await).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("well"), "{answer}");
    }
    // The oldest made room.
    assert_eq!(answer(half_open.remove(0)).await, "");
}

#[tokio::test]
async fn while_all_connections_are_at_work_only_health_is_answered() {
    let serving = Serving::start().await;
    let mut at_work = Vec::new();
    for _ in 0..LIMIT {
        at_work.push(serving.send("/work").await);
    }
    serving.until_busy().await;
    let health = answer(serving.send("/healthz").await).await;
    assert!(health.ends_with("well"), "{health}");
    serving.gate.add_permits(LIMIT);
    for stream in at_work {
        let answer = answer(stream).await;
        assert!(answer.ends_with("done"), "work under way is not given up: {answer}");
    }
}

#[tokio::test]
async fn a_stop_lets_requests_end() {
    let serving = Serving::start().await;
    let idle = serving.connect().await;
    let at_work = [serving.send("/work").await, serving.send("/work").await];
    let health = answer(serving.send("/healthz").await).await;
    assert!(health.ends_with("well"), "{health}");
    serving.stop.cancel();
    serving.gate.add_permits(2);
    for stream in at_work {
        assert!(answer(stream).await.ends_with("done"));
    }
    assert_eq!(answer(idle).await, "");
    serving.task.await.unwrap();
    assert!(TcpStream::connect(serving.addr).await.is_err());
}
