use super::document;

#[test]
fn the_interface_changes_only_on_purpose() {
    let document = serde_json::to_string_pretty(&document()).expect("the document serialises");
    insta::assert_snapshot!(document);
}
