//! The queues between the stages.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::options::UnknownName;
use crate::stage::Stage;

mod envelope;
mod reading;

pub use envelope::{Attribute, Envelope};
pub use reading::{Peeked, Settings, Stats};

/// What a queue is for. Every pipeline has the first four ([`QueueRole::PIPELINE`]). An existing deployment may have the others;
/// where one is not deployed, nothing shows it.
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
    /// The same notifications for the job-worker, which writes completions in topology A.
    JobStatusEvents,
    /// Jobs whose objects are to be deleted.
    Deletion,
    /// Sources to be fetched from an address.
    Ingest,
    /// Changes of rows, for the web user interface.
    JobEvents,
}

impl QueueRole {
    /// Every role, in the order in which a job passes them; those that only some deployments have come last.
    pub const ALL: &'static [QueueRole] = &[
        QueueRole::Chunking,
        QueueRole::Inference,
        QueueRole::Reassembly,
        QueueRole::OutputEvents,
        QueueRole::JobStatusEvents,
        QueueRole::Deletion,
        QueueRole::Ingest,
        QueueRole::JobEvents,
    ];

    /// The roles of our own pipeline: what the embedded backend has, and what every backend must offer.
    pub const PIPELINE: &'static [QueueRole] =
        &[QueueRole::Chunking, QueueRole::Inference, QueueRole::Reassembly, QueueRole::OutputEvents];

    /// The name that operators use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.traits().name
    }

    /// The service of an existing deployment that receives from it.
    #[must_use]
    pub fn service(self) -> &'static str {
        self.traits().service
    }

    /// The stage whose workers of ours receive from it; none where only a service of the deployment's own does.
    #[must_use]
    pub fn served_by(self) -> Option<Stage> {
        self.traits().served_by
    }

    /// The stage that the queue feeds.
    #[must_use]
    pub fn stage(self) -> Option<Stage> {
        self.served_by().filter(|stage| stage.queue() == self)
    }

    /// True for a queue of our own pipeline.
    #[must_use]
    pub fn is_in_pipeline(self) -> bool {
        QueueRole::PIPELINE.contains(&self)
    }

    /// What the queue's dead letters are, where no job's finding says so.
    #[must_use]
    pub fn dead_letters_are(self) -> Option<&'static str> {
        self.traits().dead_letters_are
    }

    /// How long a received message stays hidden unless it is extended, on the embedded backend. Workers extend their leases, so
    /// this bounds only how long a killed worker's message waits for the next.
    #[must_use]
    pub fn default_visibility(self) -> Duration {
        Duration::from_secs(self.traits().visibility_secs)
    }

    /// The table of the roles.
    fn traits(self) -> &'static Traits {
        match self {
            QueueRole::Chunking => &Traits {
                name: "chunking",
                service: "media-worker",
                served_by: Some(Stage::Chunking),
                visibility_secs: 30,
                dead_letters_are: None,
            },
            QueueRole::Inference => &Traits {
                name: "inference",
                service: "video-worker",
                served_by: Some(Stage::Inference),
                visibility_secs: 30,
                dead_letters_are: None,
            },
            QueueRole::Reassembly => &Traits {
                name: "reassembly",
                service: "media-worker",
                served_by: Some(Stage::Reassembly),
                visibility_secs: 30,
                dead_letters_are: None,
            },
            QueueRole::OutputEvents => &Traits {
                name: "output-events",
                service: "video-worker",
                // Inference workers confirm completions and results from the outputs' notifications.
                served_by: Some(Stage::Inference),
                visibility_secs: 15,
                dead_letters_are: None,
            },
            QueueRole::JobStatusEvents => &Traits {
                name: "job-status-events",
                service: "job-worker",
                served_by: None,
                visibility_secs: 30,
                dead_letters_are: Some("outputs that the job-worker did not record"),
            },
            QueueRole::Deletion => &Traits {
                name: "deletion",
                service: "media-worker",
                served_by: Some(Stage::Chunking),
                visibility_secs: 30,
                dead_letters_are: Some("objects of jobs that should be gone"),
            },
            QueueRole::Ingest => &Traits {
                name: "ingest",
                service: "media-worker",
                served_by: None,
                visibility_secs: 30,
                dead_letters_are: Some("sources that were not fetched"),
            },
            QueueRole::JobEvents => &Traits {
                name: "job-events",
                service: "web-ui",
                served_by: None,
                visibility_secs: 30,
                dead_letters_are: Some("changes that the web page did not receive"),
            },
        }
    }
}

impl Stage {
    /// The queue that feeds it.
    #[must_use]
    pub fn queue(self) -> QueueRole {
        match self {
            Stage::Chunking => QueueRole::Chunking,
            Stage::Inference => QueueRole::Inference,
            Stage::Reassembly => QueueRole::Reassembly,
        }
    }
}

/// What is different from role to role.
struct Traits {
    name: &'static str,
    service: &'static str,
    served_by: Option<Stage>,
    visibility_secs: u64,
    dead_letters_are: Option<&'static str>,
}

/// A queue or its dead-letter queue; written `inference` or `inference-dlq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName {
    pub role: QueueRole,
    pub is_dead_letter: bool,
}

impl QueueName {
    /// The queue that workers receive from.
    #[must_use]
    pub fn main(role: QueueRole) -> Self {
        Self { role, is_dead_letter: false }
    }

    /// The queue that takes messages which were received too often.
    #[must_use]
    pub fn dead_letter(role: QueueRole) -> Self {
        Self { role, is_dead_letter: true }
    }

    /// Every possible queue, each followed by its dead-letter queue.
    pub fn all() -> impl Iterator<Item = QueueName> {
        Self::of(QueueRole::ALL)
    }

    /// The queues of our own pipeline, each followed by its dead-letter queue.
    pub fn pipeline() -> impl Iterator<Item = QueueName> {
        Self::of(QueueRole::PIPELINE)
    }

    fn of(roles: &'static [QueueRole]) -> impl Iterator<Item = QueueName> {
        roles.iter().flat_map(|role| [QueueName::main(*role), QueueName::dead_letter(*role)])
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
        use utoipa::openapi::schema::{Object, Type};
        let names = QueueName::all().map(|name| name.to_string());
        Object::builder().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for QueueName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        assert_eq!((QueueName::all().count(), QueueName::pipeline().count()), (16, 8));
        for name in QueueName::all() {
            assert_eq!(name.to_string().parse::<QueueName>().unwrap(), name);
        }
        assert!("video".parse::<QueueName>().unwrap_err().to_string().contains("inference-dlq"));
    }

    #[test]
    fn the_pipelines_queues_come_first_and_our_workers_serve_them() {
        assert!(QueueRole::ALL.starts_with(QueueRole::PIPELINE) && QueueRole::ALL.is_sorted());
        assert!(QueueRole::PIPELINE.iter().all(|role| role.served_by().is_some()));
        assert!(Stage::ALL.iter().all(|stage| stage.queue().served_by() == Some(*stage)));
        let stages: Vec<Stage> = QueueRole::ALL.iter().filter_map(|role| role.stage()).collect();
        assert_eq!(stages, Stage::ALL);
    }
}
