use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// The shipped model, on the library that `make` installs. The tests fail if either is missing.
fn cues(provider: Provider) -> ModelSpec {
    ModelSpec {
        path: Path::new(env!("CARGO_MANIFEST_DIR")).join("models/cues.onnx"),
        runtime_library: find_runtime_library().unwrap_or_else(|e| panic!("{e}")),
        provider,
        threads: 1,
        resolution: 392,
    }
}

/// Builds a minimal ONNX model in protobuf's wire format, so that no binary fixture of unclear origin is needed.
struct Proto(Vec<u8>);

impl Proto {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn number(mut self, field: u8, value: u8) -> Self {
        self.0.extend([field << 3, value]);
        self
    }

    fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        assert!(value.len() < 1 << 14);
        self.0.push(field << 3 | 2);
        if value.len() >= 128 {
            self.0.push((value.len() & 127) as u8 | 128);
            self.0.push((value.len() >> 7) as u8);
        } else {
            self.0.push(value.len() as u8);
        }
        self.0.extend(value);
        self
    }
}

/// A tensor's name, element type (1 float32, 7 int64) and sides (0 means dynamic).
type Outlet<'a> = (&'a str, u8, &'a [u8]);

fn outlet((name, element, sides): Outlet<'_>) -> Vec<u8> {
    let shape = sides.iter().enumerate().fold(Proto::new(), |shape, (i, &side)| {
        let side = if side == 0 {
            Proto::new().bytes(2, format!("{name}{i}").as_bytes())
        } else {
            Proto::new().number(1, side)
        };
        shape.bytes(1, &side.0)
    });
    let tensor = Proto::new().number(1, element).bytes(2, &shape.0);
    Proto::new().bytes(1, name.as_bytes()).bytes(2, &Proto::new().bytes(1, &tensor.0).0).0
}

/// A chain of operators from `x` to `y`. An operator with an axis reduces and drops that axis.
fn onnx(inputs: &[Outlet<'_>], output: Outlet<'_>, operators: &[(&str, Option<u8>)]) -> Vec<u8> {
    let mut graph = Proto::new();
    for (i, (operator, axis)) in operators.iter().enumerate() {
        let name = |i: usize| {
            if i == 0 {
                "x".to_owned()
            } else if i == operators.len() {
                "y".to_owned()
            } else {
                format!("t{i}")
            }
        };
        let mut node =
            Proto::new().bytes(1, name(i).as_bytes()).bytes(2, name(i + 1).as_bytes()).bytes(4, operator.as_bytes());
        if let Some(axis) = axis {
            let axes = Proto::new().bytes(1, b"axes").bytes(8, &[*axis]).type_is(7);
            node = node.bytes(5, &axes.0).bytes(5, &Proto::new().bytes(1, b"keepdims").number(3, 0).type_is(2).0);
        }
        graph = graph.bytes(1, &node.0);
    }
    graph = graph.bytes(2, b"test");
    for input in inputs {
        graph = graph.bytes(11, &outlet(*input));
    }
    let graph = graph.bytes(12, &outlet(output));
    Proto::new().number(1, 8).bytes(7, &graph.0).bytes(8, &Proto::new().number(2, 13).0).0
}

impl Proto {
    /// An attribute's type: 2 for a number, 7 for a list of numbers. The tag of field 20 takes two bytes.
    fn type_is(mut self, value: u8) -> Self {
        self.0.extend([0xa0, 0x01, value]);
        self
    }
}

fn open_bytes(files: &[(&str, &[u8])]) -> Result<DepthModel, Error> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    DepthModel::open(&ModelSpec { path: folder.path().join("m.onnx"), ..cues(Provider::Cpu) })
}

fn check_bad(what: &str, files: &[(&str, &[u8])], expected: &str) {
    let error = open_bytes(files).expect_err(what);
    assert!(error.is_bad_model(), "{what}: {error:?}");
    let text = error.to_string();
    assert!(text.contains(expected) && !text.contains('\n'), "{what}: {text:?} does not say {expected:?}");
}

const PICTURE: Outlet<'_> = ("x", 1, &[1, 3, 0, 0]);
const DEPTH: Outlet<'_> = ("y", 1, &[1, 0, 0]);

fn picture(width: usize, height: usize) -> Picture {
    let mut picture = Picture::new(width, height, Colour::default());
    for (i, y) in picture.y.iter_mut().enumerate() {
        *y = 40 + (i / width * 150 / height) as u8 + (i % 5) as u8;
    }
    picture
}

