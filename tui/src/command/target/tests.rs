use std::fs::{self, File};

use super::*;

/// A data directory as a control plane in this process would leave it.
struct Stage(tempfile::TempDir);

impl Stage {
    fn set() -> Self {
        let stage = Self(tempfile::tempdir().unwrap());
        fs::create_dir(stage.path().join("run")).unwrap();
        stage
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, content: &str) {
        fs::write(Running::path(self.path()), content).unwrap();
    }

    fn lock(&self, name: &str) -> File {
        let file = File::create(self.path().join("run").join(name)).unwrap();
        file.lock().unwrap();
        file
    }

    fn server(&self) -> Result<String> {
        server(None, Some(self.path()))
    }

    fn refused(&self, says: &str) {
        let error = self.server().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(server(Some("http://x:1"), Some(self.path())).unwrap(), "http://x:1", "it is named");
    }
}

fn of(pid: u32) -> String {
    format!(r#"{{"server":"http://127.0.0.1:5","pid":{pid}}}"#)
}

#[test]
fn a_living_control_plane_is_found_and_a_dead_one_is_not_replaced_by_another() {
    let stage = Stage::set();
    let none =
        format!("no stack runs on {0}: start it with `stereospot up --data-dir {0}`, or name", stage.path().display());
    stage.refused(&none);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    for content in [of(child.id()), of(0), r#"{"server":"#.into()] {
        stage.write(&content);
        stage.refused(&none);
    }
    stage.write(&of(std::process::id()));
    stage.refused(&none);
    let held = stage.lock("controlplane.lock");
    assert_eq!(stage.server().unwrap(), "http://127.0.0.1:5");
    // The process id now belongs to another process, and the lock is free.
    drop(held);
    stage.refused(&none);
}

#[test]
fn between_two_control_planes_of_one_stack_there_is_none_to_be_asked() {
    let stage = Stage::set();
    let held = stage.lock("up.lock");
    stage.refused("is being started and can't be asked yet: try again in a moment; see ");
    let why = r#"{"why":"AWS throttles dynamodb DescribeTable"}"#;
    fs::write(stage.path().join("run").join("starting.json"), why).unwrap();
    stage.refused("can't be asked yet: it waits, because AWS throttles dynamodb DescribeTable; see ");
    drop(held);
    stage.refused("no stack runs on ");
}

#[test]
fn how_a_deployments_stack_is_started_is_said_as_it_is() {
    let stage = Stage::set();
    fs::write(stage.path().join("controlplane.db"), "").unwrap();
    stage.refused("`stereospot up --backend aws --env-file FILE --data-dir ");
    fs::write(stage.path().join("stereospot.db"), "").unwrap();
    stage.refused("`stereospot up --data-dir ");
}

#[test]
fn the_default_server_is_for_those_who_named_nothing_and_have_no_stack_here() {
    let stage = Stage::set();
    let by_default = || on(None, stage.path());
    assert_eq!(by_default().unwrap(), DEFAULT_SERVER);
    let held = stage.lock("controlplane.lock");
    stage.write(&of(std::process::id()));
    assert_eq!(by_default().unwrap(), "http://127.0.0.1:5");
    drop(held);
    let refused = || by_default().unwrap_err().to_string();
    assert!(refused().contains("start it with `stereospot up`, or name a server with --server"), "{}", refused());
    fs::remove_file(Running::path(stage.path())).unwrap();
    assert!(refused().contains("no stack runs on"), "one that was stopped in order is missed as well");
}

#[tokio::test]
async fn a_control_plane_that_is_being_started_is_waited_for_and_none_is_not() {
    let stage = Stage::set();
    assert!(server_once_started(None, Some(stage.path())).await.is_err(), "no stack, no wait");
    let _up = stage.lock("up.lock");
    let _control_plane = stage.lock("controlplane.lock");
    let appears = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.write(&of(std::process::id()));
    };
    let (found, ()) = tokio::join!(server_once_started(None, Some(stage.path())), appears);
    assert_eq!(found.unwrap(), "http://127.0.0.1:5");
}
