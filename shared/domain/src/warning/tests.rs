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

#[test]
fn each_kind_is_listed_under_its_name_on_the_wire() {
    let fields = serde_json::json!({
        "stream": 1, "media": "sound", "codec": "aac", "channels": 16, "to": 8, "raised": 1, "dropped": 1, "times": 1, "segment": 0,
        "frames": 1, "from": "pq", "packing": "sbs", "width": 1, "height": 1, "to_width": 1, "to_height": 1,
    });
    for kind in Warning::KINDS {
        let mut json = fields.clone();
        json["kind"] = (*kind).into();
        json["why"] = match *kind {
            "sound-reencoded" => "few-players".into(),
            _ => serde_json::json!({ "kind": "empty" }),
        };
        let warning: Warning = serde_json::from_value(json).unwrap();
        assert_eq!(warning.kind(), *kind);
    }
}
