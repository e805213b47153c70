//! `/metrics` over HTTP, for processes without another server.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::host::names_loopback;
use crate::recorder::{self, Recorder};

/// Most connections served at the same time; more wait.
const CONNECTIONS: usize = 16;
/// How long a connection may take to send its request's head.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `/metrics` server. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// The address it listens on, with the actual port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers `GET /metrics` at `addr` (port 0 takes a free one) until the server is dropped. There is no authentication, so `addr`
/// should be on loopback or a network that only Prometheus reaches. Must be called within a tokio runtime.
///
/// # Errors
/// If it can't listen on the address.
pub async fn serve(addr: SocketAddr, recorder: Recorder) -> io::Result<Server> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    let task = tokio::spawn(accept(listener, recorder));
    Ok(Server { addr, task })
}

async fn accept(listener: TcpListener, recorder: Recorder) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropping the set with this task closes the connections.
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&free).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let recorder = recorder.clone();
                connections.spawn(async move {
                    answer(stream, recorder).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Most likely out of file descriptors: wait for other connections to end.
                tracing::warn!("cannot accept a metrics connection: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, recorder: Recorder) {
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = match names_loopback(request.headers()) {
            true => respond(request.method(), request.uri().path(), &recorder),
            false => misdirected(),
        };
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!("metrics connection ended: {error}");
    }
}

fn misdirected() -> Response<String> {
    let mut response = Response::new("this server answers to 127.0.0.1, [::1] and localhost only\n".to_owned());
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    response
}

fn respond(method: &Method, path: &str, recorder: &Recorder) -> Response<String> {
    let mut response = Response::new(String::new());
    if path != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        *response.body_mut() = "only /metrics is here\n".into();
    } else if method != Method::GET && method != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    } else {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(recorder::CONTENT_TYPE));
        *response.body_mut() = recorder.render();
    }
    response
}

#[cfg(test)]
mod tests;
