//! Converts text subtitles to the form that MP4 carries (3GPP TS 26.245 timed text, FFmpeg's `mov_text`).
//!
//! Only words and times are kept. Styling is dropped, since players render it differently anyway.

use ffmpeg_next::codec::Id;

/// How a subtitle codec stores its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// Plain text with tags in angle brackets.
    Tagged,
    /// An Advanced SubStation line: eight comma-separated fields, then the text with override codes in braces.
    Ass,
}

impl TextKind {
    /// None for subtitles that are not text, such as bitmaps.
    pub(crate) fn of(codec: Id) -> Option<Self> {
        match codec {
            Id::SUBRIP | Id::TEXT | Id::WEBVTT | Id::SRT => Some(TextKind::Tagged),
            Id::ASS | Id::SSA => Some(TextKind::Ass),
            _ => None,
        }
    }
}

/// The sample description: white text in one font, at the bottom centre, on a transparent background.
pub(crate) const HEADER: &[u8] = &[
    0, 0, 0, 0, // display flags
    1, 0xff, // centred, at the bottom
    0, 0, 0, 0, // background
    0, 0, 0, 0, 0, 0, 0, 0, // text box: left to the player
    0, 0, 0, 0, 0, 1, 0, 18, 255, 255, 255, 255, // style: font 1, 18 points, white
    0, 0, 0, 18, b'f', b't', b'a', b'b', 0, 1, 0, 1, 5, b'S', b'e', b'r', b'i', b'f',
];

/// Encodes a packet's text as a timed-text sample: length in two bytes, big-endian, then UTF-8. None if it has no words.
pub(crate) fn sample(kind: TextKind, data: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(data);
    let text = match kind {
        TextKind::Tagged => without(&text, '<', '>'),
        TextKind::Ass => {
            let line = text.splitn(9, ',').nth(8).unwrap_or_default();
            undrawn(line).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
        }
    };
    let text = text.replace("\r\n", "\n");
    let text = text.trim_end_matches(['\0', '\n']);
    (!text.trim().is_empty()).then(|| stored(text))
}

/// One sample with the words of two.
pub(crate) fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let words = |sample: &[u8]| String::from_utf8_lossy(sample.get(2..).unwrap_or_default()).into_owned();
    stored(&format!("{}\n{}", words(first), words(second)))
}

fn stored(text: &str) -> Vec<u8> {
    let mut length = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    let mut sample = (length as u16).to_be_bytes().to_vec();
    sample.extend_from_slice(&text.as_bytes()[..length]);
    sample
}

/// Removes what an Advanced SubStation line draws: the text after an override `\p1` (or higher) up to `\p0`.
fn undrawn(line: &str) -> String {
    let (mut out, mut rest, mut is_drawing) = (String::with_capacity(line.len()), line, false);
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else { break };
        if !is_drawing {
            out.push_str(&rest[..start]);
        }
        for tag in rest[start + 1..start + length].split('\\') {
            // `\pos` and `\pbo` begin like it.
            if let Some(scale) = tag.strip_prefix('p').and_then(|scale| scale.trim().parse::<u32>().ok()) {
                is_drawing = scale > 0;
            }
        }
        rest = &rest[start + length + 1..];
    }
    if !is_drawing {
        out.push_str(rest);
    }
    out
}

/// Removes everything between `open` and `close`. An `open` without a `close` is kept as text.
fn without(text: &str, open: char, close: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(open) {
        let Some(length) = rest[start..].find(close) else { break };
        out.push_str(&rest[..start]);
        rest = &rest[start + length + close.len_utf8()..];
    }
    out + rest
}

#[cfg(test)]
mod tests;
