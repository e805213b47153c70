//! The manifest of a backup, and its list of files.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::failure::{BackupError, Result, failed};

/// Written last.
pub(super) const MANIFEST: &str = "backup.json";
pub(super) const FILES: &str = "files.sha256";
/// There as long as the backup is being made.
pub(super) const UNFINISHED: &str = "unfinished";
/// This version writes and reads it.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The version of stereospot that made it.
    pub version: String,
    pub made_at_ms: i64,
    /// The data directory of which it is a copy.
    pub data_dir: PathBuf,
    /// Jobs with a row, deleted ones included.
    pub jobs: u64,
    /// Those that had not ended.
    pub unfinished_jobs: u64,
    pub files: u64,
    pub bytes: u64,
    /// Of the list of files.
    pub list_sha256: String,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Relative to the backup.
    pub(super) path: PathBuf,
    pub(super) sha256: String,
}

impl Manifest {
    /// Writes the list and then the manifest, which makes the backup complete. The files must be on the disk by then.
    pub(super) fn write(folder: &Path, files: &[Listed], about: Self) -> Result<Self> {
        let mut text = String::new();
        for Listed { path, sha256 } in files {
            text.push_str(&format!("{sha256}  {}\n", path.display()));
        }
        put(&folder.join(FILES), text.as_bytes())?;
        let manifest = Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            files: files.len() as u64,
            list_sha256: hex(&Sha256::digest(text.as_bytes())),
            ..about
        };
        let json = serde_json::to_string_pretty(&manifest).expect("plain data always serialises");
        let (path, staged) = (folder.join(MANIFEST), folder.join("backup.json.unfinished"));
        put(&staged, format!("{json}\n").as_bytes())?;
        let sync = |()| File::open(folder)?.sync_all();
        fs::rename(&staged, &path).and_then(sync).map_err(|error| failed("written", &path, error))?;
        Ok(manifest)
    }

    /// Reads and checks the manifest and its list.
    pub(super) fn read(folder: &Path) -> Result<(Self, Vec<Listed>)> {
        if !is_complete(folder) {
            return Err(BackupError::NoBackup(folder.to_owned()));
        }
        let path = folder.join(MANIFEST);
        let damaged = |path: &Path, how| BackupError::Damaged { path: path.to_owned(), how };
        let text = fs::read(&path).map_err(|error| failed("read", &path, error))?;
        let json: serde_json::Value = serde_json::from_slice(&text).map_err(|_| damaged(&path, "unreadable"))?;
        if json["format"].as_u64().is_some_and(|format| format > FORMAT.into()) {
            let version = json["version"].as_str().unwrap_or("unknown").to_owned();
            return Err(BackupError::Newer { dir: folder.to_owned(), version });
        }
        let manifest: Self = serde_json::from_value(json).map_err(|_| damaged(&path, "unreadable"))?;
        let path = folder.join(FILES);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(&path, "missing")),
            read => read.map_err(|error| failed("read", &path, error))?,
        };
        let files: Option<Vec<Listed>> =
            std::str::from_utf8(&text).ok().and_then(|text| text.lines().map(listed).collect());
        let is_whole = hex(&Sha256::digest(&text)) == manifest.list_sha256;
        match files.filter(|files| is_whole && files.len() as u64 == manifest.files) {
            Some(files) => Ok((manifest, files)),
            None => Err(damaged(&path, "not what was written")),
        }
    }
}

/// A line of the list. A path that leads out of the folder is none.
fn listed(line: &str) -> Option<Listed> {
    let (sha256, path) = line.split_once("  ")?;
    let path = PathBuf::from(path);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_inside && !path.as_os_str().is_empty()).then(|| Listed { path, sha256: sha256.into() })
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn put(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|error| failed("written", path, error))
}

/// True if a manifest is there.
fn is_complete(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file() && !folder.join(UNFINISHED).exists()
}
