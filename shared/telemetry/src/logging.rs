//! Log lines on standard output: `TIME [LEVEL] service/target: text name=value`, one line per event.
//!
//! Log queries of existing deployments expect this form. `job_id=` and `segment_index=` are in the text, so that one search finds a
//! job in the lines of every process.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::log_file;

/// The environment variable with the log filter, such as `debug` or `info,stereospot_media=debug`. Default `info`.
pub const FILTER_VARIABLE: &str = "STEREOSPOT_LOG";

/// Libraries only log warnings and errors, unless the filter names them.
const QUIET: &str = "libav=warn,ort=warn,sqlx=warn,hyper=warn,hyper_util=warn,reqwest=warn";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The filter can't be parsed.
    #[error("cannot read {FILTER_VARIABLE}=`{given}`: write for example info, or warn,stereospot_media=debug")]
    Filter { given: String, source: ParseError },
    /// Logging is already set up in this process.
    #[error("logging is set up already")]
    SetUp,
}

/// Makes this process log to standard output, and keep the file behind it small where `stereospot up` asks for it. `service` names the process in each line, such as `inference-1`.
///
/// # Errors
/// If [`FILTER_VARIABLE`] can't be parsed, or on a second call in this process.
pub fn init_logging(service: &str) -> Result<(), Error> {
    let given = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let subscriber = subscriber(service, filter(&given)?, std::io::stdout);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::SetUp)?;
    log_file::keep_small();
    Ok(())
}

fn filter(given: &str) -> Result<EnvFilter, Error> {
    let given = given.trim();
    // The given directives come last, because the last directive for a target wins.
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
        // They would be written to standard error, which panics on a full disk. The process must go on without logs.
        .log_internal_errors(false)
        .event_format(Line { service: service.into() })
        .finish()
}

/// Formats each event as one line.
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
        // A line break in an error or a file name would begin a second line without job id.
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
