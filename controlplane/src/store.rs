//! The control-plane database, `controlplane.db` in the data directory: events, plans and their results, purged messages.
//!
//! Invariant: one connection writes, in transactions that take the lock at their beginning, so no write fails because of another one;
//! a pool of read-only connections reads. When a method returns `Ok`, its data is on the disk.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, Sqlite, SqliteTransaction, Transaction};
use stereospot_domain::Timestamp;
use stereospot_ports::error::chain;
use tokio::sync::{Mutex, MutexGuard};

mod checks;
mod copies;
pub(crate) mod events;
mod plans;
mod samples;

pub(crate) use copies::Copied;
pub use events::Retention;

/// How long plans and purged messages are kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Why a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No space left.
    #[error("no space left in the data directory: free some, then it goes on by itself")]
    Full(#[source] sqlx::Error),
    /// The file is corrupt, or no database.
    #[error(
        "controlplane.db is damaged: stop the stack, move it and its -wal and -shm away and start again; the jobs are elsewhere \
         and whole, earlier events and the action log are lost"
    )]
    Damaged(#[source] sqlx::Error),
    /// The file can't be opened.
    #[error("can't open {path}: check that the directory exists and can be written")]
    Open {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    /// The file belongs to another user, or its file system is read-only.
    #[error("{path} can't be written by this user: allow it, or choose another data directory")]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Another version made the file.
    #[error("{path} was made by another version of stereospot: use that one, or another data directory")]
    Schema {
        path: PathBuf,
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// What is written would be gone with the file that is still open.
    #[error("{path} was moved, deleted or replaced while in use: put it back, or stop the stack and start it again")]
    Moved {
        /// Which file.
        path: PathBuf,
    },
    /// A stored row can't be read.
    #[error("a stored {what} can't be read")]
    Corrupt {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// Anything else.
    #[error("the control plane's database failed")]
    Database(#[source] sqlx::Error),
}

impl Error {
    /// Why the database can't be written, as a sentence. A full disk needs no cause.
    pub(crate) fn sentence(&self) -> String {
        if matches!(self, Error::Full(_)) { self.to_string() } else { chain(self) }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(FULL) => Error::Full(error),
            Some(CORRUPT | NOTADB) => Error::Damaged(error),
            _ => Error::Database(error),
        }
    }
}

// SQLite's primary result codes (sqlite.org/rescode.html): the low byte of the extended ones.
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOTADB: i32 = 26;

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse::<i32>().ok().map(|extended| extended & 0xff)
}

/// An error on opening the file. Errors with a more specific sentence keep it.
fn at(path: &Path, error: sqlx::Error) -> Error {
    match Error::from(error) {
        Error::Database(source) => Error::Open { path: path.to_owned(), source },
        specific => specific,
    }
}

/// The result of a call to the store.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: Arc<Path>,
    /// Device and inode of the file that is open.
    file: (u64, u64),
    readers: SqlitePool,
    writer: Arc<Mutex<SqliteConnection>>,
}

/// The schema, step by step. Never edit a step: its checksum is stored. Built here rather than by `sqlx::migrate!`, which
/// would compile sqlx and SQLite a second time, for the macro.
fn migrator() -> Migrator {
    let steps = [
        (1, "initial", include_str!("../migrations/0001_initial.sql")),
        (2, "pulse", include_str!("../migrations/0002_pulse.sql")),
        (3, "first seq", include_str!("../migrations/0003_first_seq.sql")),
        (4, "envelope", include_str!("../migrations/0004_envelope.sql")),
        (5, "checks", include_str!("../migrations/0005_checks.sql")),
    ];
    let steps = steps.into_iter().map(|(version, description, sql)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(steps.collect())
}

impl Store {
    /// Opens `controlplane.db` in a directory, and creates it if it does not exist.
    ///
    /// # Errors
    /// When the file can't be opened, or another version made it.
    pub(crate) async fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("controlplane.db");
        let opened = |source| at(&path, source);
        if let Some((path, source)) = stereospot_local::unwritable_file(&path) {
            return Err(Error::Unwritable { path, source });
        }
        let mut writer = options(&path).create_if_missing(true).connect().await.map_err(opened)?;
        migrator().run(&mut writer).await.map_err(|error| match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => opened(source),
            source => Error::Schema { path: path.clone(), source },
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options(&path).read_only(true))
            .await
            .map_err(opened)?;
        let file = file_at(&path).ok_or_else(|| Error::Moved { path: path.clone() })?;
        Ok(Self { path: path.into(), file, readers, writer: Arc::new(Mutex::new(writer)) })
    }

    /// Writes one row, to test whether the database can be written.
    pub(crate) async fn pulse(&self, now: Timestamp) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query("INSERT INTO pulse (one, at) VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at")
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Size of the database's files in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let wal = self.path.with_extension("db-wal");
        [&*self.path, &wal].into_iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum()
    }

    /// Folds the write-ahead log into the database and closes it.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        let mut writer = self.writer.lock().await;
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writer).await {
            tracing::warn!(%error, "the database's log was not folded in; nothing committed is lost");
        }
    }

    fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// The writing connection. On a full disk SQLite rolls a transaction back automatically, but sqlx considers it open from then on and
    /// begins no other on that connection; in that case this opens a new one.
    async fn writer(&self) -> Result<MutexGuard<'_, SqliteConnection>> {
        let mut writer = self.writer.lock().await;
        if file_at(&self.path) != Some(self.file) {
            return Err(Error::Moved { path: self.path.to_path_buf() });
        }
        if writer.is_in_transaction() && (writer.ping().await.is_err() || writer.is_in_transaction()) {
            match options(&self.path).connect().await {
                Ok(fresh) => *writer = fresh,
                Err(error) => tracing::warn!(%error, "the database can't be opened again; the next write tries again"),
            }
        }
        Ok(writer)
    }
}

/// Device and inode of the file at a path.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

/// Begins a transaction that holds the write lock from the beginning.
async fn begin(writer: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>> {
    let transaction: SqliteTransaction<'_> = writer.begin_with("BEGIN IMMEDIATE").await?;
    Ok(transaction)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // Acknowledged data must be on the disk, not only in the kernel's cache.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

#[cfg(test)]
mod tests;
