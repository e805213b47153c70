//! Commands about a deployment: logs, services, findings; `doctor` and `provision` run by the control plane's program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use stereospot_api::view::{
    ApiCalls, Attention, DeploymentView, Environment, FoundQueue, LogLine, LogPage, QueueView, ServiceView, Snapshot,
};
use stereospot_api::wire::Applied;
use stereospot_domain::attention::{Step, Subject};
use stereospot_domain::diagnosis::Severity;
use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem, Target};
use stereospot_domain::{BackendKind, QueueName, QueueRole, Timestamp, Topology};
use uuid::Uuid;

use crate::program::{ended, run, stereospot};
use crate::server::{Answer, Request, Server};

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

fn page(texts: &[&str], is_whole: bool) -> LogPage {
    let line = |(at, text): (usize, &&str)| LogLine {
        time: Timestamp(at as i64),
        source: "/ecs/p/video-worker".into(),
        stream: "ecs/video-worker/0123".into(),
        text: (*text).into(),
    };
    LogPage {
        lines: texts.iter().enumerate().map(line).collect(),
        is_whole,
        searched: vec!["/ecs/p/video-worker".into()],
        missing: vec!["/ecs/p/job-worker: there is no such log group".into()],
        bytes_scanned: 1_500_000,
    }
}

fn deployment(backend: BackendKind) -> DeploymentView {
    DeploymentView {
        backend,
        region: Some("eu-west-1".into()),
        prefix: Some("p".into()),
        topology: None,
        queues: vec![
            FoundQueue {
                name: QueueName::main(QueueRole::Chunking),
                physical: "p-chunking".into(),
                exists: false,
                note: None,
                read_at: None,
            },
            FoundQueue {
                name: QueueName::main(QueueRole::Inference),
                physical: "p-inference".into(),
                exists: true,
                note: None,
                read_at: Some(Timestamp(0)),
            },
        ],
        started_at: Timestamp(0),
        missing: vec!["sqs:PurgeQueue is not allowed".into()],
        calls: vec![ApiCalls {
            api: "sqs.GetQueueAttributes".into(),
            attempts: 900,
            throttled: 2,
            failed: 0,
            per_minute: 48.0,
            usd_per_month: 0.83,
        }],
        budget_per_minute: Some(60),
        calls_per_minute: 48.0,
        usd_per_month: 0.83,
    }
}

fn snapshot() -> Snapshot {
    let service = |name: &str, desired, running, max| ServiceView {
        name: name.into(),
        desired,
        running,
        pending: 0,
        min: max,
        max,
        is_scaling_suspended: true,
        note: None,
        observed_at: Timestamp(0),
    };
    Snapshot {
        revision: 0,
        boot: Uuid::nil(),
        now: Timestamp(5_000),
        environment: Environment {
            name: "p".into(),
            backend: BackendKind::Aws,
            is_production: false,
            is_read_only: false,
            repairs_by_itself: true,
            version: "0".into(),
            region: Some("eu-west-1".into()),
            topology: Some(Topology::VideoWorker),
            prefix: Some("p".into()),
        },
        jobs: Vec::new(),
        jobs_total: 0,
        queues: Vec::new(),
        workers: Vec::new(),
        services: vec![service("media-worker", 1, 1, None), service("video-worker", 3, 1, Some(8))],
        attention: Vec::new(),
        collectors: Vec::new(),
    }
}

#[test]
fn logs_are_printed_with_what_the_search_cost_and_missed() {
    let found = page(&["job_id=1 a", "b\tc"], false);
    let expected = found.clone();
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        line if line == format!("GET /v1/jobs/{JOB}/logs?limit=2") => Answer::json(&found),
        line => panic!("unexpected {line}"),
    });
    let end = run(&["logs", JOB, "--limit", "2", "--server", &server.url]);
    assert_eq!((end.code, end.stdout.as_str()), (0, "video-worker/0123  job_id=1 a\nvideo-worker/0123  b␉c\n"));
    for says in ["not searched: /ecs/p/job-worker", "2 lines in 1 place, 1.5 MB scanned", "raise --limit"] {
        assert!(end.stderr.contains(says), "{}", end.stderr);
    }
    let end = run(&["logs", JOB, "--limit", "2", "--json", "--server", &server.url]);
    assert_eq!(serde_json::from_str::<LogPage>(&end.stdout).unwrap(), expected);
    let refused = Server::start(|_| Answer::problem(404, "not-found", "this backend's logs can't be searched"));
    let end = run(&["logs", JOB, "--server", &refused.url]);
    assert_eq!((end.code, end.stderr.as_str()), (1, "stereospot: this backend's logs can't be searched\n"));
}

