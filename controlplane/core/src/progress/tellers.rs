//! Who tells of a segment that is being converted, and which of them is right.
//!
//! An attempt that lost its lease goes on telling for a while, beside the one that holds the lease now. Of those that are heard
//! since the last failure the one that began last is right, whenever the others speak; where nobody is, the one that failed.
//!
//! Invariant: as everywhere in the projection, neither the order nor the repetition of events matters: of each teller there is
//! kept what is a minimum, a maximum or a [`Latest`], and who is right follows from what is kept.

use stereospot_domain::Event;
use uuid::Uuid;

use crate::latest::{Latest, Moment, moment};

/// Tellers kept of one segment, more than tries of it are made. Which of more go is arbitrary, but the same in any order.
const MAX_TELLERS: usize = 16;

/// Who sent an event, and in which of its lives.
pub type Teller = (String, Uuid);

/// What an attempt reports of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Begun,
    Working,
    Failed,
}

/// The word of the one who is right.
pub(super) struct Word<'a> {
    /// Who it is.
    pub(super) teller: &'a Teller,
    /// Frames converted so far.
    pub(super) frames: Option<u32>,
    /// False when it failed.
    pub(super) is_at_work: bool,
}

/// What one teller said.
#[derive(Debug, Clone, PartialEq, Default)]
struct Telling {
    /// When it was first heard.
    first: Option<Moment>,
    /// When its last attempt began.
    begun: Option<Moment>,
    /// When it last said that it works.
    worked: Option<Moment>,
    /// When it last failed.
    failed: Option<Moment>,
    /// The frames of which it told.
    frames: Latest<u32>,
}

/// Everybody who tells of one segment, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tellers(Vec<(Teller, Telling)>);

impl Tellers {
    /// Takes in what an attempt reports, with the frames that it has converted.
    pub(super) fn tell(&mut self, event: &Event, said: Said, frames: Option<u32>) {
        let at = Some(moment(event));
        let Some(telling) = self.of((event.source.clone(), event.boot)) else { return };
        telling.first = telling.first.min(at).or(at);
        match said {
            Said::Failed => telling.failed = telling.failed.max(at),
            Said::Begun | Said::Working => telling.worked = telling.worked.max(at),
        }
        if said == Said::Begun {
            telling.begun = telling.begun.max(at);
        }
        telling.frames.offer_known(moment(event), frames);
    }

    /// The word of the one who is right; none where nobody told.
    pub(super) fn right(&self) -> Option<Word<'_>> {
        let failed_last = self.0.iter().max_by_key(|(_, telling)| telling.failed)?;
        let at_work = self.0.iter().filter(|(_, telling)| telling.worked > failed_last.1.failed);
        let began_last = at_work.max_by_key(|(_, telling)| (telling.begun.or(telling.first), telling.worked));
        let (teller, telling) = began_last.unwrap_or(failed_last);
        Some(Word { teller, frames: telling.frames.get().copied(), is_at_work: began_last.is_some() })
    }

    /// What is kept of a teller; none when there are too many.
    fn of(&mut self, teller: Teller) -> Option<&mut Telling> {
        let at = match self.0.binary_search_by(|(known, _)| known.cmp(&teller)) {
            Ok(at) => at,
            Err(at) if at == MAX_TELLERS => return None,
            Err(at) => {
                // Nearly all segments have one.
                self.0.reserve_exact(usize::from(self.0.is_empty()));
                self.0.insert(at, (teller, Telling::default()));
                self.0.truncate(MAX_TELLERS);
                at
            }
        };
        self.0.get_mut(at).map(|(_, telling)| telling)
    }
}
