//! Videos as people have them: files that went wrong once, each with the result that is right, and others like them.

use std::path::{Path, PathBuf};

use stereospot_domain::Warning;
use stereospot_domain::options::{Deinterlace, Packing};
use stereospot_domain::warning::{HdrTransfer, LeftOut, Media, Reencoded};
use stereospot_media::split::{Choices, Split};
use stereospot_media::{Cancel, Error, probe};

use crate::judge::{self, Bench};
use crate::way::{Outcome, PICTURE, SOUND, TARGET_SECS, check, check_likeness, convert, x264};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn check_fixture(name: &str) -> Outcome {
    check(Bench::new(), fixture(name))
}

fn convert_fixture(name: &str) -> Outcome {
    convert(Bench::new(), fixture(name), &Choices::every(TARGET_SECS))
}

/// Decode times of a stream, in ticks.
fn dts(path: &Path, stream: &str) -> Vec<i64> {
    let found = judge::probe(path, &["-select_streams", stream, "-show_packets"]);
    found["packets"].as_array().expect("packets").iter().map(|p| p["dts"].as_i64().expect("a time")).collect()
}

fn stream_tags(path: &Path, stream: &str, key: &str) -> Vec<String> {
    let found = judge::probe(path, &["-select_streams", stream, "-show_streams"]);
    let streams = found["streams"].as_array().expect("streams").iter();
    streams.map(|s| s[key].as_str().unwrap_or_default().to_owned()).collect()
}

fn file_secs(path: &Path) -> f64 {
    let found = judge::probe(path, &["-show_format"]);
    found["format"]["duration"].as_str().expect("a duration").parse().expect("a number")
}

/// Level of the sound, in dB.
fn rms(bench: &Bench, path: &Path) -> f64 {
    let (path, log) = (path.display().to_string(), bench.path("rms.txt").display().to_string());
    let filter = format!("astats=metadata=1:reset=0,ametadata=print:key=lavfi.astats.Overall.RMS_level:file={log}");
    bench.ffmpeg(&format!("-i {path} -map 0:a:0 -af {filter} -f null /dev/null"));
    let log = std::fs::read_to_string(log).expect("levels");
    let last = log.lines().rev().find_map(|l| l.strip_prefix("lavfi.astats.Overall.RMS_level="));
    last.expect("a level").parse().expect("a number or -inf")
}

#[test]
fn sound_packets_whose_times_do_not_rise_are_moved() {
    let outcome = check_fixture("audio_same_pts.mkv");
    let times = dts(&outcome.result, "a:0");
    assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
    let repaired = |w: &Warning| matches!(w, Warning::TimesRepaired { stream: 1, raised: 1..=4, dropped: 0..=1 });
    assert!(outcome.warnings.iter().any(repaired), "{:?}", outcome.warnings);
    assert_eq!(outcome.summary.warnings, outcome.warnings, "the rehearsal says what the join does");
}

#[test]
fn true_hd_becomes_aac() {
    let outcome = check_fixture("truehd.mkv");
    assert_eq!(stream_tags(&outcome.result, "a", "codec_name"), ["aac"]);
    let why = Reencoded::FewPlayers;
    assert_eq!(outcome.warnings, [Warning::SoundReencoded { stream: 1, codec: "truehd".into(), why }]);
}

