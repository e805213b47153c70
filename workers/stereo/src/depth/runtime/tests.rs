use super::*;

fn touch(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, b"").unwrap();
}

#[test]
fn the_wheel_is_found_from_below_and_before_the_system() {
    let root = tempfile::tempdir().unwrap();
    let wheel = root.path().join(".tools/venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.31.1");
    let system = root.path().join("usr/libonnxruntime.so.1");
    let below = root.path().join("target/debug/deps/program");
    let find = || find_in([below.as_path()].into_iter(), [system.parent().unwrap()].into_iter());
    assert_eq!(find(), None);
    touch(&system);
    assert_eq!(find(), Some(system.clone()));
    touch(&wheel.with_file_name("libonnxruntime_providers_shared.so"));
    assert_eq!(find(), Some(system.clone()), "a library of providers is not the runtime");
    touch(&wheel);
    assert_eq!(find(), Some(wheel.clone()));
}
