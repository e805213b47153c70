use super::*;

#[test]
fn a_beginning_matches_with_and_without_hyphens() {
    let job_id: JobId = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap();
    for (text, expected) in [("7f3a", true), ("7F3A2C1E-5b", true), ("7f3a2c1e5b7d", true), ("7f3b", false)] {
        assert_eq!(Prefix::parse(text).unwrap().matches(job_id), expected, "{text}");
    }
}

#[test]
fn what_is_no_beginning_is_a_usage_error() {
    for text in ["", "7f3", "clip", "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f0", "----"] {
        let Err(error) = Prefix::parse(text) else { panic!("{text} passed") };
        assert_eq!(error.exit_code(), 2, "{text}");
    }
}
