//! Why a stack could not be started or kept running.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a stack could not be started or kept running.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program is missing.
    #[error("the program {name} is neither beside {} nor on PATH: build it with `cargo build -p {name}`", beside.display())]
    Program {
        name: &'static str,
        /// The first place searched.
        beside: PathBuf,
    },
    /// The data directory can't be used.
    #[error("the data directory {} can't be used: choose another with --data-dir", path.display())]
    DataDir {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Another stack runs on the data directory.
    #[error("a stack runs on {} already: use it, stop it first, or choose another directory with --data-dir", .0.display())]
    Locked(PathBuf),
    /// The port is taken.
    #[error(
        "another program listens on {0} already: stop it, or choose another address with --listen, such as 127.0.0.1:0"
    )]
    PortTaken(SocketAddr),
    /// The address can't be listened on.
    #[error("can't listen on {listen}: choose another address with --listen")]
    Listen {
        listen: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The control plane did not become ready.
    #[error("the control plane did not start: {why}; log: {}", log.display())]
    NotReady {
        /// What happened, with the last line of its log.
        why: String,
        log: PathBuf,
    },
    /// A worker can't start, and will not by trying again.
    #[error("{name} did not start: it {what}; log: {}", log.display())]
    Worker {
        name: String,
        /// How it ended, with the last line of its log.
        what: String,
        log: PathBuf,
    },
    /// Stopped before it was ready.
    #[error("stopped before it was ready")]
    Stopped,
}
