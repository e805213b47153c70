//! A worker's name: the source of its events, and the name of its spool and scratch folder. No two processes may share one.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// How many unnamed workers of one stage may run on a data directory.
const MOST: u32 = 1000;

/// A name that belongs to this process until it ends.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    _lock: File,
}

impl Identity {
    /// Claims the wanted name, or the first free one of `{stage}-1`, `{stage}-2`, … So an unnamed worker finds the spool of its
    /// predecessor.
    pub(crate) fn claim(data_dir: &Path, wanted: Option<&str>, stage: &str) -> Result<Self> {
        let folder = data_dir.join("run");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("the data directory {} can't be used", data_dir.display()))?;
        if let Some(name) = wanted {
            return match lock(&folder, name)? {
                Some(lock) => Ok(Self { name: name.into(), _lock: lock }),
                None => bail!("another worker named {name} runs on {}: choose another --name", data_dir.display()),
            };
        }
        for number in 1..=MOST {
            let name = format!("{stage}-{number}");
            if let Some(lock) = lock(&folder, &name)? {
                return Ok(Self { name, _lock: lock });
            }
        }
        bail!("{MOST} {stage} workers run on {}: give this one a --name", data_dir.display())
    }
}

/// Adds the machine's name, as in `inference-1@ip-10-0-3-17`, for workers on many machines.
pub(crate) fn with_host(name: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => name.to_owned(),
        host => format!("{name}@{host}"),
    }
}

fn lock(folder: &Path, name: &str) -> Result<Option<File>> {
    let path = folder.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("{} can't be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} can't be locked", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_shared_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let claim = |wanted| Identity::claim(folder.path(), wanted, "inference");
        let (first, second) = (claim(None).unwrap(), claim(None).unwrap());
        assert_eq!((first.name.as_str(), second.name.as_str()), ("inference-1", "inference-2"));
        assert!(claim(Some("inference-1")).unwrap_err().to_string().contains("--name"));
        drop(first);
        assert_eq!(claim(None).unwrap().name, "inference-1");
    }
}
