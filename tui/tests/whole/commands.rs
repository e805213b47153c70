//! Every command but `submit` and `up`, as a user calls it.

use std::process::Stdio;

use serde_json::Value;
use stereospot_api::view::{JobDetail, JobPage, JobView, MessageView, Observed, QueueView};
use stereospot_api::wire::Applied;
use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem, Refusal, RefusalCode, Target};
use stereospot_domain::queue::Envelope;
use stereospot_domain::{Format, Job, JobId, JobOptions, QueueName, QueueRole, Timestamp};
use uuid::Uuid;

use crate::program::{ended, run, stereospot};
use crate::server::{Answer, Request, Server};

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";
const OTHER: &str = "7f3a9999-5b7d-4e0a-9c55-0a1b2c3d4e5f";

fn view(id: &str) -> JobView {
    let job_id: JobId = id.parse().unwrap();
    JobView {
        job: Job::new(job_id, JobOptions::default(), Some("clip.mp4".into()), Timestamp(0)),
        observed_at: Timestamp(0),
        segments_done: 1,
        segments_running: 0,
        segments_dead: Some(0),
        progress: None,
        frames_per_second: None,
        eta: None,
        last_activity_at: Timestamp(0),
        last_event: None,
        attempts: 1,
        findings: Vec::new(),
    }
}

fn target(id: &str) -> Target {
    Target::Message { queue: QueueName::dead_letter(QueueRole::Inference), id: id.into() }
}

fn plan(refused: Option<&str>) -> Plan {
    Plan {
        id: Uuid::from_u128(7),
        action: Action::Replay { queue: QueueName::dead_letter(QueueRole::Inference), message_ids: None },
        who: "me".into(),
        created_at: Timestamp(0),
        valid_until: Timestamp(60_000),
        scope: "inference-dlq, 1 message".into(),
        items: vec![PlanItem::new(target("m1"), "send to inference")],
        skips: Vec::new(),
        effect: "inference 3 → 4".into(),
        assumptions: Vec::new(),
        confirm: Some("replay 1".into()),
        refused: refused.map(|why| Refusal::new(RefusalCode::Held, why)),
        command: "stereospot queues replay inference-dlq".into(),
    }
}

fn writes(refused: Option<&'static str>, outcome: Outcome) -> Server {
    Server::start(move |request: &Request| match request.line.as_str() {
        "POST /v1/plans" => Answer::json(&plan(refused)),
        line if line.ends_with("/apply") => Answer::json(&Applied {
            plan_id: Uuid::from_u128(7),
            results: vec![ItemResult { target: target("m1"), outcome, note: String::new() }],
        }),
        line => panic!("unexpected {line}"),
    })
}

