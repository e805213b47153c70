use super::*;

#[test]
fn a_living_stack_is_found_a_dead_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let check = |content: &str, expected: &str| {
        fs::create_dir_all(dir.path().join("run")).unwrap();
        fs::write(Running::path(dir.path()), content).unwrap();
        assert_eq!(server(None, dir.path()), expected, "{content}");
        assert_eq!(server(Some("http://x:1"), dir.path()), "http://x:1");
    };
    let told = |pid: u32| format!(r#"{{"server":"http://127.0.0.1:5","pid":{pid}}}"#);
    assert_eq!(server(None, dir.path()), DEFAULT_SERVER);
    check(&told(std::process::id()), "http://127.0.0.1:5");
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    check(&told(child.id()), DEFAULT_SERVER);
    check(&told(0), DEFAULT_SERVER);
    check(r#"{"server":"#, DEFAULT_SERVER);
}
