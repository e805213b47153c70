//! Which event a log line tells of.
//!
//! Existing deployments send no events; their log lines say the same in words. Only wordings that mark a change of state are
//! known here; every other line yields nothing. A derived event is a report, not a proof: rows and objects are the truth.

use serde_json::{Map, Value};
use stereospot_domain::{EventKind, JobId, Stage, Timestamp};
use uuid::Uuid;

use super::Line;
use super::line::{Parsed, number_after, parse};

/// An event as far as a line tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The same for the same line however often it is read: made of group, stream, time and text.
    pub id: Uuid,
    /// What happened.
    pub kind: EventKind,
    /// When, by the writer's clock.
    pub time: Timestamp,
    /// The job it is about.
    pub job_id: JobId,
    /// The segment it is about.
    pub segment_index: Option<u32>,
    /// The stage it comes from.
    pub stage: Option<Stage>,
    /// Facts, by the names that [`EventKind`] gives them.
    pub data: Map<String, Value>,
}

/// The event that a line tells of; none when it names no job or tells of no change.
#[must_use]
pub fn event(line: &Line) -> Option<Derived> {
    let parsed = parse(&line.text);
    let job_id = parsed.job_id?;
    let (kind, data) = of_ours(&parsed).or_else(|| of_existing(&parsed))?;
    Some(Derived {
        id: id(line),
        kind,
        time: parsed.time.unwrap_or(line.time),
        job_id,
        segment_index: parsed.segment_index,
        stage: stage(kind),
        data,
    })
}

/// Our own lines begin with the event's name: `segment.completed job_id=… frames=25`.
fn of_ours(parsed: &Parsed<'_>) -> Option<(EventKind, Map<String, Value>)> {
    let mut words = parsed.text.split_whitespace();
    let kind: EventKind = words.next()?.parse().ok()?;
    let data = words
        .filter_map(|word| word.split_once('='))
        .filter(|(name, _)| !matches!(*name, "job_id" | "segment_index" | "attempt"))
        .filter_map(|(name, value)| Some((name.to_owned(), serde_json::from_str(value).ok()?)))
        .collect();
    Some((kind, data))
}

/// Lines of existing services begin with the part of the service that wrote them: `chunking: job_id=… start (key=…)`. The
/// inference container and web-ui have none.
fn of_existing(parsed: &Parsed<'_>) -> Option<(EventKind, Map<String, Value>)> {
    let (part, text) = match parsed.text.split_once(": ") {
        Some((part, text)) if !part.contains(['=', ' ']) => (part, text),
        _ => ("", parsed.text),
    };
    let says = |words: &str| text.contains(words);
    let is_error = matches!(parsed.level, Some("ERROR" | "CRITICAL"));
    let failed = |kind| {
        let error = text.split_once("failed").map_or(text, |(_, after)| after);
        let error = error.trim_start_matches([':', ' ']);
        let error = if error.is_empty() { text } else { error };
        // A worker's failure is one attempt: the queue delivers the message again.
        Some((kind, map([("error", Value::from(error)), ("is_final", Value::from(kind == EventKind::JobFailed))])))
    };
    let plain = |kind| Some((kind, Map::new()));
    match part {
        "chunking" if says(" start ") || text.ends_with(" start") => plain(EventKind::ChunkingStarted),
        "chunking" if says(" complete ") => {
            let segments = number_after(text, "total_segments=").map(|number| ("segments", Value::from(number as u64)));
            Some((EventKind::ChunkingCompleted, map(segments)))
        }
        "chunking" if is_error || says(" failed") => failed(EventKind::ChunkingFailed),
        "video-worker" if says(" marked failed") => failed(EventKind::JobFailed),
        "video-worker" if says(" start") || says(" invoking ") => plain(EventKind::SegmentStarted),
        "video-worker" if says(" complete ") => plain(EventKind::SegmentCompleted),
        "video-worker" if is_error || says(" failed") => failed(EventKind::SegmentFailed),
        "output-events" | "job-status-events" if says("reassembly complete -> completed") => {
            plain(EventKind::JobCompleted)
        }
        "output-events" | "job-status-events" if says("SageMaker failure") => failed(EventKind::SegmentFailed),
        "output-events" | "job-status-events" if says("segment file -> completion") || says("SageMaker success") => {
            plain(EventKind::SegmentCompleted)
        }
        "reassembly-trigger" if says(" sending to reassembly queue") => {
            Some((EventKind::ReassemblyTriggered, map([("by", Value::from("video-worker"))])))
        }
        "reassembly" if says(" concat ") => plain(EventKind::ReassemblyStarted),
        "reassembly" if says(" completed (") => plain(EventKind::ReassemblyCompleted),
        "reassembly" if is_error || says(" failed") => failed(EventKind::ReassemblyFailed),
        "" if says(" invocations failed") => failed(EventKind::SegmentFailed),
        "" if says(" invocations complete") => {
            let wall = number_after(text, "duration_seconds=").map(|number| ("wall_secs", Value::from(number)));
            Some((EventKind::SegmentCompleted, map(wall)))
        }
        "" if says(" invocations start") => plain(EventKind::SegmentStarted),
        "" if says(" created mode=") || says(" created from URL ") => plain(EventKind::JobSubmitted),
        _ => None,
    }
}

fn map<'n>(facts: impl IntoIterator<Item = (&'n str, Value)>) -> Map<String, Value> {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn stage(kind: EventKind) -> Option<Stage> {
    match kind.as_str().split_once('.')?.0 {
        "chunking" => Some(Stage::Chunking),
        "segment" => Some(Stage::Inference),
        "reassembly" => Some(Stage::Reassembly),
        _ => None,
    }
}

fn id(line: &Line) -> Uuid {
    let time = line.time.as_millis().to_be_bytes();
    stable_id(&[line.source.as_bytes(), line.stream.as_bytes(), &time, line.text.as_bytes()])
}

/// An id that is the same for the same parts: FNV-1a of 128 bits (offset basis and prime from the FNV specification), marked as a
/// UUID of our own making (version 8).
#[must_use]
pub fn stable_id(parts: &[&[u8]]) -> Uuid {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    // The separator keeps ("ab", "c") and ("a", "bc") apart.
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}

#[cfg(test)]
mod tests;
