use super::*;

#[test]
fn what_cannot_be_written_is_told_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let there = dir.path().join("there.mp4");
    fs::write(&there, "x").unwrap();
    let check = |path: &Path, force: bool, says: Option<&str>| match (Destination::check(path, force), says) {
        (Ok(destination), None) => assert_eq!(destination.path(), path),
        (Err(error), Some(says)) => {
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(says), "{error}");
        }
        (end, _) => panic!("{}: {end:?}", path.display()),
    };
    check(&dir.path().join("new.mp4"), false, None);
    check(&there, false, Some("--force"));
    check(&there, true, None);
    check(dir.path(), true, Some("it is a folder"));
    check(&dir.path().join("no/out.mp4"), false, Some("no folder"));
}

#[test]
fn the_unfinished_file_lies_beside_the_finished_one() {
    let destination = Destination { path: "a/out.mp4".into() };
    assert_eq!(destination.part(), Path::new("a/out.mp4.part"));
}
