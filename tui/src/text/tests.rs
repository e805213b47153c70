use super::*;

#[test]
fn nothing_is_no_less_than_zero() {
    for (number, expected) in [(-0.0, "0"), (0.0, "0"), (-0.01, "0"), (0.3, "0.3"), (-2.0, "-2.0"), (60.5, "60")] {
        assert_eq!(rate(number), expected);
    }
}

#[test]
fn cut_texts_say_so_and_never_exceed_their_room() {
    assert_eq!(truncate("inference", 9), "inference");
    assert_eq!(truncate("inference", 5), "infe…");
    for columns in 0..12 {
        assert!(width(&truncate("日本語 video", columns)) <= columns);
    }
}

#[test]
fn wrapping_loses_nothing_but_spaces() {
    let text = "CUDA out of memory: tried to allocate\n2.5GiB at averyveryverylongaddress 日本語日本語";
    for columns in 2..60 {
        let lines = wrap(text, columns);
        assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:?}");
        let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
        assert_eq!(letters(&lines.concat()), letters(text));
    }
}

#[test]
fn bars_and_sparks_fill_their_columns() {
    for step in 0..=40 {
        let (filled, rest) = bar(step as f32 / 40.0, 10);
        assert_eq!(width(&filled) + width(&rest), 10);
    }
    assert_eq!(spark(&[0, 1, 8], 5), "··▁▂▇");
    assert_eq!(spark(&[], 2), "··");
}

#[test]
fn prices_have_the_decimals_that_matter() {
    for (dollars, expected) in [(0.0, "$0"), (0.0041, "$0.004"), (0.1, "$0.10"), (1.2749, "$1.27"), (139.6, "$140")] {
        assert_eq!(usd(dollars), expected);
    }
}

#[test]
fn json_keeps_its_value_and_steers_no_terminal() {
    let value = serde_json::json!({ "title": "a\u{202e}b\u{9b}c\u{1b}d\ne\u{e0041}👩\u{200d}👧" });
    let json = serde_json::to_string_pretty(&value).unwrap();
    let shown = escaped(&json);
    assert!(shown.contains(r"a\u202eb\u009bc\u001bd\ne\udb40\udc41👩\u200d👧"), "{shown}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
}

#[test]
fn a_text_with_too_many_lines_says_that_there_is_more() {
    assert_eq!(wrap_within("one two three", 5, 3), ["one", "two", "three"]);
    assert_eq!(wrap_within("one two three four", 5, 2), ["one", "two…"]);
    assert_eq!(wrap_within("one three four", 5, 2), ["one", "thre…"]);
    assert_eq!(wrap("a\u{1b}b\nc", 9), ["a␛b", "c"]);
}