#[test]
fn wrong_calls_end_with_2_and_say_why() {
    let check = |args: &[&str], says: &str| {
        let end = run(args);
        assert_eq!(end.code, 2, "{args:?}: {}", end.stderr);
        assert!(end.stderr.contains(says), "{args:?}: {}", end.stderr);
        assert_eq!(end.stdout, "", "{args:?}");
    };
    check(&["no-such-command"], "no-such-command");
    check(&["submit"], "FILE");
    check(&["submit", "/nonexistent/clip.mp4"], "there is no file /nonexistent/clip.mp4");
    check(&["submit", "x.mp4", "--mode", "sbss"], "half-sbs, tb, half-tb, cross-eyed, anaglyph");
    check(&["submit", "x.mp4", "--divergence", "99"], "from 0 to 10");
    check(&["submit", "x.mp4", "--force"], "--output");
    check(&["submit", "/"], "is a folder");
    check(&["jobs", "show", "7f3"], "at least 4 characters");
    check(&["jobs", "show", "clip"], "no job's id");
    check(&["jobs", "--status", "odd"], "chunking_in_progress");
    check(&["jobs", "repair", JOB, "odd"], "reassembly-message-lost");
    check(&["jobs", "--status", "failed", "show", JOB], "are for `jobs list`");
    check(&["queues", "peek", "video"], "inference-dlq");
    check(&["queues", "replay", "inference"], "did you mean inference-dlq?");
    check(&["queues", "purge", "inference"], "add --yes to apply it, or --dry-run");
    check(&["queues", "purge", "inference", "--yes", "--dry-run"], "cannot be used with");
    check(&["up", "--workers", "depth=1"], "inference=2");
    check(&["up", "--backend", "gcp"], "local, aws");
    check(&["up", "--backend", "aws"], "needs --env-file FILE, or STEREOSPOT_ENV_FILE");
    check(&["up", "--backend", "aws", "--env-file", "/nonexistent.env"], "there is no env file /nonexistent.env");
    check(&["up", "--env-file", "/nonexistent.env"], "add --backend aws");
    check(&["doctor"], "--env-file <FILE>");
    check(&["provision"], "--name-prefix <PREFIX>");
    check(&["services", "scale", "video-worker"], "<N>");
    check(&["services", "scale", "video-worker", "-1"], "unexpected argument");
    check(&["services", "scale", "video-worker", "1"], "a scale must be confirmed");
    check(&["services", "scale", "", "1", "--yes"], "`stereospot services` lists them");
    check(&["logs", "7f3"], "at least 4 characters");
    check(&["logs", JOB, "--limit", "0"], "1..=10000");
    check(&["up", "--segment-secs", "0"], "from 0.1 to 3600 seconds");
    check(&["up", "--provider", "gpu"], "cuda");
    check(&["up", "--model", "/nonexistent.onnx"], "there is no model file");
    check(&[], "needs a terminal");
}

#[test]
fn an_env_file_that_can_not_be_read_is_named() {
    let end = run(&["up", "--backend", "aws", "--env-file", "/"]);
    assert_eq!(end.code, 1);
    assert!(end.stderr.starts_with("stereospot: the env file / can't be read: "), "{}", end.stderr);
}

#[test]
fn a_server_that_does_not_answer_ends_with_1_and_says_what_to_do() {
    for args in [
        &["status"][..],
        &["jobs"],
        &["queues"],
        &["workers"],
        &["actions"],
        &["events"],
        &["services"],
        &["deployment"],
        &["logs", JOB],
        &["jobs", "trigger", JOB, "--yes"],
    ] {
        // Port 9 on loopback: nothing listens there.
        let end = run(&[args, &["--server", "http://127.0.0.1:9"]].concat());
        assert_eq!((end.code, end.stdout.as_str()), (1, ""), "{args:?}");
        let says = "stereospot: no control plane answers at http://127.0.0.1:9: start one with `stereospot up`";
        assert!(end.stderr.starts_with(says) && end.stderr.lines().count() == 1, "{}", end.stderr);
    }
}

