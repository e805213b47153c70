use super::*;

fn check(kind: TextKind, data: &str, expected: &str) {
    let sample = sample(kind, data.as_bytes());
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
    check(TextKind::Ass, "broken", "");
}

#[test]
fn long_text_ends_on_a_character() {
    let sample = sample(TextKind::Tagged, "ü".repeat(40_000).as_bytes());
    assert_eq!(sample.len() - 2, 65_534);
    assert!(std::str::from_utf8(&sample[2..]).is_ok());
}
