//! Segments that other software cut and converted with the `ffmpeg` command, as the services of existing deployments
//! do.

use std::path::{Path, PathBuf};

use stereospot_media::foreign::{lay_out, with_sound_of};
use stereospot_media::soundtrack::add_part_of_sound;
use stereospot_media::split::Split;
use stereospot_media::{Cancel, Error, Manifest, StereoLayout, join};

use crate::judge::{self, Bench};
use crate::way::{PICTURE, SOUND, decode_all, encode_all, write_segments, x264};

/// A source with sound: four seconds at 25 frames per second, with a keyframe about every half second.
fn source(bench: &Bench) -> PathBuf {
    x264(bench, &format!("{PICTURE} {SOUND}"), "-g 12 -bf 2 -pix_fmt yuv420p -c:a aac", "source.mp4")
}

/// Cuts as those services do: about every second, all streams, each file's times starting at zero.
fn cut(bench: &Bench) -> Vec<PathBuf> {
    bench.ffmpeg("-i @source.mp4 -f segment -segment_time 1 -reset_timestamps 1 -c copy -map 0 @cut-%d.mp4");
    (0..).map(|index| bench.path(&format!("cut-{index}.mp4"))).take_while(|path| path.exists()).collect()
}

/// Converts as those services do: with their own encoder settings and time base, keeping the sound.
fn convert(bench: &Bench, segments: &[PathBuf], filter: &str) -> Vec<PathBuf> {
    let convert = |(index, path): (usize, &PathBuf)| {
        let path = path.display();
        bench.ffmpeg(&format!(
            "-i {path} -fps_mode passthrough -vf scale=320:90{filter} -c:v libx264 -preset veryfast -bf 3 -c:a copy -video_track_timescale 90000 \
             @theirs-{index}.mp4"
        ))
    };
    segments.iter().enumerate().map(convert).collect()
}

fn joined(bench: &Bench, source: &Path, converted: &[PathBuf], manifest: &Manifest) -> judge::Video {
    let result = bench.path("result.mp4");
    let summary = join(source, manifest, converted, &result, StereoLayout::SideBySide, Cancel::never()).expect("joins");
    assert_eq!(summary.frames, manifest.frames);
    assert_eq!(judge::packet_sums(&result, "a:0"), judge::packet_sums(source, "a:0"), "the sound is the source's");
    let found = judge::video(&result);
    assert_eq!((found.width, found.height), (320, 90));
    found
}

#[test]
fn what_others_cut_and_converted_is_joined_without_a_manifest() {
    let bench = Bench::new();
    let source = source(&bench);
    let segments = cut(&bench);
    assert!(segments.len() > 2, "{segments:?}");
    let converted = convert(&bench, &segments, "");
    let manifest = lay_out(&source, &converted, None, Cancel::never()).expect("lays out");
    assert_eq!(joined(&bench, &source, &converted, &manifest).times.len(), 100);
}

#[test]
fn what_we_cut_and_others_converted_lies_where_its_range_does() {
    let bench = Bench::new();
    let source = source(&bench);
    let mut split = Split::plan(&source, 1.0, Cancel::never()).expect("plans");
    let segments = write_segments(&bench, &mut split);
    let converted = convert(&bench, &segments, ",fps=12.5");
    let ours = split.manifest();
    let refused = join(&source, ours, &converted, &bench.path("no.mp4"), StereoLayout::Mono, Cancel::never());
    assert!(matches!(refused, Err(Error::SegmentMismatch { .. })), "half the frames: {refused:?}");
    let manifest = lay_out(&source, &converted, Some(ours), Cancel::never()).expect("lays out");
    for (theirs, ours_spec) in manifest.segments.iter().zip(&ours.segments) {
        let (at, wanted) = (manifest.time_base.secs(theirs.start_pts), ours.time_base.secs(ours_spec.start_pts));
        assert!((at - wanted).abs() < 1e-3, "segment {} begins at {at} instead of {wanted}", theirs.index);
    }
    let found = joined(&bench, &source, &converted, &manifest);
    assert!((48..=56).contains(&found.times.len()), "{}", found.times.len());
}