#[test]
fn followed_logs_print_what_is_new_until_ctrl_c() {
    let searches = AtomicUsize::new(0);
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        "GET /v1/deployment" => Answer::json(&deployment(BackendKind::Local)),
        line if line.contains("/logs?") => match searches.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::json(&page(&["first"], true)),
            // A server restart doesn't end following.
            1 => Answer::Cut,
            _ => Answer::json(&page(&["first", "second"], true)),
        },
        line => panic!("unexpected {line}"),
    });
    let mut command = stereospot(&["logs", JOB, "--follow", "--server", &server.url]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for expected in ["first", "second"] {
        let line = lines.next().unwrap().unwrap();
        assert_eq!(line, format!("video-worker/0123  {expected}"));
    }
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(lines.next().is_none());
}

#[test]
fn services_are_listed_and_scaled_by_plan() {
    let target = || Target::Service { name: "video-worker".into(), desired_before: 3, desired_after: 2 };
    let plan = Plan {
        id: Uuid::from_u128(7),
        action: Action::Scale { service: "video-worker".into(), desired: 2 },
        who: "me".into(),
        created_at: Timestamp(0),
        valid_until: Timestamp(60_000),
        scope: "video-worker".into(),
        items: vec![PlanItem::new(target(), "3 to 2 tasks")],
        skips: Vec::new(),
        effect: "one task is ended".into(),
        assumptions: Vec::new(),
        confirm: None,
        refused: None,
        command: "stereospot services scale video-worker 2".into(),
    };
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        "GET /v1/snapshot" => Answer::json(&snapshot()),
        "POST /v1/plans" => {
            let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(
                (&asked["action"], &asked["service"], &asked["desired"]),
                (&"scale".into(), &"video-worker".into(), &2.into())
            );
            Answer::json(&plan)
        }
        line if line.ends_with("/apply") => Answer::json(&Applied {
            plan_id: Uuid::from_u128(7),
            results: vec![ItemResult { target: target(), outcome: Outcome::Done, note: String::new() }],
        }),
        line => panic!("unexpected {line}"),
    });
    let end = run(&["services", "--server", &server.url]);
    let lines: Vec<&str> = end.stdout.lines().collect();
    assert!(lines[1].starts_with("   media-worker        1        1        0  · "), "{lines:?}");
    assert!(lines[2].starts_with("!  video-worker        3        1        0  8-8 suspended"), "{lines:?}");
    let end = run(&["status", "--server", &server.url]);
    assert!(end.stdout.starts_with("p │ eu-west-1 topology B │ control plane 0 at "), "{}", end.stdout);
    assert!(end.stdout.contains("tasks 2/4 running │ jobs ·"), "{}", end.stdout);
    let end = run(&["services", "list", "--json", "--server", &server.url]);
    assert_eq!(serde_json::from_str::<Vec<ServiceView>>(&end.stdout).unwrap(), snapshot().services);

    let end = run(&["services", "scale", "video-worker", "2", "--dry-run", "--server", &server.url]);
    assert!(end.code == 0 && end.stdout.contains("3 to 2 tasks"), "{}", end.stdout);
    assert!(!server.requests().iter().any(|request| request.line.ends_with("/apply")));
    let end = run(&["services", "scale", "video-worker", "2", "--yes", "--server", &server.url]);
    assert!(end.code == 0 && end.stdout.contains("1 done, 0 skipped"), "{}", end.stdout);
}

