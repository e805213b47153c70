//! Keeps the log file of a process small while the process runs.
//!
//! `stereospot up` opens a file as standard output and error of each process that it starts, and names it in the environment. The
//! process itself renames the file when it has grown large or old, and goes on in a new one. So no line is lost, whatever becomes
//! of `up`, and nothing is copied.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::stdio::{dup2_stderr, dup2_stdout};

const PATH: &str = "STEREOSPOT_LOG_FILE";
const BYTES: &str = "STEREOSPOT_LOG_BYTES";
const SECS: &str = "STEREOSPOT_LOG_SECS";

/// The file in use, and those before it: `x.log`, `x.log.1` to `x.log.4`.
const FILES: u32 = 5;
/// Time between two looks at the file.
const CHECK: Duration = Duration::from_secs(2);

/// How much of a process's log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogKeep {
    /// Of all its files together.
    pub bytes: u64,
    pub age: Duration,
}

impl Default for LogKeep {
    fn default() -> Self {
        Self { bytes: 50_000_000, age: Duration::from_secs(30 * 24 * 3600) }
    }
}

/// A process's log file, with those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    pub path: PathBuf,
    pub keep: LogKeep,
}

impl LogFile {
    /// The environment that makes a process keep this file small, which it has as standard output and error.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, OsString); 3] {
        [
            (PATH, self.path.clone().into()),
            (BYTES, self.keep.bytes.to_string().into()),
            (SECS, self.keep.age.as_secs().to_string().into()),
        ]
    }

    fn of_environment() -> Option<Self> {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        let keep = LogKeep { bytes: number(BYTES)?, age: Duration::from_secs(number(SECS)?) };
        Some(Self { path: std::env::var_os(PATH)?.into(), keep })
    }

    /// Opens the file for appending, after it was put aside if it is due.
    ///
    /// # Errors
    /// If it can't be renamed or opened.
    pub fn open(&self) -> io::Result<File> {
        if self.is_due() {
            self.put_aside()?;
        }
        self.append()
    }

    fn append(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)
    }

    /// True once the file has its share of the size or of the age.
    fn is_due(&self) -> bool {
        let is_old = |about: &fs::Metadata| {
            // Where the file system does not know, only the size counts.
            let age = about.created().ok().and_then(|made| SystemTime::now().duration_since(made).ok());
            age.is_some_and(|age| age >= self.keep.age / FILES)
        };
        fs::metadata(&self.path).is_ok_and(|about| {
            about.is_file() && about.len() > 0 && (about.len() >= self.keep.bytes / u64::from(FILES) || is_old(&about))
        })
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    /// Renames the file to `.1`, and each before it to the next number. The oldest goes.
    fn put_aside(&self) -> io::Result<()> {
        for number in (1..FILES - 1).rev() {
            match fs::rename(self.aside(number), self.aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.aside(1))
    }

    /// Removes earlier files whose last line is too old.
    fn forget(&self) {
        for number in 1..FILES {
            let path = self.aside(number);
            let written = fs::metadata(&path).and_then(|about| about.modified());
            let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
            if age.is_some_and(|age| age > self.keep.age) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// The file to go on in, if it is not the one in use: that is due, or was moved or removed.
    fn next(&self, in_use: &fs::Metadata) -> io::Result<Option<File>> {
        let is_in_use = |about: &fs::Metadata| (about.dev(), about.ino()) == (in_use.dev(), in_use.ino());
        if !fs::metadata(&self.path).is_ok_and(|about| is_in_use(&about)) {
            return self.append().map(Some);
        }
        if !self.is_due() {
            return Ok(None);
        }
        self.put_aside()?;
        // Until the new file is open, lines go to the old one under its new name.
        match self.append() {
            Ok(file) => Ok(Some(file)),
            Err(error) => {
                let _ = fs::rename(self.aside(1), &self.path);
                Err(error)
            }
        }
    }
}

/// Keeps this process's log file small from now on, if the environment names it.
pub(crate) fn keep_small() {
    let Some(file) = LogFile::of_environment() else { return };
    let check = move || {
        loop {
            // Opened again each time: the descriptor may have been replaced.
            let Ok(in_use) = fs::metadata("/proc/self/fd/1") else { return };
            if !in_use.is_file() {
                return;
            }
            // On a full disk the old file is as good as a new one; the next look tries again.
            if let Ok(Some(next)) = file.next(&in_use) {
                let _ = dup2_stdout(&next);
                let _ = dup2_stderr(&next);
            }
            file.forget();
            std::thread::sleep(CHECK);
        }
    };
    // Without the thread the file only grows.
    let _ = std::thread::Builder::new().name("log-file".into()).spawn(check);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::*;

    fn log(folder: &Path, bytes: u64, age: Duration) -> LogFile {
        LogFile { path: folder.join("x.log"), keep: LogKeep { bytes, age } }
    }

    #[test]
    fn a_file_in_use_is_put_aside_when_it_is_large_and_no_line_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), 500, Duration::from_secs(3600));
        let mut in_use = log.open().unwrap();
        for number in 0..60 {
            // What is written between the rename and the new file goes to the old one.
            writeln!(in_use, "line {number:03}").unwrap();
            if let Some(next) = log.next(&in_use.metadata().unwrap()).unwrap() {
                in_use = next;
            }
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["x.log", "x.log.1", "x.log.2", "x.log.3", "x.log.4"]);
        let all: String = [log.aside(4), log.aside(3), log.aside(2), log.aside(1), log.path.clone()]
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        let lines: Vec<&str> = all.lines().collect();
        let expected: Vec<String> = (60 - lines.len()..60).map(|number| format!("line {number:03}")).collect();
        assert_eq!(lines, expected, "the newest, without a gap");
        assert!(all.len() <= 500 + 9 && lines.len() > 44, "{}", lines.len());
    }

    #[test]
    fn a_file_that_is_moved_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), 500, Duration::from_secs(3600));
        let in_use = log.open().unwrap();
        assert!(log.next(&in_use.metadata().unwrap()).unwrap().is_none());
        fs::rename(&log.path, folder.path().join("mine.log")).unwrap();
        let next = log.next(&in_use.metadata().unwrap()).unwrap().unwrap();
        assert!(log.next(&next.metadata().unwrap()).unwrap().is_none());
    }

    #[test]
    fn what_is_old_goes() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), 500, Duration::from_secs(3600));
        for (number, age) in [(1, 3000), (2, 4000)] {
            let file = File::create(log.aside(number)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        log.forget();
        assert_eq!((log.aside(1).exists(), log.aside(2).exists()), (true, false));
    }
}
