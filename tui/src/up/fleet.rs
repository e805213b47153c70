//! How many workers of each stage: `chunking=1,inference=2,reassembly=1`.

use std::fmt;
use std::str::FromStr;

use stereospot_domain::Stage;

/// Most workers of one stage.
const MOST: u32 = 64;

/// Numbers of workers by stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fleet {
    chunking: u32,
    inference: u32,
    reassembly: u32,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { chunking: 1, inference: 2, reassembly: 1 }
    }
}

impl Fleet {
    /// Each worker's stage and its number within the stage, from 1.
    pub fn workers(self) -> impl Iterator<Item = (Stage, u32)> {
        Stage::ALL.iter().flat_map(move |stage| (1..=self.of(*stage)).map(|number| (*stage, number)))
    }

    fn of(self, stage: Stage) -> u32 {
        match stage {
            Stage::Chunking => self.chunking,
            Stage::Inference => self.inference,
            Stage::Reassembly => self.reassembly,
        }
    }
}

/// A text that names no fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no number of workers: expected something like inference=2, of chunking, inference and reassembly, up to {MOST} each"
)]
pub struct NotAFleet(String);

impl FromStr for Fleet {
    type Err = NotAFleet;

    fn from_str(text: &str) -> Result<Self, NotAFleet> {
        let mut fleet = Fleet::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || NotAFleet(part.to_owned());
            let (stage, count) = part.split_once('=').ok_or_else(wrong)?;
            let count = count.trim().parse().ok().filter(|count| *count <= MOST).ok_or_else(wrong)?;
            match stage.trim() {
                "chunking" => fleet.chunking = count,
                "inference" => fleet.inference = count,
                "reassembly" => fleet.reassembly = count,
                _ => return Err(wrong()),
            }
        }
        Ok(fleet)
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
        for (text, expected) in [
            ("", "chunking=1,inference=2,reassembly=1"),
            ("inference=4", "chunking=1,inference=4,reassembly=1"),
            (" inference = 0 , chunking=2,", "chunking=2,inference=0,reassembly=1"),
        ] {
            assert_eq!(text.parse::<Fleet>().unwrap().to_string(), expected);
        }
        let named: Vec<_> = Fleet::default().workers().map(|(stage, number)| format!("{stage}-{number}")).collect();
        assert_eq!(named, ["chunking-1", "inference-1", "inference-2", "reassembly-1"]);
    }

    #[test]
    fn what_is_no_fleet_is_named() {
        for text in ["inference", "inference=-1", "inference=65", "depth=1", "inference=two"] {
            assert!(text.parse::<Fleet>().unwrap_err().to_string().contains(text), "{text}");
        }
    }
}