#[test]
fn what_needs_attention_is_printed_with_its_command_and_as_json_with_its_data() {
    let about = Subject::Service { name: "video-worker".into(), role: QueueRole::Inference };
    let next = vec![Step::Scale { service: "video-worker".into(), desired: 1 }];
    let said = ("video-worker has no task".into(), "queue inference 3".into());
    let item = Attention::new(about.clone(), Severity::Critical, Timestamp(0), said, next.clone());
    let shown = Snapshot { attention: vec![item], ..snapshot() };
    let server = Server::start(move |_: &Request| Answer::json(&shown));
    let command = "stereospot services scale video-worker 1";
    let end = run(&["status", "--server", &server.url]);
    assert!(end.stdout.contains("video-worker has no task") && end.stdout.contains(command), "{}", end.stdout);
    let end = run(&["status", "--json", "--server", &server.url]);
    let printed: serde_json::Value = serde_json::from_str(&end.stdout).unwrap();
    let item = &printed["attention"][0];
    assert_eq!(serde_json::from_value::<Subject>(item["about"].clone()).unwrap(), about);
    assert_eq!(serde_json::from_value::<Vec<Step>>(item["next"].clone()).unwrap(), next);
    assert_eq!(item["code"], "stage-stalled");
    assert_eq!(item["command"], command);
    assert_eq!(item["sentence"], "video-worker has no task: queue inference 3");
}

#[test]
fn a_deployment_is_shown_with_what_is_missing_and_what_watching_costs() {
    let server = Server::start(|request: &Request| match request.line.as_str() {
        "GET /v1/deployment" => Answer::json(&deployment(BackendKind::Aws)),
        "GET /v1/queues" => Answer::json(&[QueueView {
            name: QueueName::main(QueueRole::Chunking),
            ready: None,
            in_flight: None,
            delayed: None,
            oldest_enqueued_at: None,
            in_per_minute: None,
            out_per_minute: None,
            history: Vec::new(),
            drains_in_secs: None,
            consumers: None,
            visibility_secs: None,
            max_receives: None,
            purged_at: None,
        }]),
        line => panic!("unexpected {line}"),
    });
    let end = run(&["deployment", "--server", &server.url]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    for says in [
        "topology  ·",
        "48.0 a minute of at most 60, ≈$0.83 a month",
        "! sqs:PurgeQueue is not allowed",
        "-  chunking   not there  p-chunking",
        "sqs.GetQueueAttributes",
    ] {
        assert!(end.stdout.contains(says), "{says}: {}", end.stdout);
    }
    let line = |begin: &str| end.stdout.lines().find(|line| line.starts_with(begin)).unwrap().to_owned();
    let is_days = |age: &str| age.split_once('d').is_some_and(|(days, _)| days.parse::<u32>().unwrap() > 20_000);
    assert!(is_days(line("MISSING AT THE START, ").split(' ').nth(4).unwrap()), "{}", end.stdout);
    assert!(is_days(line("✓  inference").split_whitespace().last().unwrap()), "{}", end.stdout);
    assert!(line("-  chunking").ends_with("·"), "{}", end.stdout);
    let end = run(&["deployment", "--json", "--server", &server.url]);
    assert_eq!(serde_json::from_str::<DeploymentView>(&end.stdout).unwrap(), deployment(BackendKind::Aws));
    let end = run(&["queues", "--server", &server.url]);
    assert!(end.stdout.contains("chunking: not deployed"), "{}", end.stdout);
}

#[test]
fn doctor_and_provision_are_the_control_planes_own() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("stereospot-controlplane");
    fs::write(&program, "#!/bin/sh\nread -r typed\necho \"called: $* / $typed\"\necho said >&2\nexit 3\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let dir = dir.path().to_str().unwrap();
    let check = |args: &[&str], expected: &str| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"yes\n").unwrap();
        drop(writer);
        let end = ended(stereospot(&[args, &["--bin-dir", dir]].concat()).stdin(reader).output().unwrap());
        assert_eq!((end.code, end.stdout.trim_end(), end.stderr.as_str()), (3, expected, "said\n"), "{args:?}");
    };
    check(&["doctor", "--env-file", "a b.env"], "called: doctor --env-file a b.env / yes");
    check(&["doctor", "--json", "--env-file", "x"], "called: doctor --env-file x --json / yes");
    check(
        &["provision", "--dry-run", "--name-prefix", "p", "--region", "eu-west-1", "--json", "--destroy"],
        "called: provision --name-prefix p --region eu-west-1 --dry-run --destroy --json / yes",
    );
    check(
        &["provision", "--destroy", "--yes", "p", "--name-prefix", "p", "--endpoint-url", "http://127.0.0.1:9"],
        "called: provision --name-prefix p --endpoint-url http://127.0.0.1:9 --yes p --destroy / yes",
    );
    let end = run(&["doctor", "--env-file", "x", "--bin-dir", "/nonexistent"]);
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("the program stereospot-controlplane is neither beside"), "{}", end.stderr);
}
