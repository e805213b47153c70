//! How a caller breaks off work that takes long.

use std::fmt;

use crate::Error;

/// Asked before each packet, in every loop that reads a whole file; once it says yes, the work ends with [`Error::Cancelled`].
/// What was written until then is not whole.
#[derive(Clone, Copy)]
pub struct Cancel<'a>(&'a (dyn Fn() -> bool + Sync));

impl<'a> Cancel<'a> {
    /// Cancelled once `is_cancelled` says so; it is asked often, so it must be quick.
    #[must_use]
    pub fn when(is_cancelled: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self(is_cancelled)
    }

    /// Never cancelled.
    #[must_use]
    pub fn never() -> Cancel<'static> {
        Cancel(&|| false)
    }

    /// [`Error::Cancelled`] once the caller wants to stop.
    pub(crate) fn check(self) -> Result<(), Error> {
        if (self.0)() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl fmt::Debug for Cancel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("is_cancelled", &(self.0)()).finish()
    }
}
