//! A long dead-letter queue is replayed by SQS's own move: planned, followed, stopped, and gone on with.

use serde_json::{Value, json};
use stereospot_api::Client;
use stereospot_api::wire::Apply;
use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan};
use stereospot_domain::{JobId, QueueName, QueueRole, message};
use uuid::Uuid;

use crate::emulator::{Emulator, Serving, run};

const DEAD: QueueName = QueueName { role: QueueRole::OutputEvents, is_dead_letter: true };
const MESSAGES: usize = 1_200;

/// A deployment with a job of so many segments, each of which is converted, while all notices of it were dead-lettered. Returns its
/// environment file.
async fn deploy(emulator: &Emulator) -> String {
    let args = ["provision", "--name-prefix", "long", "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (env, said, code) = run(&args);
    assert_eq!(code, 0, "{said}");
    let job_id = JobId(Uuid::new_v4());
    let item = json!({
        "job_id": { "S": job_id.to_string() }, "mode": { "S": "sbs" }, "status": { "S": "chunking_complete" },
        "created_at": { "N": "1790000000" }, "total_segments": { "N": MESSAGES.to_string() },
    });
    emulator.call("dynamodb", "DynamoDB_20120810.PutItem", json!({ "TableName": "long-jobs", "Item": item })).await;
    emulator.control("clear?queue=long-output-events").await;
    let url = format!("{}/123456789012/long-output-events", emulator.url);
    let indexes: Vec<usize> = (0..MESSAGES).collect();
    for indexes in indexes.chunks(10) {
        let entry = |index: &usize| {
            let body = message::object_created("out", &format!("jobs/{job_id}/segments/{index}.mp4"));
            json!({ "Id": index.to_string(), "MessageBody": body })
        };
        let entries: Vec<Value> = indexes.iter().map(entry).collect();
        emulator.call("sqs", "AmazonSQS.SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    }
    assert_eq!(emulator.control("dead-letter?queue=long-output-events").await, MESSAGES);
    env
}

async fn replay(client: &Client) -> Plan {
    client.plan(Action::Replay { queue: DEAD, message_ids: None }, Some("tester".into())).await.unwrap()
}

async fn apply(client: &Client, plan: Plan) -> ItemResult {
    let apply = Apply { confirm: plan.confirm, who: None };
    client.apply(plan.id, &apply).await.unwrap().results.remove(0)
}

/// How many messages lie on the main queue and on the dead-letter queue.
async fn depths(emulator: &Emulator) -> (usize, usize) {
    (emulator.bodies("long-output-events").await.len(), emulator.bodies("long-output-events-dlq").await.len())
}

/// How many are moved by now, as the deployment's view shows it.
async fn shown(client: &Client) -> Option<usize> {
    let queues = client.deployment().await.unwrap().queues;
    let note = queues.into_iter().find(|queue| queue.name == DEAD)?.note?;
    note.strip_prefix("it is being moved back: ")?.split(' ').next()?.parse().ok()
}

#[tokio::test]
async fn a_long_dead_letter_queue_is_moved_back_stopped_and_gone_on_with() {
    let emulator = Emulator::start();
    let env = deploy(&emulator).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, &env).unwrap();
    let serving = Serving::start(&file, dir.path());
    let client = &serving.client;

    emulator.control("move-rate?per_second=2").await;
    let plan = replay(client).await;
    assert_eq!((plan.refused.as_ref().map(|refused| refused.why.as_str()), plan.items.len()), (None, 1), "{plan:#?}");
    // The number is SQS's: a look that the control plane takes of its own accord may hold some at this moment.
    let about: usize = plan.confirm.as_deref().unwrap().strip_prefix("replay ").unwrap().parse().unwrap();
    assert!((1_001..=MESSAGES).contains(&about), "{plan:#?}");
    assert!(plan.assumptions.iter().any(|told| told.contains("stop-move output-events-dlq")), "{plan:#?}");
    assert_eq!(depths(&emulator).await, (0, MESSAGES), "a plan moves nothing");
    let applying = tokio::spawn({
        let client = client.clone();
        async move { apply(&client, plan).await }
    });
    serving.eventually("the move in the deployment's view", shown).await;
    emulator.control("pass?ms=20000").await;
    serving.eventually("its progress", async |client| shown(client).await.filter(|moved| *moved >= 40)).await;
    let again = replay(client).await.refused.unwrap().why;
    assert!(
        again.starts_with("a move of output-events-dlq runs, ") && again.contains(" of about 1200 moved"),
        "{again}"
    );

    let stop = client.plan(Action::StopMove { queue: DEAD }, None).await.unwrap();
    assert_eq!(stop.refused, None, "{stop:#?}");
    let stopped = apply(client, stop).await;
    assert_eq!((stopped.outcome, stopped.note.as_str()), (Outcome::Done, "it is being stopped"));
    let ended = applying.await.unwrap();
    assert!(ended.note.ends_with(" of about 1200 moved, then it ended: it was stopped"), "{ended:#?}");
    let (moved, left) = depths(&emulator).await;
    assert_eq!(moved + left, MESSAGES, "nothing is lost");
    assert!(ended.note.starts_with(&format!("{moved} of ")) && moved >= 40, "{moved}: {ended:#?}");
    let stop = client.plan(Action::StopMove { queue: DEAD }, None).await.unwrap();
    assert_eq!(stop.refused.as_ref().map(|refused| refused.why.as_str()), Some("no move of output-events-dlq runs"));

    assert!(left > 1_050, "this machine is too slow for the rate: {left} are left");
    emulator.control("move-rate?per_second=500").await;
    let rest = apply(client, replay(client).await).await;
    assert_eq!((rest.outcome, rest.note), (Outcome::Done, format!("{left} of about {left} moved")), "all were counted");
    assert_eq!(depths(&emulator).await, (MESSAGES, 0));
}
