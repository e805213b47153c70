use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: Option<&str>) {
    assert_eq!(Variables::parse(text).get("KEY"), expected, "{text:?}");
}

#[test]
fn values_are_read_as_people_write_them() {
    check("KEY=value", Some("value"));
    check("key=value", Some("value"));
    check("Key = value ", Some("value"));
    check("  export KEY=value", Some("value"));
    check("export\tKEY=value", Some("value"));
    check("KEY=\"value\"", Some("value"));
    check("KEY='value'", Some("value"));
    check("KEY = \"value\" # from Terraform", Some("value"));
    check("KEY=value # a comment", Some("value"));
    check("KEY=https://host/path#fragment", Some("https://host/path#fragment"));
    check("KEY='a # b'", Some("a # b"));
    check("KEY=\"say \\\"a\\\" \\\\ b\"", Some("say \"a\" \\ b"));
    check("KEY=a=b=c", Some("a=b=c"));
    check("\u{feff}KEY=value", Some("value"));
    check("OTHER=1\r\nKEY=value\r\nMORE=2\r\n", Some("value"));
    check("KEY=\"value\"\r\n", Some("value"));
    check("key = \"my-spot\" # ours", Some("my-spot"));
    check("export KEY='a.b'\r\n", Some("a.b"));
}

#[test]
fn absent_empty_and_null_are_none() {
    for text in [
        "",
        "KEY=",
        "KEY=\"\"",
        "KEY=''",
        "KEY=null",
        "KEY=NULL",
        "KEY=\"null\"",
        "KEY=null\r\n",
        "KEY = tostring(null)",
        "# KEY=a",
        "KEY=#a",
    ] {
        check(text, None);
    }
    assert!(Variables::parse("KEY=null").has("KEY"));
    assert!(!Variables::parse("# KEY=a").has("KEY"));
}

#[test]
fn the_last_of_two_counts_and_is_noted() {
    let env = Variables::parse("KEY=a\nkey=b\n");
    assert_eq!(env.get("KEY"), Some("b"));
    assert_eq!(env.notes, ["KEY stands twice: line 2 counts"]);
    check("KEY=a\nKEY=null", None);
}

#[test]
fn a_strange_line_hides_only_itself() {
    let env = Variables::parse("no pair\nKEY=a\nOTHER=\"open\n=b\n1A=c\nB=\"x\" y");
    assert_eq!(env.get("KEY"), Some("a"));
    assert_eq!(env.notes.len(), 5);
    assert_eq!(env.notes[0], "line 1 was left out: it has no `=`");
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in any::<String>()) {
        drop(Variables::parse(&text));
    }

    /// Whatever the quoting, the line ends and the neighbours, the value comes back.
    #[test]
    fn a_value_comes_back(
        value in "[!-~&&[^'\"\\\\#=]][ -~&&[^'\"\\\\#]]{0,30}[!-~&&[^'\"\\\\#]]",
        quote in prop::sample::select(vec!["", "'", "\""]),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        is_lower in any::<bool>(),
        before in prop::collection::vec("(#.{0,10}|[A-Z]{1,3}_=[a-z]{0,5}|[ \t]{0,3})", 0..5),
    ) {
        prop_assume!(!value.eq_ignore_ascii_case("null"));
        let key = if is_lower { "the_key" } else { "THE_KEY" };
        let text = format!("{}{end}{key}={quote}{value}{quote}{end}LAST=1", before.join(end));
        let env = Variables::parse(&text);
        prop_assert_eq!(env.get("THE_KEY"), Some(value.as_str()));
        prop_assert_eq!(env.get("LAST"), Some("1"));
    }

    /// Double quotes with escapes keep anything that fits a line.
    #[test]
    fn escaped_values_come_back(value in "[!-~][ -~]{0,30}[!-~]") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let env = Variables::parse(&format!("KEY=\"{quoted}\""));
        prop_assert_eq!(env.get("KEY"), Some(value.as_str()));
    }
}
