//! How work on a video fails when it is done in a child.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use stereospot_domain::text::{plural, size};

/// Why work on a video failed. `doing` is what the child did, as a verb in -ing form with its object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The work itself failed.
    #[error(transparent)]
    Media(#[from] stereospot_media::Error),
    /// The child came up against its limit.
    #[error("the video decoder needed more than {} of memory while {doing}", size(*limit_bytes))]
    OutOfMemory { limit_bytes: u64, doing: String },
    /// The child ended without an answer.
    #[error("the video decoder {how} while {doing}{}", last_words(said))]
    Died {
        how: Death,
        doing: String,
        /// The last line on its standard error, which the video may have chosen.
        said: String,
    },
    /// The child answered something that can't be.
    #[error("the video decoder gave an impossible answer while {doing}")]
    Nonsense { doing: String },
    /// The machine has no room for another process, perhaps. The video is not at fault.
    #[error("the process that reads videos can't be started")]
    NotStarted(#[source] std::io::Error),
}

fn last_words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Signal(i32),
    ExitCode(i32),
    /// It computed for so many seconds without reading or showing anything.
    Stuck(u64),
    /// It closed its answers and lived on.
    Silent,
}

impl Death {
    pub(super) fn of(status: ExitStatus, processor_secs: u64) -> Self {
        match (status.signal(), status.code()) {
            (Some(libc::SIGXCPU), _) => Death::Stuck(processor_secs),
            (Some(signal), _) => Death::Signal(signal),
            (None, code) => Death::ExitCode(code.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match self {
            Death::Signal(signal) => *signal,
            Death::ExitCode(code) => return write!(f, "ended with exit code {code}"),
            Death::Stuck(secs) => {
                let secs = plural(usize::try_from(*secs).unwrap_or(usize::MAX), "second");
                return write!(f, "computed for {secs} without getting on");
            }
            Death::Silent => return f.write_str("stopped answering"),
        };
        let meaning = match signal {
            libc::SIGILL => " (illegal instruction)",
            libc::SIGABRT => " (aborted)",
            libc::SIGBUS => " (bus error)",
            libc::SIGFPE => " (arithmetic error)",
            libc::SIGKILL => " (killed by the system for lack of memory, or by an operator)",
            libc::SIGSEGV => " (segmentation fault)",
            libc::SIGSYS => " (forbidden system call)",
            _ => "",
        };
        write!(f, "was killed by signal {signal}{meaning}")
    }
}