#[test]
fn a_segment_that_is_short_or_damaged_is_named() {
    let bench = Bench::new();
    let source = source(&bench);
    let mut split = Split::plan(&source, 1.0, Cancel::never()).expect("plans");
    let segments = write_segments(&bench, &mut split);
    let mut converted = convert(&bench, &segments, "");
    let check = |converted: &[PathBuf], cut: Option<&Manifest>, at: Option<u32>, says: &str| {
        let error = lay_out(&source, converted, cut, Cancel::never()).expect_err("is refused");
        assert!(error.to_string().contains(says), "{error}");
        match (error, at) {
            (Error::SegmentMismatch { index, .. }, Some(at)) => assert_eq!(index, at),
            (Error::ResultMismatch { .. }, None) => {}
            (error, _) => panic!("{error:?}"),
        }
    };
    check(&converted[1..], None, None, "the segments last");
    check(&[], None, Some(0), "there is none");
    let whole = std::mem::replace(&mut converted[1], bench.ffmpeg("-i @theirs-1.mp4 -t 0.3 -an @short.mp4"));
    check(&converted, Some(split.manifest()), Some(1), "its part of the source");
    std::fs::write(bench.path("torn.mp4"), b"not a video").expect("writes");
    converted[1] = bench.path("torn.mp4");
    check(&converted, None, Some(1), "not a video file");
    converted[1] = whole;
    lay_out(&source, &converted, Some(split.manifest()), Cancel::never()).expect("is whole again");
}

#[test]
fn a_segment_takes_its_part_of_the_sound_along() {
    let bench = Bench::new();
    let source = source(&bench);
    let mut split = Split::plan(&source, 1.0, Cancel::never()).expect("plans");
    let segments = write_segments(&bench, &mut split);
    let manifest = split.manifest();
    let with_sound: Vec<PathBuf> = (0..segments.len()).map(|index| bench.path(&format!("sound-{index}.mp4"))).collect();
    for ((spec, segment), out) in manifest.segments.iter().zip(&segments).zip(&with_sound) {
        let has = add_part_of_sound(&source, manifest, spec, segment, out, Cancel::never()).expect("adds");
        assert!(has);
        let probed = judge::probe(out, &["-show_entries", "stream=codec_type,start_time,duration"]);
        let secs = |stream: usize, what: &str| -> f64 {
            probed["streams"][stream][what].as_str().expect("a time").parse().expect("a number")
        };
        assert!((secs(0, "duration") - secs(1, "duration")).abs() < 0.1, "{probed}");
        assert!((secs(0, "start_time") - secs(1, "start_time")).abs() < 0.1, "{probed}");
    }
    // The files together hold every sound packet, in order.
    let sums = |path: &Path| -> Vec<String> {
        let sums = judge::packet_sums(path, "a:0");
        sums.iter().map(|line| line.split_once(' ').expect("time and sum").1.to_owned()).collect()
    };
    let all: Vec<String> = with_sound.iter().flat_map(|path| sums(path)).collect();
    assert_eq!(all, sums(&source));

    // Such a segment decodes as before, and its conversion keeps the sound.
    let decoded = decode_all(manifest, &with_sound);
    let encoded = encode_all(&bench, manifest, &decoded);
    for (index, (spec, converted)) in manifest.segments.iter().zip(&encoded).enumerate() {
        let out = bench.path(&format!("whole-{index}.mp4"));
        let layout = StereoLayout::SideBySide;
        with_sound_of(&with_sound[index], Some(spec), converted, &out, layout, Cancel::never()).expect("joins");
        assert_eq!(sums(&out), sums(&with_sound[index]));
    }
    let whole: Vec<PathBuf> = (0..encoded.len()).map(|index| bench.path(&format!("whole-{index}.mp4"))).collect();
    let result = bench.path("result.mp4");
    join(&source, manifest, &whole, &result, StereoLayout::SideBySide, Cancel::never()).expect("joins to the tick");
    assert_eq!(judge::packet_sums(&result, "a:0"), judge::packet_sums(&source, "a:0"));
}

#[test]
fn a_source_without_sound_has_none_to_give() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-g 12 -pix_fmt yuv420p", "source.mp4");
    let mut split = Split::plan(&source, 1.0, Cancel::never()).expect("plans");
    let segments = write_segments(&bench, &mut split);
    let (spec, out) = (&split.manifest().segments[0], bench.path("sound.mp4"));
    let has = add_part_of_sound(&source, split.manifest(), spec, &segments[0], &out, Cancel::never()).expect("looks");
    assert!(!has && !out.exists());
}
