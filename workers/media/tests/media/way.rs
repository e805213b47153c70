//! Runs a source through split, decode, encode and join, and checks everything that must hold for every source.

use std::path::{Path, PathBuf};

use stereospot_domain::Warning;
use stereospot_media::split::{Choices, Split};
use stereospot_media::{
    Cancel, Decoded, Encoder, EncoderOptions, JoinSummary, Manifest, SegmentDecoder, StereoLayout, join,
};

use crate::judge::{self, Bench};

pub(crate) const TARGET_SECS: f64 = 1.0;
pub(crate) const PICTURE: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=4";
pub(crate) const SOUND: &str = "-f lavfi -i sine=frequency=440:duration=4";

/// The files and facts of one run.
pub(crate) struct Outcome {
    pub(crate) bench: Bench,
    pub(crate) source: PathBuf,
    pub(crate) result: PathBuf,
    pub(crate) manifest: Manifest,
    /// The frames of each segment.
    pub(crate) decoded: Vec<Vec<Decoded>>,
    pub(crate) is_recut: bool,
    pub(crate) summary: JoinSummary,
    /// What the split warned of.
    pub(crate) warnings: Vec<Warning>,
    /// ffprobe's description of the source.
    pub(crate) truth: judge::Video,
    /// ffprobe's description of the result.
    pub(crate) found: judge::Video,
}

/// Runs the source through all steps and checks what must hold for every source whose pictures stay as they are.
pub(crate) fn check(bench: Bench, source: PathBuf) -> Outcome {
    check_as(bench, source, &Choices::every(TARGET_SECS))
}

/// [`check`] with other choices.
pub(crate) fn check_as(bench: Bench, source: PathBuf, choices: &Choices) -> Outcome {
    let outcome = convert(bench, source, choices);
    let Outcome { source, result, manifest, decoded, truth, found, summary, .. } = &outcome;
    assert_eq!(decoded.iter().map(Vec::len).sum::<usize>(), truth.times.len(), "every frame is decoded once");
    let raw = judge::raw_frames(source, manifest.colour.is_full_range);
    if !outcome.is_recut {
        check_samples(&raw, manifest, decoded);
    }
    check_result(truth, found, summary);
    check_likeness(&raw, result, manifest);
    outcome
}

/// Runs the source through all steps.
pub(crate) fn convert(bench: Bench, source: PathBuf, choices: &Choices) -> Outcome {
    let mut split = Split::plan_as(&source, choices, Cancel::never()).expect("the source can be split");
    let segments = write_segments(&bench, &mut split);
    let manifest = split.manifest().clone();
    let decoded = decode_all(&manifest, &segments);
    let encoded = encode_all(&bench, &manifest, &decoded);
    let result = bench.path("result.mp4");
    let summary = join(&source, &manifest, &encoded, &result, StereoLayout::SideBySide, Cancel::never())
        .expect("the segments can be joined");
    let (truth, found) = (judge::video(&source), judge::video(&result));
    let (is_recut, warnings) = (split.is_recut(), split.warnings().to_vec());
    Outcome { bench, source, result, manifest, decoded, is_recut, summary, warnings, truth, found }
}

pub(crate) fn write_segments(bench: &Bench, split: &mut Split) -> Vec<PathBuf> {
    let mut written = Vec::new();
    let path_of = |index, total| bench.path(&format!("segment-{index}-{total}.mp4"));
    let on_segment = |spec: &stereospot_media::SegmentSpec, path: &Path| {
        assert_eq!(spec.index as usize, written.len(), "segments come in order");
        written.push(path.to_path_buf());
    };
    split.write(path_of, on_segment, Cancel::never()).expect("the segments can be written");
    assert_eq!(written.len(), split.manifest().segments.len());
    written
}

pub(crate) fn decode_all(manifest: &Manifest, segments: &[PathBuf]) -> Vec<Vec<Decoded>> {
    let decode = |(spec, path): (_, &PathBuf)| {
        SegmentDecoder::open(path, manifest, spec, 2).expect("opens").collect::<Result<Vec<_>, _>>().expect("decodes")
    };
    manifest.segments.iter().zip(segments).map(decode).collect()
}

