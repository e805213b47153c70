use super::*;

#[test]
fn durations_keep_two_units() {
    for (millis, expected) in
        [(0, "0.0s"), (400, "0.4s"), (42_000, "42s"), (184_000, "3m04s"), (7_500_000, "2h05m"), (356_400_000, "4d03h")]
    {
        assert_eq!(duration(Duration::from_millis(millis)), expected);
    }
}

#[test]
fn nothing_is_no_less_than_zero() {
    for (number, expected) in [(-0.0, "0.0"), (-0.01, "0.0"), (0.3, "0.3"), (-2.0, "-2.0")] {
        assert_eq!(rate(Some(number)), expected);
    }
}

#[test]
fn sizes_have_a_unit() {
    for (bytes, expected) in [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (1_400_000, "1.4 MB")]
    {
        assert_eq!(size(bytes), expected);
    }
}

#[test]
fn what_is_unknown_is_never_zero_and_what_is_approximate_says_so() {
    let at = Timestamp(0);
    assert_eq!(observed(None), "·");
    assert_eq!(observed(Some(Observed { value: 0, at, is_exact: true })), "0");
    assert_eq!(observed(Some(Observed { value: 7, at, is_exact: false })), "≈7");
    assert_eq!(age(None, at), "·");
}

#[test]
fn a_table_fits_the_terminal_by_cutting_what_may_be_cut() {
    let mut table = Table::new(&[Column::Left("ID"), Column::Right("N"), Column::Cut("TITLE")]);
    table.row(["7f3a".into(), "12".into(), "a rather long title\nof two lines".into()]);
    table.row(["80".into(), "·".into(), "日本語の題名がここに".into()]);
    insta::assert_snapshot!(table.lines(None).join("\n"), @r"
    ID     N  TITLE
    7f3a  12  a rather long title of two lines
    80     ·  日本語の題名がここに
    ");
    for width in [20, 25] {
        assert!(table.lines(Some(width)).iter().all(|line| columns_of(line) <= width), "{width}");
    }
    // Nothing is lost of the ids, however narrow.
    assert!(table.lines(Some(1))[1].starts_with("7f3a  12  "));
}

#[test]
fn nothing_printed_steers_the_terminal() {
    assert_eq!(plain("a\u{1b}[2Jb\u{9b}c\nd"), "a [2Jb c\nd");
}

#[test]
fn cutting_never_exceeds_the_width() {
    for width in 0..8 {
        assert!(columns_of(&cut("日本語abc", width)) <= width, "{width}");
    }
}

#[test]
fn prices_have_the_decimals_that_tell_something() {
    for (dollars, expected) in [(0.0, "$0"), (0.0041, "$0.004"), (0.1, "$0.10"), (1.2749, "$1.27"), (139.6, "$140")] {
        assert_eq!(usd(dollars), expected);
    }
}