#[test]
fn a_malformed_address_is_a_wrong_call_and_an_empty_one_is_none() {
    for args in [&["status", "--server", "bogus"][..], &["--server", "https://x", "jobs"], &["status", "--server", ""]]
    {
        let end = run(args);
        assert_eq!(end.code, 2, "{args:?}: {}", end.stderr);
        assert!(end.stderr.contains("is no server address"), "{}", end.stderr);
    }
    let with = |name: &str, value: &str, args: &[&str]| {
        ended(stereospot(args).env(name, value).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap())
    };
    let end = with("STEREOSPOT_SERVER", "bogus", &["status"]);
    assert_eq!(end.code, 2, "{}", end.stderr);
    // Port 9 on loopback: nothing listens there.
    let given = ["status", "--server", "http://127.0.0.1:9"];
    for name in ["STEREOSPOT_SERVER", "STEREOSPOT_DATA_DIR", "STEREOSPOT_KEYS", "STEREOSPOT_BACKEND"] {
        let end = with(name, "", &given);
        assert_eq!(end.code, 1, "{name}: {}", end.stderr);
        assert!(end.stderr.contains("no control plane answers at http://127.0.0.1:9"), "{name}: {}", end.stderr);
    }
    let end = with("STEREOSPOT_ENV_FILE", "", &["doctor"]);
    assert_eq!(end.code, 2);
    assert!(end.stderr.contains("--env-file <FILE>"), "{}", end.stderr);
    let end = with("STEREOSPOT_BACKEND", "", &["up", "--env-file", "/nonexistent.env"]);
    assert!(end.stderr.contains("add --backend aws"), "as on the local backend: {}", end.stderr);
    let dir = tempfile::tempdir().unwrap();
    let running = serde_json::json!({ "server": "http://127.0.0.1:9", "pid": std::process::id() });
    std::fs::create_dir(dir.path().join("run")).unwrap();
    std::fs::write(dir.path().join("run/controlplane.json"), running.to_string()).unwrap();
    let lock = std::fs::File::create(dir.path().join("run/controlplane.lock")).unwrap();
    lock.lock().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let end = with("STEREOSPOT_SERVER", "", &["status", "--data-dir", data_dir]);
    assert!(end.stderr.contains("no control plane answers at http://127.0.0.1:9"), "{}", end.stderr);
}

#[test]
fn a_stack_that_is_named_and_down_is_not_replaced_by_another() {
    let other = Server::start(|request: &Request| panic!("unexpected {request:?}"));
    let here = tempfile::tempdir().unwrap();
    let clip = here.path().join("clip.mp4");
    std::fs::write(&clip, "x").unwrap();
    let clip = clip.to_str().unwrap();
    for args in [
        &["submit", clip][..],
        &["queues", "purge", "inference-dlq", "--yes"],
        &["jobs", "trigger", JOB, "--yes"],
        &["status"],
        &["--linear"],
    ] {
        // The command line overrides the environment.
        let mut typed = stereospot(&[args, &["--data-dir", "d7"]].concat());
        typed.env("STEREOSPOT_SERVER", &other.url);
        let mut by_variable = stereospot(args);
        by_variable.env_remove("STEREOSPOT_SERVER").env("STEREOSPOT_DATA_DIR", "d7");
        for mut command in [typed, by_variable] {
            let end = ended(command.current_dir(here.path()).output().unwrap());
            assert_eq!((end.code, end.stdout.as_str()), (1, ""), "{args:?}: {}", end.stderr);
            let says =
                "no stack runs on d7: start it with `stereospot up --data-dir d7`, or name a server with --server";
            assert!(end.stderr.contains(says), "{args:?}: {}", end.stderr);
        }
    }
    // The default place, where a stack has run.
    std::fs::create_dir_all(here.path().join("stereospot-data/run")).unwrap();
    std::fs::write(here.path().join("stereospot-data/run/controlplane.lock"), "").unwrap();
    let mut command = stereospot(&["submit", clip]);
    let end = ended(command.env_remove("STEREOSPOT_SERVER").current_dir(here.path()).output().unwrap());
    assert_eq!(end.code, 1);
    let says = "no stack runs on ./stereospot-data: start it with `stereospot up`, or name a server with --server";
    assert!(end.stderr.contains(says), "{}", end.stderr);
    assert!(other.requests().is_empty());
}

#[test]
fn the_writer_is_named_alike_everywhere() {
    let check = |user: Option<&str>, logname: Option<&str>, expected: &str| {
        let server = writes(None, Outcome::Done);
        let mut command = stereospot(&["queues", "replay", "inference-dlq", "--yes", "--server", &server.url]);
        for (name, value) in [("USER", user), ("LOGNAME", logname)] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        assert_eq!(ended(command.output().unwrap()).code, 0);
        for request in server.requests() {
            assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap()["who"], expected, "{}", request.line);
        }
        assert_eq!(server.requests().len(), 2);
    };
    check(Some("ann"), Some("bob"), "ann");
    check(Some(""), Some("bob"), "bob");
    check(None, None, "operator");
}