pub(crate) fn encode_all(bench: &Bench, manifest: &Manifest, decoded: &[Vec<Decoded>]) -> Vec<PathBuf> {
    let (width, height) = manifest.picture_size();
    let encode = |(index, frames): (usize, &Vec<Decoded>)| {
        let path = bench.path(&format!("encoded-{index}.mp4"));
        let mut options = EncoderOptions::new(width, height, manifest);
        // A preset slow enough to produce a pyramid of B-frames.
        (options.preset, options.crf, options.layout) = ("veryfast".to_owned(), 30, StereoLayout::SideBySide);
        let mut encoder = Encoder::create(&path, options).expect("the encoder opens");
        for frame in frames {
            encoder.push(frame.pts, &frame.picture).expect("encodes");
        }
        let summary = encoder.finish().expect("finishes");
        assert_eq!(summary.frames as usize, frames.len());
        assert!(summary.bytes > 0);
        path
    };
    decoded.iter().enumerate().map(encode).collect()
}

/// Compares every sample of every frame with what the `ffmpeg` command decodes from the whole source.
fn check_samples(raw: &[u8], manifest: &Manifest, decoded: &[Vec<Decoded>]) {
    let (width, height) = (manifest.width as usize, manifest.height as usize);
    let sizes = [(width, height), (width.div_ceil(2), height.div_ceil(2)), (width.div_ceil(2), height.div_ceil(2))];
    let mut rest = raw;
    for frame in decoded.iter().flatten() {
        for ((plane, plane_width, _), (width, height)) in frame.picture.planes().into_iter().zip(sizes) {
            let (expected, after) = rest.split_at(width * height);
            rest = after;
            let rows = plane.chunks_exact(plane_width).zip(expected.chunks_exact(width));
            for (y, (row, expected)) in rows.enumerate() {
                assert!(row[..width] == *expected, "row {y} of the frame at {} differs", frame.pts);
                assert!(row[width..].iter().all(|s| *s == expected[width - 1]), "the last column is repeated");
            }
        }
    }
    assert!(rest.is_empty(), "the source has more frames");
}

fn check_result(truth: &judge::Video, found: &judge::Video, summary: &JoinSummary) {
    assert_eq!(found.times.len(), truth.times.len(), "frames");
    assert_eq!(summary.frames as usize, truth.times.len());
    assert_eq!(found.times, truth.times, "times");
    let side_data = found.stream["side_data_list"].to_string();
    assert!(side_data.contains("side by side"), "the stereo layout is marked: {side_data}");
    assert!(!side_data.contains("rotation"), "rotation was applied, not carried over");
}

/// Compares every frame of the result with the source's frame at the same position, with a tolerance for two lossy
/// encodings.
pub(crate) fn check_likeness(source: &[u8], result: &Path, manifest: &Manifest) {
    let result = judge::raw_frames(result, manifest.colour.is_full_range);
    let (width, height) = (manifest.width as usize, manifest.height as usize);
    let (wide, high) = manifest.picture_size();
    let frame = |w: usize, h: usize| w * h + 2 * w.div_ceil(2) * h.div_ceil(2);
    let frames = source.chunks_exact(frame(width, height)).zip(result.chunks_exact(frame(wide, high)));
    for (number, (a, b)) in frames.enumerate() {
        let rows = a[..width * height].chunks_exact(width).zip(b.chunks_exact(wide));
        let luma: u64 = rows.flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let chroma = a[width * height..].iter().zip(&b[wide * high..]).map(|(a, b)| u64::from(a.abs_diff(*b)));
        // The chroma planes have the same size in both, also for odd pictures, whose chroma is already rounded up.
        let difference = (luma + chroma.sum::<u64>()) as f64 / a.len() as f64;
        assert!(difference < 6.0, "frame {number} differs by {difference} of 255 on average");
    }
}

pub(crate) fn duration_is_kept(outcome: &Outcome) {
    assert!(outcome.truth.duration.is_some());
    assert_eq!(outcome.found.duration, outcome.truth.duration, "duration");
}

pub(crate) fn x264(bench: &Bench, inputs: &str, options: &str, name: &str) -> PathBuf {
    bench.ffmpeg(&format!("{inputs} -c:v libx264 -preset veryfast {options} @{name}"))
}
