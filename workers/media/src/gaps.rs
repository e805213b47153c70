//! Fills the gaps that frames leave which can't be decoded.

use std::collections::BTreeMap;

use stereospot_picture::Picture;

use crate::Error;

/// A decoder that met damage may give a few frames in another order. At most this many pictures are kept meanwhile.
const LOOK_AHEAD: usize = 4;

/// Gives a picture for each of a list of rising times: the one with that time, or the one before it if there is none.
#[derive(Default)]
pub(crate) struct Gaps {
    ahead: BTreeMap<i64, Picture>,
    last: Option<Picture>,
    is_at_end: bool,
}

impl Gaps {
    /// The picture at `pts`, and true if it is another frame's. None if there is no picture at all. `next` gives the
    /// decoded pictures.
    pub(crate) fn at(
        &mut self,
        pts: i64,
        mut next: impl FnMut() -> Result<Option<(i64, Picture)>, Error>,
    ) -> Result<Option<(&Picture, bool)>, Error> {
        self.ahead = self.ahead.split_off(&pts);
        while !self.is_at_end && !self.ahead.contains_key(&pts) && self.ahead.len() < LOOK_AHEAD {
            match next()? {
                Some((at, picture)) if at >= pts => drop(self.ahead.insert(at, picture)),
                Some(_) => {}
                None => self.is_at_end = true,
            }
        }
        let found = self.ahead.remove(&pts);
        let is_repeated = found.is_none();
        // Before the first picture there is none to repeat, so the next one stands in.
        self.last = found.or(self.last.take()).or_else(|| self.ahead.values().next().cloned());
        Ok(self.last.as_ref().map(|picture| (picture, is_repeated)))
    }
}

#[cfg(test)]
mod tests;
