//! Copies files and takes their checksums on the way.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{ioctl_ficlone, statvfs, syncfs};
use sha2::{Digest as _, Sha256};
use stereospot_ports::{Clock as _, SystemClock};

use super::failure::{BackupError, Result, failed};
use super::manifest::{FILES, Listed, Manifest, hex};
use super::place::{EVENTS, QUEUES_AND_JOBS, make_folder};
use crate::leftovers::is_staged;

const BLOCK: usize = 1 << 20;
/// Left free beside the copy: databases grow while it is made.
const RESERVE: u64 = 16 << 20;
/// What a reassembly worker uploads before it publishes it.
const STAGED_RESULT: &str = ".final-staged";

/// Copies files below one folder to the same places below another.
pub(super) struct Copier {
    from: PathBuf,
    to: PathBuf,
    block: Vec<u8>,
    /// What was copied, with its size.
    files: BTreeMap<PathBuf, (String, u64)>,
    /// False once the file system has refused to clone a file.
    may_clone: bool,
}

impl Copier {
    pub(super) fn new(from: &Path, to: &Path) -> Result<Self> {
        let mut copier = Self {
            from: from.to_owned(),
            to: to.to_owned(),
            block: vec![0; BLOCK],
            files: BTreeMap::new(),
            may_clone: true,
        };
        // Whether clones are possible decides how much space is needed.
        let probe = to.join("probe");
        let original = from.join(QUEUES_AND_JOBS);
        let original = if original.is_file() { original } else { from.join(FILES) };
        copier.may_clone = File::open(&original).and_then(|file| clone(&file, &probe)).unwrap_or(false);
        let _ = fs::remove_file(&probe);
        Ok(copier)
    }

    /// Fails if there is too little space for what these folders hold.
    pub(super) fn check_space(&self, folders: impl Iterator<Item = PathBuf>) -> Result<()> {
        let mut needed = [QUEUES_AND_JOBS, EVENTS].map(|name| length(&self.from.join(name))).iter().sum();
        if !self.may_clone {
            for folder in folders {
                self.walk(&folder, &mut |path| {
                    needed += length(&self.from.join(path));
                    Ok(())
                })?;
            }
        }
        self.check_bytes(needed)
    }

    /// Fails if there is too little space for so many bytes.
    pub(super) fn check_bytes(&self, bytes: u64) -> Result<()> {
        let found = statvfs(&self.to).map_err(|error| failed("read", &self.to, error.into()))?;
        let (free, needed) = (found.f_bavail.saturating_mul(found.f_frsize), bytes.saturating_add(RESERVE));
        if needed <= free || self.may_clone {
            return Ok(());
        }
        Err(BackupError::TooSmall { dir: self.to.clone(), free, needed })
    }

    /// Copies every file below a folder. A file that disappears meanwhile is left out.
    pub(super) fn copy_tree(&mut self, folder: &Path) -> Result<()> {
        let mut found = Vec::new();
        self.walk(folder, &mut |path| {
            found.push(path.to_owned());
            Ok(())
        })?;
        found.iter().try_for_each(|path| self.copy(path).map(drop))
    }

    /// Copies every file below a folder to which others append: as much as there is.
    pub(super) fn copy_growing(&mut self, folder: &Path) -> Result<()> {
        let may_clone = std::mem::replace(&mut self.may_clone, false);
        let copied = self.copy_tree(folder);
        self.may_clone = may_clone;
        copied
    }

    /// Copies one file; false if it does not exist. Returns its checksum with its size.
    pub(super) fn copy(&mut self, path: &Path) -> Result<Option<(String, u64)>> {
        let (from, to) = (self.from.join(path), self.to.join(path));
        let mut source = match File::open(&from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| failed("read", &from, error))?,
        };
        if let Some(above) = to.parent().filter(|above| !above.is_dir()) {
            make_folder(above)?;
        }
        let is_cloned = self.may_clone && clone(&source, &to).unwrap_or(false);
        let written = |error| failed("written", &to, error);
        let mut copy = if is_cloned { None } else { Some(create(&to).map_err(written)?) };
        let (mut digest, mut bytes) = (Sha256::new(), 0);
        loop {
            let read = source.read(&mut self.block).map_err(|error| failed("read", &from, error))?;
            if read == 0 {
                break;
            }
            digest.update(&self.block[..read]);
            if let Some(copy) = &mut copy {
                copy.write_all(&self.block[..read]).map_err(written)?;
            }
            bytes += read as u64;
        }
        let entry = (hex(&digest.finalize()), bytes);
        self.files.insert(path.to_owned(), entry.clone());
        Ok(Some(entry))
    }

    /// Takes in a file that was written into the copy by other means, if it is there.
    pub(super) fn add_written(&mut self, path: &Path) -> Result<()> {
        let full = self.to.join(path);
        let mut file = match File::open(&full) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|error| failed("read", &full, error))?,
        };
        let (mut digest, mut bytes) = (Sha256::new(), 0);
        loop {
            let read = file.read(&mut self.block).map_err(|error| failed("read", &full, error))?;
            if read == 0 {
                break;
            }
            digest.update(&self.block[..read]);
            bytes += read as u64;
        }
        self.files.insert(path.to_owned(), (hex(&digest.finalize()), bytes));
        Ok(())
    }

    /// Removes a folder from the copy.
    pub(super) fn drop_tree(&mut self, folder: &Path) -> Result<()> {
        self.files.retain(|path, _| !path.starts_with(folder));
        let full = self.to.join(folder);
        match fs::remove_dir_all(&full) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removed", &full, error)),
            _ => Ok(()),
        }
    }

    /// Whether a file was copied.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// Puts everything that was written on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        File::open(&self.to).and_then(|folder| Ok(syncfs(folder)?)).map_err(|error| failed("written", &self.to, error))
    }

    /// Completes a backup.
    pub(super) fn finish(self, jobs: u64, unfinished_jobs: u64) -> Result<Manifest> {
        self.sync()?;
        let bytes = self.files.values().map(|(_, bytes)| bytes).sum();
        let files: Vec<Listed> = self.files.into_iter().map(|(path, (sha256, _))| Listed { path, sha256 }).collect();
        let about = Manifest {
            format: 0,
            version: String::new(),
            made_at_ms: SystemClock.now().as_millis(),
            data_dir: self.from,
            jobs,
            unfinished_jobs,
            files: 0,
            bytes,
            list_sha256: String::new(),
        };
        Manifest::write(&self.to, &files, about)
    }

    /// Calls `each` with every regular file below a folder, relative to the source. Unfinished uploads are no objects.
    fn walk(&self, folder: &Path, each: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
        let full = self.from.join(folder);
        let read = |error| failed("read", &full, error);
        let entries = match fs::read_dir(&full) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(read)?,
        };
        for entry in entries {
            let entry = entry.map_err(read)?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(read)?;
            if kind.is_dir() {
                self.walk(&path, each)?;
            } else if kind.is_file() && !is_staged(&path) && entry.file_name() != STAGED_RESULT {
                each(&path)?;
            }
        }
        Ok(())
    }
}

/// Makes a file that shares the other's blocks until one of them is written; false where the file system can't.
fn clone(source: &File, to: &Path) -> io::Result<bool> {
    let copy = create(to)?;
    if ioctl_ficlone(&copy, source).is_ok() {
        return Ok(true);
    }
    fs::remove_file(to)?;
    Ok(false)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}
