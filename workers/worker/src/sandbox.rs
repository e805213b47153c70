//! Reads untrusted video in a child process that can do little else.
//!
//! Demuxers and decoders are the likeliest place for a memory error, and a small file can make them take any amount of memory or
//! time. So the worker opens no video itself: it gives each piece of [`Work`] to a child, which is this program executed again.
//! Before the child opens a file it confines itself (`confine`). What it answers is as untrusted as the file: it is checked, and
//! the names of the files that it writes are the worker's.
//!
//! A child that dies, or that is killed for what it uses, is an [`Error`] with one sentence, and the worker goes on.

use std::path::{Path, PathBuf};

use stereospot_media::Cancel;
use tokio_util::sync::CancellationToken;

mod check;
mod confine;
mod decode;
mod error;
mod inside;
mod job;
mod limits;
mod outside;
mod pictures;
mod system_calls;
mod wire;
mod work;

pub use check::{Attempts, Held, Protection};
pub use decode::Decode;
pub use error::{Death, Error};
pub use inside::serve;
pub use job::Job;
pub use limits::{Limits, SUBCOMMAND};
pub use pictures::Pictures;
pub use work::{Cuts, Files, JoinParts, Joined, Misbehave, SoundOf, SplitSource, WholeFile, Work};

/// Where videos are read.
#[derive(Debug, Clone)]
pub struct Sandbox(Place);

#[derive(Debug, Clone)]
enum Place {
    Here,
    Child { program: PathBuf, limits: Limits },
}

impl Sandbox {
    /// In children of this program.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        // Still this program after its file was replaced by a newer version.
        Self::of(Path::new("/proc/self/exe"), limits)
    }

    /// In children that execute this program; for tests, which are not the worker.
    #[must_use]
    pub fn of(program: &Path, limits: Limits) -> Self {
        Self(Place::Child { program: program.to_owned(), limits })
    }

    /// In this process, unprotected: for tests and for measuring the cost.
    #[must_use]
    pub fn none() -> Self {
        Self(Place::Here)
    }

    /// Does a piece of work. `cancel` kills the child.
    ///
    /// # Errors
    /// The work's own error, or how the child ended.
    pub async fn run<W: Work + Into<Job>>(&self, work: W, cancel: &CancellationToken) -> Result<W::Answer, Error> {
        let (sandbox, cancel) = (self.clone(), cancel.clone());
        let work = tokio::task::spawn_blocking(move || sandbox.run_blocking(work, &cancel));
        work.await.expect("work on a video does not panic")
    }

    /// As [`Sandbox::run`], on the caller's thread.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn run_blocking<W: Work + Into<Job>>(&self, work: W, cancel: &CancellationToken) -> Result<W::Answer, Error> {
        match &self.0 {
            Place::Here => {
                let is_cancelled = || cancel.is_cancelled();
                Ok(work.run(Cancel::when(&is_cancelled))?)
            }
            Place::Child { program, limits } => {
                let doing = work.doing();
                let checked = work.clone();
                let mut child = outside::Child::start(program, *limits, work.into(), doing, cancel)?;
                let answer = child.answer()?;
                if checked.may_be(&answer) { Ok(answer) } else { Err(child.nonsense()) }
            }
        }
    }

    /// Decodes a segment's pictures. Use them on this thread: the child ends with the thread that started it.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn decode(&self, decode: Decode, cancel: &CancellationToken) -> Result<Pictures, Error> {
        match &self.0 {
            Place::Here => Pictures::here(&decode),
            Place::Child { program, limits } => Pictures::from_child(program, *limits, decode, cancel),
        }
    }

    /// Tries from inside what must not work. `folder` is for the files that this takes.
    ///
    /// # Errors
    /// When no child can be started, or it dies.
    pub fn check(&self, folder: &Path) -> Result<Vec<Held>, Error> {
        let memory_bytes = match &self.0 {
            Place::Here => None,
            Place::Child { limits, .. } => limits.memory_bytes,
        };
        let folder = tempfile::tempdir_in(folder).map_err(Error::NotStarted)?;
        let attempts = Attempts::prepare(folder.path(), memory_bytes).map_err(Error::NotStarted)?;
        self.run_blocking(attempts, &CancellationToken::new())
    }
}
