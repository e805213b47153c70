//! What an error text says, without what differs from case to case.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error text in which `#` stands for each id, number and quoted name. Errors with the same fingerprint have one cause.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// A word of hex digits that is at least this long is an id, if it holds a decimal digit: `deadbeef` is a word.
const HEX_ID: usize = 8;
/// A word of letters and digits that is at least this long is an id, if it holds [`ID_DIGITS`] digits.
const ID: usize = 16;
const ID_DIGITS: usize = 3;
/// Lengths of the parts of a UUID.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

impl Fingerprint {
    /// The fingerprint of an error text.
    #[must_use]
    pub fn of(error: &str) -> Self {
        let mut out = String::new();
        let mut rest = error;
        while let Some(first) = rest.chars().next() {
            let before = out.chars().next_back();
            let is_after_word = before.is_some_and(|before| before.is_alphanumeric() || before == '#');
            let taken = if is_after_word { None } else { quoted(rest).or_else(|| uuid(rest)) };
            if let Some(length) = taken {
                out.push('#');
                rest = &rest[length..];
            } else if first.is_ascii_alphanumeric() {
                let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                rest = after;
                if is_id(word) {
                    out.push('#');
                } else {
                    rest = push_word(&mut out, word, rest);
                }
            } else if first.is_whitespace() {
                rest = rest.trim_start();
                if !out.is_empty() && !rest.is_empty() {
                    out.push(' ');
                }
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        // However many are listed, it is one list.
        while let Some(shorter) = ["#, #", "# and #"].iter().find(|list| out.contains(**list)) {
            out = out.replace(*shorter, "#");
        }
        Self(out)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Appends a word with its numbers taken out, and what of the rest still belongs to a number: `2.50`. Returns the rest.
fn push_word<'a>(out: &mut String, word: &str, mut rest: &'a str) -> &'a str {
    let mut in_number = false;
    for letter in word.chars() {
        if !letter.is_ascii_digit() {
            out.push(letter);
        } else if !in_number {
            out.push('#');
        }
        in_number = letter.is_ascii_digit();
    }
    while in_number
        && let Some(fraction) = rest.strip_prefix('.')
        && fraction.starts_with(|letter: char| letter.is_ascii_digit())
    {
        rest = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    rest
}

fn is_id(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    word.strip_prefix("0x").is_some_and(is_hex)
        || (word.len() >= HEX_ID && digits > 0 && is_hex(word))
        || (word.len() >= ID && digits >= ID_DIGITS)
}

/// Length of the UUID that the text begins with.
fn uuid(text: &str) -> Option<usize> {
    let mut end = 0;
    for (at, length) in UUID.into_iter().enumerate() {
        if at > 0 {
            end += text[end..].starts_with('-').then_some(1)?;
        }
        let part = text.get(end..end + length)?;
        if !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        end += length;
    }
    let goes_on = text[end..].starts_with(|letter: char| letter.is_ascii_alphanumeric());
    (!goes_on).then_some(end)
}

/// Length of the quoted name that the text begins with. An apostrophe inside a word quotes nothing.
fn quoted(text: &str) -> Option<usize> {
    let open = text.chars().next()?;
    let close = match open {
        '\'' | '"' | '`' => open,
        '“' => '”',
        '‘' => '’',
        _ => return None,
    };
    let inner = &text[open.len_utf8()..];
    let ends = inner.match_indices(close).map(|(at, _)| at);
    let is_end = |at: &usize| {
        let after = inner[at + close.len_utf8()..].chars().next();
        *at > 0 && !after.is_some_and(char::is_alphanumeric)
    };
    let end = ends.into_iter().find(is_end)?;
    Some(open.len_utf8() + end + close.len_utf8())
}

#[cfg(test)]
mod tests;
