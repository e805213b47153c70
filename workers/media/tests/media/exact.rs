//! Runs difficult sources through split, decode, encode and join. According to `ffprobe`, the result must have the
//! source's frames, times and duration.

use stereospot_domain::options::Deinterlace;
use stereospot_media::split::{Choices, Split};
use stereospot_media::{Cancel, Decoded, SegmentDecoder, StereoLayout, join};

use crate::judge::{self, Bench};
use crate::way::{
    PICTURE, SOUND, TARGET_SECS, check, check_as, decode_all, duration_is_kept, encode_all, write_segments, x264,
};

#[test]
fn b_frames_with_sound() {
    let bench = Bench::new();
    let source = x264(&bench, &format!("{PICTURE} {SOUND}"), "-g 12 -bf 3 -pix_fmt yuv420p -c:a aac", "source.mp4");
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    assert_eq!(outcome.manifest.segments.len(), 4);
    assert!(!outcome.is_recut);
    assert_eq!(judge::packet_sums(&outcome.result, "a:0"), judge::packet_sums(&outcome.source, "a:0"));
    assert_eq!(outcome.summary.warnings, []);
}

#[test]
fn open_groups_of_pictures() {
    let bench = Bench::new();
    let options = "-pix_fmt yuv420p -x264-params open-gop=1:keyint=12:bframes=3:b-adapt=0:scenecut=0";
    let source = x264(&bench, PICTURE, options, "source.mp4");
    let info = stereospot_media::probe(&source, Cancel::never()).expect("probes");
    assert!(info.keyframes.iter().any(|k| !k.is_closed), "the fixture has open groups");
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    assert_eq!(outcome.manifest.segments.len(), 4);
}

#[test]
fn open_groups_of_pictures_in_hevc() {
    let bench = Bench::new();
    let options =
        "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=12:open-gop=1:bframes=3 -pix_fmt yuv420p";
    let source = bench.ffmpeg(&format!("{PICTURE} {options} @source.mkv"));
    let outcome = check(bench, source);
    assert!(!outcome.is_recut && outcome.manifest.segments.len() > 1);
}

#[test]
fn an_open_group_at_the_start_loses_what_cannot_be_decoded() {
    let bench = Bench::new();
    let options =
        "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=12:open-gop=1:bframes=3 -pix_fmt yuv420p";
    bench.ffmpeg(&format!("{PICTURE} {options} @whole.mkv"));
    let source = bench.ffmpeg("-ss 1.1 -i @whole.mkv -c copy @source.mkv");
    let outcome = check(bench, source);
    // This remux gives several of the leftover packets the same time, so the frame times must come from decoding.
    assert!(outcome.is_recut && outcome.manifest.segments.len() > 1);
}

#[test]
fn variable_frame_rate() {
    let bench = Bench::new();
    let vfr = "-vf select='not(eq(mod(n,7),3))*not(between(n,30,44))' -fps_mode vfr -g 10 -bf 2 -pix_fmt yuv420p";
    let source = x264(&bench, PICTURE, vfr, "source.mp4");
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    assert!(outcome.manifest.segments.len() > 1);
}

#[test]
fn ntsc_rate_in_matroska() {
    let bench = Bench::new();
    let picture = "-f lavfi -i testsrc2=size=160x90:rate=30000/1001:duration=4";
    let source = x264(&bench, &format!("{picture} {SOUND}"), "-g 15 -bf 3 -pix_fmt yuv420p -c:a libopus", "source.mkv");
    let outcome = check(bench, source);
    assert_eq!(outcome.manifest.time_base.den, 1000);
    assert_eq!(judge::packet_sums(&outcome.result, "a:0").len(), judge::packet_sums(&outcome.source, "a:0").len());
}

#[test]
fn odd_sizes() {
    for (codec, format) in [("libx264", "yuv444p"), ("mpeg4", "yuv420p")] {
        let bench = Bench::new();
        let picture = "-f lavfi -i testsrc2=size=322x182:rate=25:duration=3 -vf scale=161:91";
        let source = bench.ffmpeg(&format!("{picture} -c:v {codec} -g 12 -pix_fmt {format} @source.mp4"));
        let outcome = check(bench, source);
        duration_is_kept(&outcome);
        let found = &outcome.found;
        assert_eq!((found.width, found.height), (162, 92));
    }
}