#[test]
fn recordings_joined_by_cat_follow_each_other() {
    let outcome = convert_fixture("two_recordings_joined.ts");
    assert_eq!(outcome.found.times.len(), 100);
    let times = dts(&outcome.result, "v:0");
    let ticks = |secs: f64| (secs * 90_000.0) as i64;
    assert!(times.windows(2).all(|w| (1..ticks(0.2)).contains(&(w[1] - w[0]))), "{times:?}");
    assert!((3.9..4.2).contains(&file_secs(&outcome.result)), "{}", file_secs(&outcome.result));
    assert_eq!(outcome.warnings, [Warning::ClockJumps { times: 1 }]);
    check_likeness(&judge::raw_frames(&outcome.source, false), &outcome.result, &outcome.manifest);

    // The last packet of one stream may come after the first one of the other's next recording.
    let bench = Bench::new();
    let sound = "-f lavfi -i sine=duration=2,aformat=channel_layouts=";
    let parts = ["mono", "stereo", "mono"].map(|layout| {
        let inputs = format!("{PICTURE} {sound}{layout}");
        let part = x264(&bench, &inputs, "-t 2 -g 12 -pix_fmt yuv420p -c:a ac3", &format!("{layout}.ts"));
        std::fs::read(part).expect("reads")
    });
    let source = bench.path("source.ts");
    std::fs::write(&source, parts.concat()).expect("writes");
    let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
    assert_eq!(outcome.found.times.len(), 150);
    assert!((5.9..6.4).contains(&file_secs(&outcome.result)), "{}", file_secs(&outcome.result));
    assert_eq!(outcome.warnings, [Warning::ClockJumps { times: 2 }]);
}

#[test]
fn a_sound_stream_without_packets_is_left_out() {
    let outcome = convert_fixture("empty_audio_pid.ts");
    assert_eq!(outcome.found.times.len(), 50);
    assert_eq!(stream_tags(&outcome.result, "a", "codec_name").len(), 1);
    let left_out = |w: &Warning| matches!(w, Warning::StreamLeftOut { media: Media::Sound, why: LeftOut::Empty, .. });
    assert_eq!(outcome.warnings.iter().filter(|w| left_out(w)).count(), 1, "{:?}", outcome.warnings);
    let strict = Choices { strict_streams: true, ..Choices::every(1.0) };
    let refused = Split::plan_as(&outcome.source, &strict, Cancel::never()).err().expect("is refused");
    assert!(matches!(refused, Error::StreamRefused { .. }) && refused.is_bad_source(), "{refused}");
}

#[test]
fn a_subtitle_ends_with_the_film() {
    let outcome = check_fixture("dvdsub_huge_duration.mkv");
    assert!(file_secs(&outcome.result) < 2.2, "{}", file_secs(&outcome.result));
    assert_eq!(stream_tags(&outcome.result, "s", "codec_name"), ["dvd_subtitle"]);

    let bench = Bench::new();
    let lines = "1\n00:00:00,500 --> 00:50:01,500\nlong\n\n2\n00:00:30,000 --> 00:00:33,250\nlate\n";
    std::fs::write(bench.path("lines.srt"), lines).expect("writes");
    let source = x264(&bench, &format!("{PICTURE} -i @lines.srt"), "-t 40 -c:s srt -pix_fmt yuv420p", "source.mkv");
    let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
    assert!(file_secs(&outcome.result) < 4.1, "{}", file_secs(&outcome.result));
    assert_eq!(outcome.warnings, [Warning::TimesRepaired { stream: 1, raised: 0, dropped: 1 }]);
}

#[test]
fn two_edits_of_one_track() {
    let outcome = convert_fixture("two_edits.mp4");
    assert_eq!(outcome.found.times.len(), 25);
    assert_eq!(stream_tags(&outcome.result, "v", "duration"), ["1.000000"]);
    let times = dts(&outcome.result, "a:0");
    assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
    let secs: f64 = stream_tags(&outcome.result, "a", "duration")[0].parse().expect("a number");
    assert!((0.95..1.1).contains(&secs), "{secs}");
}

#[test]
fn a_matroska_header_is_only_a_hint() {
    assert_eq!(check_fixture("mkv_starts_at_1200ms.mkv").found.times.len(), 50);
    assert_eq!(check_fixture("mkv_duration_header_4s.mkv").found.times.len(), 50);
}

