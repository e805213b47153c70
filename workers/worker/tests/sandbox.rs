//! What a child can do, what it can't, and how the worker learns that it ended.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop there")]

#[path = "stages/fixture.rs"]
#[expect(dead_code, reason = "the model is for the stages' tests")]
mod fixture;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use stereospot_media::Error as Media;
use stereospot_media::split::Choices;
use stereospot_worker::sandbox::{
    Cuts, Death, Decode, Error, JoinParts, Limits, Misbehave, Pictures, Protection, Sandbox, SplitSource,
};
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = env!("CARGO_BIN_EXE_stereospot-worker");

fn limited(limits: Limits) -> Sandbox {
    Sandbox::of(Path::new(PROGRAM), limits)
}

fn run(sandbox: &Sandbox, what: Misbehave) -> Result<(), Error> {
    sandbox.run_blocking(what, &CancellationToken::new())
}

/// A program that does this instead of reading videos.
fn impostor(folder: &Path, script: &str) -> Sandbox {
    let program = folder.join("impostor");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Sandbox::of(&program, Limits::default())
}

fn split(sandbox: &Sandbox, source: &Path, folder: &Path) -> Result<(Vec<PathBuf>, Cuts), Error> {
    let split = SplitSource {
        source: source.to_owned(),
        folder: folder.to_owned(),
        choices: Choices::every(0.4),
        with_sound: false,
    };
    let cuts = sandbox.run_blocking(split.clone(), &CancellationToken::new())?;
    Ok((split.segments(&cuts), cuts))
}

/// The processes whose parent is `parent`.
fn children_of(parent: u32) -> Vec<Pid> {
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name before it may contain spaces.
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        after.split(' ').nth(1) == Some(&parent.to_string())
    };
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(is_child).filter_map(Pid::from_raw).collect()
}

#[test]
fn every_protection_holds_that_this_kernel_has() {
    let folder = tempfile::tempdir().unwrap();
    let held = fixture::sandbox().check(folder.path()).unwrap();
    assert_eq!(held.len(), 7);
    // The seccomp filter and the limits need nothing that a supported kernel lacks.
    let has_landlock = fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|lsm| !lsm.contains("landlock"));
    for held in held {
        let is_optional = matches!(held.protection, Protection::Reading | Protection::Writing);
        assert!(held.holds || is_optional && !has_landlock, "{held:?}");
    }
    let held = Sandbox::none().check(folder.path()).unwrap();
    assert!(held.iter().all(|held| !held.holds || held.protection == Protection::Limits), "it tries nothing: {held:?}");
}

#[test]
fn pictures_and_files_come_out_as_without_a_child() {
    let folder = tempfile::tempdir().unwrap();
    let source = fixture::source(folder.path());
    let [inside, here] = ["inside", "here"].map(|name| folder.path().join(name));
    for folder in [&inside, &here] {
        fs::create_dir(folder).unwrap();
    }
    let (paths, cuts) = split(&fixture::sandbox(), &source, &inside).unwrap();
    let (same_paths, same_cuts) = split(&Sandbox::none(), &source, &here).unwrap();
    assert_eq!(cuts, same_cuts);
    assert_eq!(paths.len(), 2);
    for (path, same) in paths.iter().zip(&same_paths) {
        assert!(fs::read(path).unwrap() == fs::read(same).unwrap());
    }
    for (tail, frames) in [(None, 12), (Some(5), 5)] {
        let (spec, manifest) = (cuts.manifest.segments[1].clone(), cuts.manifest.clone());
        let decode = Decode { file: paths[1].clone(), manifest, spec, tail, threads: 2 };
        let all = |sandbox: Sandbox| -> Vec<_> {
            let pictures: Pictures = sandbox.decode(decode.clone(), &CancellationToken::new()).unwrap();
            pictures.map(Result::unwrap).collect()
        };
        let decoded = all(fixture::sandbox());
        assert_eq!(decoded.len(), frames);
        assert!(decoded == all(Sandbox::none()));
    }
    let parts = JoinParts {
        source,
        cut: Some(cuts.manifest),
        segments: paths,
        folder: here,
        layout: stereospot_media::StereoLayout::Mono,
    };
    let joined = fixture::sandbox().run_blocking(parts.clone(), &CancellationToken::new()).unwrap();
    assert_eq!((joined.summary.frames, joined.foreign), (24, None));
    assert!(parts.output().is_file());
}

