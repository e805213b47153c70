//! Server-sent events.

use super::{Error, Result};
use crate::view::Change;

/// Parses server-sent events from a stream of bytes, however it is divided into parts.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    buffer: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SseFrame {
    id: Option<u64>,
    data: String,
}

impl SseParser {
    pub(super) fn push(&mut self, part: &[u8]) {
        self.buffer.extend_from_slice(part);
    }

    /// The next complete frame with data. Skips comments, which are keep-alives.
    pub(super) fn next_frame(&mut self) -> Option<SseFrame> {
        loop {
            let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
            let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&frame);
            let field = |line: &str, name: &str| {
                line.strip_prefix(name)?
                    .strip_prefix(':')
                    .map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned())
            };
            let data: Vec<String> = text.lines().filter_map(|line| field(line, "data")).collect();
            if !data.is_empty() {
                let id = text.lines().filter_map(|line| field(line, "id")).next_back().and_then(|id| id.parse().ok());
                return Some(SseFrame { id, data: data.join("\n") });
            }
        }
    }
}

impl SseFrame {
    pub(super) fn read(&self, server: &str) -> Result<(u64, Change)> {
        let change = serde_json::from_str(&self.data)
            .map_err(|error| Error::Foreign { server: server.to_owned(), what: error.to_string() })?;
        Ok((self.id.unwrap_or(0), change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_parsed_wherever_they_are_divided() {
        let text = b": keep-alive\n\nid: 7\ndata: {\"a\":\ndata: 1}\n\nid: 8\ndata: x\n\n";
        for cut in 0..text.len() {
            let mut parser = SseParser::default();
            let mut frames = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                parser.push(part);
                frames.extend(std::iter::from_fn(|| parser.next_frame()));
            }
            let first = SseFrame { id: Some(7), data: "{\"a\":\n1}".into() };
            assert_eq!(frames, [first, SseFrame { id: Some(8), data: "x".into() }], "cut at {cut}");
        }
    }
}
