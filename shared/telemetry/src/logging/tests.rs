use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `body` logs with a filter, without their times.
fn lines(given: &str, body: impl FnOnce()) -> Vec<String> {
    let sink = Sink::default();
    let writer = sink.clone();
    tracing::subscriber::with_default(subscriber("inference-1", filter(given).unwrap(), move || writer.clone()), body);
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    text.lines()
        .map(|line| {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(time.starts_with("20") && time.ends_with('Z') && time.contains('T'), "{time}");
            rest.to_owned()
        })
        .collect()
}

#[test]
fn a_line_has_level_service_target_text_and_fields() {
    let lines = lines("", || {
        tracing::info!(target: "stereospot_worker::step", "segment.completed job_id=7f3a segment_index=3");
        tracing::warn!(target: "t", queue = "inference", "lease lost");
    });
    assert_eq!(
        lines,
        [
            "[INFO] inference-1/stereospot_worker::step: segment.completed job_id=7f3a segment_index=3",
            "[WARN] inference-1/t: lease lost queue=\"inference\"",
        ]
    );
}

#[test]
fn an_event_stays_on_one_line_without_escapes() {
    let lines = lines("", || tracing::error!(target: "t", "job_id=1 cannot read `a\nb\r`: {}", "\u{1b}[31mred"));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("a\\nb\\r"), "{lines:?}");
    assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
}

#[test]
fn the_default_is_info_with_quiet_libraries() {
    let log = || {
        tracing::debug!(target: "stereospot_worker", "1");
        tracing::info!(target: "libav", "2");
        tracing::warn!(target: "libav", "3");
        tracing::info!(target: "ort::environment", "4");
    };
    assert_eq!(lines("", log), ["[WARN] inference-1/libav: 3"]);
    assert_eq!(lines(" debug ", log), ["[DEBUG] inference-1/stereospot_worker: 1", "[WARN] inference-1/libav: 3"]);
    assert_eq!(lines("libav=info", log).len(), 2, "the filter can name a library");
    assert!(lines("off", || tracing::error!(target: "stereospot_worker", "5")).is_empty());
}

#[test]
fn an_invalid_filter_is_named_in_the_error() {
    let error = filter("stereospot=loud").unwrap_err();
    assert!(error.to_string().contains("STEREOSPOT_LOG=`stereospot=loud`"), "{error}");
}
