//! `up` with shell scripts as children.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::program::{End, ended, stereospot};
use crate::server::{Answer, Server};
use crate::terminal::Terminal;

/// Holds a pipe open while it lives, and exits on SIGTERM or at the end of stdin.
const CHILD: &str = r#"#!/bin/sh
name=controlplane
case $1 in --*) ;; *) name=$1 ;; esac
while [ $# -gt 0 ]; do
  case $1 in --data-dir) dir=$2 ;; --name) name=$2 ;; esac
  shift
done
exec 9> "$ALIVE"
trap 'echo "$name asked" >> "$dir/order"; exit 0' TERM
[ $name = controlplane ] && printf '{"server":"%s","pid":%d}' "$READY_AT" $$ > "$dir/run/controlplane.json"
echo "$name" >&9
if [ -e "$dir/kill-$name" ]; then rm "$dir/kill-$name"; kill -9 $$; fi
while read -r line; do :; done
echo "$name saw the end" >> "$dir/order"
"#;

struct Stage {
    dir: TempDir,
    ready_at: Server,
}

struct Stack {
    up: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    /// Names of children as they start; ends when no child is left.
    alive: mpsc::Receiver<String>,
}

impl Stage {
    fn set() -> Self {
        let stage =
            Self { dir: tempfile::tempdir().unwrap(), ready_at: Server::start(|_| Answer::Whole(200, b"{}".into())) };
        assert!(Command::new("mkfifo").arg(stage.path("alive")).status().unwrap().success());
        fs::create_dir_all(stage.path("data")).unwrap();
        stage.program("stereospot-controlplane", CHILD);
        stage.program("stereospot-worker", CHILD);
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.path("bin")).unwrap();
        let path = self.path("bin").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, listen: &str) -> Command {
        let mut command = stereospot(&["up", "--headless", "--listen", listen, "--bin-dir"]);
        command.arg(self.path("bin")).arg("--data-dir").arg(self.path("data"));
        command.env("ALIVE", self.path("alive")).env("READY_AT", &self.ready_at.url);
        command
    }

    /// Runs it until it exits without a signal.
    fn run(&self) -> End {
        ended(self.command("127.0.0.1:0").output().unwrap())
    }

    /// Starts it; returns once it is ready and every child runs.
    fn start(&self) -> Stack {
        let alive = listen(self.path("alive"));
        let mut up = self.command("127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with(&format!("ready: control plane at {}", self.ready_at.url)), "{ready}");
        let stderr = BufReader::new(up.stderr.take().unwrap()).lines();
        let mut names: Vec<String> = (0..5).map(|_| alive.recv().unwrap()).collect();
        assert_eq!(names.remove(0), "controlplane", "the workers start after the control plane is ready");
        names.sort();
        assert_eq!(names, ["chunking-1", "inference-1", "inference-2", "reassembly-1"]);
        Stack { up, stderr, alive }
    }
}

impl Stack {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.up.id() as i32).unwrap(), signal).unwrap();
    }

    fn order(stage: &Stage) -> Vec<String> {
        fs::read_to_string(stage.path("data/order")).unwrap().lines().map(ToOwned::to_owned).collect()
    }
}

fn listen(alive: PathBuf) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Opens with the first child and ends when the last one has exited.
        for line in BufReader::new(fs::File::open(alive).unwrap()).lines() {
            let _ = sender.send(line.unwrap());
        }
    });
    receiver
}

fn logged(stage: &Stage, name: &str) -> String {
    fs::read_to_string(stage.path("data/logs").join(name)).unwrap()
}

#[test]
fn every_signal_stops_the_workers_first_then_the_control_plane() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let stage = Stage::set();
        let mut stack = stage.start();
        stack.signal(signal);
        assert_eq!(stack.up.wait().unwrap().code(), Some(0), "{signal:?}");
        let mut order = Stack::order(&stage);
        assert_eq!(order.pop().as_deref(), Some("controlplane asked"), "{signal:?}");
        order.sort();
        assert_eq!(order, ["chunking-1 asked", "inference-1 asked", "inference-2 asked", "reassembly-1 asked"]);
        assert!(stack.alive.recv().is_err(), "no child is left");
        assert!(!stage.path("data/run/controlplane.json").exists());
    }
}

