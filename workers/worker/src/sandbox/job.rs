//! Everything that a child can be asked to do.

use serde::{Deserialize, Serialize};

use super::check::Attempts;
use super::decode::Decode;
use super::work::{JoinParts, Misbehave, SoundOf, SplitSource, WholeFile};

/// A piece of work, as a worker orders it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Job {
    Split(SplitSource),
    Whole(WholeFile),
    Sound(SoundOf),
    Join(Box<JoinParts>),
    Decode(Box<Decode>),
    Check(Attempts),
    Misbehave(Misbehave),
}

impl From<SplitSource> for Job {
    fn from(work: SplitSource) -> Self {
        Job::Split(work)
    }
}

impl From<WholeFile> for Job {
    fn from(work: WholeFile) -> Self {
        Job::Whole(work)
    }
}

impl From<SoundOf> for Job {
    fn from(work: SoundOf) -> Self {
        Job::Sound(work)
    }
}

impl From<JoinParts> for Job {
    fn from(work: JoinParts) -> Self {
        Job::Join(Box::new(work))
    }
}

impl From<Attempts> for Job {
    fn from(work: Attempts) -> Self {
        Job::Check(work)
    }
}

impl From<Misbehave> for Job {
    fn from(work: Misbehave) -> Self {
        Job::Misbehave(work)
    }
}