#[test]
fn an_error_of_the_work_comes_out_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.mp4");
    fs::write(&source, "").unwrap();
    let error = split(&fixture::sandbox(), &source, folder.path()).unwrap_err();
    assert!(matches!(error, Error::Media(Media::Empty)), "{error:?}");
    fs::write(&source, "no video at all, but some text").unwrap();
    let error = split(&fixture::sandbox(), &source, folder.path()).unwrap_err();
    assert!(matches!(error, Error::Media(Media::NotAVideo)), "{error:?}");
}

#[test]
fn a_child_that_dies_is_one_sentence() {
    let run = |what| run(&fixture::sandbox(), what).unwrap_err().to_string();
    assert_eq!(run(Misbehave::Abort), "the video decoder was killed by signal 6 (aborted) while misbehaving");
    let panic = run(Misbehave::Panic);
    let expected = "the video decoder ended with exit code 101 while misbehaving: panicked at ";
    assert!(panic.starts_with(expected) && panic.ends_with("asked to"), "{panic}");

    let folder = tempfile::tempdir().unwrap();
    let dying = |script: &str| {
        let error = split(&impostor(folder.path(), script), Path::new("source.mp4"), folder.path()).unwrap_err();
        error.to_string().replacen("the video decoder ", "", 1)
    };
    let splitting = "while splitting the source";
    for (script, expected) in [
        ("kill -SEGV $$", format!("was killed by signal 11 (segmentation fault) {splitting}")),
        ("kill -BUS $$", format!("was killed by signal 7 (bus error) {splitting}")),
        ("echo first >&2; echo 'last words' >&2; exit 3", format!("ended with exit code 3 {splitting}: last words")),
        ("exit 0", format!("ended with exit code 0 {splitting}")),
        ("echo nonsense", format!("gave an impossible answer {splitting}")),
        // A picture where none is due; an answer that is too long; one that is no answer.
        ("printf 'P123456781234567812345678'", format!("gave an impossible answer {splitting}")),
        (r"printf 'A\377\377\377\377\377\377\377\377'", format!("gave an impossible answer {splitting}")),
        (r"printf 'A\002\000\000\000\000\000\000\000{}'", format!("gave an impossible answer {splitting}")),
        (r"printf 'A\011\000\000\000\000\000\000\000'", format!("ended with exit code 0 {splitting}")),
    ] {
        assert_eq!(dying(script), expected, "{script}");
    }
    let missing = Sandbox::of(&folder.path().join("no such program"), Limits::default());
    let error = run_on(&missing);
    assert!(matches!(error, Error::NotStarted(_)), "{error:?}");
}

fn run_on(sandbox: &Sandbox) -> Error {
    run(sandbox, Misbehave::Hang).unwrap_err()
}

#[test]
fn an_answer_that_no_honest_child_gives_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut cuts) = split(&Sandbox::none(), &fixture::source(folder.path()), folder.path()).unwrap();
    cuts.manifest.segments[1].index = 7;
    let answer = format!(r#"{{"Done":{}}}"#, serde_json::to_string(&cuts).unwrap());
    let file = folder.path().join("answer");
    let length = answer.len() as u64;
    fs::write(&file, [b"A", &length.to_le_bytes()[..], answer.as_bytes()].concat()).unwrap();
    let lying = impostor(folder.path(), &format!("cat {}", file.display()));
    let error = split(&lying, Path::new("source.mp4"), folder.path()).unwrap_err();
    assert!(matches!(error, Error::Nonsense { .. }), "{error:?}");
}