#[test]
fn codecs_that_mp4_does_not_hold() {
    assert_eq!(check_fixture("h263.3gp").found.times.len(), 15);
    assert_eq!(check_fixture("dnxhr.mxf").found.times.len(), 7);
    let picture = "-f lavfi -i testsrc2=size=176x144:rate=25:duration=1";
    let kinds = [
        ("qtrle", "mov"),
        ("png", "mov"),
        ("prores_ks", "mov"),
        ("dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p -s 256x144", "mov"),
        ("mjpeg", "avi"),
        ("ffv1", "mkv"),
        ("huffyuv", "avi"),
        ("utvideo", "avi"),
        ("rawvideo -pix_fmt yuv420p", "avi"),
        ("rawvideo -pix_fmt uyvy422", "mov"),
        ("v210", "mov"),
        ("cinepak", "mov"),
        ("svq1", "mov"),
        ("msvideo1", "avi"),
        ("rpza", "mov"),
        ("flv1", "flv"),
        ("h261", "mkv"),
        ("h263p", "mkv"),
        ("mpeg1video", "mpg"),
        ("mpeg2video -bf 2", "mpg"),
        ("mpeg2video -bf 2", "mxf"),
        ("mpeg4 -bf 2", "avi"),
        ("msmpeg4", "avi"),
        ("wmv2", "asf"),
        ("libtheora", "ogv"),
        ("libvpx", "webm"),
        ("libvpx-vp9 -deadline realtime -cpu-used 8", "webm"),
        ("gif", "gif"),
        ("dvvideo -s 720x576 -pix_fmt yuv420p", "dv"),
        ("libx264 -preset veryfast -bf 2", "avi"),
        ("libx264 -preset veryfast -bf 2", "mxf"),
        ("libx264 -preset veryfast -bf 2", "flv"),
        ("libx264 -preset veryfast -bf 2", "h264"),
    ];
    for (codec, extension) in kinds {
        println!("{codec} in {extension}");
        let bench = Bench::new();
        let source = bench.ffmpeg(&format!("{picture} -c:v {codec} -g 10 -strict -2 @source.{extension}"));
        let choices = Choices { deinterlace: Deinterlace::Off, ..Choices::every(0.4) };
        let outcome = convert(bench, source, &choices);
        let raw = judge::raw_frames(&outcome.source, outcome.manifest.colour.is_full_range);
        let (width, height) = (outcome.manifest.width as usize, outcome.manifest.height as usize);
        assert_eq!(outcome.found.times.len(), raw.len() / (width * height * 3 / 2), "{codec} in {extension}");
        check_likeness(&raw, &outcome.result, &outcome.manifest);
    }
}

#[test]
fn a_palette_is_kept() {
    let outcome = check_fixture("smc_pal8.mov");
    assert_eq!(outcome.found.times.len(), 8);
    // The picture was black once.
    let raw = judge::raw_frames(&outcome.result, false);
    let luma = &raw[..176 * 144];
    let mean = luma.iter().map(|s| u64::from(*s)).sum::<u64>() / luma.len() as u64;
    assert!(mean > 60, "the picture is black: {mean}");
    for (codec, extension) in [("qtrle -pix_fmt rgb24", "mov"), ("msrle -pix_fmt pal8", "avi")] {
        let bench = Bench::new();
        let picture = "-f lavfi -i smptebars=size=64x64:rate=10:duration=1";
        if !has_encoder(codec.split(' ').next().expect("a name")) {
            continue;
        }
        let source = bench.ffmpeg(&format!("{picture} -c:v {codec} @source.{extension}"));
        check(bench, source);
    }
}

fn has_encoder(name: &str) -> bool {
    let listed = std::process::Command::new("ffmpeg").args(["-v", "error", "-encoders"]).output().expect("runs");
    String::from_utf8_lossy(&listed.stdout).split_whitespace().any(|word| word == name)
}

#[test]
fn long_groups_in_mxf_are_shown_in_order() {
    let outcome = convert_fixture("h264_longgop.mxf");
    let times = dts(&outcome.result, "v:0");
    assert_eq!(times.len(), 25);
    assert_eq!(stream_tags(&outcome.result, "v", "duration"), ["1.000000"]);
    check_likeness(&judge::raw_frames(&outcome.source, false), &outcome.result, &outcome.manifest);
}

