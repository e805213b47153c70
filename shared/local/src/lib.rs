//! The embedded backend: queues and job store in SQLite and objects as files, in one data directory.
//!
//! ```text
//! D/stereospot.db        queues, jobs, completions, locks (WAL)
//! D/objects/input/…      sources and segments
//! D/objects/output/…     converted segments and results
//! ```
//!
//! Any number of processes may open the same directory. Within a process all writes go through one task (`writer`), which commits
//! waiting writes together in one transaction; reads use a connection pool. A send wakes waiting receivers of its own process at
//! once; receivers poll for messages of other processes every 25 to 100 ms, with one indexed read.
//!
//! Invariant: everything acknowledged is on the disk, rows by `synchronous=FULL` and objects by fsync of file and folder, so a
//! crash at any point loses none of it. While the database's path does not name the open file, all reads and writes fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use stereospot_domain::{BackendKind, QueueName};
use stereospot_ports::notifying::Side;
use stereospot_ports::{Backend, Bucket, Result, WorkQueue};

mod access;
pub mod backup;
mod database;
mod error;
mod file;
mod job_store;
mod layout;
mod leftovers;
pub mod logs;
mod objects;
mod options;
mod outbox;
mod private;
mod queue;
mod steady_clock;
mod writer;

use database::Database;

pub use access::unwritable_file;
pub use options::Options;
pub use private::keep_private;
pub use steady_clock::SteadyClock;

/// Opens data directories.
#[derive(Debug, Clone, Copy)]
pub struct LocalBackend;

impl LocalBackend {
    /// Opens a data directory, creates it if missing, and migrates its schema. Needs a tokio runtime. The backend stays open until
    /// its last clone is dropped.
    ///
    /// # Errors
    /// The message says what to do. The code is
    /// [`Invalid`](stereospot_ports::ErrorCode::Invalid) if the path is not a directory,
    /// [`Denied`](stereospot_ports::ErrorCode::Denied) if it can't be written,
    /// [`Conflict`](stereospot_ports::ErrorCode::Conflict) if a newer version created it,
    /// [`Corrupt`](stereospot_ports::ErrorCode::Corrupt) if its database is damaged,
    /// [`NotFound`](stereospot_ports::ErrorCode::NotFound) if its database is missing although there are objects,
    /// [`Full`](stereospot_ports::ErrorCode::Full) if there is no space,
    /// [`Unavailable`](stereospot_ports::ErrorCode::Unavailable) for other failures of the file system.
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
