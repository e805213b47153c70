//! How much memory workers may use, as operators write it.

use std::fmt;
use std::str::FromStr;

use crate::amount::Bytes;

/// The least that a worker can start with.
pub const LEAST: Bytes = Bytes(256_000_000);

/// How much memory a worker may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Bytes(Bytes),
    /// What this machine or its cgroup offers, divided by a number of workers.
    Part(u32),
}

/// The text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAmount {
    #[error("`{0}` is no amount of memory: write it like 512M or 2G, or like 1/4 for a part of this machine's")]
    Memory(String),
    #[error("{0} is too little memory for a worker: it needs {LEAST} at least")]
    TooLittle(Bytes),
}

impl FromStr for Memory {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let wrong = || NotAnAmount::Memory(text.into());
        if let Some(part) = text.strip_prefix("1/") {
            return part.parse().ok().filter(|part| (1..=1000).contains(part)).map(Self::Part).ok_or_else(wrong);
        }
        let bytes = text.parse().ok().filter(|bytes| *bytes > Bytes(0)).ok_or_else(wrong)?;
        if bytes < LEAST { Err(NotAnAmount::TooLittle(bytes)) } else { Ok(Self::Bytes(bytes)) }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Part(part) => write!(f, "1/{part}"),
        }
    }
}

impl Memory {
    /// The share of each of several workers.
    ///
    /// # Errors
    /// [`NotAnAmount::TooLittle`] if none can start with it.
    pub fn divided_by(self, workers: u32) -> Result<Self, NotAnAmount> {
        let workers = workers.max(1);
        match self {
            Self::Bytes(Bytes(bytes)) => {
                let share = Bytes(bytes / u64::from(workers));
                if share < LEAST { Err(NotAnAmount::TooLittle(share)) } else { Ok(Self::Bytes(share)) }
            }
            Self::Part(part) => Ok(Self::Part(part.saturating_mul(workers))),
        }
    }
}

#[cfg(test)]
mod tests;
