//! A clock that a jump of the machine's wall clock does not move.
//!
//! Leases, schedules and the order of events of one data directory rest on times that several processes take. So all of them count
//! from the same moment: the first of them notes in `run/clock` how far the wall is from the machine's monotonic clock, and as long
//! as any of them runs (they share a lock on the file) the others use that. When none runs, the next one starts from the wall again.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use stereospot_domain::Timestamp;
use stereospot_ports::{Clock, SystemClock, since_boot};

/// The common clock of the processes on one data directory.
#[derive(Debug)]
pub struct SteadyClock {
    /// From the machine's monotonic clock to the wall as it was, in milliseconds.
    offset_ms: i64,
    /// Holds the lock that keeps others from starting from the wall again.
    _shared: Option<File>,
}

impl SteadyClock {
    /// Joins the processes on the data directory. Where that is not possible, this process has a clock of its own.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self::beginning_at(data_dir, SystemClock.now())
    }

    fn beginning_at(data_dir: &Path, wall: Timestamp) -> Self {
        let own_ms = wall.as_millis() - monotonic_ms();
        match share(data_dir, own_ms) {
            Ok((offset_ms, file)) => Self { offset_ms, _shared: Some(file) },
            Err(error) => {
                let path = data_dir.display();
                tracing::warn!(%error, "the clock of {path} can't be shared: a jump of the wall clock may confuse times");
                Self { offset_ms: own_ms, _shared: None }
            }
        }
    }

    fn jump_at(&self, wall: Timestamp) -> i64 {
        wall.as_millis() - self.now().as_millis()
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        Timestamp(monotonic_ms() + self.offset_ms)
    }

    fn wall_ahead_ms(&self) -> i64 {
        self.jump_at(SystemClock.now())
    }
}

fn monotonic_ms() -> i64 {
    i64::try_from(since_boot().as_millis()).expect("a machine does not run for a million years")
}

fn share(data_dir: &Path, own_ms: i64) -> io::Result<(i64, File)> {
    let folder = data_dir.join("run");
    fs::create_dir_all(&folder)?;
    let path = folder.join("clock");
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    if file.try_lock().is_ok() {
        file.set_len(0)?;
        file.write_all(own_ms.to_string().as_bytes())?;
    }
    // Another process may have come in between: so what is written counts.
    file.lock_shared()?;
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let offset_ms = text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((offset_ms, file))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 3600);

    #[test]
    fn who_starts_after_the_wall_was_set_back_joins_the_others_time() {
        let folder = tempfile::tempdir().unwrap();
        let wall = SystemClock.now();
        let first = SteadyClock::beginning_at(folder.path(), wall);
        let later = SteadyClock::beginning_at(folder.path(), wall.minus(TWO_DAYS));
        assert!(later.now() >= first.now().minus(Duration::from_secs(1)), "{:?} {:?}", later.now(), first.now());
        let jump = later.jump_at(later.now().minus(TWO_DAYS));
        assert!((jump + i64::try_from(TWO_DAYS.as_millis()).unwrap()).abs() < 1000, "{jump}");

        drop((first, later));
        let next_start = SteadyClock::beginning_at(folder.path(), wall.minus(TWO_DAYS));
        assert!(
            next_start.now().since(wall.minus(TWO_DAYS)) < Duration::from_secs(60),
            "it starts from the wall again"
        );
    }
}
