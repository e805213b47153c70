//! The child: confines itself, does its one job, and answers.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;
use stereospot_media::{Cancel, Error};

use super::confine;
use super::decode::Decode;
use super::job::Job;
use super::limits::{Limits, SUBCOMMAND};
use super::wire::{self, Answer, Order, PictureHeader};
use super::work::{Files, Work};

/// How often the processor time is allotted again while the work gets on.
const ALLOT_EVERY: Duration = Duration::from_secs(5);

/// Runs a child, which its worker started with the subcommand [`SUBCOMMAND`].
#[must_use]
pub fn serve() -> ExitCode {
    // One line, which the worker repeats.
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(io::stderr(), "{}", panic.to_string().replace('\n', " "));
    }));
    // The worker does not learn the reason of a child that can't even start, except here.
    match order().and_then(|(order, answers)| carry_out(order, answers)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn order() -> io::Result<(Order, File)> {
    confine::close_others();
    let mut order = Vec::new();
    io::stdin().read_to_end(&mut order)?;
    let order: Order = serde_json::from_slice(&order)
        .map_err(|_| io::Error::other(format!("`stereospot-worker {}` is started by workers only", SUBCOMMAND)))?;
    // Without the buffer of `stdout`, which looks through every picture for the end of a line.
    let answers = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Ok((order, answers))
}

fn carry_out(order: Order, answers: File) -> io::Result<()> {
    let Order { parent, limits, job } = order;
    let mut child = Inside { answers, limits, meter: Meter::new(limits) };
    let start = |files: Files<'_>| confine::confine(parent, limits, &files);
    match job {
        Job::Split(work) => child.work(&work, start),
        Job::Whole(work) => child.work(&work, start),
        Job::Sound(work) => child.work(&work, start),
        Job::Join(work) => child.work(&*work, start),
        Job::Check(work) => child.work(&work, start),
        Job::Misbehave(work) => child.work(&work, start),
        Job::Decode(decode) => {
            start(Files { reads: vec![&decode.file], writes: None })?;
            let decoded = child.decode(&decode);
            child.answer(decoded)
        }
    }
}

struct Inside {
    answers: File,
    limits: Limits,
    meter: Meter,
}

impl Inside {
    fn work<W: Work>(&mut self, work: &W, start: impl FnOnce(Files<'_>) -> io::Result<()>) -> io::Result<()> {
        start(work.files())?;
        let meter = &self.meter;
        let goes_on = || {
            meter.goes_on();
            false
        };
        let done = work.run(Cancel::when(&goes_on));
        self.answer(done)
    }

    fn decode(&mut self, decode: &Decode) -> Result<(), Error> {
        let started = Instant::now();
        let mut decoder = decode.open()?;
        let mut busy = started.elapsed();
        loop {
            let started = Instant::now();
            let next = decoder.next();
            busy += started.elapsed();
            let Some(frame) = next else { return Ok(()) };
            let frame = frame?;
            self.meter.goes_on();
            let busy_nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
            let header = PictureHeader { pts: frame.pts, repeated: decoder.repeated(), busy_nanos };
            let mut send = || {
                self.answers.write_all(&[wire::PICTURE])?;
                self.answers.write_all(&header.to_bytes())?;
                frame.picture.planes().into_iter().try_for_each(|(plane, _, _)| self.answers.write_all(plane))
            };
            if send().is_err() {
                // The worker wants no more of them.
                return Err(Error::Cancelled);
            }
        }
    }

    fn answer<T: Serialize>(&mut self, done: Result<T, Error>) -> io::Result<()> {
        let answer = match done {
            Ok(answer) => Answer::Done(answer),
            Err(error) if error.is_out_of_memory() && self.limits.memory_bytes.is_some() => Answer::OutOfMemory,
            Err(error) => Answer::Failed(error),
        };
        let answer = serde_json::to_vec(&answer)?;
        self.answers.write_all(&[wire::ANSWER])?;
        self.answers.write_all(&(answer.len() as u64).to_le_bytes())?;
        self.answers.write_all(&answer)
    }
}

/// Allots processor time for as long as the work gets on.
struct Meter {
    limits: Limits,
    allotted: Mutex<Instant>,
}

impl Meter {
    fn new(limits: Limits) -> Self {
        Self { limits, allotted: Mutex::new(Instant::now()) }
    }

    /// A packet was read, or a picture decoded.
    fn goes_on(&self) {
        // Only one thread at a time needs to do it.
        let Ok(mut allotted) = self.allotted.try_lock() else { return };
        if allotted.elapsed() >= ALLOT_EVERY {
            *allotted = Instant::now();
            confine::allot(self.limits.processor_secs);
        }
    }
}
