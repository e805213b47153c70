//! The database of a data directory: its connections, its schema, and the wake-ups of waiting receivers.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use stereospot_domain::{QueueName, Timestamp};
use stereospot_ports::{Clock, Error, ErrorCode, Result};
use tokio::sync::Notify;

use crate::access::unwritable_file;
use crate::error::{DAMAGED, from_sqlx, is_busy};
use crate::file::{self, OpenFile};
use crate::options::Options;
use crate::writer::{Write, Writer};

/// The steps of the schema; a database's `user_version` is the number of steps it has. Never edit a step: add one.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_envelope.sql"),
    include_str!("../migrations/0003_turns.sql"),
];
/// How long a write waits for transactions of other processes before it fails.
const BUSY: Duration = Duration::from_secs(30);
/// How often a new file is tried that another connection is preparing.
const AGAIN: Duration = Duration::from_millis(20);
/// Number of connections for reading.
const READERS: u32 = 4;

/// An open database. Cheap to clone; closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Database(Arc<Inner>);

/// A handle that does not keep the database open.
#[derive(Debug, Clone)]
pub(crate) struct WeakDatabase(Weak<Inner>);

#[derive(Debug)]
struct Inner {
    file: OpenFile,
    writer: Writer,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    arrivals: BTreeMap<QueueName, Notify>,
}

impl Database {
    pub(crate) async fn open(data_dir: &Path, options: &Options) -> Result<Self> {
        make_folder(data_dir)?;
        let file = data_dir.join("stereospot.db");
        file::may_be_made(&file, data_dir)?;
        let connect = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        if let Some((path, error)) = unwritable_file(&file) {
            let why =
                format!("{} can't be written by this user: allow it, or choose another data directory", path.display());
            return Err(Error::with(ErrorCode::Denied, why, error));
        }
        let at = |error| at(data_dir, error);
        let mut connection = connected(&connect).await.map_err(at)?;
        if let Some(bytes) = options.max_database_bytes {
            limit(&mut connection, bytes).await.map_err(at)?;
        }
        migrate(&mut connection, data_dir).await?;
        let file = OpenFile::at(file).map_err(|error| unusable(data_dir, error))?;
        // SQLite only syncs the directory entries of its journals, so sync that of a new database file here.
        sync_folder(data_dir).map_err(|error| unusable(data_dir, error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(0)
            .test_before_acquire(false)
            .connect_lazy_with(connect.read_only(true).create_if_missing(false));
        Ok(Self(Arc::new(Inner {
            writer: Writer::start(connection, file.clone()),
            file,
            readers,
            clock: Arc::clone(&options.clock),
            arrivals: QueueName::pipeline().map(|name| (name, Notify::new())).collect(),
        })))
    }

    pub(crate) fn downgrade(&self) -> WeakDatabase {
        WeakDatabase(Arc::downgrade(&self.0))
    }

    /// The connections for reading. A read sees everything committed before it began. Fails if the path no longer names the open
    /// file.
    pub(crate) fn readers(&self) -> Result<&SqlitePool> {
        self.0.file.check()?;
        Ok(&self.0.readers)
    }

    /// Runs a write and waits until it is committed.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Out> {
        self.0.writer.run(write).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Wakes this process's receivers that wait for messages of a queue.
    pub(crate) fn arrival(&self, queue: QueueName) -> &Notify {
        self.0.arrivals.get(&queue).expect("every queue has its entry from the start")
    }
}

impl WeakDatabase {
    /// The database, unless it has been closed.
    pub(crate) fn upgrade(&self) -> Option<Database> {
        self.0.upgrade().map(Database)
    }
}

/// Creates a folder with its parents. Also syncs its entry in the parent folder: without it, a crash could lose the folder and
/// everything synced inside.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).and_then(|()| sync_folder(above)).map_err(|error| unusable(folder, error))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

pub(crate) fn unusable(folder: &Path, error: io::Error) -> Error {
    let shown = folder.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::with(ErrorCode::Invalid, format!("{shown} is not a directory: choose another data directory"), error)
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::with(
            ErrorCode::Denied,
            format!("the data directory {shown} can't be written: allow it or choose another"),
            error,
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::with(ErrorCode::Full, format!("no space left in the data directory {shown}: free some"), error)
        }
        _ => Error::with(ErrorCode::Unavailable, format!("the data directory {shown} can't be used"), error),
    }
}

/// An error on opening, with the data directory in its message.
fn at(data_dir: &Path, error: sqlx::Error) -> Error {
    let shown = data_dir.display();
    let plain = from_sqlx(error);
    let message = match plain.code() {
        ErrorCode::Corrupt => format!("{shown}/{DAMAGED}"),
        ErrorCode::Denied => format!("the data directory {shown} can't be written: allow it or choose another"),
        ErrorCode::Full => format!("no space left in the data directory {shown}: free some"),
        _ => format!("the database {shown}/stereospot.db can't be opened"),
    };
    Error::with(plain.code(), message, plain)
}

async fn limit(connection: &mut SqliteConnection, bytes: u64) -> sqlx::Result<()> {
    let page: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await?;
    let pages = (i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1)).max(1);
    // A pragma takes no bound value. Formatting is safe here: the value is a number.
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(connection).await?;
    Ok(())
}

/// Opens the file. Of several that switch a new file to write-ahead logging at once, SQLite makes some fail without waiting.
async fn connected(connect: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    let began = Instant::now();
    loop {
        match connect.connect().await {
            Err(error) if is_busy(&error) && began.elapsed() < BUSY => tokio::time::sleep(AGAIN).await,
            connected => return connected,
        }
    }
}

async fn migrate(connection: &mut SqliteConnection, data_dir: &Path) -> Result<()> {
    let at = |error| at(data_dir, error);
    // Read the version inside an immediate transaction: of several processes that open a new directory, one migrates it.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(at)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(at)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(done..) else {
        let known = MIGRATIONS.len();
        return Err(Error::new(
            ErrorCode::Conflict,
            format!(
                "the data directory {} was made by a newer version (schema {version}, this one knows {known}): update, or \
                 choose another data directory",
                data_dir.display()
            ),
        ));
    };
    for step in missing {
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(at)?;
    }
    if !missing.is_empty() {
        let set = format!("PRAGMA user_version = {}", MIGRATIONS.len());
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut *transaction).await.map_err(at)?;
    }
    transaction.commit().await.map_err(at)
}

/// Parses a value that is stored by its name.
pub(crate) fn named<T>(column: &str, text: &str) -> sqlx::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error| crate::error::corrupt(column, error))
}