#[test]
fn ten_bits() {
    let bench = Bench::new();
    // Tag the frames: encoders of FFmpeg 7 ignore the colour options.
    let colours = "-vf setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv";
    let source = x264(&bench, PICTURE, &format!("-g 12 -pix_fmt yuv420p10le {colours}"), "source.mp4");
    let info = stereospot_media::probe(&source, Cancel::never()).expect("probes");
    assert_eq!((info.bit_depth, info.pixel_format.as_str()), (10, "yuv420p10le"));
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    let stream = &outcome.found.stream;
    for tag in ["color_space", "color_primaries", "color_transfer"] {
        assert_eq!(stream[tag], "bt709", "{tag}");
    }
    assert_eq!((&stream["color_range"], &stream["pix_fmt"]), (&"tv".into(), &"yuv420p".into()));
}

#[test]
fn rotated_phone_video() {
    for degrees in [90, 180, 270] {
        let bench = Bench::new();
        x264(&bench, PICTURE, "-t 2.5 -g 12 -pix_fmt yuv420p", "plain.mp4");
        let source = bench.turned("plain.mp4", degrees, "source.mp4");
        let info = stereospot_media::probe(&source, Cancel::never()).expect("probes");
        // A display matrix counts anticlockwise. `check` compares the samples with the `ffmpeg` command's own rotation.
        assert_eq!(info.rotation_degrees, 360 - degrees);
        let outcome = check(bench, source);
        duration_is_kept(&outcome);
        let found = &outcome.found;
        let expected = if degrees == 180 { (160, 90) } else { (90, 160) };
        assert_eq!((found.width, found.height), expected);
    }
}

#[test]
fn one_single_keyframe_is_cut_by_re_encoding() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-g 9999 -sc_threshold 0 -pix_fmt yuv420p", "source.mp4");
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    assert!(outcome.is_recut);
    assert_eq!(outcome.manifest.segments.len(), 4);
}

#[test]
fn one_frame() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-frames:v 1 -pix_fmt yuv420p", "source.mp4");
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    assert_eq!(outcome.manifest.segments.len(), 1);
}

#[test]
fn an_edit_list_that_hides_frames() {
    let bench = Bench::new();
    x264(&bench, &format!("{PICTURE} {SOUND}"), "-g 25 -bf 3 -pix_fmt yuv420p -c:a aac", "long.mp4");
    let source = bench.ffmpeg("-ss 0.5 -i @long.mp4 -c copy @source.mp4");
    let outcome = check(bench, source);
    assert!(outcome.manifest.segments[0].first_packet_pts < outcome.manifest.start_pts, "the fixture hides frames");
    assert!(!outcome.is_recut);
}

#[test]
fn codecs_that_mp4_has_no_tag_for() {
    for (name, codec, is_recut) in [
        ("source.webm", "libvpx -deadline realtime -auto-alt-ref 1 -lag-in-frames 16 -b:v 200k -g 12", true),
        ("source.mov", "prores_ks", false),
    ] {
        let bench = Bench::new();
        let source = bench.ffmpeg(&format!("{PICTURE} -t 2.5 -c:v {codec} @{name}"));
        let outcome = check(bench, source);
        assert_eq!(outcome.is_recut, is_recut, "{name}");
        assert!(outcome.manifest.segments.len() > 1);
    }
}