#[test]
fn the_shipped_model_gives_depth_at_its_input_size_whatever_the_picture() {
    let mut model = DepthModel::open(&cues(Provider::Cpu)).unwrap();
    assert_eq!((model.name(), model.provider_in_use()), ("cues", Provider::Cpu));
    for (picture_size, expected) in [
        ((1280, 720), (686, 392)),
        ((1920, 1080), (686, 392)),
        ((360, 640), (350, 630)),
        ((16, 16), (14, 14)),
        ((4, 4), (14, 14)),
        ((2, 400), (14, 70)),
        ((400, 3000), (392, 1960)),
    ] {
        let depth = model.infer(&picture(picture_size.0, picture_size.1)).unwrap();
        assert_eq!((depth.width, depth.height), expected, "{picture_size:?}");
        assert_eq!(depth.values.len(), expected.0 * expected.1);
    }
    model.set_resolution(200);
    assert_eq!(model.input_size(1280, 720), (350, 196));
}

#[test]
fn the_same_picture_gives_the_same_depth_whatever_the_threads() {
    let picture = picture(640, 360);
    let depth =
        |threads| DepthModel::open(&ModelSpec { threads, ..cues(Provider::Cpu) }).unwrap().infer(&picture).unwrap();
    let one = depth(1);
    assert_eq!(one, depth(1));
    assert_eq!(one, depth(2));
}

#[test]
fn the_foot_of_a_scene_is_nearer_than_its_sky() {
    let mut scene = Picture::new(640, 360, Colour::default());
    for (i, y) in scene.y.iter_mut().enumerate() {
        // Bright and smooth at the top, rough and darker at the bottom.
        *y = if i / 640 < 150 { 220 } else { 90 + (i * 7919 % 61) as u8 };
    }
    scene.u[..75 * 320].fill(140);
    let depth = DepthModel::open(&cues(Provider::Cpu)).unwrap().infer(&scene).unwrap();
    let mean = |rows: std::ops::Range<usize>| {
        let values = &depth.values[rows.start * depth.width..rows.end * depth.width];
        values.iter().sum::<f32>() / values.len() as f32
    };
    let height = depth.height;
    let (sky, middle, foot) = (mean(0..height / 4), mean(height / 2..height * 2 / 3), mean(height * 9 / 10..height));
    assert!(sky + 0.3 < middle && middle + 0.1 < foot, "{sky} {middle} {foot}");
}

