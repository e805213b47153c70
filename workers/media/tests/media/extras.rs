//! Sound, subtitles, chapters and cover pictures in the result.

use std::path::Path;

use stereospot_media::{Cancel, Encoder, EncoderOptions, probe, soundtrack::add_sound};
use stereospot_picture::Picture;

use crate::judge::{self, Bench};
use crate::way::{PICTURE, SOUND, check, x264};

#[test]
fn two_sound_tracks() {
    let bench = Bench::new();
    let second = "-f lavfi -i sine=frequency=880:duration=4";
    let maps = "-map 0 -map 1 -map 2 -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -c:a aac";
    let source =
        x264(&bench, &format!("{PICTURE} {SOUND} {second}"), &format!("-g 12 -pix_fmt yuv420p {maps}"), "source.mp4");
    let outcome = check(bench, source);
    for (track, language) in [("a:0", "eng"), ("a:1", "deu")] {
        assert_eq!(judge::packet_sums(&outcome.result, track), judge::packet_sums(&outcome.source, track));
        let probed = judge::probe(&outcome.result, &["-select_streams", track, "-show_streams"]);
        assert_eq!(probed["streams"][0]["tags"]["language"], language);
    }
}

#[test]
fn subtitles_and_chapters() {
    let bench = Bench::new();
    let lines = "1\n00:00:00,500 --> 00:00:01,500\n<i>near</i>\n\n2\n00:00:02,000 --> 00:00:03,250\nfar\n";
    std::fs::write(bench.path("lines.srt"), lines).expect("writes");
    let chapters = ";FFMETADATA1\ntitle=Both\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n\
                    [CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=Two\n";
    std::fs::write(bench.path("chapters.txt"), chapters).expect("writes");
    let inputs = format!("{PICTURE} {SOUND} -i @lines.srt -i @chapters.txt");
    let options = "-map 0 -map 1 -map 2 -map_metadata 3 -map_chapters 3 -g 12 -pix_fmt yuv420p -c:a aac -c:s srt";
    let source = x264(&bench, &inputs, options, "source.mkv");
    let outcome = check(bench, source);
    assert_eq!(outcome.summary.warnings, []);

    let probed = judge::probe(&outcome.result, &["-show_chapters", "-show_streams", "-show_format"]);
    let chapters = probed["chapters"].as_array().expect("chapters");
    let titles: Vec<_> = chapters.iter().map(|c| (c["tags"]["title"].clone(), c["start_time"].clone())).collect();
    assert_eq!(titles, [("One".into(), "0.000000".into()), ("Two".into(), "2.000000".into())]);
    assert_eq!(probed["format"]["tags"]["title"], "Both");
    assert!(probed["streams"].to_string().contains("mov_text"));
    // MP4 stores an empty subtitle between two lines.
    let times = |path: &Path| -> Vec<_> {
        let probed = judge::probe(path, &["-select_streams", "s:0", "-show_packets"]);
        let packets = probed["packets"].as_array().expect("packets").iter();
        packets.filter(|p| p["size"] != "2").map(|p| (p["pts_time"].clone(), p["duration_time"].clone())).collect()
    };
    assert_eq!(times(&outcome.result), times(&outcome.source));
    let result = outcome.result.display().to_string();
    let text = outcome.bench.ffmpeg(&format!("-i {result} -map 0:s:0 @back.srt"));
    let text = std::fs::read_to_string(text).expect("subtitles");
    assert!(text.contains(">near<") && text.contains(">far<") && !text.contains("<i>"), "{text}");
}

