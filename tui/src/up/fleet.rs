//! The number of workers per stage: `chunking=1,inference=2,reassembly=1`.

use std::fmt;
use std::str::FromStr;

use stereospot_domain::Stage;

/// The most workers of one stage.
const MOST: u32 = 64;

/// Numbers of workers by stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fleet {
    chunking: u32,
    inference: u32,
    reassembly: u32,
}

impl Fleet {
    /// No workers: others do the work.
    pub(crate) const NONE: Self = Self { chunking: 0, inference: 0, reassembly: 0 };
    /// The default for one machine.
    pub(crate) const LOCAL: Self = Self { chunking: 1, inference: 2, reassembly: 1 };

    /// Each worker's stage and its number within the stage, from 1.
    pub(crate) fn workers(self) -> impl Iterator<Item = (Stage, u32)> {
        Stage::ALL.iter().flat_map(move |stage| (1..=self.of(*stage)).map(|number| (*stage, number)))
    }

    /// True when there are no workers.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// True when every stage has a worker, so this machine runs the whole pipeline.
    pub(crate) fn is_whole(self) -> bool {
        Stage::ALL.iter().all(|stage| self.of(*stage) > 0)
    }

    fn of(self, stage: Stage) -> u32 {
        match stage {
            Stage::Chunking => self.chunking,
            Stage::Inference => self.inference,
            Stage::Reassembly => self.reassembly,
        }
    }
}

/// The requested workers: a number for some stages, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `none`, or an empty string.
    None,
    Some {
        chunking: Option<u32>,
        inference: Option<u32>,
        reassembly: Option<u32>,
    },
}

impl Wanted {
    /// The fleet, with unnamed stages taken from `usual`.
    pub(crate) fn or(self, usual: Fleet) -> Fleet {
        match self {
            Wanted::None => Fleet::NONE,
            Wanted::Some { chunking, inference, reassembly } => Fleet {
                chunking: chunking.unwrap_or(usual.chunking),
                inference: inference.unwrap_or(usual.inference),
                reassembly: reassembly.unwrap_or(usual.reassembly),
            },
        }
    }
}

/// The text is not a fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no number of workers: expected something like inference=2, of chunking, inference and reassembly, up to {MOST} each, or none"
)]
pub(crate) struct NotAFleet(String);

impl FromStr for Wanted {
    type Err = NotAFleet;

    fn from_str(text: &str) -> Result<Self, NotAFleet> {
        if matches!(text.trim(), "" | "none") {
            return Ok(Wanted::None);
        }
        let (mut chunking, mut inference, mut reassembly) = (None, None, None);
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || NotAFleet(part.to_owned());
            let (stage, count) = part.split_once('=').ok_or_else(wrong)?;
            let count = Some(count.trim().parse().ok().filter(|count| *count <= MOST).ok_or_else(wrong)?);
            match stage.trim() {
                "chunking" => chunking = count,
                "inference" => inference = count,
                "reassembly" => reassembly = count,
                _ => return Err(wrong()),
            }
        }
        Ok(Wanted::Some { chunking, inference, reassembly })
    }
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunking={},inference={},reassembly={}", self.chunking, self.inference, self.reassembly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_not_named_keeps_its_default() {
        let check = |text: &str, usual: Fleet, expected: &str| {
            assert_eq!(text.parse::<Wanted>().unwrap().or(usual).to_string(), expected, "{text}");
        };
        check("inference=4", Fleet::LOCAL, "chunking=1,inference=4,reassembly=1");
        check(" inference = 0 , chunking=2,", Fleet::LOCAL, "chunking=2,inference=0,reassembly=1");
        check("inference=4", Fleet::NONE, "chunking=0,inference=4,reassembly=0");
        for text in ["", " ", "none"] {
            check(text, Fleet::LOCAL, "chunking=0,inference=0,reassembly=0");
        }
        let named: Vec<_> = Fleet::LOCAL.workers().map(|(stage, number)| format!("{stage}-{number}")).collect();
        assert_eq!(named, ["chunking-1", "inference-1", "inference-2", "reassembly-1"]);
        assert!(Fleet::NONE.is_empty() && Fleet::NONE.workers().next().is_none());
    }

    #[test]
    fn what_is_no_fleet_is_named() {
        for text in ["inference", "inference=-1", "inference=65", "depth=1", "inference=two", "none=1"] {
            assert!(text.parse::<Wanted>().unwrap_err().to_string().contains(text), "{text}");
        }
    }
}