#[test]
fn a_child_that_wants_too_much_is_one_sentence() {
    let small = limited(Limits { memory_bytes: Some(300_000_000), ..Limits::default() });
    assert_eq!(
        run(&small, Misbehave::Hoard).unwrap_err().to_string(),
        "the video decoder needed more than 300.0 MB of memory while misbehaving"
    );
    let hasty = limited(Limits { processor_secs: 1, ..Limits::default() });
    let error = run(&hasty, Misbehave::Spin).unwrap_err();
    assert!(matches!(error, Error::Died { how: Death::Stuck(1), .. }), "{error:?}");
    assert_eq!(error.to_string(), "the video decoder computed for 1 second without getting on while misbehaving");
}

#[test]
fn cancelling_ends_the_child() {
    let cancel = CancellationToken::new();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| fixture::sandbox().run_blocking(Misbehave::Hang, &cancel));
        // Whether the child has started by then or not.
        cancel.cancel();
        let ended = running.join().unwrap();
        assert!(matches!(ended, Err(Error::Media(Media::Cancelled))), "{ended:?}");
    });
    // This process's children may be those of other tests, so look from a process of its own.
    let parent = Parent::start("cancel");
    let child = parent.child();
    parent.wait();
    gone(child);
}

#[test]
fn one_signal_ends_a_child_and_one_that_asks_it_to_stop_does_not() {
    let parent = Parent::start("hang");
    let child = parent.child();
    confined(child);
    kill_process(child, Signal::TERM).unwrap();
    assert!(test_kill_process(child).is_ok());
    kill_process(child, Signal::SEGV).unwrap();
    // The worker, which waits for it, reaps it.
    gone(child);
    parent.wait();
}

#[test]
fn a_worker_that_is_killed_leaves_no_child() {
    let parent = Parent::start("hang");
    let child = parent.child();
    kill_process(parent.pid(), Signal::KILL).unwrap();
    parent.wait();
    gone(child);
}

#[test]
fn a_child_has_only_the_descriptors_and_the_environment_it_needs() {
    let parent = Parent::start("hang");
    let child = parent.child();
    confined(child);
    let child = child.as_raw_nonzero();
    let open = || fs::read_dir(format!("/proc/{child}/fd")).unwrap().count();
    // Order, answers, errors, and a second descriptor of the answers.
    assert_eq!(open(), 4);
    let environment = fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
    assert!(!environment.contains("SECRET"), "{environment}");
    kill_process(parent.pid(), Signal::KILL).unwrap();
    parent.wait();
}

/// This test program again, as a worker that plays a part of [`part`].
struct Parent(std::process::Child);

impl Parent {
    fn start(part: &str) -> Self {
        let mut command = Command::new("/proc/self/exe");
        command.args(["--ignored", "--exact", "part"]).env("PART", part).env("SECRET", "x").stdin(Stdio::piped());
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn child(&self) -> Pid {
        let mut found = None;
        until(|| {
            found = children_of(self.0.id()).first().copied();
            found.is_some()
        });
        found.unwrap()
    }

    /// Ends its standard input, for which it waits, and waits for its end.
    fn wait(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
#[ignore = "a part of another test"]
fn part() {
    let cancel = CancellationToken::new();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| fixture::sandbox().run_blocking(Misbehave::Hang, &cancel));
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        if std::env::var("PART").unwrap() == "cancel" {
            cancel.cancel();
        }
        running.join().unwrap().unwrap_err();
    });
}

/// Waits until a child has given up what it does not need.
fn confined(child: Pid) {
    let status = format!("/proc/{}/status", child.as_raw_nonzero());
    until(|| fs::read_to_string(&status).unwrap().contains("Seccomp:\t2"));
}

fn gone(child: Pid) {
    until(|| test_kill_process(child).is_err());
}

/// Waits for a state; the limit only ends a hang.
fn until(mut is_so: impl FnMut() -> bool) {
    let mut tries = 0;
    while !is_so() {
        tries += 1;
        assert!(tries < 6000, "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}
