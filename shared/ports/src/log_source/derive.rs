//! Derives events from log lines.
//!
//! Existing deployments send no events, but log the same changes in words. Only lines that report a change of state yield an event.
//! An inferred event is a report, not a proof: rows and objects are the truth.

use stereospot_domain::event::{
    ChunkingCompleted, JobFailed, JobSubmitted, ReassemblyCompleted, SegmentCompleted, SegmentStarted, StepFailed,
    Triggered,
};
use stereospot_domain::{EventKind, JobId, Payload, Stage, Timestamp};
use uuid::Uuid;

use super::Line;
use super::line::{Parsed, number_after, parse};

/// An event derived from a log line.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// A hash of log group, stream, time and text, so that reading the same line again gives the same id.
    pub id: Uuid,
    pub payload: Payload,
    /// By the writer's clock.
    pub time: Timestamp,
    pub job_id: JobId,
    pub segment_index: Option<u32>,
    pub stage: Option<Stage>,
}

/// The event that a line reports; `None` if it names no job or reports no change.
#[must_use]
pub fn event(line: &Line) -> Option<Derived> {
    let parsed = parse(&line.text);
    let job_id = parsed.job_id?;
    let payload = of_ours(&parsed).or_else(|| of_existing(&parsed))?;
    Some(Derived {
        id: id(line),
        time: parsed.time.unwrap_or(line.time),
        job_id,
        segment_index: parsed.segment_index,
        stage: stage(payload.kind()),
        payload,
    })
}

/// Lines of our workers begin with the event's kind: `segment.completed job_id=… frames=25`.
fn of_ours(parsed: &Parsed<'_>) -> Option<Payload> {
    let mut words = parsed.text.split_whitespace();
    let kind: EventKind = words.next()?.parse().ok()?;
    let data = words
        .filter_map(|word| word.split_once('='))
        .filter(|(name, _)| !matches!(*name, "job_id" | "segment_index" | "attempt"))
        .filter_map(|(name, value)| Some((name.to_owned(), serde_json::from_str(value).ok()?)))
        .collect();
    Some(Payload::read(kind.as_str(), data).0)
}

/// Lines of existing services begin with the part of the service: `chunking: job_id=… start (key=…)`. Those of the inference
/// container and of web-ui do not.
fn of_existing(parsed: &Parsed<'_>) -> Option<Payload> {
    let (part, text) = match parsed.text.split_once(": ") {
        Some((part, text)) if !part.contains(['=', ' ']) => (part, text),
        _ => ("", parsed.text),
    };
    let says = |words: &str| text.contains(words);
    let is_error = matches!(parsed.level, Some("ERROR" | "CRITICAL"));
    let error = || {
        let error = text.split_once("failed").map_or(text, |(_, after)| after);
        let error = error.trim_start_matches([':', ' ']);
        Some(if error.is_empty() { text } else { error }.to_owned())
    };
    // A worker logs each failed attempt, and the queue may deliver the message again: so never final.
    let failed = || StepFailed { error: error(), is_final: Some(false), ..StepFailed::default() };
    let converted =
        |wall_secs| Payload::SegmentCompleted(SegmentCompleted { wall_secs, ..SegmentCompleted::default() });
    let begun = || Payload::SegmentStarted(SegmentStarted::default());
    Some(match part {
        "chunking" if says(" start ") || text.ends_with(" start") => Payload::ChunkingStarted,
        "chunking" if says(" complete ") => {
            let segments = number_after(text, "total_segments=").map(|number| number as u32);
            Payload::ChunkingCompleted(ChunkingCompleted { segments, ..ChunkingCompleted::default() })
        }
        "chunking" if is_error || says(" failed") => Payload::ChunkingFailed(failed()),
        "video-worker" if says(" marked failed") => {
            Payload::JobFailed(JobFailed { error: error(), is_final: Some(true), ..JobFailed::default() })
        }
        "video-worker" if says(" start") || says(" invoking ") => begun(),
        "video-worker" if says(" complete ") => converted(None),
        "video-worker" if is_error || says(" failed") => Payload::SegmentFailed(failed()),
        "output-events" | "job-status-events" if says("reassembly complete -> completed") => {
            Payload::JobCompleted(Triggered::default())
        }
        "output-events" | "job-status-events" if says("SageMaker failure") => Payload::SegmentFailed(failed()),
        "output-events" | "job-status-events" if says("segment file -> completion") || says("SageMaker success") => {
            converted(None)
        }
        "reassembly-trigger" if says(" sending to reassembly queue") => {
            Payload::ReassemblyTriggered(Triggered { by: Some("video-worker".into()), ..Triggered::default() })
        }
        "reassembly" if says(" concat ") => Payload::ReassemblyStarted,
        "reassembly" if says(" completed (") => Payload::ReassemblyCompleted(ReassemblyCompleted::default()),
        "reassembly" if is_error || says(" failed") => Payload::ReassemblyFailed(failed()),
        "" if says(" invocations failed") => Payload::SegmentFailed(failed()),
        "" if says(" invocations complete") => converted(number_after(text, "duration_seconds=")),
        "" if says(" invocations start") => begun(),
        "" if says(" created mode=") || says(" created from URL ") => Payload::JobSubmitted(JobSubmitted::default()),
        _ => return None,
    })
}

fn stage(kind: EventKind) -> Option<Stage> {
    use EventKind::*;
    match kind {
        ChunkingStarted | ChunkingCompleted | ChunkingFailed => Some(Stage::Chunking),
        SegmentStarted | SegmentProgress | SegmentCompleted | SegmentFailed => Some(Stage::Inference),
        ReassemblyTriggered | ReassemblyStarted | ReassemblyCompleted | ReassemblyFailed => Some(Stage::Reassembly),
        JobSubmitted | JobCompleted | JobFailed | JobRepaired | LeaseExtended | LeaseLost | WorkerStarted
        | WorkerHeartbeat | WorkerDraining | WorkerStopped | SpoolDropped | Unknown => None,
    }
}

fn id(line: &Line) -> Uuid {
    let time = line.time.as_millis().to_be_bytes();
    stable_id(&[line.source.as_bytes(), line.stream.as_bytes(), &time, line.text.as_bytes()])
}

/// An id that is the same for the same parts: their 128-bit FNV-1a hash (offset basis and prime from the FNV specification) as a
/// custom UUID (version 8).
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
