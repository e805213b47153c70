//! Lets a caller stop long-running work.

use std::fmt;

use crate::Error;

/// Checked before each packet in every loop that reads a whole file. When it returns true, the work ends with
/// [`Error::Cancelled`] and leaves incomplete output behind.
#[derive(Clone, Copy)]
pub struct Cancel<'a>(&'a (dyn Fn() -> bool + Sync));

impl<'a> Cancel<'a> {
    /// Cancelled when `is_cancelled` returns true. It is called once per packet, so it must be fast.
    #[must_use]
    pub fn when(is_cancelled: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self(is_cancelled)
    }

    /// Never cancelled.
    #[must_use]
    pub fn never() -> Cancel<'static> {
        Cancel(&|| false)
    }

    /// Fails with [`Error::Cancelled`] if the caller wants to stop.
    pub(crate) fn check(self) -> Result<(), Error> {
        if (self.0)() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl fmt::Debug for Cancel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("is_cancelled", &(self.0)()).finish()
    }
}
