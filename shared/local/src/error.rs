//! Converts SQLite's errors to the ports' errors.

use stereospot_ports::{Error, ErrorCode};

/// The message for a damaged database, or a file that is not a database, with what to do.
pub(crate) const DAMAGED: &str = "stereospot.db is damaged or no database: stop everything that runs on this data directory and \
     restore it from a copy; without one, jobs and queues are lost: move it, its -wal and -shm and objects/ away, start again and \
     submit the videos in objects/input/ again";

/// Converts an error of SQLite, with what to do about it in the message if possible.
pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    let (code, message) = match primary_code(&error) {
        Some(FULL) => (ErrorCode::Full, "no space left in the data directory: free some"),
        Some(BUSY | LOCKED) => (ErrorCode::Unavailable, "the database is busy: another process holds it too long"),
        Some(CORRUPT | NOTADB) => (ErrorCode::Corrupt, DAMAGED),
        Some(READONLY | PERM | AUTH | CANTOPEN) => (ErrorCode::Denied, "no permission to write the database"),
        Some(IOERR) => (ErrorCode::Internal, "the disk failed under the database"),
        _ => match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                (ErrorCode::Unavailable, "no free database connection")
            }
            sqlx::Error::Io(io) if stereospot_ports::error::is_full(io) => {
                (ErrorCode::Full, "no space left in the data directory: free some")
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                (ErrorCode::Corrupt, "a stored row can't be read")
            }
            _ => (ErrorCode::Internal, "the database failed"),
        },
    };
    Error::with(code, message, error)
}

/// The error for a stored value that can't be read: no version of this program writes such a value.
pub(crate) fn corrupt(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: what.into(), source: Box::new(source) }
}

// SQLite's primary result codes (sqlite.org/rescode.html). They are the low byte of the extended codes.
const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;

/// True if another connection holds a lock.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(BUSY)
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse::<i32>().ok().map(|extended| extended & 0xff)
}

#[cfg(test)]
mod tests;
