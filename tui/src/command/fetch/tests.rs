use std::os::unix::fs::symlink;

use super::*;

#[test]
fn what_cannot_be_written_is_said_before_any_work() {
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
    assert_eq!(Destination::unchecked(Path::new("a/out.mp4")).part(), Path::new("a/out.mp4.part"));
}

#[test]
fn what_is_no_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let here = |name: &str| dir.path().join(name);
    let check = |path: &Path, says: &str| {
        for force in [false, true] {
            let error = Destination::check(path, force).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(says) && !error.to_string().contains("--force"), "{error}");
        }
    };
    let odd = "it is a device, a pipe or a socket, not a file; name a file";
    check(Path::new("/dev/null"), odd);
    assert!(std::process::Command::new("mkfifo").arg(here("pipe")).status().unwrap().success());
    check(&here("pipe"), odd);
    symlink("pipe", here("to-pipe")).unwrap();
    check(&here("to-pipe"), odd);
    symlink("/dev/null", here("new.mp4.part")).unwrap();
    check(&here("new.mp4"), "new.mp4.part: it is a device");
    symlink("round", here("round")).unwrap();
    check(&here("round"), "cannot write");
    let _listener = std::os::unix::net::UnixListener::bind(here("socket")).unwrap();
    check(&here("socket"), odd);
}

#[test]
fn a_link_is_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let here = |name: &str| dir.path().join(name);
    fs::create_dir(here("results")).unwrap();
    let check = |target: &Path, through: &str| {
        symlink(target, here(through)).unwrap();
        let destination = Destination::check(&here(through), true).unwrap();
        assert_eq!(destination.path(), here(through), "people know it by that name");
        assert_eq!(destination.part(), here("results/out.mp4.part"), "renamed within one file system");
    };
    check(Path::new("results/out.mp4"), "to-nothing-yet");
    check(&here("results/out.mp4"), "by-its-full-path");
    check(Path::new("to-nothing-yet"), "over-two");
    fs::write(here("results/out.mp4"), "x").unwrap();
    check(Path::new("over-two"), "over-three");
    assert!(Destination::check(&here("over-three"), false).unwrap_err().to_string().contains("--force"));
}
