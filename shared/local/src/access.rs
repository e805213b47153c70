//! Whether this user may write what a data directory holds: SQLite opens a database of another user for reading only, and says so at
//! the first write.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// The first file of a SQLite database that exists and that this user can't write.
#[must_use]
pub fn unwritable_file(database: &Path) -> Option<(PathBuf, io::Error)> {
    ["", "-wal", "-shm"].into_iter().find_map(|end| {
        let mut path = OsString::from(database);
        path.push(end);
        let path = PathBuf::from(path);
        if !path.exists() {
            return None;
        }
        access(&path, Access::READ_OK | Access::WRITE_OK).err().map(|error| (path, error.into()))
    })
}

/// Fails if files can't be made in a folder.
pub(crate) fn writable_folder(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_database_is_no_obstacle_and_a_folder_of_ones_own_none_either() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        assert!(unwritable_file(&path).is_none());
        std::fs::write(&path, "").unwrap();
        assert!(unwritable_file(&path).is_none());
        writable_folder(dir.path()).unwrap();
        assert_eq!(writable_folder(&dir.path().join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
