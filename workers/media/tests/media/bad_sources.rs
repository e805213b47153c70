//! A source that can't be converted is rejected with one sentence that says what to do; other failures allow another
//! attempt.

use std::path::{Path, PathBuf};

use crate::judge::Bench;
use stereospot_domain::Warning;
use stereospot_media::split::Split;
use stereospot_media::{Cancel, Encoder, EncoderOptions, Error, Manifest, SegmentDecoder, SegmentSpec, probe};
use stereospot_picture::Picture;

const PICTURE: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=4";

fn check(path: &Path, says: &str, is_bad_source: bool) {
    let error = probe(path, Cancel::never()).expect_err("is refused");
    assert_eq!(error.is_bad_source(), is_bad_source, "{error:?}");
    let text = error.to_string();
    assert!(text.contains(says), "{text:?} does not say {says:?}");
    assert!(!text.contains('\n') && !text.ends_with('.'), "one sentence, house style: {text:?}");
}

#[test]
fn no_such_file() {
    check(Path::new("/nowhere/at/all.mp4"), "no file at /nowhere/at/all.mp4", false);
}

#[test]
fn zero_bytes() {
    let bench = Bench::new();
    std::fs::write(bench.path("empty.mp4"), []).expect("writes");
    check(&bench.path("empty.mp4"), "empty", true);
}

#[test]
fn not_a_video() {
    let bench = Bench::new();
    for name in ["notes.mp4", "notes.txt"] {
        std::fs::write(bench.path(name), "these are notes, not a video\n".repeat(100)).expect("writes");
        check(&bench.path(name), "not a video", true);
    }
    // FFmpeg would open the files that these playlists name.
    let playlists = [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/etc/hostname\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile other.mp4\n"),
    ];
    for (name, text) in playlists {
        std::fs::write(bench.path(name), text).expect("writes");
        check(&bench.path(name), "not a video", true);
    }
    let picture = bench.ffmpeg(&format!("{PICTURE} -frames:v 1 @still.png"));
    check(&picture, "not a video", true);
}

#[test]
fn sound_only() {
    let bench = Bench::new();
    let source = bench.ffmpeg("-f lavfi -i sine=duration=1 -c:a aac @sound.mp4");
    check(&source, "only 1 sound stream", true);
}

#[test]
fn cut_short_without_its_index() {
    let bench = Bench::new();
    let source = bench.ffmpeg(&format!("{PICTURE} -c:v libx264 -preset ultrafast @source.mp4"));
    check(&shortened(&bench, &source, 0.5), "moov", true);
}

#[test]
fn cut_short_in_the_middle() {
    let bench = Bench::new();
    let source =
        bench.ffmpeg(&format!("{PICTURE} -c:v libx264 -preset ultrafast -g 10 -movflags +faststart @source.mp4"));
    let half = shortened(&bench, &source, 0.5);
    check(&half, "of 100 frames can be read", true);
    let Err(Error::Truncated { readable, promised }) = probe(&half, Cancel::never()) else { panic!("truncated") };
    assert!((20..80).contains(&readable) && promised == 100, "{readable} of {promised}");
    let source = bench.ffmpeg(&format!("{PICTURE} -c:v libx264 -preset ultrafast -g 10 @source.mkv"));
    check(&shortened(&bench, &source, 0.5), "cut short, it ends at", true);
}

#[test]
fn sizes_out_of_bounds() {
    let bench = Bench::new();
    let small = bench.ffmpeg("-f lavfi -i testsrc2=size=4x4:rate=25:duration=0.2 -c:v mpeg4 @small.mp4");
    check(&small, "4x4, too small to convert: both sides must be at least 16", true);
    let wide =
        bench.ffmpeg("-f lavfi -i color=size=8194x16:rate=25:duration=0.08 -c:v libx264 -preset ultrafast @wide.mp4");
    check(&wide, "8194x16, too large to convert: neither side may exceed 8192", true);
}

#[test]
fn whatever_is_refused_says_what_to_do() {
    let refused = [
        Error::Empty,
        Error::NotAVideo,
        Error::NoVideo { sound: 1 },
        Error::IndexMissing,
        Error::Truncated { readable: 1, promised: 2 },
        Error::EndsEarly { readable_secs: 1.0, promised_secs: 2.0 },
        Error::TooSmall { width: 4, height: 4 },
        Error::TooLarge { width: 9000, height: 16 },
        Error::NoDecoder { codec: "svq3".to_owned() },
        Error::Encrypted,
        Error::DolbyVision { profile: 5 },
        Error::StreamRefused { warning: Warning::CaptionsLost },
        Error::Damaged { what: "the frame at 1.000 s can't be decoded".to_owned() },
    ];
    for error in refused {
        assert!(error.is_bad_source(), "{error:?}");
        let text = error.to_string();
        let (_, advice) = text.split_once(": ").expect("what is wrong, then what to do");
        let verbs = ["upload ", "send ", "convert ", "scale "];
        assert!(verbs.iter().any(|verb| advice.contains(verb)), "{text}");
    }
}

