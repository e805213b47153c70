use super::*;

fn check(kind: TextKind, data: &str, expected: &str) {
    let sample = sample(kind, data.as_bytes()).expect("words");
    assert_eq!(usize::from(u16::from_be_bytes([sample[0], sample[1]])), sample.len() - 2);
    assert_eq!(std::str::from_utf8(&sample[2..]).expect("UTF-8"), expected);
}

#[test]
fn tags_are_dropped_and_words_stay() {
    check(TextKind::Tagged, "<i>Hello</i>\r\nthere\n", "Hello\nthere");
    check(TextKind::Tagged, "2 < 3", "2 < 3");
    check(TextKind::Tagged, "Grüße", "Grüße");
}

#[test]
fn substation_fields_are_dropped() {
    check(TextKind::Ass, "0,0,Default,,0,0,0,,{\\i1}One, two\\Nthree", "One, two\nthree");
    assert_eq!(sample(TextKind::Ass, b"broken"), None);
}

#[test]
fn long_text_ends_on_a_character() {
    let sample = sample(TextKind::Tagged, "ü".repeat(40_000).as_bytes()).expect("words");
    assert_eq!(sample.len() - 2, 65_534);
    assert!(std::str::from_utf8(&sample[2..]).is_ok());
}

#[test]
fn drawings_are_left_out() {
    let drawing = b"0,0,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100 0 100{\\p0}";
    assert_eq!(sample(TextKind::Ass, drawing), None);
    check(TextKind::Ass, "0,0,Default,,0,0,0,,{\\an7\\pos(1,2)\\p2}m 0 0 l 9 9{\\p0}Sign {\\b1}two", "Sign two");
    check(TextKind::Ass, "0,0,Default,,0,0,0,,{\\pos(10,20)}Words", "Words");
    check(TextKind::Ass, "0,0,Default,,0,0,0,,a { b", "a { b");
}

#[test]
fn lines_that_start_together_share_a_sample() {
    let [one, two] = ["one", "two"].map(|text| sample(TextKind::Tagged, text.as_bytes()).expect("words"));
    assert_eq!(joined(&one, &two), b"\x00\x07one\ntwo");
}