#[test]
fn a_frame_that_cannot_be_decoded_repeats_the_one_before() {
    let source = fixture("mp4_6kB_hole.mp4");
    let outcome = convert_fixture("mp4_6kB_hole.mp4");
    assert_eq!(outcome.found.times.len(), 50);
    let listed = dts(&source, "v:0").len();
    assert_eq!(listed, 50);
    assert!(outcome.truth.times.len() < 50, "the fixture has frames that ffmpeg can't decode either");
    assert_eq!(stream_tags(&outcome.result, "v", "duration"), ["2.000000"]);
}

#[test]
fn interlaced_video_is_deinterlaced() {
    let outcome = convert_fixture("interlaced_tff.mp4");
    assert_eq!(outcome.found.times, outcome.truth.times);
    assert_eq!(outcome.warnings, [Warning::Deinterlaced]);
    let size = (256, 144);
    let (before, after) = (judge::raw_frames(&outcome.source, false), judge::raw_frames(&outcome.result, false));
    let (before, after) = (combing(&before, size), combing(&after, size));
    assert!(after * 2.0 < before, "{before} became {after}");
    let off = Choices { deinterlace: Deinterlace::Off, ..Choices::every(TARGET_SECS) };
    let kept = convert(Bench::new(), fixture("interlaced_tff.mp4"), &off);
    assert_eq!(kept.warnings, []);
    assert!(combing(&judge::raw_frames(&kept.result, false), size) * 1.3 > before);
}

/// How much more a row differs from its neighbour than from the row after that, on average.
fn combing(raw: &[u8], (width, height): (usize, usize)) -> f64 {
    let mut sum = 0;
    let mut count = 0;
    for frame in raw.chunks_exact(width * height * 3 / 2).skip(1) {
        let rows: Vec<&[u8]> = frame[..width * height].chunks_exact(width).collect();
        for three in rows.windows(3) {
            for ((a, b), c) in three[0].iter().zip(three[1]).zip(three[2]) {
                let (a, b, c) = (i64::from(*a), i64::from(*b), i64::from(*c));
                sum += (2 * (b - (a + c) / 2).abs() - (a - c).abs()).max(0);
                count += 1;
            }
        }
    }
    sum as f64 / f64::from(count)
}

#[test]
fn high_dynamic_range_is_mapped_to_standard() {
    let outcome = convert_fixture("hdr10.mp4");
    assert_eq!(outcome.warnings, [Warning::ToneMapped { from: HdrTransfer::Pq }]);
    for tag in ["color_space", "color_primaries", "color_transfer"] {
        assert_eq!(outcome.found.stream[tag], "bt709", "{tag}");
    }
    // The same formula by the command's own filters.
    let chain = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0:peak=10,\
                 zscale=t=bt709:m=bt709:r=limited,format=yuv420p";
    let source = outcome.source.display().to_string();
    let expected = outcome.bench.ffmpeg(&format!("-i {source} -vf {chain} -c:v rawvideo @expected.avi"));
    check_likeness(&judge::raw_frames(&expected, false), &outcome.result, &outcome.manifest);
    let luma = |raw: &[u8]| raw[..256 * 144].iter().map(|s| f64::from(*s)).sum::<f64>() / (256.0 * 144.0);
    let [plain, mapped] = [&outcome.source, &outcome.result].map(|path| luma(&judge::raw_frames(path, false)));
    assert!((plain - mapped).abs() > 3.0, "mapping changes the picture: {plain} and {mapped}");
    // HLG, and a size that is odd.
    let bench = Bench::new();
    let hlg = "-vf scale=161:91,setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv";
    let source = x264(&bench, PICTURE, &format!("-t 1 {hlg} -pix_fmt yuv444p10le"), "source.mp4");
    let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
    assert_eq!(outcome.warnings, [Warning::ToneMapped { from: HdrTransfer::Hlg }]);
    assert_eq!(outcome.found.stream["color_transfer"], "bt709");
}

