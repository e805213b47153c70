//! What commands write for people and scripts.

use std::fmt;
#[cfg(feature = "aws")]
use std::io::{self, Write as _};

/// A failure and its causes in one line. A cause that its effect already quotes is left out.
pub(super) struct OneLine<'a>(pub(super) &'a anyhow::Error);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        for cause in self.0.chain() {
            let text = cause.to_string().replace('\n', " ");
            if !said.contains(&text) {
                let separator = if said.is_empty() { "" } else { ": " };
                said = format!("{said}{separator}{text}");
            }
        }
        f.write_str(&said)
    }
}

/// Writes to standard output. A reader that closes it early is no failure.
#[cfg(feature = "aws")]
pub(super) fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
