//! Starts and stops a control plane.

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stereospot_core::World;
use stereospot_telemetry::{Recorder, record};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Config;
use crate::ingest::Ingest;
use crate::live::Live;
use crate::nudge::Nudge;
use crate::platform::Platform;
use crate::polls::Polls;
use crate::store::{self, Store};
use crate::{collect, connections, http, reconcile, retain, upkeep, verify};

/// How long running requests may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(4);

/// Why a control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not a loopback address.
    #[error("can't listen on {0}: without access tokens only this machine itself may connect; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// Another process listens there.
    #[error("port {port} is taken: stop the other control plane, or choose another port with --listen 127.0.0.1:PORT")]
    PortTaken {
        port: u16,
        #[source]
        source: io::Error,
    },
    /// Listening failed.
    #[error("can't listen on {listen}")]
    Listen {
        listen: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// Another control plane uses the same data directory.
    #[error("another control plane runs on {data_dir}: stop it first, or choose another folder with --data-dir", data_dir = data_dir.display())]
    DataTaken { data_dir: PathBuf },
    /// Nothing is deleted automatically from a deployment that is only watched.
    #[error(
        "--keep-jobs and --keep-size delete without being asked, and this deployment is only watched: leave them out, and delete \
         by plans, with `stereospot jobs prune`"
    )]
    OnlyWatched,
    /// The control-plane database can't be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The lock file, or the file with the server's address, can't be written.
    #[error("can't write {path}")]
    RunFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A running control plane.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    pub(crate) app: Arc<App>,
    serving: JoinHandle<()>,
    writer: JoinHandle<()>,
    tasks: JoinSet<()>,
    run_file: PathBuf,
    /// Held as long as the server: two control planes on the same data would undo each other's work.
    _lock: File,
}

impl Server {
    /// Starts a control plane on a platform, or on a backend alone. When this returns, the server answers, and
    /// `run/controlplane.json` in the data directory holds its address.
    ///
    /// # Errors
    /// One sentence each that says what to do: see [`Error`].
    pub async fn start(
        platform: impl Into<Platform>,
        config: Config,
        recorder: Option<Recorder>,
    ) -> Result<Self, Error> {
        let platform = platform.into();
        let backend = platform.backend.clone();
        if !config.retention.jobs.is_all() && !retain::may_act(&platform, &config) {
            return Err(Error::OnlyWatched);
        }
        let listen = config.listen;
        if !listen.ip().is_loopback() {
            return Err(Error::NotLoopback(listen));
        }
        // Bind first: a second server on the same data must not get as far as the database.
        let listener = TcpListener::bind(listen).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::PortTaken { port: listen.port(), source },
            _ => Error::Listen { listen, source },
        })?;
        let addr = listener.local_addr().map_err(|source| Error::Listen { listen, source })?;
        record::started(crate::VERSION);
        let lock = lock(&config.data_dir)?;
        let store = Store::open(&config.data_dir).await?;
        let mut world = World::new(backend.queues.keys().copied());
        (world.reconciles, world.is_read_only) = (config.reconciles(), config.is_read_only);
        world.is_provisioned = platform.facts.is_provisioned;
        let live = Arc::new(Live::new(world));
        let nudge = Nudge::default();
        let (ingest, writer) = Ingest::start(store.clone(), live.clone(), nudge.clone(), backend.clock.clone());
        let run_file = config.data_dir.join("run").join("controlplane.json");
        let polls = Polls::new(&platform, &config);
        let started_at = backend.clock.now();
        let app = Arc::new(App {
            backend,
            platform,
            config,
            store,
            live,
            ingest,
            nudge,
            recorder,
            uploads: Default::default(),
            put_back: Default::default(),
            asked: Default::default(),
            redriving: Default::default(),
            purged: Default::default(),
            polls,
            sweep: Default::default(),
            started_at,
            streams: Semaphore::new(connections::limit().div_ceil(2)).into(),
            arriving: Semaphore::new(http::ARRIVING_KIB).into(),
            stop: CancellationToken::new(),
        });
        upkeep::recall(&app).await?;
        let mut tasks = JoinSet::new();
        upkeep::start(&app, &mut tasks);
        collect::start(&app, &mut tasks);
        reconcile::start(&app, &mut tasks);
        verify::start(&app, &mut tasks);
        let routers = (http::router(app.clone()), http::spare_router(app.clone()));
        let serving = connections::serve(listener, routers.0, routers.1, connections::limit(), app.stop.clone());
        let serving = tokio::spawn(serving);
        write_run_file(&run_file, addr).map_err(|source| Error::RunFile { path: run_file.clone(), source })?;
        Ok(Self { addr, app, serving, writer, tasks, run_file, _lock: lock })
    }

    /// Where it listens, with the actual port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns when a part of the server ends without having been stopped, which only a panic can cause. The rest must not go on half
    /// alive: exit the process and start it again. Cancel-safe.
    pub async fn broke_off(&mut self) {
        tokio::select! {
            _ = &mut self.serving => {}
            _ = &mut self.writer => {}
            Some(_) = self.tasks.join_next() => {}
        }
    }

    /// Stops in order: takes no new requests, lets running ones end, writes what was accepted, closes the database. Takes a few seconds
    /// at most, even with clients on the stream.
    pub async fn stop(mut self) {
        self.app.stop.cancel();
        let abort = self.serving.abort_handle();
        match tokio::time::timeout(GRACE, self.serving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the server's task broke off"),
            Err(_) => {
                tracing::warn!("requests were still under way and are cut off; their senders try again");
                abort.abort();
            }
        }
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        let store = self.app.store.clone();
        // Once the last ingest handle is dropped, the writer finishes its queue and ends.
        drop(self.app);
        if tokio::time::timeout(Duration::from_secs(1), self.writer).await.is_err() {
            tracing::warn!("the writer had no time to end; nothing acknowledged is lost");
        }
        store.close().await;
        if let Err(error) = std::fs::remove_file(&self.run_file) {
            tracing::warn!(%error, "{} was not removed", self.run_file.display());
        }
    }
}

/// Locks a data directory. The kernel releases the lock when the process ends, however it ends.
fn lock(data_dir: &Path) -> Result<File, Error> {
    let folder = data_dir.join("run");
    let path = folder.join("controlplane.lock");
    let failed = |source| Error::RunFile { path: path.clone(), source };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::DataTaken { data_dir: data_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Replaces the file at once, so that readers see either the old one or the new one.
fn write_run_file(path: &Path, addr: SocketAddr) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("unfinished");
    let text = serde_json::json!({ "server": format!("http://{addr}"), "pid": std::process::id() });
    std::fs::write(&unfinished, format!("{text}\n"))?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests;
