//! The tag of what `provision` made.

/// Its key.
pub(crate) const TAG: &str = "stereospot:made-by";
/// Its value.
pub(crate) const MADE_BY: &str = "provision";

/// True when the tag is among these.
pub(crate) fn is_marked<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> bool {
    tags.into_iter().any(|tag| tag == (TAG, MADE_BY))
}
