use proptest::prelude::*;

use super::*;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

#[test]
fn keys_match_existing_deployments() {
    let job_id = JOB.parse().unwrap();
    assert_eq!(source(job_id), format!("input/{JOB}/source.mp4"));
    let key = SegmentKey { job_id, index: 3, total: 12, mode: Mode::Anaglyph };
    assert_eq!(segment(key), format!("segments/{JOB}/00003_00012_anaglyph.mp4"));
    assert_eq!(output_segment(job_id, 3), format!("jobs/{JOB}/segments/3.mp4"));
    assert_eq!(parse_output(&result(job_id)), Some(OutputKey::Final(job_id)));
    assert_eq!(parse_output(&done_mark(job_id)), Some(OutputKey::Done(job_id)));
    assert_eq!(parse_input(&manifest(job_id)), None);
}

#[test]
fn other_keys_are_not_parsed() {
    for key in ["", "input/x/source.mp4", "segments/", &format!("segments/{JOB}/00012_00012_sbs.mp4")] {
        assert_eq!(parse_input(key), None, "{key}");
    }
    for key in [format!("segments/{JOB}/+0001_00002_sbs.mp4"), format!("segments/{JOB}/00001_00002_sbs_x.mp4")] {
        assert_eq!(parse_input(&key), None, "{key}");
    }
    for key in [format!("jobs/{JOB}/segments/-1.mp4"), format!("jobs/{JOB}/other"), "jobs//final.mp4".into()] {
        assert_eq!(parse_output(&key), None, "{key}");
    }
}

proptest! {
    #[test]
    fn every_key_reads_back(bits: u128, index in 0u32..200_000, more in 1u32..100_000) {
        let job_id = JobId(uuid::Uuid::from_u128(bits));
        let key = SegmentKey { job_id, index, total: index + more, mode: Mode::Sbs };
        prop_assert_eq!(parse_input(&segment(key)), Some(InputKey::Segment(key)));
        prop_assert_eq!(parse_input(&source(job_id)), Some(InputKey::Source(job_id)));
        prop_assert_eq!(parse_output(&output_segment(job_id, index)), Some(OutputKey::Segment(job_id, index)));
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = (parse_input(&text), parse_output(&text));
    }
}