#[test]
fn dolby_vision_without_a_base_layer_is_refused() {
    let bench = Bench::new();
    let mut file = std::fs::read(fixture("hdr10.mp4")).expect("reads");
    let record = |profile: u8, compatibility: u8| {
        // Version 1.0, level 1, reference and base layer present.
        let mut content = vec![1, 0, profile << 1, (1 << 3) | 0b101, compatibility << 4];
        content.resize(24, 0);
        content
    };
    insert_into_sample_entry(&mut file, b"hvc1", b"dvcC", &record(5, 0));
    let source = bench.path("dolby.mp4");
    std::fs::write(&source, &file).expect("writes");
    let error = probe(&source, Cancel::never()).expect_err("is refused");
    assert!(matches!(error, Error::DolbyVision { profile: 5 }) && error.is_bad_source(), "{error}");
    let mut file = std::fs::read(fixture("hdr10.mp4")).expect("reads");
    insert_into_sample_entry(&mut file, b"hvc1", b"dvvC", &record(8, 1));
    std::fs::write(&source, &file).expect("writes");
    probe(&source, Cancel::never()).expect("its base layer is HDR10");
}

/// Appends a box to a sample entry of an MP4 whose index is at its end, and corrects the sizes of all boxes around it.
fn insert_into_sample_entry(file: &mut Vec<u8>, entry: &[u8; 4], kind: &[u8; 4], content: &[u8]) {
    let mut path = Vec::new();
    let mut at = 0;
    let mut end = file.len();
    let find = |name: &[u8; 4], from: usize, until: usize| {
        let mut at = from;
        loop {
            assert!(at + 8 <= until, "{} is there", String::from_utf8_lossy(name));
            let size = u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
            if &file[at + 4..at + 8] == name {
                return (at, at + size);
            }
            at += size;
        }
    };
    for (name, header) in
        [(b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16), (entry, 0)]
    {
        let (start, stop) = find(name, at, end);
        path.push(start);
        (at, end) = (start + header, stop);
    }
    let mut inserted = (content.len() as u32 + 8).to_be_bytes().to_vec();
    inserted.extend_from_slice(kind);
    inserted.extend_from_slice(content);
    for start in path {
        let size = u32::from_be_bytes(file[start..start + 4].try_into().expect("four bytes"));
        file[start..start + 4].copy_from_slice(&(size + inserted.len() as u32).to_be_bytes());
    }
    file.splice(end..end, inserted);
}

#[test]
fn closed_captions_are_missed() {
    let outcome = check_fixture("closed_captions.mp4");
    assert_eq!(outcome.warnings, [Warning::CaptionsLost]);
}

#[test]
fn sixteen_channels_are_mixed_to_two() {
    let outcome = check_fixture("pcm_16ch.mov");
    let mixed = Warning::SoundDownmixed { stream: 1, channels: 16, to: 2 };
    assert!(outcome.warnings.contains(&mixed), "{:?}", outcome.warnings);
    assert_eq!(stream_tags(&outcome.result, "a", "codec_name"), ["aac"]);
    let level = rms(&outcome.bench, &outcome.result);
    assert!(level > -40.0, "{level} dB");
    for (channels, codec) in [(10, "pcm_s24le"), (12, "pcm_f32le"), (7, "pcm_s16le"), (3, "pcm_s16be")] {
        let bench = Bench::new();
        let tone = format!("-f lavfi -i aevalsrc='{}':d=1", vec!["0.3*sin(2764*t)"; channels].join("|"));
        let source = x264(&bench, &format!("{PICTURE} {tone}"), &format!("-t 1 -c:a {codec}"), "source.mov");
        let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
        let level = rms(&outcome.bench, &outcome.result);
        assert!(level > -30.0, "{channels} channels: {level} dB");
    }
}