#[test]
fn models_bind_by_position_and_metres_become_near_is_high() {
    let open = |output, manifest: &str| {
        let bytes = onnx(&[PICTURE], output, &[("ReduceMean", Some(1)), ("Exp", None)]);
        open_bytes(&[("m.onnx", &bytes), ("m.json", manifest.as_bytes())]).unwrap()
    };
    // This model outputs its input's brightness.
    let mut relative = open(DEPTH, r#"{"name": "bright"}"#);
    assert_eq!(relative.name(), "bright");
    let picture = picture(280, 280);
    let depth = relative.infer(&picture).unwrap();
    assert!(depth.values[0] < depth.values[depth.values.len() - 1]);
    let metric = open(DEPTH, r#"{"polarity": "metric"}"#).infer(&picture).unwrap();
    for (near, metres) in metric.values.iter().zip(&depth.values).step_by(997) {
        assert!((near * metres - 1.0).abs() < 1e-5, "{near} is not 1 / {metres}");
    }
    let mut half = open(DEPTH, r#"{"multiple": 32, "mean": [0, 0, 0], "std": [1, 1, 1]}"#);
    assert_eq!(half.input_size(1280, 720), (672, 384));
    assert!(half.infer(&picture).is_ok());
}

#[test]
fn a_size_in_the_graph_is_kept() {
    let bytes = onnx(&[("x", 1, &[1, 3, 28, 42])], ("y", 1, &[1, 28, 42]), &[("ReduceMean", Some(1))]);
    let mut model = open_bytes(&[("m.onnx", &bytes)]).unwrap();
    assert_eq!(model.name(), "m");
    let depth = model.infer(&picture(640, 360)).unwrap();
    assert_eq!((depth.width, depth.height), (42, 28));
    check_bad("another size", &[("m.onnx", &bytes), ("m.json", br#"{"size": [28, 28]}"#)], "for the size");
}

#[test]
fn what_is_no_depth_model_is_named_in_one_sentence() {
    let mean = [("ReduceMean", Some(1))];
    check_bad("nothing", &[], "m.onnx is no usable depth model: there is no such file");
    check_bad("text", &[("m.onnx", b"this is a letter, not a model\n")], "m.onnx is no usable depth model: ");
    check_bad("no bytes", &[("m.onnx", b"")], "m.onnx is no usable depth model: ");
    let vector = onnx(&[("x", 1, &[2])], ("y", 1, &[2]), &[("Exp", None)]);
    check_bad("a vector", &[("m.onnx", &vector)], "its input has the shape [2], not [1, 3, H, W]");
    let grey = onnx(&[("x", 1, &[1, 1, 0, 0])], DEPTH, &mean);
    check_bad("one channel", &[("m.onnx", &grey)], "its input has the shape [1, 1, -1, -1], not [1, 3, H, W]");
    let integers = onnx(&[("x", 7, &[1, 3, 0, 0])], ("y", 7, &[1, 0, 0]), &[("ReduceMax", Some(1))]);
    check_bad("integers", &[("m.onnx", &integers)], "its input takes Int64, not float32");
    let two = onnx(&[PICTURE, ("z", 1, &[1, 3, 0, 0])], DEPTH, &mean);
    check_bad("two inputs", &[("m.onnx", &two)], "it has 2 inputs, a depth model has one picture");
    let classes = onnx(&[PICTURE], ("y", 1, &[1, 0]), &[("ReduceMean", Some(1)), ("ReduceMean", Some(1))]);
    check_bad("a classifier", &[("m.onnx", &classes)], "of the shape [1, -1], not float32 [1, H, W]");
    let colours = onnx(&[PICTURE], ("y", 1, &[1, 3, 0, 0]), &[("Exp", None)]);
    check_bad("colours", &[("m.onnx", &colours)], "its output has the shape [1, 3, 112, 196], not [1, H, W]");
    let roots = onnx(&[PICTURE], DEPTH, &[("ReduceMin", Some(1)), ("Sqrt", None)]);
    check_bad("roots of negative numbers", &[("m.onnx", &roots)], "values that are no finite numbers");
    let flat = onnx(&[PICTURE], DEPTH, &[("ReduceMean", Some(1)), ("Sign", None), ("Abs", None)]);
    check_bad("one depth", &[("m.onnx", &flat)], "the same depth everywhere");
}

#[test]
fn a_wrong_manifest_is_named() {
    let bytes = onnx(&[PICTURE], DEPTH, &[("ReduceMean", Some(1))]);
    let check = |manifest: &str, expected| {
        check_bad(manifest, &[("m.onnx", &bytes), ("m.json", manifest.as_bytes())], expected)
    };
    check("{", "m.json is no usable depth model: its manifest is wrong");
    check(r#"{"mulitple": 14}"#, "unknown field `mulitple`");
    check(r#"{"polarity": "far-high"}"#, "unknown variant `far-high`");
    check(r#"{"multiple": 0}"#, "a zero for multiple");
    check(r#"{"std": [1, 0, 1]}"#, "a zero for multiple, std or size");
}

/// The tests use the CPU wheel, so GPU providers must fail.
#[test]
fn a_provider_that_is_not_there_fails_instead_of_falling_back() {
    for provider in [Provider::Cuda, Provider::TensorRt] {
        let error = DepthModel::open(&cues(provider)).expect_err("the processor's library has no GPU provider");
        assert!(matches!(&error, Error::ProviderUnusable { provider: p, .. } if *p == provider), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the execution provider {provider} does not start (")), "{text}");
        assert!(text.contains("choose the provider cpu") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn providers_read_back() {
    let names: BTreeMap<_, _> =
        ["cpu", "cuda", "tensorrt"].map(|name| (name, name.parse::<Provider>().unwrap())).into();
    assert!(names.iter().all(|(name, provider)| provider.as_str() == *name));
    assert!("gpu".parse::<Provider>().unwrap_err().contains("use one of cpu, cuda, tensorrt"));
}

/// The committed graph equals the script's output, byte for byte.
#[test]
fn the_shipped_model_is_what_its_script_writes() {
    let library = cues(Provider::Cpu).runtime_library;
    let venv = library.ancestors().find(|folder| folder.join("bin/python3").exists());
    let python = venv.expect("make installs ONNX Runtime into a virtual environment").join("bin/python3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/make_cues.py");
    let output = std::process::Command::new(python).arg(script).arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
