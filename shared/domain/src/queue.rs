//! The queues between the stages.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::options::UnknownName;

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueRole {
    /// Notifications of new sources.
    Chunking,
    /// Notifications of new segments (`video-worker` in existing deployments).
    Inference,
    /// Jobs whose segments are all converted.
    Reassembly,
    /// Notifications of new outputs: they confirm completions and results.
    OutputEvents,
}

impl QueueRole {
    /// Every role, in the order of a job's way.
    pub const ALL: &'static [QueueRole] =
        &[QueueRole::Chunking, QueueRole::Inference, QueueRole::Reassembly, QueueRole::OutputEvents];

    /// The name that operators use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            QueueRole::Chunking => "chunking",
            QueueRole::Inference => "inference",
            QueueRole::Reassembly => "reassembly",
            QueueRole::OutputEvents => "output-events",
        }
    }

    /// How long a received message stays hidden unless it is extended, on the embedded backend. Leases are extended while work
    /// goes on, so this bounds only how long a killed worker's message waits for the next.
    #[must_use]
    pub fn default_visibility(self) -> Duration {
        match self {
            QueueRole::OutputEvents => Duration::from_secs(15),
            _ => Duration::from_secs(30),
        }
    }
}

/// A queue or its dead-letter queue; written `inference` or `inference-dlq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName {
    /// What it is for.
    pub role: QueueRole,
    /// True for the dead-letter queue.
    pub is_dead_letter: bool,
}

impl QueueName {
    /// The queue that workers receive from.
    #[must_use]
    pub fn main(role: QueueRole) -> Self {
        Self { role, is_dead_letter: false }
    }

    /// The queue where messages go that were received too often.
    #[must_use]
    pub fn dead_letter(role: QueueRole) -> Self {
        Self { role, is_dead_letter: true }
    }

    /// Every queue, each followed by its dead-letter queue.
    pub fn all() -> impl Iterator<Item = QueueName> {
        QueueRole::ALL.iter().flat_map(|role| [QueueName::main(*role), QueueName::dead_letter(*role)])
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{}", self.role.as_str(), if self.is_dead_letter { "-dlq" } else { "" }))
    }
}

impl FromStr for QueueName {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        QueueName::all().find(|name| name.to_string() == text).ok_or_else(|| UnknownName {
            what: "queue",
            given: text.into(),
            known: QueueName::all().map(|name| name.to_string()).collect::<Vec<_>>().join(", "),
        })
    }
}

impl Serialize for QueueName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QueueName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for QueueName {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl ToSchema for QueueName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        assert_eq!(QueueName::all().count(), 8);
        for name in QueueName::all() {
            assert_eq!(name.to_string().parse::<QueueName>().unwrap(), name);
        }
        assert!("video".parse::<QueueName>().unwrap_err().to_string().contains("inference-dlq"));
    }
}
