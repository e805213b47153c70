//! A scripted control plane: HTTP/1.1 by hand, a thread per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use stereospot_api::Problem;
use stereospot_api::wire::Health;
use stereospot_domain::Timestamp;

/// A received request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `GET /v1/jobs?limit=50`.
    pub(crate) line: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// A scripted answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status and body.
    Whole(u16, Vec<u8>),
    /// Server-sent events, then the end of the connection.
    Stream(Vec<u8>),
    /// No answer: the connection is cut.
    Cut,
}

impl Answer {
    /// A value as JSON.
    pub(crate) fn json<T: Serialize>(value: &T) -> Self {
        Answer::Whole(200, serde_json::to_vec(value).unwrap())
    }

    /// A problem.
    pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Self {
        Answer::Whole(status, serde_json::to_vec(&Problem::new(status, code, code, detail)).unwrap())
    }

    /// A stream with one change per value.
    pub(crate) fn changes<T: Serialize>(changes: &[T]) -> Self {
        let frames = changes.iter().enumerate();
        let text = frames.map(|(at, change)| format!("id: {at}\ndata: {}\n\n", serde_json::to_string(change).unwrap()));
        Answer::Stream(text.collect::<String>().into_bytes())
    }
}

fn wall_clock() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}

fn health(time: Timestamp) -> Health {
    Health { status: "ok".into(), version: "0".into(), time }
}

/// A running server; it ends with the test's process.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server that answers each request with `answer`, and `/healthz` itself.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// The same on an address.
    pub(crate) fn on(listener: TcpListener, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_clock(listener, wall_clock, answer)
    }

    /// The same with a clock of its own.
    pub(crate) fn with_clock(
        listener: TcpListener,
        clock: fn() -> Timestamp,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), log.clone());
                thread::spawn(move || {
                    // A client may hang up at any time.
                    let Some(request) = read(&stream) else { return };
                    if request.line == "GET /healthz" {
                        let _ = write(&stream, Answer::json(&health(clock())));
                        return;
                    }
                    log.lock().unwrap().push(request.clone());
                    let _ = write(&stream, answer(&request));
                });
            }
        });
        Self { url, requests }
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let line = first.trim().strip_suffix(" HTTP/1.1")?.to_owned();
    let (mut length, mut idempotency_key) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        if name.eq_ignore_ascii_case("idempotency-key") {
            idempotency_key = Some(value.trim().to_owned());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line, idempotency_key, body })
}

fn write(mut stream: &TcpStream, answer: Answer) -> std::io::Result<()> {
    match answer {
        Answer::Cut => stream.shutdown(Shutdown::Both),
        Answer::Whole(status, body) => {
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")?;
            stream.write_all(&body)
        }
        Answer::Stream(body) => {
            write!(stream, "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n")?;
            stream.write_all(&body)
        }
    }
}
