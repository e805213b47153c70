//! An empty account becomes a deployment, passes the doctor's check, works, and is removed again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use stereospot_aws::provision::{Kind, Plan, Provisioner, State, Step};
use stereospot_aws::{AwsBackend, Connections, Deployment, doctor};
use stereospot_domain::{QueueRole, Topology, message};
use stereospot_ports::work_queue::Receive;
use stereospot_ports::{ErrorCode, SystemClock};

use crate::emulator::{Emulator, Shape};

fn states(plan: &Plan, kind: Kind) -> BTreeSet<String> {
    let steps = plan.steps.iter().filter(|step| step.kind == kind);
    steps.map(|step| format!("{:?}", step.state)).collect()
}

/// The emulator answers unknown calls with 500, and a retry is no use.
fn without_retries(connections: &Connections) -> SdkConfig {
    connections.config.to_builder().retry_config(RetryConfig::disabled()).build()
}

async fn provisioner(emulator: &Emulator, prefix: &str) -> (Provisioner, Connections) {
    let connections = emulator.connect(emulator.nothing()).await;
    (Provisioner::new(&without_retries(&connections), &connections.calls, prefix).unwrap(), connections)
}

#[tokio::test]
async fn an_empty_account_becomes_a_deployment_that_works() {
    let emulator = Emulator::start();
    let (provisioner, _) = provisioner(&emulator, "fresh").await;
    let plan = provisioner.plan().await.unwrap();
    assert!(!plan.is_done());
    for kind in
        [Kind::Queue, Kind::Bucket, Kind::Notifications, Kind::Table, Kind::TimeToLive, Kind::LogGroup, Kind::Alarm]
    {
        assert_eq!(states(&plan, kind), [format!("{:?}", Some(State::Missing))].into(), "{kind}");
    }
    let again = provisioner.plan().await.unwrap();
    assert_eq!(again, plan, "making a plan changes nothing");

    let mut told = 0;
    let applied = provisioner.apply(&plan, &mut |_| told += 1).await.unwrap();
    assert_eq!(told, plan.steps.len());
    for step in &applied.steps {
        assert_eq!((step.state.as_ref(), step.problem.as_deref()), (Some(&State::Fits), None), "{}", step.line());
    }
    let after = provisioner.plan().await.unwrap();
    for step in &after.steps {
        assert_eq!(step.state, Some(State::Fits), "{}", step.line());
    }

    let env = provisioner.env(&after.account).await.unwrap();
    let deployment = Deployment::parse(&env, &|_| None).unwrap();
    assert_eq!(deployment.topology(), Topology::VideoWorker);
    assert_eq!(deployment.tables.locks.as_deref(), Some("fresh-reassembly-triggered"));
    assert_eq!(deployment.cluster, None);
    let mut connections = emulator.connect(deployment).await;
    connections.config = without_retries(&connections);

    let report = doctor::examine(&connections).await;
    assert!(report.is_healthy(), "{report}");
    assert_eq!((report.queues.len(), report.tables.len()), (4, 4));
    for queue in &report.queues {
        assert_eq!(queue.depth.as_ref().unwrap().max_receives, Some(5));
        let dead = queue.dead_letter.as_ref().unwrap();
        assert_eq!((dead.is_in_policy, dead.depth.as_ref().unwrap().retention_secs), (true, 1_209_600));
    }
    assert_eq!(report.log_groups, ["/ecs/fresh/media-worker", "/ecs/fresh/video-worker"]);

    let backend = AwsBackend::connect(connections, Arc::new(SystemClock)).await.unwrap().backend;
    let job = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";
    backend.input.store.put(&Path::from(format!("input/{job}/source.mp4")), "x".into()).await.unwrap();
    let queue = backend.queue(QueueRole::Chunking).unwrap();
    let mut requests = Vec::new();
    while !requests.iter().any(|request| matches!(request, message::Request::Chunk(id) if id.to_string() == job)) {
        let how = Receive { max: 10, wait: Duration::from_secs(5), visibility: None };
        let messages = queue.receive(how).await.unwrap();
        assert!(!messages.is_empty(), "the bucket told nobody of its object; before it came {requests:?}");
        for message in messages {
            requests.extend(message::parse(QueueRole::Chunking, &message.body).unwrap());
        }
    }
}

