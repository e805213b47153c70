//! The stack: control plane and workers as child processes, restarted when they die, stopped in order. Each child gets the
//! backend's name as an argument and reads a deployment's env file itself.
//!
//! Invariant: no child outlives `up`. Each reads from a pipe that `up` holds open and exits when it closes, so nothing keeps
//! running even after `kill -9` of `up`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod backoff;
mod child;
mod error;
mod fleet;
mod lock;
mod options;
mod programs;
mod readiness;
mod running;

pub(crate) use child::Notice;
pub(crate) use error::Error;
pub(crate) use fleet::{Fleet, Wanted};
pub(crate) use lock::{is_held, lock_holder, lock_path};
pub(crate) use options::{Backend, Options};
pub(crate) use programs::control_plane;
pub(crate) use running::Running;

use backoff::Backoff;
use child::Spec;
use lock::StackLock;
use programs::Programs;

/// How long the control plane may take to become ready; it may migrate or recover a database.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long to wait for the workers' first words. A large model takes longer to load: its worker is not waited for.
const STARTED_WITHIN: Duration = Duration::from_secs(10);

/// How long an earlier stack's control plane may take to release its address.
const RELEASE_WITHIN: Duration = Duration::from_secs(25);

/// Pause before a dead child's first restart; later pauses are longer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How many notices may queue up. More are dropped here, but the logs have them all.
const NOTICES: usize = 256;

/// A running stack.
#[derive(Debug)]
pub(crate) struct Stack {
    server: String,
    data_dir: PathBuf,
    notices: mpsc::Receiver<Notice>,
    /// Deaths before it was ready.
    early: Vec<Notice>,
    control_plane: Tier,
    workers: Tier,
    /// Held until everything has stopped.
    _lock: StackLock,
}

/// Children that stop together.
#[derive(Debug, Default)]
struct Tier {
    stop: CancellationToken,
    children: JoinSet<()>,
}

impl Tier {
    fn add(&mut self, spec: Spec, notices: mpsc::Sender<Notice>) {
        self.children.spawn(child::supervise(spec, Backoff::from(FIRST_PAUSE), self.stop.clone(), notices));
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        while self.children.join_next().await.is_some() {}
    }
}

impl Stack {
    /// Starts the control plane, then the workers; returns when the control plane is ready and no worker has failed to start. `stop`
    /// aborts the start.
    ///
    /// # Errors
    /// [`Error`] when something is missing, in use, or does not come up; nothing is left running.
    pub(crate) async fn start(options: &Options, stop: &CancellationToken) -> Result<Self, Error> {
        let programs = Programs::find(options)?;
        let data_dir = prepare(&options.data_dir)?;
        let lock = StackLock::take(&data_dir)?;
        let listen = readiness::free_address(options.listen, &data_dir, RELEASE_WITHIN).await?;
        readiness::forget(&data_dir);
        let (sender, notices) = mpsc::channel(NOTICES);
        let mut control_plane = Tier::default();
        let spec = programs.control_plane(&data_dir, listen, options);
        let log = spec.log.path.clone();
        control_plane.add(spec, sender.clone());
        let mut stack = Self {
            server: String::new(),
            data_dir,
            notices,
            early: Vec::new(),
            control_plane,
            workers: Tier::default(),
            _lock: lock,
        };
        let ready = tokio::select! {
            ready = readiness::wait(&stack.data_dir, &mut stack.notices, READY_WITHIN) => ready,
            () = stop.cancelled() => Err(None),
        };
        match ready {
            Ok(server) => stack.server = server,
            Err(why) => {
                stack.control_plane.stop().await;
                return Err(why.map_or(Error::Stopped, |why| Error::NotReady { why, log }));
            }
        }
        let since = readiness::time(&stack.server).await;
        for spec in programs.workers(&stack.data_dir, &stack.server, options) {
            stack.workers.add(spec, sender.clone());
        }
        let failed = tokio::select! {
            failed = readiness::failed_worker(
                &stack.server,
                since,
                options.fleet,
                &mut stack.notices,
                &mut stack.early,
                STARTED_WITHIN,
            ) => failed,
            () = stop.cancelled() => Some(Error::Stopped),
        };
        match failed {
            None => Ok(stack),
            Some(error) => {
                stack.stop().await;
                Err(error)
            }
        }
    }

    /// The control plane's address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The folder with the children's logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.data_dir.join("logs")
    }

    /// The next notice about a child. Cancel-safe; never ends while the stack runs.
    pub(crate) async fn notice(&mut self) -> Notice {
        if let Some(notice) = self.early.pop() {
            return notice;
        }
        match self.notices.recv().await {
            Some(notice) => notice,
            None => std::future::pending().await,
        }
    }

    /// Stops the workers, then the control plane. A child that has not exited after 20 seconds is killed.
    pub(crate) async fn stop(mut self) {
        self.workers.stop().await;
        self.control_plane.stop().await;
        readiness::forget(&self.data_dir);
    }
}

/// Creates the data directory and returns its absolute path, because a child may start in another folder.
fn prepare(path: &Path) -> Result<PathBuf, Error> {
    let failed = |source| Error::DataDir { path: path.to_owned(), source };
    for folder in ["run", "logs"] {
        DirBuilder::new().recursive(true).mode(0o700).create(path.join(folder)).map_err(failed)?;
    }
    path.canonicalize().map_err(failed)
}
