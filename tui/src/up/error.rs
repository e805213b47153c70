//! Why a stack could not be started or kept up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the local stack could not be started or kept up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program is missing.
    #[error("the program {name} is neither beside {} nor on PATH: build it with `cargo build -p {name}`", beside.display())]
    Program {
        /// Its name.
        name: &'static str,
        /// Where it was looked for first.
        beside: PathBuf,
    },
    /// The data directory can't be used.
    #[error("the data directory {} can't be used: choose another with --data-dir", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another stack runs on it.
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
        /// Which.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The control plane did not come up.
    #[error("the control plane did not start: {why}; log: {}", log.display())]
    NotReady {
        /// What happened, with the last line of its log.
        why: String,
        /// Its log.
        log: PathBuf,
    },
    /// It was told to stop before it was ready.
    #[error("stopped before it was ready")]
    Stopped,
}