#[test]
fn sound_that_few_players_take_becomes_aac() {
    let outcome = check_fixture("vorbis.webm");
    assert_eq!(stream_tags(&outcome.result, "a", "codec_name"), ["aac"]);
    for (codec, extension) in [("mp2", "ts"), ("dca -strict -2", "mkv"), ("libvorbis", "mkv"), ("wmav2", "asf")] {
        let bench = Bench::new();
        let source =
            x264(&bench, &format!("{PICTURE} {SOUND}"), &format!("-t 1 -c:a {codec}"), &format!("source.{extension}"));
        let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
        assert_eq!(stream_tags(&outcome.result, "a", "codec_name"), ["aac"], "{codec}");
        let level = rms(&outcome.bench, &outcome.result);
        assert!(level > -30.0, "{codec}: {level} dB");
    }
    for (codec, name, extension) in
        [("ac3", "ac3", "ts"), ("eac3", "eac3", "mkv"), ("libmp3lame", "mp3", "avi"), ("aac", "aac", "ts")]
    {
        let bench = Bench::new();
        let source =
            x264(&bench, &format!("{PICTURE} {SOUND}"), &format!("-t 1 -c:a {codec}"), &format!("source.{extension}"));
        let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
        assert_eq!(stream_tags(&outcome.result, "a", "codec_name"), [name]);
        assert_eq!(outcome.warnings, []);
    }
}

#[test]
fn drawings_are_no_subtitles() {
    let outcome = check_fixture("ass_drawing.mkv");
    for track in 0..3 {
        let result = outcome.result.display().to_string();
        let text = outcome.bench.ffmpeg(&format!("-i {result} -map 0:s:{track} @back-{track}.srt"));
        let text = std::fs::read_to_string(text).expect("subtitles");
        assert!(!text.contains("m 0 0"), "{text}");
    }
}

#[test]
fn a_chapter_ends_with_the_film() {
    let outcome = check_fixture("chapter_beyond_end.mkv");
    assert!(file_secs(&outcome.result) < 2.2, "{}", file_secs(&outcome.result));
    let chapters = judge::probe(&outcome.result, &["-show_chapters"]);
    assert!(!chapters["chapters"].as_array().expect("chapters").is_empty());
}

#[test]
fn encrypted_video_is_called_encrypted() {
    let check = |path: &Path| {
        let error = probe(path, Cancel::never()).expect_err("is refused");
        assert!(matches!(error, Error::Encrypted) && error.is_bad_source(), "{error}");
        assert!(
            error.to_string().contains("it is encrypted (DRM)") || error.to_string().contains("is encrypted (DRM)")
        );
    };
    check(&fixture("cenc.mp4"));
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-t 1", "source.ts");
    let mut packets = std::fs::read(&source).expect("reads");
    for packet in packets.chunks_exact_mut(188) {
        // The tables stay readable, the rest is scrambled with the even key.
        if packet[1] & 0x1f == 1 {
            packet[3] |= 0x80;
            packet[4..].iter_mut().for_each(|byte| *byte ^= 0x5a);
        }
    }
    std::fs::write(&source, packets).expect("writes");
    check(&source);
}

#[test]
fn a_timecode_track_is_kept() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-t 1 -timecode 10:20:30:05 -pix_fmt yuv420p", "source.mov");
    let outcome = check(bench, source);
    assert_eq!(outcome.warnings, []);
    let found = judge::probe(&outcome.result, &["-show_streams"]).to_string();
    assert!(found.contains("10:20:30:05") && found.contains("tmcd"), "{found}");
}

#[test]
fn stereo_video_is_recognised_and_its_left_eye_converted() {
    let outcome = check_fixture("already_sbs.mkv");
    let is_stereo = |w: &Warning| matches!(w, Warning::AlreadyStereo { packing } if packing == "side by side");
    assert!(outcome.warnings.iter().any(is_stereo), "{:?}", outcome.warnings);
    for (from, crop, size) in
        [(Packing::Sbs, "crop=128:144:0:0", (128, 144)), (Packing::HalfTb, "crop=256:72:0:0", (256, 72))]
    {
        let choices = Choices { from: Some(from), ..Choices::every(TARGET_SECS) };
        let outcome = convert(Bench::new(), fixture("already_sbs.mkv"), &choices);
        assert_eq!((outcome.found.width, outcome.found.height), size);
        assert_eq!(outcome.warnings, []);
        let source = outcome.source.display().to_string();
        let eye = outcome.bench.ffmpeg(&format!(
            "-i {source} -vf {crop} -an -fps_mode passthrough -c:v rawvideo -pix_fmt yuv420p @eye.nut"
        ));
        check_likeness(&judge::raw_frames(&eye, false), &outcome.result, &outcome.manifest);
        let aspect = &outcome.found.stream["sample_aspect_ratio"];
        assert!(from != Packing::HalfTb || aspect == "1:2", "{aspect}");
    }
}

