use super::*;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

fn check(line: &str, level: Option<&str>, job: bool, segment: Option<u32>, total: Option<u32>) {
    let parsed = parse(line);
    assert_eq!(parsed.level, level, "{line}");
    assert_eq!(parsed.job_id.map(|id| id.to_string()).as_deref(), job.then_some(JOB), "{line}");
    assert_eq!((parsed.segment_index, parsed.total_segments), (segment, total), "{line}");
}

#[test]
fn lines_of_existing_services_and_of_ours_are_read() {
    let head = "2026-11-21T19:49:57Z [INFO] video_worker.inference: ";
    check(&format!("{head}video-worker: job_id={JOB} segment_index=3/12 start"), Some("INFO"), true, Some(3), Some(12));
    check(&format!("{head}job_id={JOB} segment_index=3 mode=sbs"), Some("INFO"), true, Some(3), None);
    check(&format!("{head}job_id={} segment_index=0", JOB.to_uppercase()), Some("INFO"), true, Some(0), None);
    check(&format!("{head}done (job_id={JOB}), segment_index=4, next"), Some("INFO"), true, Some(4), None);
    check(
        &format!(
            "2026-11-21T19:49:57.123456Z [ERROR] inference-1/stereospot: segment.failed job_id={JOB} segment_index=7"
        ),
        Some("ERROR"),
        true,
        Some(7),
        None,
    );
}

#[test]
fn parts_that_a_line_lacks_are_absent() {
    check("2026-11-21T19:49:57Z [WARNING] w: job_id=? segment_index=? bad body", Some("WARNING"), false, None, None);
    check("  File \"inference.py\", line 12, in run", None, false, None, None);
    check(&format!("Traceback of parent_job_id={JOB}"), None, false, None, None);
    check(&format!("job_id={JOB} segment_index=99999999999"), None, true, None, None);
    check("", None, false, None, None);
    check("job_id=äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü", None, false, None, None);
}

#[test]
fn times_are_parsed_in_every_form() {
    for (text, millis) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2026-11-21T19:49:57Z", Some(1_795_290_597_000)),
        ("2026-11-21T19:49:57.123456Z", Some(1_795_290_597_123)),
        ("2026-11-21 19:49:57,5", Some(1_795_290_597_500)),
        ("2024-02-29 00:00:00.001", Some(1_709_164_800_001)),
        ("2026-11-21", None),
        ("2026-13-21T19:49:57Z", None),
        ("2026-11-21T19:49:57.Z", None),
        ("2026-11-21T19:49:+7Z", None),
        ("2026-11-21T19:49:57.äZ", None),
        ("INFO", None),
    ] {
        assert_eq!(time(text).map(Timestamp::as_millis), millis, "{text}");
    }
}

#[test]
fn numbers_are_read_by_name() {
    assert_eq!(number_after("complete total_segments=12", "total_segments="), Some(12.0));
    assert_eq!(number_after("complete duration_seconds=1.50", "duration_seconds="), Some(1.5));
}
