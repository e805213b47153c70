use super::*;

#[test]
fn a_warning_travels_as_typed_json_and_reads_as_one_sentence() {
    let left_out = Warning::StreamLeftOut {
        stream: 3,
        media: Media::Subtitle,
        codec: "dvd_subtitle".into(),
        why: LeftOut::Refused { error: "Invalid argument".into() },
    };
    let json = serde_json::to_value(&left_out).unwrap();
    assert_eq!(json["kind"], "stream-left-out");
    assert_eq!(json["why"], serde_json::json!({ "kind": "refused", "error": "Invalid argument" }));
    assert_eq!(serde_json::from_value::<Warning>(json).unwrap(), left_out);
    let said =
        "the source's subtitle stream 3 (dvd_subtitle) was left out: MP4 can't carry it as it is (Invalid argument)";
    assert_eq!(left_out.to_string(), said);
    assert_eq!(serde_json::to_value(Warning::Deinterlaced).unwrap(), serde_json::json!({ "kind": "deinterlaced" }));
}
