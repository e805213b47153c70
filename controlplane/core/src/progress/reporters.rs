//! Who reports on a segment that is being converted, and whose report to trust.
//!
//! An attempt that lost its lease goes on reporting for a while, beside the one that holds the lease now. Of the attempts heard
//! since the last failure, trust the one that began last, even if another reports later; if there is none, trust the one that failed.
//!
//! Invariant: as everywhere in the projection, neither the order nor the repetition of events matters. Of each reporter only minima,
//! maxima and [`Latest`] values are kept, and the choice follows from them.

use stereospot_domain::{Event, Timestamp};
use uuid::Uuid;

use crate::latest::{Latest, Moment, moment};

/// Reporters kept of one segment: more than there are attempts at it. Which of more are dropped is arbitrary, but does not depend
/// on the order.
const MAX_REPORTERS: usize = 16;

/// The source of an event, and its boot id.
pub type Reporter = (String, Uuid);

/// What an attempt reports of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Begun,
    Working,
    Failed,
}

/// What one reporter last said of a segment.
pub(super) struct Report<'a> {
    pub(super) reporter: &'a Reporter,
    /// Frames converted so far.
    pub(super) frames: Option<u32>,
    /// False after a failure.
    pub(super) is_at_work: bool,
}

/// All that is kept of one reporter.
#[derive(Debug, Clone, PartialEq, Default)]
struct Heard {
    first: Option<Moment>,
    /// When its last attempt began.
    begun: Option<Moment>,
    /// When it last reported work.
    worked: Option<Moment>,
    failed: Option<Moment>,
    frames: Latest<u32>,
}

/// All reporters of one segment, sorted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reporters(Vec<(Reporter, Heard)>);

impl Reporters {
    /// Takes in what an attempt reports, with the frames that it has converted.
    pub(super) fn add(&mut self, event: &Event, said: Said, frames: Option<u32>) {
        let at = Some(moment(event));
        let Some(heard) = self.of((event.source.clone(), event.boot)) else { return };
        heard.first = heard.first.min(at).or(at);
        match said {
            Said::Failed => heard.failed = heard.failed.max(at),
            Said::Begun | Said::Working => heard.worked = heard.worked.max(at),
        }
        if said == Said::Begun {
            heard.begun = heard.begun.max(at);
        }
        heard.frames.offer_known(moment(event), frames);
    }

    /// The most trustworthy report, if any.
    pub(super) fn trusted(&self) -> Option<Report<'_>> {
        let failed_last = self.0.iter().max_by_key(|(_, heard)| heard.failed)?;
        let at_work = self.0.iter().filter(|(_, heard)| heard.worked > failed_last.1.failed);
        let began_last = at_work.max_by_key(|(_, heard)| (heard.begun.or(heard.first), heard.worked));
        let (reporter, heard) = began_last.unwrap_or(failed_last);
        Some(Report { reporter, frames: heard.frames.get().copied(), is_at_work: began_last.is_some() })
    }

    /// The workers that began an attempt and reported no end, one for each process, and when it began.
    pub(super) fn unended(&self) -> Vec<(&str, Timestamp)> {
        let unended = self.0.iter().filter(|(_, heard)| heard.failed < heard.begun);
        unended.filter_map(|((source, _), heard)| Some((source.as_str(), heard.begun?.0))).collect()
    }

    /// What is kept of a reporter; none when there are too many.
    fn of(&mut self, reporter: Reporter) -> Option<&mut Heard> {
        let at = match self.0.binary_search_by(|(known, _)| known.cmp(&reporter)) {
            Ok(at) => at,
            Err(at) if at == MAX_REPORTERS => return None,
            Err(at) => {
                // Nearly all segments have exactly one.
                self.0.reserve_exact(usize::from(self.0.is_empty()));
                self.0.insert(at, (reporter, Heard::default()));
                self.0.truncate(MAX_REPORTERS);
                at
            }
        };
        self.0.get_mut(at).map(|(_, heard)| heard)
    }
}