#[test]
fn a_transport_stream_is_shifted_to_zero() {
    let bench = Bench::new();
    let source =
        x264(&bench, &format!("{PICTURE} {SOUND}"), "-g 12 -bf 3 -pix_fmt yuv420p -c:a aac -f mpegts", "source.ts");
    let mut split = Split::plan(&source, TARGET_SECS, Cancel::never()).expect("plans");
    let manifest = split.manifest().clone();
    assert!(manifest.start_pts > 90_000, "the fixture's clock does not start at zero");
    let segments = write_segments(&bench, &mut split);
    let encoded = encode_all(&bench, &manifest, &decode_all(&manifest, &segments));
    let result = bench.path("result.mp4");
    join(&source, &manifest, &encoded, &result, StereoLayout::Mono, Cancel::never()).expect("joins");
    let (truth, found) = (judge::video(&source), judge::video(&result));
    assert_eq!(found.times.len(), truth.times.len());
    assert_eq!(found.stream["duration_ts"].as_i64(), Some(manifest.end_pts - manifest.start_pts));
    assert_eq!(judge::packet_sums(&result, "a:0").len(), judge::packet_sums(&source, "a:0").len());
    bench.ffmpeg("-xerror -err_detect explode -i @result.mp4 -map 0:a -f null /dev/null");
}

#[test]
fn a_recording_that_starts_and_ends_anywhere() {
    let bench = Bench::new();
    let whole = x264(&bench, PICTURE, "-g 25 -bf 3 -pix_fmt yuv420p -f mpegts", "whole.ts");
    let bytes = std::fs::read(whole).expect("reads");
    let packets = bytes.len() / 188;
    let source = bench.path("source.ts");
    // Keep the tables that describe the stream, then data from the middle of a group of pictures to the middle of a
    // frame.
    let part = [&bytes[..188 * 3], &bytes[188 * (packets / 3)..188 * (packets * 3 / 4) + 100]].concat();
    std::fs::write(&source, part).expect("writes");
    let mut split = Split::plan(&source, TARGET_SECS, Cancel::never()).expect("plans");
    let manifest = split.manifest().clone();
    let frames = judge::video(&source).times.len();
    assert!((20..80).contains(&frames), "the fixture is a part: {frames} frames");
    assert_eq!(manifest.frames as usize, frames);
    assert!(!split.is_recut(), "what can't be decoded is only at the ends");
    let segments = write_segments(&bench, &mut split);
    let encoded = encode_all(&bench, &manifest, &decode_all(&manifest, &segments));
    let result = bench.path("result.mp4");
    join(&source, &manifest, &encoded, &result, StereoLayout::Mono, Cancel::never()).expect("joins");
    assert_eq!(judge::video(&result).times.len(), frames);
}

#[test]
fn scene_cuts_are_found_at_the_border() {
    let bench = Bench::new();
    let scenes = "-f lavfi -i color=black:size=160x90:rate=25:duration=1.2 -f lavfi -i testsrc2=size=160x90:rate=25:duration=2.8";
    let graph = "-filter_complex [0][1]concat=n=2 -g 10 -keyint_min 2 -pix_fmt yuv420p";
    let source = x264(&bench, scenes, graph, "source.mp4");
    let outcome = check(bench, source);
    let cuts: Vec<_> = outcome.manifest.segments.iter().map(|s| (s.start_pts, s.starts_at_scene_cut)).collect();
    assert_eq!(cuts[0], (0, true));
    assert_eq!(cuts[1], (outcome.manifest.time_base.ticks(1.2), true), "the border is drawn to the cut: {cuts:?}");
    assert!(cuts[2..].iter().all(|c| !c.1), "no other border is a scene cut: {cuts:?}");
}

#[test]
fn the_tail_of_a_segment_is_its_last_frames() {
    let bench = Bench::new();
    let options = "-pix_fmt yuv420p -x264-params open-gop=1:keyint=12:bframes=3:b-adapt=0";
    let source = x264(&bench, PICTURE, options, "source.mp4");
    let mut split = Split::plan(&source, 2.0, Cancel::never()).expect("plans");
    let segments = write_segments(&bench, &mut split);
    let manifest = split.manifest();
    let (spec, path) = (&manifest.segments[0], &segments[0]);
    let whole = decode_all(manifest, &segments).remove(0);
    for frames in [0, 1, 5, 16, whole.len(), whole.len() + 10] {
        let tail = SegmentDecoder::open_tail(path, manifest, spec, frames as u64, 1).expect("opens");
        let tail: Vec<Decoded> = tail.collect::<Result<_, _>>().expect("decodes");
        assert!(tail == whole[whole.len().saturating_sub(frames)..], "the last {frames}");
    }
}