#[test]
fn a_plan_whose_applying_brought_no_answer_is_not_said_to_have_failed() {
    let server = Server::start(|request: &Request| match request.line.as_str() {
        "POST /v1/plans" => Answer::json(&plan(None)),
        _ => Answer::Cut,
    });
    let end = run(&["queues", "replay", "inference-dlq", "--yes", "--server", &server.url]);
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("whether it was applied is not known"), "{}", end.stderr);
    assert!(end.stderr.contains("`stereospot actions`"), "{}", end.stderr);
}

#[test]
fn single_messages_are_discarded_by_their_ids_and_the_undo_is_named_where_there_is_one() {
    let check = |args: &[&str], ids: Option<&[&str]>, item: Target, outcome: Outcome, has_undo: bool| {
        let server = Server::start(move |request: &Request| match request.line.as_str() {
            "POST /v1/plans" => {
                let action = serde_json::from_slice(&request.body).unwrap();
                let item = PlanItem { target: item.clone(), ..plan(None).items.remove(0) };
                Answer::json(&Plan { action, items: vec![item], ..plan(None) })
            }
            _ => {
                let results = vec![ItemResult { target: target("m1"), outcome, note: String::new() }];
                Answer::json(&Applied { plan_id: Uuid::from_u128(7), results })
            }
        });
        let end = run(&[&["queues", "purge"], args, &["--yes", "--server", &server.url]].concat());
        let asked: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
        assert_eq!((&asked["action"], &asked["queue"]), (&"purge".into(), &args[0].into()));
        assert_eq!(asked.get("message_ids"), ids.map(Value::from).as_ref(), "{asked}");
        assert_eq!(end.stdout.contains("undo with: stereospot queues restore"), has_undo, "{}", end.stdout);
    };
    let chosen = ["inference-dlq", "--id", "m1", "--id", "m2"];
    check(&chosen, Some(&["m1", "m2"]), target("m1"), Outcome::Done, true);
    check(&chosen, Some(&["m1", "m2"]), target("m1"), Outcome::Failed, false);
    check(&["inference-dlq"], None, target("m1"), Outcome::Done, true);
    // A queue whose messages can't be copied is its plan's only item.
    let whole = Target::Queue { queue: QueueName::main(QueueRole::Inference) };
    check(&["inference"], None, whole, Outcome::Done, false);
}

#[test]
fn what_is_empty_already_is_done() {
    for (name, queue) in [("replay", "inference-dlq"), ("purge", "inference-dlq"), ("purge", "inference")] {
        let server = Server::start(move |request: &Request| {
            let action = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(request.line, "POST /v1/plans", "nothing is applied");
            let refused = Some(Refusal::new(RefusalCode::Empty, format!("{queue} is empty")));
            Answer::json(&Plan { action, items: Vec::new(), confirm: None, refused, ..plan(None) })
        });
        let call = ["queues", name, queue, "--server", &server.url];
        for how in [&["--yes"][..], &["--dry-run"], &["--yes", "--json"], &["--dry-run", "--json"]] {
            let end = run(&[&call[..], how].concat());
            assert_eq!(end.code, 0, "{name} {how:?}: {}", end.stderr);
            match how {
                ["--yes", "--json"] => {
                    assert_eq!(serde_json::from_str::<Applied>(&end.stdout).unwrap().results, Vec::new());
                }
                ["--dry-run", "--json"] => {
                    assert!(serde_json::from_str::<Plan>(&end.stdout).unwrap().refused.is_some());
                }
                _ => {
                    let says = format!("{queue} is empty: there is nothing to do");
                    assert_eq!(end.stdout.lines().last(), Some(says.as_str()), "{name} {how:?}");
                }
            }
        }
    }
}

