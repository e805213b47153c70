//! The ways to pack two eyes into one picture.

use std::fmt;
use std::str::FromStr;

/// How the two eyes are packed into one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Left eye beside right eye at full size: twice the width.
    Sbs,
    /// Left eye beside right eye, each squeezed to half its width.
    HalfSbs,
    /// Left eye above right eye at full size: twice the height.
    Tb,
    /// Left eye above right eye, each squeezed to half its height.
    HalfTb,
    /// Right eye left of left eye, for viewing with crossed eyes.
    CrossEyed,
    /// Both eyes in one picture for red-cyan glasses, with the red filter on the left eye.
    Anaglyph(AnaglyphKind),
}

/// How the colours of an anaglyph are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AnaglyphKind {
    /// A least-squares fit to how red-cyan glasses filter colours (Dubois 2001): the least ghosting.
    #[default]
    Dubois,
    /// Red from the left eye, green and blue from the right.
    Color,
    /// Like `Color`, but with the left eye's luma as red: less retinal rivalry.
    HalfColor,
    /// The luma of each eye, without colour.
    Gray,
    /// Red computed from the left eye's green and blue (Wimmer): no retinal rivalry on red objects.
    Wimmer,
}

/// Error for an unknown layout name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}, use one of {names}", names = names())]
pub struct UnknownLayout(pub String);

impl Layout {
    /// All layouts, in the order shown to users.
    pub const ALL: [Layout; 10] = [
        Layout::Sbs,
        Layout::HalfSbs,
        Layout::Tb,
        Layout::HalfTb,
        Layout::CrossEyed,
        Layout::Anaglyph(AnaglyphKind::Dubois),
        Layout::Anaglyph(AnaglyphKind::Color),
        Layout::Anaglyph(AnaglyphKind::HalfColor),
        Layout::Anaglyph(AnaglyphKind::Gray),
        Layout::Anaglyph(AnaglyphKind::Wimmer),
    ];

    /// The name in commands and files; `from_str` parses it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Sbs => "sbs",
            Layout::HalfSbs => "half-sbs",
            Layout::Tb => "tb",
            Layout::HalfTb => "half-tb",
            Layout::CrossEyed => "cross-eyed",
            Layout::Anaglyph(AnaglyphKind::Dubois) => "anaglyph",
            Layout::Anaglyph(AnaglyphKind::Color) => "anaglyph-color",
            Layout::Anaglyph(AnaglyphKind::HalfColor) => "anaglyph-half-color",
            Layout::Anaglyph(AnaglyphKind::Gray) => "anaglyph-gray",
            Layout::Anaglyph(AnaglyphKind::Wimmer) => "anaglyph-wimmer",
        }
    }

    /// Width and height of the packed picture for a source with even sides; both are even.
    ///
    /// The half-size layouts keep the source's size if the squeezed side is a multiple of 4, and otherwise add 2, so
    /// that the border between the eyes falls between two chroma samples.
    #[must_use]
    pub fn output_size(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Layout::Sbs | Layout::CrossEyed => (2 * width, height),
            Layout::HalfSbs => (width.next_multiple_of(4), height),
            Layout::Tb => (width, 2 * height),
            Layout::HalfTb => (width, height.next_multiple_of(4)),
            Layout::Anaglyph(_) => (width, height),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layout {
    type Err = UnknownLayout;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "anaglyph-dubois" {
            return Ok(Layout::Anaglyph(AnaglyphKind::Dubois));
        }
        Layout::ALL.into_iter().find(|l| l.as_str() == name).ok_or_else(|| UnknownLayout(name.to_owned()))
    }
}

fn names() -> String {
    Layout::ALL.map(Layout::as_str).join(", ")
}

#[cfg(test)]
mod tests;