#[test]
fn no_child_outlives_an_up_that_was_killed() {
    let stage = Stage::set();
    let mut stack = stage.start();
    stack.signal(Signal::KILL);
    stack.up.wait().unwrap();
    // Ends only when every child has closed its end by exiting.
    assert!(stack.alive.recv().is_err());
    let mut order = Stack::order(&stage);
    order.sort();
    assert_eq!(order.len(), 5, "{order:?}");
    assert!(order.iter().all(|line| line.ends_with("saw the end")), "{order:?}");
    // The lock went with the process, so the next one starts.
    let mut stack = stage.start();
    stack.signal(Signal::TERM);
    assert_eq!(stack.up.wait().unwrap().code(), Some(0));
}

#[test]
fn a_worker_that_dies_is_reported_and_started_again() {
    let stage = Stage::set();
    fs::write(stage.path("data/kill-inference-1"), "").unwrap();
    let mut stack = stage.start();
    let notice = stack.stderr.next().unwrap().unwrap();
    assert!(notice.starts_with("worker inference-1 died (signal 9), restarting in "), "{notice}");
    assert!(notice.contains("(restart 1)") && notice.contains("logs/inference-1.log"), "{notice}");
    assert_eq!(stack.alive.recv().unwrap(), "inference-1");
    assert!(logged(&stage, "inference-1.log").contains("died (signal 9)"));
    stack.signal(Signal::TERM);
    assert_eq!(stack.up.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_stack_on_the_same_data_is_refused() {
    let stage = Stage::set();
    let mut stack = stage.start();
    let end = stage.run();
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("a stack runs on") && end.stderr.contains("--data-dir"), "{}", end.stderr);
    stack.signal(Signal::TERM);
    assert_eq!(stack.up.wait().unwrap().code(), Some(0));
}

#[test]
fn what_keeps_it_from_starting_is_said_with_what_to_do() {
    let check = |stage: &Stage, says: &[&str]| {
        let end = stage.run();
        assert_eq!(end.code, 1);
        assert!(says.iter().all(|says| end.stderr.contains(says)), "{}", end.stderr);
        assert_eq!(end.stdout, "");
    };
    let stage = Stage::set();
    stage.program("stereospot-controlplane", "#!/bin/sh\necho 'the database is damaged: restore a copy' >&2\nexit 3\n");
    check(&stage, &["control plane did not start", "exit code 3", "database is damaged", "controlplane.log"]);
    fs::remove_file(stage.path("bin/stereospot-worker")).unwrap();
    check(&stage, &["the program stereospot-worker is neither beside", "cargo build -p stereospot-worker"]);

    let stage = Stage::set();
    fs::remove_dir(stage.path("data")).unwrap();
    fs::write(stage.path("data"), "a file").unwrap();
    check(&stage, &["can't be used", "--data-dir"]);

    let stage = Stage::set();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind(taken).unwrap();
    let end = ended(stage.command(&taken.to_string()).output().unwrap());
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains(&format!("another program listens on {taken}")), "{}", end.stderr);
    drop(listener);
}

#[test]
fn children_are_called_as_they_expect() {
    let stage = Stage::set();
    let script = CHILD.replacen("#!/bin/sh\n", "#!/bin/sh\necho \"called: $*\"\n", 1);
    stage.program("stereospot-controlplane", &script);
    stage.program("stereospot-worker", &script);
    let mut stack = stage.start();
    stack.signal(Signal::TERM);
    assert_eq!(stack.up.wait().unwrap().code(), Some(0));
    let data = stage.path("data").canonicalize().unwrap();
    let data = Path::display(&data);
    let first = logged(&stage, "controlplane.log");
    assert!(
        first.starts_with(&format!("called: --backend local --data-dir {data} --reconcile on --listen 127.0.0.1:")),
        "{first}"
    );
    assert!(first.trim_end().ends_with(" --stop-on-stdin-eof"), "{first}");
    let url = &stage.ready_at.url;
    let expected = format!(
        "called: inference --backend local --data-dir {data} --name inference-2 --server {url} --metrics-listen 127.0.0.1:0 \
         --stop-on-stdin-eof --memory 1/4\n"
    );
    assert_eq!(logged(&stage, "inference-2.log"), expected);
}

