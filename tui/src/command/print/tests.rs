use super::*;

#[test]
fn nothing_is_no_less_than_zero() {
    for (number, expected) in [(-0.0, "0.0"), (-0.01, "0.0"), (0.3, "0.3"), (-2.0, "-2.0")] {
        assert_eq!(rate(Some(number)), expected);
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
    let rows = [("7f3a", "12", "a rather long title\nof two lines"), ("80", "·", "日本語の題名がここに")];
    let table = table(&rows)
        .left("ID", |row: &(&str, &str, &str)| row.0.to_owned())
        .right("N", |row| row.1.to_owned())
        .cut("TITLE", |row| row.2.to_owned());
    insta::assert_snapshot!(table.lines(None).join("\n"), @r"
    ID     N  TITLE
    7f3a  12  a rather long title␊of two lines
    80     ·  日本語の題名がここに
    ");
    for width in [20, 25] {
        assert!(table.lines(Some(width)).iter().all(|line| text::width(line) <= width), "{width}");
    }
    // Ids are never cut, however narrow the terminal.
    assert!(table.lines(Some(1))[1].starts_with("7f3a  12  "));
}

#[test]
fn a_cell_is_part_of_its_line() {
    let rows = ["a\u{1b}[2J\u{9b}c\nd"];
    let table = table(&rows).left("TITLE", |row| (*row).to_owned());
    assert_eq!(table.lines(None), ["TITLE", "a␛[2J�c␊d"]);
}

#[test]
fn what_is_never_cut_goes_below_its_row_where_the_terminal_is_narrow() {
    let rows =
        [("job 7f3a stuck", "a rather long evidence of what is wrong", "stereospot jobs repair 7f3a segment-lost")];
    let table = table(&rows)
        .left("ATTENTION", |row: &(&str, &str, &str)| row.0.to_owned())
        .cut("EVIDENCE", |row| row.1.to_owned())
        .below("NEXT", |row| row.2.to_owned());
    assert_eq!(table.lines(Some(120)).len(), 2, "there is room beside it");
    insta::assert_snapshot!(table.lines(Some(60)).join("\n"), @r"
    ATTENTION       EVIDENCE
    job 7f3a stuck  a rather long evidence of what is wrong
       → stereospot jobs repair 7f3a segment-lost
    ");
    insta::assert_snapshot!(table.lines(Some(30)).join("\n"), @r"
    ATTENTION       EVIDENCE
    job 7f3a stuck  a rather long…
       → stereospot jobs repair
         7f3a segment-lost
    ");
}
