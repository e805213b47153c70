//! Tests loading ONNX Runtime in a separate process, because a process can load it only once.

use std::path::{Path, PathBuf};

use stereospot_stereo::{DepthModel, Error, ModelSpec, Provider, find_runtime_library};

fn open(runtime_library: PathBuf) -> Result<DepthModel, Error> {
    DepthModel::open(&ModelSpec {
        path: Path::new(env!("CARGO_MANIFEST_DIR")).join("models/cues.onnx"),
        runtime_library,
        provider: Provider::Cpu,
        threads: 1,
        resolution: 392,
    })
}

/// One test, because the order matters: a failed load must not affect later ones.
#[test]
fn what_is_no_runtime_is_named_and_the_right_one_loads_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("libonnxruntime.so");
    let error = open(missing.clone()).unwrap_err();
    assert!(matches!(error, Error::RuntimeMissing { .. }), "{error:?}");
    assert!(error.to_string().contains("pip install onnxruntime"), "{error}");

    std::fs::write(&missing, "no library").unwrap();
    let error = open(missing.clone()).unwrap_err();
    assert!(matches!(error, Error::RuntimeUnusable { .. }), "{error:?}");
    assert!(!error.is_bad_model() && error.to_string().ends_with("install version 1.24 or later"), "{error}");

    let library = find_runtime_library().unwrap_or_else(|e| panic!("{e}"));
    assert!(open(library).is_ok());
    std::fs::remove_file(&missing).unwrap();
    let error = open(missing).expect_err("a path that is not there is an error, whatever is loaded");
    assert!(matches!(error, Error::RuntimeMissing { .. }), "{error:?}");
}
