//! Log lines on standard output: `TIME [LEVEL] service/target: text name=value`, one line an event.
//!
//! That is the shape that log collectors of existing deployments know, with `job_id=` and `segment_index=` in the text, so that
//! one search finds a job in the lines of every process.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// The environment variable that says what is logged: `debug`, or `info,stereospot_media=debug`. Default `info`.
pub const FILTER_VARIABLE: &str = "STEREOSPOT_LOG";

/// What libraries say below a warning is noise, unless it is asked for by name.
const QUIET: &str = "libav=warn,ort=warn,sqlx=warn,hyper=warn,hyper_util=warn,reqwest=warn";

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The filter can't be read.
    #[error("cannot read {FILTER_VARIABLE}=`{given}`: write for example info, or warn,stereospot_media=debug")]
    Filter {
        /// What stood there.
        given: String,
        /// Why not.
        source: ParseError,
    },
    /// Logging was set up before in this process.
    #[error("logging is set up already")]
    SetUp,
}

/// Sends this process's log lines to standard output. `service` names the process in each line: `inference-1`.
///
/// # Errors
/// When [`FILTER_VARIABLE`] can't be read, or it was called before in this process.
pub fn init_logging(service: &str) -> Result<(), Error> {
    let given = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let subscriber = subscriber(service, filter(&given)?, std::io::stdout);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::SetUp)
}

fn filter(given: &str) -> Result<EnvFilter, Error> {
    let given = given.trim();
    // The given directives come last: of two for the same target the later holds.
    let directives = format!("info,{QUIET}{}{given}", if given.is_empty() { "" } else { "," });
    EnvFilter::builder().parse(directives).map_err(|source| Error::Filter { given: given.into(), source })
}

fn subscriber<W>(service: &str, filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        // They would go to standard error, where a full disk is a panic: who can't log goes on without.
        .log_internal_errors(false)
        .event_format(Line { service: service.into() })
        .finish()
}

/// Writes one event as one line.
struct Line {
    service: String,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        write!(writer, " [{}] {}/{}: ", event.metadata().level(), self.service, event.metadata().target())?;
        let mut text = String::new();
        context.field_format().format_fields(Writer::new(&mut text), event)?;
        // A line break in an error's text or a file's name would make a second line without a job id.
        for part in text.chars() {
            match part {
                '\n' => writer.write_str("\\n")?,
                '\r' => writer.write_str("\\r")?,
                other => writer.write_char(other)?,
            }
        }
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests;
