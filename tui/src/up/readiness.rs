//! Finds a free address, and waits until the control plane answers on it.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use stereospot_api::Client;
use stereospot_api::view::WorkerView;
use stereospot_domain::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::child::Notice;
use super::error::Error;
use super::fleet::Fleet;
use super::running::Running;

/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(50);

/// An address to listen on: the requested one, with port 0 replaced by a free port. The port is chosen here rather than by the
/// control plane, so that it survives a restart of the control plane.
///
/// An earlier `up` on this directory that was killed may have left a control plane that is still exiting; this waits until it
/// releases the address.
///
/// # Errors
/// [`Error::PortTaken`] when another program has it, [`Error::Listen`] when it can't be used at all.
pub(super) async fn free_address(wanted: SocketAddr, data_dir: &Path, patience: Duration) -> Result<SocketAddr, Error> {
    let until = Instant::now() + patience;
    loop {
        match TcpListener::bind(wanted).and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let is_ending =
                    Running::living(data_dir).is_some_and(|running| running.server.ends_with(&wanted.to_string()));
                if !is_ending || Instant::now() >= until {
                    return Err(Error::PortTaken(wanted));
                }
                sleep(PAUSE).await;
            }
            Err(source) => return Err(Error::Listen { listen: wanted, source }),
        }
    }
}

/// Removes the address file of an earlier control plane.
pub(super) fn forget(data_dir: &Path) {
    // If it can't be removed, it is overwritten.
    let _ = fs::remove_file(Running::path(data_dir));
}

/// Waits until the control plane has written its address and reports ready there; returns the address.
///
/// # Errors
/// It exited (with the last line of its log), or time ran out.
pub(super) async fn wait(
    data_dir: &Path,
    notices: &mut mpsc::Receiver<Notice>,
    patience: Duration,
) -> Result<String, Option<String>> {
    let ready = async {
        loop {
            if let Some(running) = Running::read(data_dir)
                && is_ready(&running.server).await
            {
                return running.server;
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        ready = timeout(patience, ready) => {
            ready.map_err(|_| {
                let why = Running::hindrance(data_dir).map_or_else(String::new, |why| format!(": {why}"));
                Some(format!("it is not ready after {} seconds{why}", patience.as_secs()))
            })
        }
        Some(notice) = notices.recv() => Err(Some(format!("it {}", notice.what))),
    }
}

/// Waits until every worker has started, or `patience` ends. Returns why a worker can't start; one that may start later is not
/// waited for. Other deaths are collected in `early`.
pub(super) async fn failed_worker(
    server: &str,
    since: Option<Timestamp>,
    fleet: Fleet,
    notices: &mut mpsc::Receiver<Notice>,
    early: &mut Vec<Notice>,
    patience: Duration,
) -> Option<Error> {
    let names: Vec<String> = fleet.workers().map(|(stage, number)| format!("{stage}-{number}")).collect();
    let started = async {
        // A worker of this name may have been there before.
        let (Ok(client), Some(_)) = (Client::new(server), since) else { return };
        // A control plane that can't say it is not asked again.
        while let Ok(workers) = client.workers().await {
            let has_started = |name: &String| {
                // On AWS the machine's name follows.
                let is_it = |worker: &&WorkerView| worker.name.split('@').next() == Some(name);
                workers.iter().filter(is_it).any(|worker| worker.started_at >= since && worker.error.is_none())
            };
            if names.iter().all(has_started) {
                return;
            }
            sleep(PAUSE).await;
        }
    };
    let died = async {
        loop {
            match notices.recv().await {
                Some(Notice { name, what, log, is_lasting: true, .. }) => return Error::Worker { name, what, log },
                Some(notice) => early.push(notice),
                None => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        _ = timeout(patience, started) => None,
        error = died => Some(error),
    }
}

/// The time by the control plane's clock.
pub(super) async fn time(server: &str) -> Option<Timestamp> {
    Some(Client::new(server).ok()?.health().await.ok()?.time)
}

/// `GET /readyz` by hand: anything but a 200 means not ready.
async fn is_ready(server: &str) -> bool {
    let Some(address) = server.strip_prefix("http://") else { return false };
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        Ok::<bool, io::Error>(&answer == b"HTTP/1.1 200")
    };
    matches!(timeout(Duration::from_secs(2), ask).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_and_port_zero_takes_a_free_one() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap();
        let error = free_address(taken, dir.path(), Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("--listen"), "{error}");
        let free = free_address("127.0.0.1:0".parse().unwrap(), dir.path(), Duration::ZERO).await.unwrap();
        assert_ne!(free.port(), 0);
    }
}
