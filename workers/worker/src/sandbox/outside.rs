//! The worker's side of a child: starts it, reads what it writes, and says how it ended.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::DeserializeOwned;
use stereospot_domain::text::shown;
use tokio_util::sync::CancellationToken;

use super::confine::OUT_OF_MEMORY;
use super::error::{Death, Error};
use super::job::Job;
use super::limits::{Limits, SUBCOMMAND};
use super::wire::{self, Answer, Order, PictureHeader};

/// How often to look whether the work was cancelled while the child computes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a child that closed its answers may take to end.
const TO_END: Duration = Duration::from_secs(5);
/// How much of the child's standard error is kept.
const SAID_BYTES: usize = 2048;
/// How much of it an error repeats.
const SAID_CHARS: usize = 200;

/// A child at work. Killed when it is dropped.
pub(super) struct Child {
    process: std::process::Child,
    answers: ChildStdout,
    /// None once it is closed.
    errors: Option<ChildStderr>,
    /// The end of what it wrote on standard error.
    said: Vec<u8>,
    limits: Limits,
    doing: String,
    cancel: CancellationToken,
}

/// What comes from a child. A picture's planes follow its header.
pub(super) enum Message<T> {
    Picture(PictureHeader),
    Answer(T),
}

impl Child {
    pub(super) fn start(
        program: &Path,
        limits: Limits,
        job: Job,
        doing: String,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        if cancel.is_cancelled() {
            return Err(stereospot_media::Error::Cancelled.into());
        }
        let order = Order { parent: std::process::id(), limits, job };
        // Only a path that is no text fails here, and such a path does not come from us.
        let order = serde_json::to_vec(&order).map_err(|error| Error::NotStarted(error.into()))?;
        let mut command = Command::new(program);
        command.arg0("stereospot-worker").arg(SUBCOMMAND).env_clear();
        // FFmpeg's libraries may be found by it.
        command.envs(std::env::vars_os().filter(|(name, _)| name == "LD_LIBRARY_PATH"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in a terminal reaches the worker, which decides about its child.
        command.process_group(0);
        let mut process = command.spawn().map_err(Error::NotStarted)?;
        let missing = || Error::NotStarted(io::ErrorKind::BrokenPipe.into());
        let mut orders = process.stdin.take().ok_or_else(missing)?;
        let answers = process.stdout.take().ok_or_else(missing)?;
        let errors = process.stderr.take().ok_or_else(missing)?;
        let is_ready = |error: rustix::io::Errno| Error::NotStarted(error.into());
        rustix::io::ioctl_fionbio(&answers, true).map_err(is_ready)?;
        rustix::io::ioctl_fionbio(&errors, true).map_err(is_ready)?;
        // Fewer switches between the two; a system may allow less.
        let _ = rustix::pipe::fcntl_setpipe_size(&answers, 1 << 20);
        // A child that does not read its order has died: reading its answer shows how.
        let _ = orders.write_all(&order);
        drop(orders);
        Ok(Self { process, answers, errors: Some(errors), said: Vec::new(), limits, doing, cancel: cancel.clone() })
    }

    /// Reads the answer of a child that shows no pictures.
    pub(super) fn answer<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        match self.message()? {
            Message::Answer(answer) => Ok(answer),
            Message::Picture(_) => Err(self.nonsense()),
        }
    }

    pub(super) fn message<T: DeserializeOwned>(&mut self) -> Result<Message<T>, Error> {
        let mut kind = [0];
        self.read(&mut kind)?;
        match kind[0] {
            wire::PICTURE => {
                let mut header = [0; PictureHeader::BYTES];
                self.read(&mut header)?;
                Ok(Message::Picture(PictureHeader::from_bytes(header)))
            }
            wire::ANSWER => {
                let mut length = [0; 8];
                self.read(&mut length)?;
                let length = u64::from_le_bytes(length);
                if length > wire::LONGEST_ANSWER {
                    return Err(self.nonsense());
                }
                let mut answer = vec![0; length as usize];
                self.read(&mut answer)?;
                match serde_json::from_slice(&answer) {
                    Ok(Answer::Done(answer)) => Ok(Message::Answer(answer)),
                    Ok(Answer::Failed(error)) => Err(error.into()),
                    Ok(Answer::OutOfMemory) => Err(self.out_of_memory()),
                    Err(_) => Err(self.nonsense()),
                }
            }
            _ => Err(self.nonsense()),
        }
    }

    /// Fills the buffer.
    pub(super) fn read(&mut self, mut buffer: &mut [u8]) -> Result<(), Error> {
        while !buffer.is_empty() {
            if self.cancel.is_cancelled() {
                return Err(stereospot_media::Error::Cancelled.into());
            }
            match self.answers.read(buffer) {
                Ok(0) => return Err(self.died()),
                Ok(read) => buffer = &mut buffer[read..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(self.died()),
            }
        }
        Ok(())
    }

    /// Waits until the child writes, or for a moment.
    fn wait(&mut self) {
        let mut ready = vec![PollFd::new(&self.answers, PollFlags::IN)];
        ready.extend(self.errors.iter().map(|errors| PollFd::new(errors, PollFlags::IN)));
        let limit = Timespec::try_from(LOOK_EVERY).expect("a tenth of a second");
        // An interrupted wait is a short one.
        let _ = poll(&mut ready, Some(&limit));
        self.listen();
    }

    /// Reads what the child wrote on standard error.
    fn listen(&mut self) {
        let mut buffer = [0; SAID_BYTES];
        while let Some(errors) = &mut self.errors {
            match errors.read(&mut buffer) {
                Ok(read @ 1..) => {
                    self.said.extend_from_slice(&buffer[..read]);
                    let surplus = self.said.len().saturating_sub(SAID_BYTES);
                    self.said.drain(..surplus);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => self.errors = None,
            }
        }
    }

    pub(super) fn nonsense(&self) -> Error {
        Error::Nonsense { doing: self.doing.clone() }
    }

    fn out_of_memory(&self) -> Error {
        Error::OutOfMemory { limit_bytes: self.limits.memory_bytes.unwrap_or_default(), doing: self.doing.clone() }
    }

    /// How a child ended that closed its answers before the last of them.
    fn died(&mut self) -> Error {
        let until = Instant::now() + TO_END;
        let how = loop {
            match self.process.try_wait() {
                Ok(Some(status)) if status.code() == Some(OUT_OF_MEMORY) => return self.out_of_memory(),
                Ok(Some(status)) => break Death::of(status, self.limits.processor_secs),
                _ if Instant::now() >= until => break Death::Silent,
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        self.listen();
        let said = String::from_utf8_lossy(&self.said);
        let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let said = shown(last).chars().take(SAID_CHARS).collect();
        Error::Died { how, doing: self.doing.clone(), said }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended, or it is not needed any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
