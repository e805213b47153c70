//! A data directory is for its owner alone: it holds other people's videos.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::Mode;

/// What is directly in a data directory.
const FOLDERS: &[&str] = &["objects", "spool", "scratch", "logs", "run", "models"];
const FILES: &[&str] = &["stereospot.db", "controlplane.db"];

/// From now on this process makes files of mode 0600 and folders of mode 0700. What an earlier version made in the data directory for
/// everyone to read is closed too, as far as this user may. For the whole process, so only for one that writes nothing else.
pub fn keep_private(data_dir: &Path) {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let close = |path: &Path, mode| match fs::set_permissions(path, Permissions::from_mode(mode)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "{} may be open to others", path.display());
        }
        _ => {}
    };
    for folder in FOLDERS {
        close(&data_dir.join(folder), 0o700);
    }
    for file in FILES {
        for end in ["", "-wal", "-shm"] {
            close(&data_dir.join(format!("{file}{end}")), 0o600);
        }
    }
}