#[test]
fn values_of_closed_sets_are_in_the_help_and_completed() {
    let help = run(&["submit", "--help"]).stdout;
    // clap may wrap anywhere.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for format in Format::ALL {
        assert!(help.contains(&format!("{format},")) || help.contains(&format!("{format}]")), "{format}: {help}");
    }
    assert!(
        !run(&["queues", "replay", "--help"]).stdout.contains("inference,"),
        "only dead-letter queues are replayed"
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).stdout;
        let of_options = ["anaglyph-wimmer", "chunking_in_progress", "colour-blind"];
        // clap's fish generator omits the values of positional arguments.
        let of_arguments = ["output-events-dlq", "completion-lost"].into_iter().filter(|_| shell != "fish");
        for value in of_options.into_iter().chain(of_arguments) {
            assert!(script.contains(value), "{shell}: {value}");
        }
    }
}

#[test]
fn completions_and_man_pages_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let end = run(&["completions", shell]);
        assert_eq!(end.code, 0);
        for command in ["queues", "submit", "doctor", "provision", "logs", "services", "deployment"] {
            assert!(end.stdout.contains(command), "{shell}: {command}");
        }
    }
    let end = run(&["man"]);
    assert!(end.stdout.starts_with(".ie") || end.stdout.contains(".TH"), "{}", end.stdout);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", "--dir", dir.path().to_str().unwrap()]).code, 0);
    for page in [
        "stereospot.1",
        "stereospot-submit.1",
        "stereospot-queues-replay.1",
        "stereospot-queues-purge.1",
        "stereospot-doctor.1",
        "stereospot-services-scale.1",
    ] {
        assert!(dir.path().join(page).metadata().unwrap().len() > 100, "{page}");
    }
    let end = run(&["man", "--dir", "/nonexistent"]);
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("could not write man pages"), "{}", end.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let end = ended(stereospot(&["completions", "bash"]).stdout(writer).stderr(Stdio::piped()).output().unwrap());
    assert_eq!((end.code, end.stderr.as_str()), (0, ""));
}

#[test]
fn jobs_are_listed_for_people_and_as_the_servers_own_types() {
    let page = JobPage { jobs: vec![view(JOB), view(OTHER)], next: Some("c2".into()) };
    let expected = page.clone();
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        "GET /v1/jobs?limit=50" => Answer::json(&page),
        line => panic!("unexpected {line}"),
    });
    let before = run(&["--server", &server.url, "jobs", "--json", "list"]);
    assert_eq!(serde_json::from_str::<JobPage>(&before.stdout).unwrap(), expected, "options may stand before too");
    for args in [&["jobs"][..], &["jobs", "list"]] {
        let end = run(&[args, &["--server", &server.url]].concat());
        assert_eq!(end.code, 0, "{}", end.stderr);
        let lines: Vec<&str> = end.stdout.lines().collect();
        assert!(lines[0].starts_with("JOB       STATUS") && lines[1].starts_with("7f3a2c1e  created"), "{lines:?}");
        assert!(lines[1].contains("1/·") && lines[1].contains("clip.mp4"), "{lines:?}");
        assert!(end.stderr.contains("--cursor c2"), "{}", end.stderr);
        let end = run(&[args, &["--json", "--server", &server.url]].concat());
        assert_eq!(serde_json::from_str::<JobPage>(&end.stdout).unwrap(), expected);
        assert_eq!(end.stderr, "");
    }
}

#[test]
fn a_job_is_found_by_the_beginning_of_its_id() {
    let server = Server::start(|request: &Request| match request.line.as_str() {
        "GET /v1/jobs?limit=1000" => Answer::json(&JobPage { jobs: vec![view(JOB)], next: Some("p2".into()) }),
        "GET /v1/jobs?limit=1000&cursor=p2" => Answer::json(&JobPage { jobs: vec![view(OTHER)], next: None }),
        line if line == format!("GET /v1/jobs/{OTHER}/events?limit=200") => Answer::Whole(200, b"[]".into()),
        line => panic!("unexpected {line}"),
    });
    let check = |id: &str, code: i32, says: &str| {
        let end = run(&["jobs", "events", id, "--server", &server.url]);
        assert_eq!(end.code, code, "{id}: {}", end.stderr);
        assert!((end.stdout + &end.stderr).contains(says), "{id}");
    };
    check("7f3a99", 0, "no event");
    check("7F3A9999-5B", 0, "no event");
    check(OTHER, 0, "no event");
    check("7f3a", 1, OTHER);
    check("aaaa", 1, "`stereospot jobs` lists them");
}

