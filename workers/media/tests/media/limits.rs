//! A source above a limit is refused with a sentence that names the limit, its value and the option.

use std::path::Path;

use stereospot_media::budget::Target;
use stereospot_media::probe::Terms;
use stereospot_media::split::{Choices, Split};
use stereospot_media::{Budget, Cancel, Error, Limits};

use crate::judge::Bench;

const PICTURE: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=4";

fn plan(source: &Path, terms: Terms) -> Result<Split, Error> {
    Split::plan_as(source, &Choices { terms, ..Choices::every(1.0) }, Cancel::never())
}

fn refusal(source: &Path, limits: Limits) -> String {
    let error = plan(source, Terms { limits, ..Terms::default() }).err().expect("is refused");
    assert!(error.is_bad_source(), "{error:?}");
    error.to_string()
}

#[test]
fn each_limit_is_named() {
    let bench = Bench::new();
    let chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=1\nEND=4\n";
    std::fs::write(bench.path("chapters.txt"), chapters).expect("writes");
    let given = bench.path("chapters.txt");
    let more = format!("-f lavfi -i sine=duration=4 -i {} -map_chapters 2 -map 0 -map 1 -map 1", given.display());
    for extension in ["mp4", "mkv"] {
        let source = bench.ffmpeg(&format!("{PICTURE} {more} @limits.{extension}"));
        plan(&source, Terms::default()).expect("is within the default limits");
        let limits = Limits::default();
        for (limits, says) in [
            (
                Limits { pixels: 160 * 90 - 1, ..limits },
                "14400 pixels in a picture, and the limit is 14399 (--max-pixels)",
            ),
            (Limits { frames: 99, ..limits }, "100 frames, and the limit is 99 (--max-frames)"),
            (Limits { duration_secs: 3.0, ..limits }, "4 seconds, and the limit is 3 (--max-duration)"),
            (Limits { tracks: 2, ..limits }, "tracks, and the limit is 2 (--max-tracks)"),
            (Limits { chapters: 1, ..limits }, "2 chapters, and the limit is 1 (--max-chapters)"),
        ] {
            let error = refusal(&source, limits);
            assert!(error.contains(says), "{extension}: {error}");
        }
    }
}

#[test]
fn a_claim_of_eighty_million_samples_is_refused_before_an_index_is_built() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/index_80M_samples.mp4");
    let error = refusal(&source, Limits::default());
    assert_eq!(
        error,
        "the video has 80000000 frames, and the limit is 2000000 (--max-frames): make it smaller, or raise the limit"
    );
    // With a higher limit, memory decides.
    let limits = Limits { frames: u64::MAX, ..Limits::default() };
    let budget = Budget { bytes: 2 << 30, cores: 2 };
    let error = plan(&source, Terms { limits, budget }).err().expect("is refused");
    assert!(matches!(error, Error::TooManyPackets { packets: 80_000_000, .. }), "{error:?}");
}

#[test]
fn pictures_beyond_the_memory_are_refused_before_they_are_cut() {
    let bench = Bench::new();
    let source =
        bench.ffmpeg("-f lavfi -i color=size=4096x4096:rate=25 -frames:v 2 -c:v libx264 -preset ultrafast @large.mp4");
    let target = |preset: &str| Some(Target { wider: 2, higher: 1, preset: preset.into(), resolution: 392 });
    let budget = |mebibytes: u64| Terms { budget: Budget { bytes: mebibytes << 20, cores: 2 }, ..Terms::default() };
    let error = plan(&source, budget(200)).err().expect("is refused").to_string();
    assert!(error.starts_with("decoding pictures of 4096x4096 takes at least"), "{error}");
    let choices =
        |mebibytes, preset| Choices { terms: budget(mebibytes), target: target(preset), ..Choices::every(1.0) };
    let split = |choices| Split::plan_as(&source, &choices, Cancel::never());
    let error = split(choices(2048, "medium")).err().expect("is refused").to_string();
    assert!(error.starts_with("converting to 8192x4096 with the preset medium pictures of 4096x4096 takes"), "{error}");
    split(choices(2048, "ultrafast")).expect("takes less");
    split(choices(4096, "medium")).expect("fits");
}
