//! Events on disk until the control plane has them.
//!
//! An event is appended to a file before `append` returns, so a killed worker's events survive. A file is sent whole, and
//! removed after the server has acknowledged every event in it; sending one twice is harmless, since the server drops
//! duplicates. Each line carries a checksum, so damage costs lines and never changes one. The spool is bounded: beyond its limit progress events are dropped and counted, state events never.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use stereospot_domain::Event;
use uuid::Uuid;

mod line;

/// A file is closed at this size, so that the events of a long outage are sent and removed piece by piece.
const FILE_BYTES: u64 = 1024 * 1024;

/// The spool of one worker. One process writes to it.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limit_bytes: u64,
    /// Closed files, oldest first.
    closed: VecDeque<Closed>,
    current: Option<Current>,
    next_number: u64,
    /// Events that could not be read: cut short by a crash, damaged, or in a deleted file.
    unreadable: Unreadable,
}

#[derive(Debug)]
struct Closed {
    path: PathBuf,
    waiting: Waiting,
    /// What is unreadable in it was counted: it may be read several times before it is sent.
    is_counted: bool,
}

/// Events that could not be read.
#[derive(Debug, Default)]
struct Unreadable {
    total: u64,
    /// Those that leave no gap in the numbers of any start of the worker.
    without_gap: u64,
    /// Those since the last readable event.
    run: u64,
    last_boot: Option<Uuid>,
}

impl Unreadable {
    fn lost(&mut self, events: u64) {
        self.total += events;
        self.run += events;
    }

    /// A later event of the same start shows the gap; one of another start shows none.
    fn read(&mut self, event: &Event) {
        if self.last_boot.replace(event.boot) != Some(event.boot) {
            self.without_gap += self.run;
        }
        self.run = 0;
    }
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    file: File,
    waiting: Waiting,
}

/// How much waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    pub events: u64,
    /// On disk.
    pub bytes: u64,
}

/// What became of an event on its way into the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    Kept,
    /// The spool is full and this was a progress event.
    Dropped,
}

impl Spool {
    /// Opens the spool in a folder, and creates the folder if it is missing. Files of earlier starts are kept and sent first.
    ///
    /// # Errors
    /// When the folder can't be created or read.
    pub fn open(folder: &Path, limit_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // A folder of another user shows only at the first write, when events would be lost already.
        let probe = folder.join("probe");
        File::create(&probe).and_then(|_| fs::remove_file(&probe))?;
        let mut closed = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                let content = fs::read(&path)?;
                let events = content.iter().filter(|byte| **byte == b'\n').count() as u64;
                let waiting = Waiting { events, bytes: content.len() as u64 };
                closed.push(Closed { path, waiting, is_counted: false });
            }
        }
        closed.sort_by(|a, b| a.path.cmp(&b.path));
        let next_number = closed
            .last()
            .and_then(|closed| closed.path.file_stem()?.to_str()?.parse::<u64>().ok())
            .map_or(0, |number| number + 1);
        Ok(Self {
            folder: folder.into(),
            limit_bytes,
            closed: closed.into(),
            current: None,
            next_number,
            unreadable: Unreadable::default(),
        })
    }

    /// Appends an event.
    ///
    /// # Errors
    /// When the event can't be written, for example on a full disk; then it is not in the spool.
    pub fn append(&mut self, event: &Event) -> io::Result<Appended> {
        if event.kind().is_progress() && self.waiting().bytes >= self.limit_bytes {
            return Ok(Appended::Dropped);
        }
        let line = line::of(event)?;
        let current = match &mut self.current {
            Some(current) => current,
            none => {
                // Someone may have deleted the folder.
                fs::create_dir_all(&self.folder)?;
                let path = self.folder.join(format!("{:012}.jsonl", self.next_number));
                let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
                self.next_number += 1;
                none.insert(Current { path, file, waiting: Waiting::default() })
            }
        };
        if let Err(error) = current.file.write_all(&line) {
            // The next line would be appended to this half-written one: close the file, so that only this line is unreadable.
            self.close_current();
            return Err(error);
        }
        current.waiting.events += 1;
        current.waiting.bytes += line.len() as u64;
        if current.waiting.bytes >= FILE_BYTES {
            self.close_current();
        }
        Ok(Appended::Kept)
    }

    /// Returns the oldest file with its events, and closes the file being written if there is no other; `None` when all is
    /// sent. Returns the same file again until [`Spool::remove`] is called with it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn oldest(&mut self) -> io::Result<Option<(PathBuf, Vec<Event>)>> {
        if self.closed.is_empty() {
            self.close_current();
        }
        while let Some(Closed { path, waiting, is_counted }) = self.closed.front_mut() {
            let file = match File::open(&*path) {
                // Someone deleted the file: its events are lost, later ones are not.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if !*is_counted {
                        self.unreadable.lost(waiting.events);
                    }
                    self.closed.pop_front();
                    continue;
                }
                file => file?,
            };
            let mut events = Vec::new();
            let mut count = |found: &Result<Event, u64>| match found {
                Ok(event) => self.unreadable.read(event),
                Err(lost) => self.unreadable.lost(*lost),
            };
            for line in BufReader::new(file).split(b'\n') {
                let found = line::read(&line?);
                if !*is_counted {
                    count(&found);
                }
                events.extend(found);
            }
            *is_counted = true;
            return Ok(Some((path.clone(), events)));
        }
        Ok(None)
    }

    /// Removes a file whose events the server has.
    ///
    /// # Errors
    /// When the file can't be removed; then its events are sent again, which is harmless.
    pub fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)?;
        self.closed.retain(|closed| closed.path != path);
        Ok(())
    }

    /// How much waits to be sent.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        let current = self.current.iter().map(|current| current.waiting);
        self.closed.iter().map(|closed| closed.waiting).chain(current).fold(Waiting::default(), |sum, file| Waiting {
            events: sum.events + file.events,
            bytes: sum.bytes + file.bytes,
        })
    }

    /// Events that could not be read so far.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable.total
    }

    /// Returns the number of unreadable events, since the last call, that no gap in the events' numbers shows.
    pub(crate) fn take_without_gap(&mut self) -> u64 {
        std::mem::take(&mut self.unreadable.without_gap)
    }

    fn close_current(&mut self) {
        if let Some(current) = self.current.take() {
            self.closed.push_back(Closed { path: current.path, waiting: current.waiting, is_counted: false });
        }
    }
}

#[cfg(test)]
mod tests;