#[test]
fn a_deployment_is_watched_without_workers_of_our_own() {
    let stage = Stage::set();
    let script = CHILD.replacen("#!/bin/sh\n", "#!/bin/sh\necho \"called: $*\"\n", 1);
    stage.program("stereospot-controlplane", &script);
    // No workers requested, so the worker's program may be missing.
    fs::remove_file(stage.path("bin/stereospot-worker")).unwrap();
    fs::write(stage.path("prod.env"), "NAME_PREFIX=prod\n").unwrap();
    let alive = listen(stage.path("alive"));
    let mut command = stereospot(&["up", "--headless", "--listen", "127.0.0.1:0", "--backend", "aws"]);
    command
        .args(["--production", "--poll-budget", "60", "--bin-dir"])
        .arg(stage.path("bin"))
        .env("ALIVE", stage.path("alive"))
        .env("READY_AT", &stage.ready_at.url);
    // The folder is named after the deployment, inside the current folder of `up`.
    command.env_remove("STEREOSPOT_DATA_DIR").env("STEREOSPOT_ENV_FILE", "prod.env").current_dir(stage.dir.path());
    let mut up = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(up.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready = said.next().unwrap();
    assert!(ready.starts_with("ready: control plane at ") && ready.contains(", workers none, "), "{ready}");
    let why = said.next().unwrap();
    assert!(why.contains("the deployment's own do the work") && why.contains("--workers"), "{why}");
    let repairs = said.next().unwrap();
    assert!(repairs.contains("left as they are") && repairs.contains("--reconcile on"), "{repairs}");
    assert_eq!(alive.recv().unwrap(), "controlplane");
    kill_process(Pid::from_raw(up.id() as i32).unwrap(), Signal::TERM).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(0));
    assert!(alive.recv().is_err(), "nothing else ran");
    let folder = stage.dir.path().canonicalize().unwrap();
    let called = fs::read_to_string(stage.path("prod-data/logs/controlplane.log")).unwrap();
    let expected = format!(
        "called: --backend aws --env-file {0}/prod.env --data-dir {0}/prod-data --production --reconcile off --poll-budget 60 --listen 127.0.0.1:",
        folder.display()
    );
    assert!(called.starts_with(&expected), "{called}");
}

#[test]
fn workers_on_a_deployment_are_those_that_are_named() {
    let stage = Stage::set();
    fs::write(stage.path("prod.env"), "").unwrap();
    stage.program("stereospot-worker", &CHILD.replacen("#!/bin/sh\n", "#!/bin/sh\necho \"called: $*\"\n", 1));
    let alive = listen(stage.path("alive"));
    let mut command = stage.command("127.0.0.1:0");
    command.args(["--backend", "aws", "--workers", "inference=1", "--env-file"]).arg(stage.path("prod.env"));
    let mut up = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!((alive.recv().unwrap(), alive.recv().unwrap()), ("controlplane".into(), "inference-1".into()));
    kill_process(Pid::from_raw(up.id() as i32).unwrap(), Signal::TERM).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(0));
    assert!(alive.recv().is_err(), "no other worker ran");
    let called = logged(&stage, "inference-1.log");
    assert!(
        called.starts_with("called: inference --backend aws --env-file /")
            && called.contains(" --data-dir /")
            && called.contains(" --name inference-1 ")
            && called.contains(" --add-host"),
        "{called}"
    );
}