#[tokio::test]
async fn what_was_changed_by_hand_is_put_right_and_all_of_it_goes_when_the_prefix_is_typed() {
    let emulator = Emulator::start();
    let (provisioner, connections) = provisioner(&emulator, "gone").await;
    let plan = provisioner.plan().await.unwrap();
    provisioner.apply(&plan, &mut |_| {}).await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(&connections.config);
    let url = sqs.get_queue_url().queue_name("gone-reassembly").send().await.unwrap().queue_url.unwrap();
    let visibility = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
    sqs.set_queue_attributes().queue_url(&url).attributes(visibility, "600").send().await.unwrap();
    let plan = provisioner.plan().await.unwrap();
    let step = plan.steps.iter().find(|step| step.name == "gone-reassembly").unwrap();
    assert_eq!(step.line(), "queue gone-reassembly: change: VisibilityTimeout 600 becomes 3600");
    let applied = provisioner.apply(&plan, &mut |_| {}).await.unwrap();
    assert_eq!(states(&applied, Kind::Queue), [format!("{:?}", Some(State::Fits))].into());

    let deployment = Deployment::parse(&provisioner.env(&plan.account).await.unwrap(), &|_| None).unwrap();
    let backend = AwsBackend::connect(emulator.connect(deployment).await, Arc::new(SystemClock)).await.unwrap().backend;
    for number in 0..3 {
        backend.output.store.put(&Path::from(format!("jobs/a b/{number}.json")), "x".into()).await.unwrap();
    }

    let plan = provisioner.destroy_plan().await.unwrap();
    let bucket = plan.removals.iter().find(|removal| removal.name.starts_with("gone-output-1")).unwrap();
    assert_eq!(bucket.content, "3 objects");
    assert_eq!(plan.removals.iter().filter(|removal| removal.kind == Kind::Queue).count(), 8);
    let refused = provisioner.destroy(&plan, "stereo-spot", &mut |_| {}).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Invalid);
    assert_eq!(provisioner.destroy_plan().await.unwrap().removals.len(), plan.removals.len());

    let left = provisioner.destroy(&plan, "gone", &mut |_| {}).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    let rest = provisioner.destroy_plan().await.unwrap();
    assert!(rest.removals.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn what_something_else_made_is_left_unless_it_is_named() {
    let emulator = Emulator::start();
    let theirs = emulator.deploy(Shape::Usual).await;
    let prefix = theirs.deployment.name_prefix.clone();
    let sqs = aws_sdk_sqs::Client::new(&theirs.config);
    let url = &theirs.deployment.queues[&QueueRole::Chunking];
    sqs.delete_queue().queue_url(url).send().await.unwrap();
    let (provisioner, _) = provisioner(&emulator, &prefix).await;
    let plan = provisioner.plan().await.unwrap();
    let open: Vec<String> = plan.steps.iter().filter(|step| step.is_open()).map(Step::line).collect();
    assert_eq!(open, Vec::<String>::new(), "a Terraform deployment that lacks a queue is Terraform's");
    assert!(plan.is_done() && plan.is_shared());
    let name = format!("{prefix}-chunking");
    let step = plan.steps.iter().find(|step| step.kind == Kind::Queue && step.name == name).unwrap();
    assert_eq!(step.line(), format!("queue {name}: missing, and left to what made the rest"));
    let applied = provisioner.apply(&plan, &mut |_| {}).await.unwrap();
    assert_eq!(applied.steps, plan.steps, "applying it changes nothing either");
    assert!(sqs.get_queue_url().queue_name(&name).send().await.is_err());
    assert_eq!(provisioner.destroy_plan().await.unwrap().removals, [], "nor does destroying");

    let taking = provisioner.clone().taking(std::slice::from_ref(&name));
    let plan = taking.plan().await.unwrap();
    let open: Vec<String> = plan.steps.iter().filter(|step| step.is_open()).map(Step::line).collect();
    assert_eq!(open, [format!("queue {name}: make")]);
    taking.apply(&plan, &mut |_| {}).await.unwrap();
    sqs.get_queue_url().queue_name(&name).send().await.unwrap();
    let ours = provisioner.destroy_plan().await.unwrap();
    assert_eq!(ours.removals.iter().map(|removal| removal.name.as_str()).collect::<Vec<_>>(), [name.as_str()]);
    assert!(ours.left.iter().any(|left| left.ends_with("-reassembly")), "{:?}", ours.left);

    // One that exists is marked when it is named, and is ours from then on.
    let table = format!("{prefix}-jobs");
    let taking = provisioner.clone().taking(std::slice::from_ref(&table));
    let plan = taking.plan().await.unwrap();
    let line = plan.steps.iter().find(|step| step.is_open()).unwrap().line();
    assert!(
        line.starts_with(&format!("table {table}: change: ")) && line.ends_with("it is marked as made by provision"),
        "{line}"
    );
    taking.apply(&plan, &mut |_| {}).await.unwrap();
    let ours = provisioner.destroy_plan().await.unwrap();
    assert!(ours.removals.iter().any(|removal| removal.name == table), "{ours:?}");
    let typo = provisioner.clone().taking(&["no-such-name".into()]).plan().await.unwrap_err();
    assert_eq!(typo.code(), ErrorCode::Invalid, "{typo}");
}

#[tokio::test]
async fn a_lost_part_of_our_own_is_made_again_and_keys_of_every_kind_go_with_their_bucket() {
    let emulator = Emulator::start();
    let (provisioner, connections) = provisioner(&emulator, "own").await;
    let plan = provisioner.plan().await.unwrap();
    provisioner.apply(&plan, &mut |_| {}).await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(&connections.config);
    let url = sqs.get_queue_url().queue_name("own-chunking").send().await.unwrap().queue_url.unwrap();
    sqs.delete_queue().queue_url(url).send().await.unwrap();
    // Its mark is lost as well: a try may end between making a bucket and marking it.
    let bucket = plan.steps.iter().find(|step| step.kind == Kind::Bucket).unwrap().name.clone();
    let untag = emulator.http.delete(format!("{}/{bucket}?tagging", emulator.url)).send().await.unwrap();
    assert!(untag.status().is_success());
    let again = provisioner.plan().await.unwrap();
    let open: Vec<String> = again.steps.iter().filter(|step| step.is_open()).map(Step::line).collect();
    assert_eq!(open, ["queue own-chunking: make"]);
    for key in ["input/u%2Bs%20er/%C3%BC%23%3F%2541.mp4", "jobs/%20/a%26b%3Cc%3E", "jobs/%E2%80%A6/%F0%9F%8E%AC.mp4"] {
        let put = emulator.http.put(format!("{}/{bucket}/{key}", emulator.url)).body("x").send().await.unwrap();
        assert!(put.status().is_success(), "{key}");
    }
    let plan = provisioner.clone().taking(std::slice::from_ref(&bucket)).destroy_plan().await.unwrap();
    let left = provisioner.destroy(&plan, "own", &mut |_| {}).await.unwrap();
    assert_eq!(left, []);
    assert!(!provisioner.plan().await.unwrap().steps.iter().any(|step| step.state == Some(State::Fits)), "all is gone");
}