/// A source and its segments.
pub(crate) fn split(bench: &Bench) -> (PathBuf, Manifest, Vec<PathBuf>) {
    let source = bench.ffmpeg(&format!("{PICTURE} -c:v libx264 -preset ultrafast -g 10 -pix_fmt yuv420p @source.mp4"));
    let mut paths = Vec::new();
    let mut split = Split::plan(&source, 1.0, Cancel::never()).expect("plans");
    let path_of = |i, _| bench.path(&format!("segment-{i}.mp4"));
    split.write(path_of, |_, path| paths.push(path.to_path_buf()), Cancel::never()).expect("writes");
    (source, split.manifest().clone(), paths)
}

#[test]
fn a_damaged_segment_is_not_a_shorter_one() {
    let bench = Bench::new();
    let (_, manifest, paths) = split(&bench);
    let (spec, other) = (&manifest.segments[1], &paths[2]);
    let refused = |path: &Path, spec: &SegmentSpec| {
        let error = SegmentDecoder::open(path, &manifest, spec, 1).err().expect("is refused");
        assert!(matches!(error, Error::SegmentDamaged { index: 1, .. }) && !error.is_bad_source(), "{error}");
        error.to_string()
    };
    // Put the third segment in place of the second. If it has fewer frames, the count reveals it.
    if manifest.segments[2].frames < spec.frames {
        refused(other, spec);
    }
    let promised = SegmentSpec { frames: spec.frames + 1, ..spec.clone() };
    assert!(refused(&paths[1], &promised).contains("1 of its frames are missing"));
    let promised = SegmentSpec { pts_hash: spec.pts_hash ^ 1, ..spec.clone() };
    assert!(refused(&paths[1], &promised).contains("times are not those of the source"));
}

#[test]
fn damage_at_a_segments_very_end_repeats_the_frame_before_on_any_number_of_threads() {
    let bench = Bench::new();
    let (_, manifest, paths) = split(&bench);
    let mut content = std::fs::read(&paths[1]).expect("reads");
    // Give the last picture's NAL unit (which follows a 4-byte length) an unspecified type, so that decoders ignore it.
    let data = content.windows(4).position(|bytes| bytes == b"mdat").expect("holds pictures");
    let number = |at: usize| u32::from_be_bytes(content[at..at + 4].try_into().expect("four bytes")) as usize;
    let (end, mut at, mut last) = (data - 4 + number(data - 4), data + 4, 0);
    while at < end {
        (last, at) = (at, at + 4 + number(at));
    }
    content[last + 4] = 0;
    std::fs::write(&paths[1], content).expect("writes");
    for threads in [1, 2, 4] {
        let mut decoder = SegmentDecoder::open(&paths[1], &manifest, &manifest.segments[1], threads).expect("opens");
        let frames = decoder.by_ref().collect::<Result<Vec<_>, _>>().expect("decodes");
        assert_eq!((frames.len() as u64, decoder.repeated()), (manifest.segments[1].frames, 1), "{threads} threads");
        let [.., before, last] = &frames[..] else { panic!("several frames") };
        assert_eq!(before.picture, last.picture, "{threads} threads");
    }
}

#[test]
fn a_segment_overwritten_by_something_else_is_named_with_the_cause() {
    let bench = Bench::new();
    let (_, manifest, paths) = split(&bench);
    std::fs::write(&paths[1], [0x5a; 4096]).expect("writes");
    let error = SegmentDecoder::open(&paths[1], &manifest, &manifest.segments[1], 1).err().expect("no video");
    let said = "segment 1 is damaged: its file can't be read as a video (Invalid data found when processing input)";
    assert_eq!(error.to_string(), said);
    std::fs::write(&paths[1], []).expect("writes");
    let error = SegmentDecoder::open(&paths[1], &manifest, &manifest.segments[1], 1).err().expect("nothing");
    assert_eq!(error.to_string(), said);
    let sound = bench.ffmpeg("-f lavfi -i sine=duration=1 -c:a aac @sound.mp4");
    let error = SegmentDecoder::open(&sound, &manifest, &manifest.segments[1], 1).err().expect("no picture");
    assert_eq!(error.to_string(), "segment 1 is damaged: its file holds no video");
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let bench = Bench::new();
    let (source, manifest, _) = split(&bench);
    let full = Path::new("/dev/full");
    let written = stereospot_media::split(&source, 1.0, |_, _| full.to_path_buf(), |_, _| {}, Cancel::never());
    let error = written.expect_err("the disk is full");
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    assert!(!error.is_bad_source());
    let encoded = Encoder::create(full, EncoderOptions::new(160, 90, &manifest)).and_then(|mut encoder| {
        encoder.push(0, &Picture::new(160, 90, manifest.colour.colour()))?;
        encoder.finish()
    });
    assert!(matches!(encoded, Err(Error::DiskFull { .. })), "{encoded:?}");
}

#[test]
fn a_wrong_encoder_is_named() {
    let bench = Bench::new();
    let (_, manifest, _) = split(&bench);
    let mut options = EncoderOptions::new(160, 90, &manifest);
    options.codec = "h264_nowhere".to_owned();
    let Err(error) = Encoder::create(&bench.path("out.mp4"), options) else { panic!("there is no such encoder") };
    assert!(error.to_string().contains("h264_nowhere") && !error.is_bad_source());
}

fn shortened(bench: &Bench, source: &Path, share: f64) -> PathBuf {
    let bytes = std::fs::read(source).expect("reads");
    let path = bench.path("short").with_extension(source.extension().expect("has one"));
    std::fs::write(&path, &bytes[..(bytes.len() as f64 * share) as usize]).expect("writes");
    path
}