#[test]
fn refused_options_are_explained_by_what_is_wrong_with_them() {
    let stage = Stage::set();
    let refused = "#!/bin/sh\nprintf 'error: this build has no AWS backend: build it with `make build AWS=1`\\n\\nUsage: x\\n\\n\
                   For more information, try --help.\\n' >&2\nexit 2\n";
    stage.program("stereospot-controlplane", refused);
    let end = stage.run();
    assert_eq!(end.code, 1);
    let says = "did not start: it ended (exit code 2): error: this build has no AWS backend: build it with `make build AWS=1`; log: ";
    assert!(end.stderr.contains(says), "{}", end.stderr);
}

/// A stack under a dashboard that shows the question how to leave it.
fn leaving(stage: &Stage) -> (Terminal, mpsc::Receiver<String>) {
    let alive = listen(stage.path("alive"));
    let mut command = stage.command("127.0.0.1:0");
    let args: Vec<_> = command.get_args().filter(|arg| *arg != "--headless").map(ToOwned::to_owned).collect();
    let mut with_dashboard = stereospot(&[]);
    with_dashboard.args(args).env("ALIVE", stage.path("alive")).env("READY_AT", &stage.ready_at.url);
    command = with_dashboard;
    let mut terminal = Terminal::start(command);
    terminal.until("ATTENTION");
    for _ in 0..5 {
        alive.recv().unwrap();
    }
    terminal.type_in("q");
    terminal.until("LEAVE");
    (terminal, alive)
}

fn down(stage: &Stage) -> End {
    let mut command = stereospot(&["down", "--data-dir"]);
    ended(command.arg(stage.path("data")).output().unwrap())
}

#[test]
fn a_stack_that_is_left_running_goes_on_until_it_is_brought_down() {
    let stage = Stage::set();
    let (mut terminal, alive) = leaving(&stage);
    terminal.type_in("d");
    terminal.until("stereospot down --data-dir");
    assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(0));
    drop(terminal);
    assert!(stage.path("data/run/controlplane.json").exists(), "commands find it");
    assert!(!stage.path("data/order").exists(), "no child was stopped");
    let end = down(&stage);
    assert_eq!((end.code, end.stdout.as_str()), (0, "stopped\n"), "{}", end.stderr);
    assert!(alive.recv().is_err(), "no child is left");
    assert_eq!(Stack::order(&stage).pop().as_deref(), Some("controlplane asked"));
    let end = down(&stage);
    assert!(end.code == 0 && end.stderr.contains("no stack runs on"), "{}", end.stderr);
}

#[test]
fn a_dashboard_that_is_killed_or_hung_up_takes_its_stack_along() {
    for signal in [Signal::KILL, Signal::HUP, Signal::TERM] {
        let stage = Stage::set();
        let (terminal, alive) = leaving(&stage);
        terminal.signal(signal);
        assert!(alive.recv().is_err(), "{signal:?}: no child is left");
    }
}

#[test]
fn a_stack_that_is_stopped_from_its_dashboard_is_gone_when_that_ends() {
    let stage = Stage::set();
    let (mut terminal, alive) = leaving(&stage);
    terminal.type_in("stop\r");
    assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(0));
    assert!(alive.recv().is_err(), "no child is left");
}

#[test]
fn a_dashboard_ends_with_a_stack_that_is_brought_down() {
    let stage = Stage::set();
    let (mut terminal, _alive) = leaving(&stage);
    assert_eq!(down(&stage).code, 0);
    terminal.until("the stack was stopped");
    assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(0));
}

#[test]
fn what_keeps_a_stack_from_starting_is_said_once_before_any_dashboard() {
    let stage = Stage::set();
    stage.program("stereospot-controlplane", "#!/bin/sh\necho no such database >&2\nexit 1\n");
    let mut command = stereospot(&["up", "--listen", "127.0.0.1:0", "--bin-dir"]);
    command.arg(stage.path("bin")).arg("--data-dir").arg(stage.path("data"));
    let mut terminal = Terminal::start(command);
    terminal.until("no such database");
    assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(1));
}
