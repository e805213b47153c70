use utoipa::OpenApi;

use super::Document;

#[test]
fn the_interface_changes_only_on_purpose() {
    let document = Document::openapi().to_pretty_json().expect("the document serialises");
    insta::assert_snapshot!(document);
}