#[test]
fn a_job_is_shown_with_what_is_not_known_of_it() {
    for (dead, shown) in [(Some(2), "2 dead-lettered"), (Some(0), "0 dead-lettered"), (None, "· dead-lettered")] {
        let server = Server::start(move |_: &Request| {
            Answer::json(&JobDetail {
                view: JobView { segments_dead: dead, ..view(JOB) },
                segments: Vec::new(),
                timeline: Vec::new(),
                lock: None,
                can_trigger: false,
                trigger_note: "the source is not split yet".into(),
                result_bytes: None,
                result_sha256: None,
                check: None,
                warnings: Vec::new(),
            })
        });
        let end = run(&["jobs", "show", JOB, "--server", &server.url]);
        assert!(end.stdout.contains(&format!("segments  1/· done, 0 running, {shown}\n")), "{}", end.stdout);
    }
}

#[test]
fn queues_show_what_is_unknown_and_what_is_approximate() {
    let observed = |value, is_exact| Some(Observed { value, at: Timestamp(0), is_exact });
    let queue = QueueView {
        name: QueueName::main(QueueRole::Inference),
        ready: observed(318, false),
        in_flight: observed(16, true),
        delayed: None,
        oldest_enqueued_at: None,
        in_per_minute: None,
        out_per_minute: None,
        history: Vec::new(),
        drains_in_secs: Some(90.0),
        consumers: Some(2),
        visibility_secs: Some(30.0),
        max_receives: Some(5),
        purged_at: None,
    };
    let message = MessageView {
        id: "m1".into(),
        body: "{}".into(),
        envelope: Envelope::default(),
        job_id: Some(JOB.parse().unwrap()),
        segment_index: None,
        receive_count: 5,
        enqueued_at: Timestamp(0),
        dead_lettered_at: None,
        expires_at: None,
        fingerprint: None,
        error: Some("CUDA out of memory".into()),
    };
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        "GET /v1/queues" => Answer::json(&[&queue]),
        "GET /v1/deployment" => Answer::problem(404, "not-found", "an older server knows no such page"),
        "GET /v1/queues/inference-dlq/messages?max=20" => Answer::json(&[&message]),
        line => panic!("unexpected {line}"),
    });
    let end = run(&["queues", "--server", &server.url]);
    let cells: Vec<&str> = end.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[..8], ["inference", "≈318", "16", "·", "·", "·", "·", "1m30s"]);
    let end = run(&["queues", "list", "--json", "--server", &server.url]);
    assert_eq!(serde_json::from_str::<Vec<QueueView>>(&end.stdout).unwrap().len(), 1);
    let end = run(&["queues", "peek", "inference-dlq", "--server", &server.url]);
    assert!(end.stdout.contains("7f3a2c1e") && end.stdout.contains("CUDA out of memory"), "{}", end.stdout);
    let end = run(&["queues", "peek", "inference-dlq", "--json", "--server", &server.url]);
    assert_eq!(serde_json::from_str::<Vec<MessageView>>(&end.stdout).unwrap()[0].receive_count, 5);
}