#[test]
fn a_late_start_is_kept() {
    let bench = Bench::new();
    x264(&bench, PICTURE, "-g 12 -bf 3 -pix_fmt yuv420p", "plain.mp4");
    let source =
        bench.ffmpeg(&format!("-itsoffset 0.0667 -i @plain.mp4 {SOUND} -map 0 -map 1 -c:v copy -c:a aac @source.mp4"));
    let outcome = check(bench, source);
    assert!(outcome.manifest.start_pts > 0, "the fixture starts late");
}

#[test]
fn gradual_refresh_has_no_place_to_cut() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-x264-params intra-refresh=1:keyint=25 -pix_fmt yuv420p", "source.mp4");
    let info = stereospot_media::probe(&source, Cancel::never()).expect("probes");
    assert!(info.keyframes.len() > 1, "the container calls the refreshes keyframes");
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    assert!(outcome.is_recut);
}

#[test]
fn full_range_and_rgb() {
    let bench = Bench::new();
    let source = bench.ffmpeg(&format!("{PICTURE} -t 2.5 -pix_fmt yuvj420p -c:v mjpeg @source.mov"));
    let outcome = check(bench, source);
    duration_is_kept(&outcome);
    assert_eq!(outcome.found.stream["color_range"], "pc");
    let bench = Bench::new();
    let source = bench.ffmpeg(&format!("{PICTURE} -t 2.5 -c:v libx264rgb -preset ultrafast -g 12 @source.mp4"));
    let mut split = Split::plan(&source, TARGET_SECS, Cancel::never()).expect("plans");
    let segments = write_segments(&bench, &mut split);
    let decoded = decode_all(split.manifest(), &segments);
    assert_eq!(decoded.iter().map(Vec::len).sum::<usize>(), judge::video(&source).times.len());
    assert_eq!(
        decoded[0][0].picture.colour,
        stereospot_picture::Colour { matrix: stereospot_picture::Matrix::Bt601, is_full_range: false }
    );
}

#[test]
fn interlaced_and_fragmented_and_old_containers() {
    let cases = [
        ("-c:v mpeg2video -bf 2 -g 12 -flags +ildct+ilme", "source.mkv"),
        ("-c:v libx264 -preset ultrafast -g 12 -pix_fmt yuv420p -movflags frag_keyframe+empty_moov", "source.mp4"),
        ("-c:v flv1 -g 12", "source.flv"),
        (
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 16 -g 25 -b:v 200k",
            "source.webm",
        ),
    ];
    for (options, name) in cases {
        let bench = Bench::new();
        let source = bench.ffmpeg(&format!("{PICTURE} -t 2.5 {options} @{name}"));
        let as_it_is = Choices { deinterlace: Deinterlace::Off, ..Choices::every(TARGET_SECS) };
        let outcome = check_as(bench, source, &as_it_is);
        assert!(!outcome.is_recut, "{name}");
        assert!(outcome.manifest.segments.len() > 1, "{name}");
    }
}

#[test]
fn packed_frames_in_avi_are_found_by_decoding() {
    let bench = Bench::new();
    let source = bench.ffmpeg(&format!("{PICTURE} -c:v mpeg4 -bf 2 -g 12 @source.avi"));
    let mut split = Split::plan(&source, TARGET_SECS, Cancel::never()).expect("plans");
    let manifest = split.manifest().clone();
    assert!(split.is_recut());
    let segments = write_segments(&bench, &mut split);
    let encoded = encode_all(&bench, &manifest, &decode_all(&manifest, &segments));
    let result = bench.path("result.mp4");
    join(&source, &manifest, &encoded, &result, StereoLayout::Mono, Cancel::never()).expect("joins");
    assert_eq!(judge::video(&result).times.len(), 100);
    assert_eq!(judge::video(&result).stream["duration"], "4.000000");
}
