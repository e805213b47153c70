use super::*;

fn footage(width: u32, height: u32) -> Footage {
    Footage { references: 4, ..Footage::unknown(width, height) }
}

fn sbs(preset: &str) -> Target {
    Target { wider: 2, higher: 1, preset: preset.into(), resolution: 392 }
}

fn budget(mebibytes: u64) -> Budget {
    Budget { bytes: mebibytes << 20, cores: 4 }
}

#[test]
fn with_enough_memory_nothing_is_given_up() {
    let settings = budget(64 << 10).converting(&footage(3840, 2160), &sbs("medium"), RESIDENT).unwrap();
    let Settings { decoder_threads, between, encoder_threads, lookahead, .. } = settings;
    assert_eq!((decoder_threads, between, encoder_threads, lookahead), (4, 4, 6, 40));
}

#[test]
fn what_costs_least_is_given_up_first() {
    let at = |mebibytes| budget(mebibytes).converting(&footage(1920, 1080), &sbs("medium"), RESIDENT).unwrap();
    let mut before = at(4096);
    for mebibytes in (640..4096).rev() {
        let Ok(now) = budget(mebibytes).converting(&footage(1920, 1080), &sbs("medium"), RESIDENT) else {
            panic!("{mebibytes} MiB are enough");
        };
        assert!(now.bytes <= mebibytes << 20 && now.decoding_bytes < now.bytes, "{mebibytes}: {now:?}");
        assert!(
            now.decoder_threads <= before.decoder_threads && now.lookahead <= before.lookahead,
            "{mebibytes}: {now:?}"
        );
        assert!(now.encoder_threads == before.encoder_threads || now.decoder_threads == 1, "{mebibytes}: {now:?}");
        before = now;
    }
    assert!(before.encoder_threads == 1 && before.lookahead <= 10, "{before:?}");
}

#[test]
fn what_cannot_fit_is_refused_in_one_sentence() {
    let error = budget(1024).converting(&footage(8192, 8192), &sbs("medium"), RESIDENT).unwrap_err();
    assert!(error.is_bad_source());
    let error = error.to_string();
    let start = "converting to 16384x8192 with the preset medium pictures of 8192x8192 takes at least ";
    assert!(error.starts_with(start) && error.contains("a worker may use 1.1 GB (--memory)"), "{error}");
    budget(8192).converting(&footage(8192, 8192), &sbs("medium"), RESIDENT).unwrap();
}

#[test]
fn more_of_anything_takes_more() {
    let takes =
        |footage: Footage, target: Target| Budget::default().converting(&footage, &target, RESIDENT).unwrap().bytes;
    let plain = takes(footage(1920, 1080), sbs("medium"));
    for more in [
        Footage { bits_per_pixel: 64, ..footage(1920, 1080) },
        Footage { references: 16, ..footage(1920, 1080) },
        Footage { is_heavy: true, ..footage(1920, 1080) },
        Footage { is_deinterlaced: true, ..footage(1920, 1080) },
        Footage { is_tone_mapped: true, ..footage(1920, 1080) },
        footage(2048, 1152),
    ] {
        assert!(takes(more, sbs("medium")) > plain, "{more:?}");
    }
    assert!(takes(footage(1920, 1080), sbs("veryslow")) > plain);
    assert!(takes(footage(1920, 1080), Target { resolution: 1080, ..sbs("medium") }) > plain);
    assert!(takes(footage(1920, 1080), Target { wider: 1, ..sbs("medium") }) < plain);
}

#[test]
fn a_flat_picture_counts_with_its_border() {
    let takes = |width, height| Footage::unknown(width, height).picture();
    assert!(takes(8192, 16) > 4 * 8192 * 16 * 3 / 2, "{}", takes(8192, 16));
}

#[test]
fn examining_and_encoding_again_fit_too() {
    assert_eq!(budget(4096).examining(&footage(3840, 2160)).unwrap(), 2);
    assert!(budget(256).examining(&footage(8192, 8192)).is_err());
    let settings = budget(1024).reencoding(&footage(3840, 2160), "veryfast").unwrap();
    assert!(settings.bytes <= 1024 << 20, "{settings:?}");
    let error = budget(1024).reencoding(&footage(8192, 8192), "veryfast").unwrap_err().to_string();
    assert!(error.starts_with("encoding again pictures of 8192x8192 takes at least"), "{error}");
}

#[test]
fn an_index_must_fit() {
    budget(512).check_packets(1_000_000).unwrap();
    let error = budget(512).check_packets(80_000_000).unwrap_err();
    assert!(error.is_bad_source());
    assert!(error.to_string().starts_with("the video has 80000000 packets, whose index takes 16."), "{error}");
}

#[test]
fn references_follow_the_level() {
    for (size, level, expected) in [
        ((1920, 1080), 40, 4),
        ((1920, 1080), 51, 16),
        ((3840, 2160), 51, 5),
        ((8192, 8192), 62, 2),
        ((64, 64), -99, 16),
    ] {
        assert_eq!(h264_references(size.0, size.1, level), expected, "{size:?} {level}");
    }
    assert_eq!(hevc_references(1920, 1080, 120), 6);
    assert_eq!(hevc_references(1280, 720, 120), 12);
}

#[test]
fn only_pictures_beyond_any_level_lose_their_b_frames() {
    assert!(keeps_b_frames(7680, 2160) && keeps_b_frames(7680, 4320));
    assert!(!keeps_b_frames(16384, 8192));
}
