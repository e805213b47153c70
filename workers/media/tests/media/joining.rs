//! A segment that does not match the manifest is not joined, and the error names the segment and does not blame the
//! source.

use std::path::{Path, PathBuf};

use stereospot_media::{Cancel, Encoder, EncoderOptions, Error, Manifest, StereoLayout, join};
use stereospot_picture::Picture;

use crate::bad_sources::split;
use crate::judge::Bench;

fn encode(path: &Path, manifest: &Manifest, index: usize, frames: usize, width: usize) {
    let spec = &manifest.segments[index];
    let mut options = EncoderOptions::new(width, 90, manifest);
    options.preset = "ultrafast".to_owned();
    let mut encoder = Encoder::create(path, options).expect("opens");
    let step = (spec.end_pts - spec.start_pts) / spec.frames as i64;
    for i in 0..frames {
        let picture = Picture::new(width, 90, manifest.colour.colour());
        encoder.push(spec.start_pts + step * i as i64, &picture).expect("encodes");
    }
    encoder.finish().expect("finishes");
}

/// A source and its converted segments.
struct Fixture {
    bench: Bench,
    source: PathBuf,
    manifest: Manifest,
    paths: Vec<PathBuf>,
}

impl Fixture {
    fn new() -> Self {
        let bench = Bench::new();
        let (source, manifest, _) = split(&bench);
        let paths: Vec<PathBuf> = (0..manifest.segments.len()).map(|i| bench.path(&format!("out-{i}.mp4"))).collect();
        let fixture = Self { bench, source, manifest, paths };
        (0..fixture.paths.len()).for_each(|i| fixture.encode(i, 0, 160));
        fixture
    }

    fn encode(&self, index: usize, missing: usize, width: usize) {
        let frames = self.manifest.segments[index].frames as usize - missing;
        encode(&self.paths[index], &self.manifest, index, frames, width);
    }

    fn join(&self, paths: &[PathBuf], out: &Path) -> Result<(), Error> {
        join(&self.source, &self.manifest, paths, out, StereoLayout::Mono, Cancel::never()).map(|_| ())
    }

    #[track_caller]
    fn refused(&self, paths: &[PathBuf], at: u32, says: &str) {
        let error = self.join(paths, &self.bench.path("result.mp4")).expect_err("is refused");
        assert!(!error.is_bad_source(), "{error:?}");
        let Error::SegmentMismatch { index, why } = error else { panic!("expected a mismatch, got {error:?}") };
        assert_eq!(index, at, "{why}");
        assert!(why.contains(says), "{why:?} does not say {says:?}");
    }
}

#[test]
fn a_damaged_segment_is_named() {
    let fixture = Fixture::new();
    let paths = &fixture.paths;
    fixture.join(paths, &fixture.bench.path("result.mp4")).expect("joins");
    let full = fixture.join(paths, Path::new("/dev/full"));
    assert!(matches!(full, Err(Error::DiskFull { .. })), "{full:?}");
    fixture.refused(&paths[1..], paths.len() as u32 - 1, "files were given");

    let whole = std::fs::read(&paths[1]).expect("reads");
    let damaged = |bytes: &[u8], says: &str| {
        std::fs::write(&paths[1], bytes).expect("writes");
        fixture.refused(paths, 1, says);
    };
    damaged(&[], "not a video file");
    damaged(b"not a video", "not a video file");
    damaged(&"these are notes, not a video\n".repeat(500).into_bytes(), "not a video file");
    // A playlist in the store must not make FFmpeg open other files.
    damaged(b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nout-0.mp4\n#EXT-X-ENDLIST\n", "not a video file");
    damaged(
        &std::fs::read(fixture.bench.ffmpeg("-f lavfi -i color=red:size=160x90 -frames:v 1 @x.png")).expect("reads"),
        "",
    );
    damaged(&std::fs::read(fixture.bench.ffmpeg("-f lavfi -i sine=duration=1 @x.mp3")).expect("reads"), "no video");
    for share in [1, 25, 50, 75] {
        damaged(&whole[..whole.len() * share / 100], "");
    }
    // With the index at the front, all packets are found, and truncation damages the last one's bytes.
    let front = fixture.bench.path("front.mp4").display().to_string();
    std::fs::write(&paths[1], &whole).expect("writes");
    fixture.bench.ffmpeg(&format!("-i @out-1.mp4 -c copy -movflags +faststart {front}"));
    let front = std::fs::read(front).expect("reads");
    damaged(&front[..front.len() - 3], "not whole");
    damaged(&front[..front.len() * 3 / 4], "");
    damaged(&front[..front.len() / 4], "");
    // Zeros in place of the frames.
    damaged(&[&whole[..40], &vec![0; whole.len() - 40][..]].concat(), "");

    fixture.encode(1, 1, 160);
    fixture.refused(paths, 1, "frames");
    // The file of another segment.
    std::fs::copy(&paths[2], &paths[1]).expect("copies");
    if fixture.manifest.segments[1].frames != fixture.manifest.segments[2].frames {
        fixture.refused(paths, 1, "frames");
    }
}

#[test]
fn of_unlike_segments_the_odd_one_is_named() {
    let fixture = Fixture::new();
    let paths = &fixture.paths;
    for odd in [1, 0] {
        fixture.encode(odd, 0, 162);
        fixture.refused(paths, odd as u32, "162x90");
        fixture.encode(odd, 0, 160);
    }
    fixture.join(paths, &fixture.bench.path("result.mp4")).expect("joins");
}