#[test]
fn another_size_is_fitted_into_the_first() {
    let outcome = convert_fixture("size_change.ts");
    let changes = |w: &Warning| matches!(w, Warning::SizeChanges { width: 256, height: 144, .. });
    assert!(outcome.warnings.iter().any(changes), "{:?}", outcome.warnings);
    assert_eq!(outcome.found.times.len(), outcome.truth.times.len());
    // A square picture in a wide one has bars at its sides.
    let bench = Bench::new();
    let wide = x264(&bench, PICTURE, "-t 1 -pix_fmt yuv420p", "wide.ts");
    let square =
        x264(&bench, "-f lavfi -i color=white:size=128x128:rate=25:duration=1", "-pix_fmt yuv420p", "square.ts");
    let both = [wide, square].map(|path| std::fs::read(path).expect("reads")).concat();
    let source = bench.path("source.ts");
    std::fs::write(&source, both).expect("writes");
    let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
    let last = &outcome.decoded.last().expect("a segment").last().expect("a frame").picture;
    let (luma, width, height) = last.planes()[0];
    let row = &luma[height / 2 * width..][..width];
    assert!(row[0] < 40 && row[width - 1] < 40 && row[width / 2] > 200, "{row:?}");
}

#[test]
fn matroska_times_before_zero_are_spread() {
    let bench = Bench::new();
    let source = x264(&bench, PICTURE, "-t 2 -bf 0 -g 50 -pix_fmt yuv420p", "source.mkv");
    let mut file = std::fs::read(&source).expect("reads");
    let moved = move_blocks(&mut file, -320);
    assert_eq!(moved, 50);
    std::fs::write(&source, file).expect("writes");
    let outcome = convert(bench, source, &Choices::every(TARGET_SECS));
    let times = dts(&outcome.result, "v:0");
    assert_eq!(times.len(), 50);
    let steps: Vec<i64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(steps.iter().all(|step| *step == steps[0]), "{times:?}");
    check_likeness(&judge::raw_frames(&outcome.source, false), &outcome.result, &outcome.manifest);
}

/// Adds to the time of every block of a Matroska file with one cluster. Returns the number of blocks.
fn move_blocks(file: &mut [u8], by: i16) -> usize {
    let number = |file: &[u8], at: usize| {
        let width = file[at].leading_zeros() as usize + 1;
        let value = file[at..at + width].iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        (value & ((1 << (7 * width)) - 1), width)
    };
    let start = file.windows(4).position(|four| four == [0x1f, 0x43, 0xb6, 0x75]).expect("a cluster");
    let (size, width) = number(file, start + 4);
    let (mut at, end) = (start + 4 + width, start + 4 + width + size);
    let mut moved = 0;
    while at < end.min(file.len()) {
        let kind = file[at];
        let id = kind.leading_zeros() as usize + 1;
        let (size, width) = number(file, at + id);
        let content = at + id + width;
        if kind == 0xa3 {
            let time = i16::from_be_bytes([file[content + 1], file[content + 2]]) + by;
            file[content + 1..content + 3].copy_from_slice(&time.to_be_bytes());
            moved += 1;
        }
        at = content + size;
    }
    moved
}

#[test]
fn fuzzed_videos_are_the_senders_fault() {
    for name in ["fuzz1-22.bin", "fuzz2-52.bin"] {
        let refused = Split::plan(&fixture(name), 1.0, Cancel::never()).and_then(|mut split| {
            let bench = Bench::new();
            split.write(|i, _| bench.path(&format!("{i}.mp4")), |_, _| {}, Cancel::never())
        });
        let error = refused.expect_err("is refused");
        assert!(error.is_bad_source(), "{name}: {error:?}");
    }
}