#[test]
fn sound_that_mp4_cannot_carry_becomes_aac() {
    for rate in [44_100, 192_000] {
        let bench = Bench::new();
        let pcm = format!("-t 2 -g 12 -pix_fmt yuv420p -c:a pcm_s16le -ar {rate} -ac 2");
        let source = x264(&bench, &format!("{PICTURE} {SOUND}"), &pcm, "source.mov");
        let outcome = check(bench, source);
        assert!(
            outcome.summary.warnings[0].to_string().contains("re-encoded as AAC"),
            "{:?}",
            outcome.summary.warnings
        );
        let streams = judge::probe(&outcome.result, &["-select_streams", "a", "-show_streams"]);
        let sound = &streams["streams"][0];
        assert_eq!((&sound["codec_name"], &sound["channels"]), (&"aac".into(), &2.into()));
        let secs: f64 = sound["duration"].as_str().expect("a duration").parse().expect("a number");
        assert!((secs - 2.0).abs() < 0.05, "{secs}");
        // The tone is still there: 440 Hz at the source's loudness.
        let (before, after) = (loudness(&outcome.bench, &outcome.source), loudness(&outcome.bench, &outcome.result));
        assert!((before - after).abs() < 0.5, "{before} dB became {after} dB");
    }
}

/// Loudness in dB after a band-pass filter around the fixture's tone.
fn loudness(bench: &Bench, path: &Path) -> f64 {
    let path = path.display().to_string();
    let log = bench.path("levels.txt").display().to_string();
    let filter = format!(
        "bandpass=f=440:w=50,astats=metadata=1:reset=0,ametadata=print:key=lavfi.astats.Overall.RMS_level:file={log}"
    );
    bench.ffmpeg(&format!("-i {path} -map 0:a:0 -af {filter} -f null /dev/null"));
    let log = std::fs::read_to_string(log).expect("levels");
    let last = log.lines().rev().find_map(|l| l.strip_prefix("lavfi.astats.Overall.RMS_level="));
    last.expect("a level").parse().expect("a number")
}

#[test]
fn cover_pictures_are_kept_and_further_video_is_named() {
    let bench = Bench::new();
    let inputs =
        format!("{PICTURE} -f lavfi -i color=red:size=64x64:duration=0.04 -f lavfi -i testsrc2=size=96x64:duration=1");
    let options = "-map 0 -map 1 -map 2 -c:v:1 mjpeg -disposition:v:1 attached_pic -g 12 -pix_fmt yuv420p";
    let source = x264(&bench, &inputs, options, "source.mp4");
    let outcome = check(bench, source);
    let streams = judge::probe(&outcome.result, &["-show_streams"]);
    let streams = streams["streams"].as_array().expect("streams");
    assert_eq!(streams.len(), 2);
    assert_eq!(streams[1]["disposition"]["attached_pic"], 1);
    assert_eq!(outcome.summary.warnings.len(), 1);
    assert!(outcome.summary.warnings[0].to_string().contains("further video stream"), "{:?}", outcome.summary.warnings);
}

#[test]
fn a_clip_made_here_gets_its_sound() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-frames:v 50 -pix_fmt yuv420p", "source.mp4");
    let manifest =
        stereospot_media::split::Split::plan(&source, 10.0, Cancel::never()).expect("plans").manifest().clone();
    let silent = bench.path("silent.mp4");
    let mut encoder = Encoder::create(&silent, EncoderOptions::new(160, 90, &manifest)).expect("opens");
    let tick = manifest.time_base.ticks(0.04);
    (0..50).for_each(|i| encoder.push(i * tick, &Picture::new(160, 90, manifest.colour.colour())).expect("encodes"));
    encoder.finish().expect("finishes");
    let samples: Vec<i16> = (0..96_000).map(|i| ((f64::from(i) * 0.0576).sin() * 8000.0) as i16).collect();
    let out = bench.path("clip.mp4");
    add_sound(&silent, &samples, 48_000, &out).expect("adds the sound");
    let info = probe(&out, Cancel::never()).expect("probes");
    assert_eq!((info.frames, info.sound_streams, info.duration_secs), (50, 1, 2.0));
    assert_eq!(judge::video(&out).times, judge::video(&source).times);
    let streams = judge::probe(&out, &["-select_streams", "a", "-show_streams"]);
    let secs: f64 = streams["streams"][0]["duration"].as_str().expect("a duration").parse().expect("a number");
    assert!((secs - 2.0).abs() < 0.03, "{secs}");
}
