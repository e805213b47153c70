use super::*;

fn check(error: &str, expected: &str) {
    assert_eq!(Fingerprint::of(error).as_str(), expected, "{error}");
}

#[test]
fn ids_numbers_hex_and_quoted_names_are_taken_out() {
    check("CUDA out of memory: tried to allocate 2.50 GiB", "CUDA out of memory: tried to allocate # GiB");
    check("CUDA out of memory: tried to allocate 312 GiB", "CUDA out of memory: tried to allocate # GiB");
    check(
        "segment 17 of 7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f timed out after 30s",
        "segment # of # timed out after #s",
    );
    check("segments 3, 7, 9 and 12 are missing", "segments # are missing");
    check("segments 3 and 12 are missing", "segments # are missing");
    check("read at 0x7ffee4a0 of 0xdead", "read at # of #");
    check("message 7f3a2c1e0b was lost", "message # was lost");
    check("request 9F8ZB2K1QW3XYZ07: throttled", "request #: throttled");
    check("unknown codec 'vp9' in \"clip one.mp4\"", "unknown codec # in #");
    check("can't open `a b`: “x”", "can't open #: #");
    check("connect to 10.0.0.7:8080 refused", "connect to #:# refused");
    check("  two\t words\n", "two words");
    check("", "");
}

#[test]
fn what_makes_the_difference_stays() {
    check("a deadbeef", "a deadbeef");
    check("the worker's disk isn't there, it can't go on", "the worker's disk isn't there, it can't go on");
    check("decoder h264 failed", "decoder h# failed");
    check("größer als 7 µs", "größer als # µs");
    assert_ne!(Fingerprint::of("timeout"), Fingerprint::of("out of memory"));
}

#[test]
fn a_uuid_inside_a_path_or_a_key_is_taken_out() {
    let jobs = [
        "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    ];
    for (text, expected) in [
        ("input/{}/source.mp4 is gone", "input/#/source.mp# is gone"),
        (
            "no such object: s3://bucket-1/segments/{}/0003_12_sbs.mp4",
            "no such object: s#://bucket-#/segments/#/#_#_sbs.mp#",
        ),
        ("/data/scratch/{}.part: no space left", "/data/scratch/#.part: no space left"),
        ("job_{}_failed", "job_#_failed"),
        (
            "the source of job {}, at input/{}/source.mp4, is gone",
            "the source of job #, at input/#/source.mp#, is gone",
        ),
    ] {
        for job in jobs {
            check(&text.replace("{}", job), expected);
        }
    }
}

/// Deleted sources were one group for each job.
#[test]
fn four_deleted_sources_are_one_group() {
    let groups: std::collections::BTreeSet<Fingerprint> = (0..4_u128)
        .map(|job| {
            let id = uuid::Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057 + job * 0x1234_5678_9abc_def0);
            Fingerprint::of(&format!("the source can't be read: Object at location data/objects/input/{id}/source.mp4 not found: No such file or directory (os error 2)"))
        })
        .collect();
    assert_eq!(groups.len(), 1, "{groups:?}");
}

#[test]
fn a_fingerprint_is_its_own() {
    for text in ["segment # of # failed", "a 12 # b", "'x' 'y'"] {
        let once = Fingerprint::of(text);
        assert_eq!(Fingerprint::of(once.as_str()), once);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_has_one(text in "\\PC*") {
        let _ = Fingerprint::of(&text);
    }

    #[test]
    fn any_ascii_text_has_one(text in "[ -~]{0,60}") {
        let _ = Fingerprint::of(&text);
    }
}
