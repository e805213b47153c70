//! The value with the latest moment, whatever the order in which values arrive.

use stereospot_domain::{Event, Timestamp};
use uuid::Uuid;

/// An event's place in time. No two events share one.
pub type Moment = (Timestamp, Uuid);

/// An event's moment.
pub fn moment(event: &Event) -> Moment {
    (event.time, event.id)
}

/// Keeps the value that was offered with the latest moment. Neither order nor repetition of the offers matters.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest<T>(Option<(Moment, T)>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Latest<T> {
    /// Takes the value if its moment is the latest so far.
    pub fn offer(&mut self, at: Moment, value: T) {
        if self.0.as_ref().is_none_or(|(held, _)| at >= *held) {
            self.0 = Some((at, value));
        }
    }

    /// Like [`Latest::offer`], if there is a value.
    pub fn offer_known(&mut self, at: Moment, value: Option<T>) {
        if let Some(value) = value {
            self.offer(at, value);
        }
    }

    /// The value held.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    /// When the held value's event happened.
    pub fn time(&self) -> Option<Timestamp> {
        self.0.as_ref().map(|((time, _), _)| *time)
    }
}
