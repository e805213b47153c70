//! Tries from inside a child what must not work there.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, getrlimit, test_kill_process};
use serde::{Deserialize, Serialize};
use stereospot_media::{Cancel, Error};

use super::confine::worker;
use super::work::{Files, Work};

/// Something that a child must not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// Take more memory than its limit.
    Memory,
    /// Open any number of files, write core files, compute without end.
    Limits,
    /// Open a socket of any kind.
    Network,
    /// Read a file that was not given.
    Reading,
    /// Write outside its folder.
    Writing,
    /// Execute a program.
    Programs,
    /// Send signals to other processes.
    Processes,
}

/// Whether a protection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub protection: Protection,
    pub holds: bool,
}

/// What to try, and on which files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempts {
    given: PathBuf,
    other: PathBuf,
    own_folder: PathBuf,
    other_folder: PathBuf,
    memory_bytes: Option<u64>,
}

impl Attempts {
    /// Makes the files that the attempts need.
    pub(super) fn prepare(folder: &Path, memory_bytes: Option<u64>) -> io::Result<Self> {
        let own_folder = folder.join("own");
        fs::create_dir(&own_folder)?;
        let [given, other] = ["given", "other"].map(|name| folder.join(name));
        fs::write(&given, "given")?;
        fs::write(&other, "other")?;
        Ok(Self { given, other, own_folder, other_folder: folder.to_owned(), memory_bytes })
    }

    fn holds(&self, protection: Protection) -> bool {
        match protection {
            Protection::Memory => self.memory_bytes.is_some_and(|bytes| {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                Vec::<u8>::new().try_reserve_exact(bytes).is_err()
            }),
            Protection::Limits => {
                let is_limited = |resource| getrlimit(resource).current.is_some();
                is_limited(Resource::Nofile)
                    && is_limited(Resource::Cpu)
                    && getrlimit(Resource::Core).current == Some(0)
            }
            Protection::Network => {
                TcpListener::bind("127.0.0.1:0").is_err()
                    && UdpSocket::bind("127.0.0.1:0").is_err()
                    && UnixDatagram::unbound().is_err()
            }
            Protection::Reading => File::open(&self.given).is_ok() && File::open(&self.other).is_err(),
            Protection::Writing => {
                File::create(self.own_folder.join("new")).is_ok()
                    && File::create(self.other_folder.join("new")).is_err()
                    && File::create(&self.other).is_err()
                    && fs::remove_file(&self.other).is_err()
            }
            Protection::Programs => Command::new("/proc/self/exe").arg("--version").spawn().is_err(),
            Protection::Processes => worker().is_none_or(|worker| test_kill_process(worker).is_err()),
        }
    }
}

impl Work for Attempts {
    type Answer = Vec<Held>;

    fn doing(&self) -> String {
        "checking the sandbox".into()
    }

    fn files(&self) -> Files<'_> {
        Files { reads: vec![&self.given], writes: Some(&self.own_folder) }
    }

    fn run(&self, _: Cancel<'_>) -> Result<Vec<Held>, Error> {
        let all = [
            Protection::Memory,
            Protection::Limits,
            Protection::Network,
            Protection::Reading,
            Protection::Writing,
            Protection::Programs,
            Protection::Processes,
        ];
        Ok(all.map(|protection| Held { protection, holds: self.holds(protection) }).to_vec())
    }
}
