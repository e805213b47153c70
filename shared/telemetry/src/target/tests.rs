use super::*;

#[test]
fn a_target_exists_until_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("run/targets");
    let addr = "127.0.0.1:4711".parse().unwrap();
    let target = Target::publish(&folder, "inference-1@host.example", addr).unwrap();
    assert_eq!(
        fs::read_to_string(target.path()).unwrap(),
        "[{\"targets\":[\"127.0.0.1:4711\"],\"labels\":{\"worker\":\"inference-1@host.example\"}}]\n"
    );
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["inference-1@host.example.json"], "no unfinished file is left");
    drop(target);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_restarted_process_replaces_its_target() {
    let folder = tempfile::tempdir().unwrap();
    // Not dropped, like after a kill.
    std::mem::forget(Target::publish(folder.path(), "inference-1", "127.0.0.1:1".parse().unwrap()).unwrap());
    let target = Target::publish(folder.path(), "inference-1", "127.0.0.1:2".parse().unwrap()).unwrap();
    assert!(fs::read_to_string(target.path()).unwrap().contains("127.0.0.1:2"));
}

#[test]
fn a_name_can_not_leave_the_folder_or_break_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "..", ".hidden", "a/b", "a\"b", "a b", "ä"] {
        let error = Target::publish(folder.path(), name, "127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
    }
}
