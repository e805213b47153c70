//! Long-running work stops soon after it is cancelled.

use std::sync::atomic::{AtomicUsize, Ordering};

use stereospot_media::split::Split;
use stereospot_media::{Cancel, Error, StereoLayout, join, probe};

use crate::judge::Bench;
use crate::way::{PICTURE, SOUND, decode_all, encode_all, write_segments, x264};

/// Counts how often the work checks for cancellation; then cancels it at several of these checks.
fn check<T>(what: &str, mut work: impl FnMut(Cancel<'_>) -> Result<T, Error>) -> usize {
    let asked = AtomicUsize::new(0);
    let count = || {
        asked.fetch_add(1, Ordering::Relaxed);
        false
    };
    assert!(work(Cancel::when(&count)).is_ok(), "{what} works");
    let times = asked.into_inner();
    // Spread over all stages of the work, without trying each packet.
    for stop_at in [1, times / 4, times / 2, times * 3 / 4, times] {
        let asked = AtomicUsize::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) + 1 >= stop_at;
        let outcome = work(Cancel::when(&stop));
        assert!(matches!(outcome, Err(Error::Cancelled)), "{what} was stopped at {stop_at} of {times}");
        assert!(asked.into_inner() <= stop_at.max(1), "{what} went on after {stop_at} of {times}");
    }
    times
}

#[test]
fn every_step_with_copied_segments() {
    let bench = Bench::new();
    let options = "-t 2 -g 10 -bf 2 -pix_fmt yuv420p -c:a aac";
    let source = x264(&bench, &format!("{PICTURE} {SOUND}"), options, "source.mp4");
    let packets = check("probing", |cancel| probe(&source, cancel));
    assert!(packets >= 50, "asked at each packet: {packets}");
    let planning = check("planning", |cancel| Split::plan(&source, 0.8, cancel));
    assert!(planning > packets, "looking at keyframes is asked for too: {planning}");
    let mut split = Split::plan(&source, 0.8, Cancel::never()).expect("plans");
    assert!(!split.is_recut() && split.manifest().segments.len() > 1);
    let copying =
        check("copying", |cancel| split.write(|i, _| bench.path(&format!("again-{i}.mp4")), |_, _| {}, cancel));
    assert!(copying >= 50, "asked at each packet: {copying}");

    let segments = write_segments(&bench, &mut split);
    let manifest = split.manifest();
    let encoded = encode_all(&bench, manifest, &decode_all(manifest, &segments));
    let out = bench.path("result.mp4");
    let joining = check("joining", |cancel| join(&source, manifest, &encoded, &out, StereoLayout::Mono, cancel));
    // Once for verifying, once for merging with the source's packets, once for reading back.
    assert!(joining >= 3 * 50, "asked at each packet: {joining}");
}

#[test]
fn re_encoding() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-t 2 -g 9999 -sc_threshold 0 -pix_fmt yuv420p", "source.mp4");
    let mut split = Split::plan(&source, 0.8, Cancel::never()).expect("plans");
    assert!(split.is_recut());
    let times = check("re-encoding", |cancel| split.write(|i, _| bench.path(&format!("{i}.mp4")), |_, _| {}, cancel));
    assert!(times >= 50, "asked at each frame: {times}");
}

#[test]
fn finding_the_frames_by_decoding() {
    let bench = Bench::new();
    let source = bench.ffmpeg(&format!("{PICTURE} -t 2 -c:v mpeg4 -bf 2 -g 12 @source.avi"));
    let times = check("probing", |cancel| probe(&source, cancel));
    assert!(times >= 100, "asked at each packet, of reading and of decoding: {times}");
}
