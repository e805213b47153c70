use stereospot_api::view::{JobView, ServiceView};
use stereospot_domain::JobStatus;

use super::*;
use crate::dashboard::fixture::{job, on_aws, snapshot};
use crate::dashboard::harness::Harness;

#[test]
fn each_thing_is_said_once_in_words() {
    let mut state = Harness::new(1, 1).state;
    let mut reported = Reported::default();
    let mut take = |input| super::take(&mut state, &mut reported, input, Duration::from_secs(1));
    let lines = take(Input::Net(Net::Snapshot(Box::new(snapshot()))));
    assert_eq!(lines[0], "connected to http://127.0.0.1:7847");
    assert_eq!(lines[1], "local: 3 needing attention; jobs 4 running, 0 waiting, 1 stuck, 1 failed, 1 completed");
    assert_eq!(
        lines[2],
        "critical: DLQ inference: 14 messages: CUDA out of memory ×11, timeout ×3; stereospot queues replay inference-dlq"
    );
    let mut view: JobView = job(5, "wedding.mp4", JobStatus::ChunkingComplete);
    (view.job.total_segments, view.segments_done) = (Some(4), 1);
    let change = |view: &JobView| Input::Net(Net::Change(Change::Job(Box::new(view.clone()))));
    assert_eq!(take(change(&view)), ["job b54cda56 wedding.mp4: converting, segment 1 of 4"]);
    view.frames_per_second = Some(3.0);
    assert_eq!(take(change(&view)), Vec::<String>::new(), "nothing worth a line");
    let lost = Net::Lost { attempt: 1, retry_in: Duration::from_secs(1), reason: "no answer".into() };
    assert_eq!(take(Input::Net(lost)), ["connection lost: no answer; trying again"]);
}

#[test]
fn services_are_shown_when_their_tasks_change() {
    let mut state = Harness::new(1, 1).state;
    let mut reported = Reported::default();
    let mut take = |input| super::take(&mut state, &mut reported, input, Duration::from_secs(1));
    let lines = take(Input::Net(Net::Snapshot(Box::new(on_aws()))));
    let about: Vec<&String> = lines.iter().filter(|line| line.starts_with("service ")).collect();
    let short =
        "service video-worker: 1 of 3 tasks running: was unable to place a task: no container instance has enough GPU";
    assert_eq!(about, [short], "only what is not as it should be");
    let mut services = on_aws().services;
    let change = |services: &[ServiceView]| Input::Net(Net::Change(Change::Services { services: services.to_vec() }));
    assert_eq!(take(change(&services)), Vec::<String>::new());
    services[0].running = 2;
    assert_eq!(take(change(&services)), ["service media-worker: 2 of 1 tasks running"]);
}
