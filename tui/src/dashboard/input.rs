//! Everything that can happen to the dashboard.

use crossterm::event::{KeyEvent, MouseEvent};
use stereospot_api::view::{Change, JobView, Snapshot};
use stereospot_domain::Event;
use stereospot_domain::plan::AppliedPlan;

use super::effect::Answer;

/// One event of the loop.
#[derive(Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize,
    Tick,
    Net(Net),
    Answer(Answer),
}

/// News from the connection.
#[derive(Debug)]
pub(crate) enum Net {
    /// An attempt begins; the first is 1.
    Connecting { attempt: u32 },
    /// A full snapshot.
    Snapshot(Box<Snapshot>),
    /// Jobs beyond the snapshot.
    Jobs(Vec<JobView>),
    /// The action log, newest first.
    Actions(Vec<AppliedPlan>),
    /// The latest events from before the changes, in order of arrival.
    Events(Vec<Event>),
    /// One change.
    Change(Change),
    /// The connection is lost; the next attempt comes in `retry_in`.
    Lost { attempt: u32, retry_in: std::time::Duration, reason: String },
}
