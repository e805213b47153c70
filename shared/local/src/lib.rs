//! The embedded backend: queues and job store in SQLite, objects as files, all below one data directory.
//!
//! ```text
//! D/stereospot.db        queues, jobs, completions, locks (WAL)
//! D/objects/input/…      sources and segments
//! D/objects/output/…     converted segments and results
//! ```
//!
//! Any number of processes may open the same directory. Within one process all writes go through one task (`writer`) that
//! commits what came together in one transaction; reads have a pool of their own. Waiting receivers are woken at once by a
//! send of their own process, and look for those of other processes every 25 to 100 ms, by one indexed read.
//!
//! Invariant: what was acknowledged is on the disk, database rows by `synchronous=FULL` and objects by fsync of file and
//! folder: a crash at any point loses none of it. Nothing is acknowledged, and nothing read, once the database's path names another
//! file than the open one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use stereospot_domain::{BackendKind, QueueName};
use stereospot_ports::notifying::Side;
use stereospot_ports::{Backend, Bucket, Clock, Result, SystemClock, WorkQueue};

mod database;
mod error;
mod file;
mod job_store;
mod layout;
mod leftovers;
pub mod logs;
mod objects;
mod outbox;
mod private;
mod queue;
mod steady_clock;
mod writer;

use database::Database;

pub use private::keep_private;
pub use steady_clock::SteadyClock;

/// What can be set.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tells the time for leases, delays and rows.
    pub clock: Arc<dyn Clock>,
    /// After so many receivings of a message the next one dead-letters it; at least 1.
    pub max_receives: u32,
    /// Bound on the database's size in bytes; absent means the disk's own. Above it writes fail with
    /// [`stereospot_ports::ErrorCode::Full`].
    pub max_database_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), max_receives: 5, max_database_bytes: None }
    }
}

/// Opens data directories.
#[derive(Debug, Clone, Copy)]
pub struct LocalBackend;

impl LocalBackend {
    /// Opens a data directory, making it where it does not exist, and brings its schema up to date. Needs a tokio runtime; the
    /// backend lives until its last clone is dropped.
    ///
    /// # Errors
    /// One sentence that says what to do:
    /// [`stereospot_ports::ErrorCode::Invalid`] when the path is no directory, [`stereospot_ports::ErrorCode::Denied`] when it can't be
    /// written, [`stereospot_ports::ErrorCode::Conflict`] when a newer version made it, [`stereospot_ports::ErrorCode::Corrupt`] when
    /// its database is damaged, [`stereospot_ports::ErrorCode::NotFound`] when it is gone though its objects are there,
    /// [`stereospot_ports::ErrorCode::Full`] when there is no space.
    pub async fn open(data_dir: &Path, options: Options) -> Result<Backend> {
        let database = Database::open(data_dir, &options).await?;
        let mut queues: BTreeMap<QueueName, Arc<dyn WorkQueue>> = BTreeMap::new();
        for name in QueueName::pipeline() {
            queues.insert(name, Arc::new(queue::LocalQueue::new(name, database.clone(), options.max_receives.max(1))));
        }
        let bucket = |side: Side| -> Result<Bucket> {
            let store = objects::open(data_dir, side, &database)?;
            Ok(Bucket { name: side.as_str().into(), scheme: "local", store })
        };
        let (input, output) = (bucket(Side::Input)?, bucket(Side::Output)?);
        outbox::recover(&database, data_dir).await?;
        leftovers::sweep(data_dir).await;
        outbox::keep_recovering(&database, data_dir);
        Ok(Backend {
            kind: BackendKind::Local,
            queues,
            jobs: Arc::new(job_store::LocalJobs::new(database.clone())),
            input,
            output,
            clock: options.clock,
        })
    }
}