#[test]
fn a_dry_run_shows_the_plan_and_applies_nothing() {
    let server = writes(None, Outcome::Done);
    let end = run(&["queues", "replay", "inference-dlq", "--id", "m1", "--dry-run", "--server", &server.url]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    assert!(end.stdout.contains("PLAN replay") && end.stdout.contains("m1  send to inference"), "{}", end.stdout);
    let end = run(&["queues", "replay", "inference-dlq", "--dry-run", "--json", "--server", &server.url]);
    assert_eq!(serde_json::from_str::<Plan>(&end.stdout).unwrap(), plan(None));
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.line == "POST /v1/plans"), "{requests:?}");
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!((&body["action"], &body["message_ids"][0]), (&"replay".into(), &"m1".into()));
}

#[test]
fn yes_applies_with_the_plans_own_word_and_reports() {
    let server = writes(None, Outcome::Done);
    let args = ["queues", "replay", "inference-dlq", "--yes", "--server", &server.url];
    let end = run(&args);
    assert_eq!(end.code, 0, "{}", end.stderr);
    assert!(end.stdout.contains("1 done, 0 skipped, 0 failed"), "{}", end.stdout);
    let apply: Value = serde_json::from_slice(&server.requests().last().unwrap().body).unwrap();
    assert_eq!(apply["confirm"], "replay 1");
    let end = run(&[&args[..], &["--json"]].concat());
    assert_eq!(serde_json::from_str::<Applied>(&end.stdout).unwrap().results.len(), 1);
    assert!(end.stderr.contains("PLAN replay"), "the plan is shown, beside the JSON: {}", end.stderr);
}

#[test]
fn a_failed_item_a_refused_plan_and_a_refused_call_end_with_1() {
    let check = |server: Server, says: &str| {
        let end = run(&["queues", "replay", "inference-dlq", "--yes", "--server", &server.url]);
        assert_eq!(end.code, 1, "{}", end.stdout);
        assert!(end.stderr.starts_with("stereospot: ") && end.stderr.contains(says), "{}", end.stderr);
    };
    check(writes(None, Outcome::Failed), "1 of 1 could not be done");
    check(writes(Some("the numbers are 3 minutes old"), Outcome::Done), "the numbers are 3 minutes old");
    check(Server::start(|_| Answer::problem(403, "read-only", "this server takes no write")), "takes no write");
    check(Server::start(|_| Answer::Whole(200, b"<html>".into())), "no stereospot control plane");
}

#[test]
fn a_title_from_outside_forges_no_line_and_its_json_is_whole() {
    let title = "a\nstatus    completed\u{202e}\u{9b}31mb\u{200d}";
    let detail = || {
        let mut view = view(JOB);
        view.job.title = Some(title.into());
        JobDetail {
            view,
            segments: Vec::new(),
            timeline: Vec::new(),
            lock: None,
            can_trigger: false,
            trigger_note: "not\nyet".into(),
            result_bytes: None,
            result_sha256: None,
            check: None,
            warnings: Vec::new(),
        }
    };
    let server = Server::start(move |_: &Request| Answer::json(&detail()));
    let end = run(&["jobs", "show", JOB, "--server", &server.url]);
    assert!(end.stdout.contains("title     a␊status    completed�31mb\n"), "{}", end.stdout);
    assert_eq!(end.stdout.lines().filter(|line| line.starts_with("status")).count(), 1, "{}", end.stdout);
    assert!(end.stdout.contains("blocked: not␊yet\n"), "{}", end.stdout);
    let end = run(&["jobs", "show", JOB, "--json", "--server", &server.url]);
    assert!(end.stdout.contains(r"completed\u202e\u009b31mb\u200d"), "{}", end.stdout);
    let read: JobDetail = serde_json::from_str(&end.stdout).unwrap();
    assert_eq!(read.view.job.title.as_deref(), Some(title));
}

#[test]
fn a_job_without_a_title_says_so() {
    let server = Server::start(move |_: &Request| {
        let mut view = view(JOB);
        view.job.title = Some("\u{200b}".into());
        Answer::json(&JobPage { jobs: vec![view], next: None })
    });
    let end = run(&["jobs", "--server", &server.url]);
    assert!(end.stdout.contains("(untitled)"), "{}", end.stdout);
}
