use super::*;

fn check(json: &str, expected: Result<Options, &str>) {
    let got = serde_json::from_str::<Options>(json).map_err(|e| e.to_string());
    let got = got.and_then(|o| o.check().map(|()| o).map_err(|e| e.to_string()));
    match (got, expected) {
        (Ok(got), Ok(expected)) => assert_eq!(got, expected),
        (Err(got), Err(expected)) => assert!(got.contains(expected), "{got:?} does not say {expected:?}"),
        (got, expected) => panic!("{json}: {got:?} is not {expected:?}"),
    }
}

#[test]
fn nothing_given_means_the_defaults_of_iw3() {
    check("{}", Ok(Options::default()));
    let text = serde_json::to_string(&Options::default()).unwrap();
    assert_eq!(
        text,
        r#"{"divergence":2.0,"convergence":0.5,"foreground-scale":0.0,"edge-dilation":[2,1],"resolution":392,"ema-decay":0.75,"ema-buffer":30,"method":"forward-fill"}"#
    );
}

#[test]
fn names_are_those_of_the_command_line() {
    check(
        r#"{"foreground-scale": 2, "edge-dilation": [0, 3], "ema-buffer": 1}"#,
        Ok(Options { foreground_scale: 2.0, edge_dilation: [0, 3], ema_buffer: 1, ..Options::default() }),
    );
}

#[test]
fn each_bad_value_is_named_with_what_is_allowed() {
    check(r#"{"divergense": 2}"#, Err("unknown field `divergense`"));
    check(r#"{"divergence": 11}"#, Err("divergence must be between 0 and 10 (per cent of the longer side), got 11"));
    check(r#"{"divergence": -1}"#, Err("divergence must be"));
    check(r#"{"convergence": 1.5}"#, Err("convergence must be between 0 (far) and 1 (near), got 1.5"));
    check(r#"{"foreground-scale": -4}"#, Err("foreground-scale must be between -3 and 3, got -4"));
    check(r#"{"edge-dilation": [2, 21]}"#, Err("edge-dilation must be two whole numbers between 0 and 20, got 21"));
    check(r#"{"resolution": 50}"#, Err("resolution must be between 112 and 2048"));
    check(r#"{"ema-decay": 1.0}"#, Err("ema-decay must be between 0 and 0.99, got 1"));
    check(r#"{"ema-buffer": 0}"#, Err("ema-buffer must be between 1 and 300 frames, got 0"));
    check(r#"{"method": "row-flow"}"#, Err("unknown variant `row-flow`, expected `forward-fill`"));
    let nan = Options { divergence: f32::NAN, ..Options::default() };
    assert_eq!(
        nan.check().unwrap_err().to_string(),
        "divergence must be between 0 and 10 (per cent of the longer side), got NaN"
    );
}

#[test]
fn full_hd_at_the_defaults_moves_9_6_pixels_an_eye() {
    let options = Options::default();
    let s = options.half_range(1920, 1080);
    assert!((s - 19.2).abs() < 1e-4, "{s}");
    assert!((s * (1.0 - options.convergence) - 9.6).abs() < 1e-4);
    // The longer side counts, in portrait as well.
    assert_eq!(options.half_range(1080, 1920), s);
}
