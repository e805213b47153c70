//! What travels with a message beside its body is the same after a replay, and after a purge and its restore.

use serde_json::{Value, json};
use stereospot_api::wire::Apply;
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::{QueueName, QueueRole};

use crate::emulator::{Deployed, Serving};

const DEAD: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: true };

impl Deployed {
    async fn sqs(&self, action: &str, input: Value) -> Value {
        self.emulator.call("sqs", &format!("AmazonSQS.{action}"), input).await
    }

    fn url(&self, queue: &str) -> String {
        format!("{}/123456789012/{queue}", self.emulator.url)
    }

    /// Sends a message with every kind of attribute, as another program does.
    async fn send(&self, queue: &str, more: Value) {
        let mut input = json!({
            "QueueUrl": self.url(queue), "MessageBody": "noise",
            "MessageAttributes": {
                "kind": { "DataType": "String", "StringValue": "film" },
                "label": { "DataType": "String.own", "StringValue": "ümlaut" },
                "count": { "DataType": "Number", "StringValue": "-1.50" },
                "width": { "DataType": "Number.int", "StringValue": "1920" },
                "bytes": { "DataType": "Binary", "BinaryValue": "AAECgP//" },
                "picture": { "DataType": "Binary.png", "BinaryValue": "iVBORw0KGgo=" },
            },
            "MessageSystemAttributes": { "AWSTraceHeader": { "DataType": "String", "StringValue": TRACE } },
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sqs("SendMessage", input).await;
    }

    /// What each message of a queue carries.
    async fn envelopes(&self, queue: &str) -> Vec<Value> {
        let messages = self.emulator.control(&format!("messages?queue={queue}")).await;
        let messages = messages.as_array().unwrap().iter().filter(|message| message["body"] == "noise");
        messages.map(|message| message["envelope"].clone()).collect()
    }
}

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

/// Purges, restores and replays the one dead letter, which has this group.
async fn check(deployed: &Deployed, main: &str, dead: &str, group: Option<&str>) {
    let serving = Serving::start(&deployed.file, deployed.dir.path());
    let sent = deployed.envelopes(dead).await;
    let trace = &sent[0]["trace_header"];
    assert_eq!((sent.len(), trace.as_str(), sent[0]["group_id"].as_str()), (1, Some(TRACE), group), "{sent:#?}");

    let peeked = serving.client.peek(DEAD, 10).await.unwrap();
    let json = serde_json::to_value(&peeked[0]).unwrap();
    assert_eq!(json["attributes"], sent[0]["attributes"]);
    assert_eq!(json["attributes"]["bytes"], json!({ "type": "Binary", "value": "AAECgP//" }));
    assert_eq!((&json["trace_header"], json["group_id"].as_str()), (trace, group));

    let apply = async |action: Action| {
        let plan = serving.client.plan(action, Some("tester".into())).await.unwrap();
        assert_eq!((plan.refused.as_ref(), plan.items.len()), (None, 1), "{plan:#?}");
        assert_eq!(plan.items[0].envelope, peeked[0].envelope);
        let apply = Apply { confirm: plan.confirm.clone(), who: None };
        let applied = serving.client.apply(plan.id, &apply).await.unwrap();
        assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
        plan.id
    };
    let plan_id = apply(Action::Purge { queue: DEAD, message_ids: None }).await;
    assert_eq!(deployed.envelopes(dead).await, Vec::<Value>::new());
    apply(Action::Restore { plan_id }).await;
    assert_eq!(deployed.envelopes(dead).await, sent);
    let id = serving.client.peek(DEAD, 10).await.unwrap()[0].id.clone();
    apply(Action::Replay { queue: DEAD, message_ids: Some(vec![id]) }).await;
    assert_eq!(deployed.envelopes(dead).await, Vec::<Value>::new());
    assert_eq!(deployed.envelopes(main).await, sent);
}

#[tokio::test]
async fn attributes_and_trace_stay_with_a_message() {
    let deployed = Deployed::provision("kept");
    deployed.send("kept-chunking-dlq", json!({})).await;
    check(&deployed, "kept-chunking", "kept-chunking-dlq", None).await;
}

#[tokio::test]
async fn a_message_of_a_fifo_queue_keeps_its_group_and_is_not_taken_for_the_old_one() {
    let deployed = Deployed::provision("kept");
    let (main, dead) = ("kept-chunking.fifo", "kept-chunking-dlq.fifo");
    let fifo = json!({ "FifoQueue": "true" });
    deployed.sqs("CreateQueue", json!({ "QueueName": dead, "Attributes": fifo })).await;
    deployed.sqs("CreateQueue", json!({ "QueueName": main, "Attributes": fifo })).await;
    let env = std::fs::read_to_string(&deployed.file).unwrap();
    let (plain, ours) = (deployed.url("kept-chunking"), deployed.url(main));
    assert!(env.contains(&format!("{plain}\n")) || env.contains(&format!("{plain}\"")), "{env}");
    let env: String = env
        .lines()
        .map(|line| {
            if line.starts_with("CHUNKING_QUEUE_URL") {
                format!("CHUNKING_QUEUE_URL={ours}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    std::fs::write(&deployed.file, env).unwrap();
    // The main queue has taken a message with this id within the last five minutes: it came from there.
    let ids = json!({ "MessageGroupId": "film-7", "MessageDeduplicationId": "once" });
    deployed.send(main, ids.clone()).await;
    deployed.emulator.control(&format!("clear?queue={main}")).await;
    deployed.send(dead, ids).await;
    check(&deployed, main, dead, Some("film-7")).await;
}
