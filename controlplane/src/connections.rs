//! Serves connections within limits, so that clients that never finish a request, or never read an answer, shut no one else out.
//!
//! - A request's head must arrive within [`HEAD_WITHIN`]; a connection without a request ends after that time too.
//! - At the limit, the connection that has been without a request for the longest time makes room for a new one.
//! - If all of them are at work, a new connection gets `/healthz`, and 503 for everything else.
//! - A client that doesn't read what it was sent is cut off after [`UNREAD_FOR`].

use std::collections::BTreeMap;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit};
use stereospot_telemetry::catalogue::ConnectionEnd;
use stereospot_telemetry::record;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a request's head may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// How long sent data may stay unread.
const UNREAD_FOR: Duration = Duration::from_secs(60);
/// Most bytes of a connection that wait to be read or sent; a request's head must fit too.
const BUFFER: usize = 32 * 1024;
/// Connections beyond the limit, for `/healthz`.
const SPARE: usize = 32;
/// Open files that connections leave for databases, objects and calls.
const OTHER_FILES: u64 = 256;
/// Most connections, however many files may be open.
const MOST: u64 = 4096;
/// How often to log that the limit is reached.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// How long to wait when a connection can't be accepted, most likely for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// How many connections this process can serve at once, by its limit of open files.
pub(crate) fn limit() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = files.saturating_sub(OTHER_FILES + SPARE as u64).max(files / 4).clamp(1, MOST);
    usize::try_from(connections).expect("a few thousand fit")
}

/// Accepts connections until `stop`, and returns when the last of them has ended. Connections beyond the limit are served by `spare`.
pub(crate) async fn serve(listener: TcpListener, router: Router, spare: Router, limit: usize, stop: CancellationToken) {
    let open = Arc::new(Open::default());
    let mut said_at: Option<Instant> = None;
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("a connection can't be accepted: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let count = open.count.load(Ordering::Relaxed);
        let has_room = count < limit || open.make_room();
        if count >= limit && said_at.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            said_at = Some(Instant::now());
            tracing::warn!(
                "{count} connections are open, as many as the limit of open files allows (`ulimit -n`): idle ones are closed"
            );
        }
        if count >= limit + SPARE {
            record::connection_ended(ConnectionEnd::Refused);
            continue;
        }
        let router = if has_room { router.clone() } else { spare.clone() };
        tasks.spawn(connection(stream, router, Arc::clone(&open), stop.clone()));
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, open: Arc<Open>, stop: CancellationToken) {
    let _counted = Counted::new(&open);
    // A network stack without them serves all the same.
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_tcp_user_timeout(&stream, u32::try_from(UNREAD_FOR.as_millis()).expect("a minute fits"));
    let place = Arc::new(Place::new(open));
    let service = TowerToHyperService::new(router);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (at_work, answer) = (AtWork::new(&place), service.call(request));
        async move { answer.await.map(|response| response.map(|body| Guarded { body, _at_work: at_work })) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = place.room_needed.cancelled() => {
            record::connection_ended(ConnectionEnd::MadeRoom);
            return;
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match ended {
        Err(error) if error.is_timeout() => record::connection_ended(ConnectionEnd::Slow),
        Err(error) => match io_kind(&error) {
            Some(io::ErrorKind::TimedOut) => record::connection_ended(ConnectionEnd::Unread),
            _ => tracing::debug!("a connection ended: {error}"),
        },
        Ok(()) => {}
    }
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// All open connections.
#[derive(Debug, Default)]
struct Open {
    count: AtomicUsize,
    idle: Mutex<Idle>,
}

/// The connections without a request, by the order in which they became so.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

impl Open {
    /// Closes the connection that has been without a request for the longest time; false if there is none.
    fn make_room(&self) -> bool {
        let longest = self.idle().waiting.pop_first();
        longest.map(|(_, room_needed)| room_needed.cancel()).is_some()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a connection while it is open.
struct Counted(Arc<Open>);

impl Counted {
    fn new(open: &Arc<Open>) -> Self {
        record::connections(open.count.fetch_add(1, Ordering::Relaxed) + 1);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        record::connections(self.0.count.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

/// A connection's place among the idle ones.
struct Place {
    open: Arc<Open>,
    room_needed: CancellationToken,
    /// None while a request is answered.
    number: Mutex<Option<u64>>,
}

impl Place {
    fn new(open: Arc<Open>) -> Self {
        let place = Self { open, room_needed: CancellationToken::new(), number: Mutex::new(None) };
        place.wait();
        place
    }

    fn wait(&self) {
        let mut idle = self.open.idle();
        let mut number = self.number();
        if number.is_none() {
            idle.next += 1;
            *number = Some(idle.next);
            let next = idle.next;
            idle.waiting.insert(next, self.room_needed.clone());
        }
    }

    fn leave(&self) {
        let mut idle = self.open.idle();
        if let Some(number) = self.number().take() {
            idle.waiting.remove(&number);
        }
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Marks a connection as being at work, until its answer is sent.
struct AtWork(Arc<Place>);

impl AtWork {
    fn new(place: &Arc<Place>) -> Self {
        place.leave();
        Self(Arc::clone(place))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// An answer's body that keeps its connection at work.
struct Guarded {
    body: Body,
    _at_work: AtWork,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
