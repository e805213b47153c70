//! Chosen messages of a dead-letter queue on SQS: taken off one by one, put back, never lost.

use serde_json::{Value, json};
use stereospot_api::wire::{Applied, Apply};
use stereospot_domain::plan::{Action, Outcome, Plan};
use stereospot_domain::{QueueName, QueueRole};

use crate::emulator::{Deployed, Serving};

const MAIN: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: false };
const DEAD: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: true };

impl Deployed {
    /// A deployment whose chunking dead-letter queue holds some messages.
    async fn with(bodies: &[&str]) -> Self {
        let deployed = Self::provision("picked");
        for body in bodies {
            deployed.on_queue("SendMessage", "picked-chunking-dlq", json!({ "MessageBody": body })).await;
        }
        deployed
    }

    /// A call about a queue, by somebody else than the control plane.
    async fn on_queue(&self, action: &str, queue: &str, mut input: Value) -> Value {
        input["QueueUrl"] = format!("{}/123456789012/{queue}", self.emulator.url).into();
        self.emulator.call("sqs", &format!("AmazonSQS.{action}"), input).await
    }

    fn serve(&self) -> Serving {
        Serving::start(&self.file, self.dir.path())
    }

    async fn dead(&self) -> Vec<String> {
        let mut bodies = self.emulator.bodies("picked-chunking-dlq").await;
        bodies.sort();
        bodies
    }

    /// The id of the dead letter that says this.
    async fn id_of(&self, body: &str) -> String {
        let messages = self.emulator.control("messages?queue=picked-chunking-dlq").await;
        let found = messages.as_array().unwrap().iter().find(|message| message["body"] == body).unwrap();
        found["id"].as_str().unwrap().to_owned()
    }
}

async fn plan(serving: &Serving, queue: QueueName, id: &str) -> Plan {
    let action = Action::Purge { queue, message_ids: Some(vec![id.to_owned()]) };
    serving.client.plan(action, Some("tester".into())).await.unwrap()
}

async fn apply(serving: &Serving, plan: &Plan) -> Applied {
    assert_eq!(plan.refused, None, "{plan:#?}");
    let apply = Apply { confirm: plan.confirm.clone(), who: None };
    serving.client.apply(plan.id, &apply).await.unwrap()
}

#[tokio::test]
async fn chosen_dead_letters_are_discarded_one_by_one_and_put_back() {
    let deployed = Deployed::with(&["good", "noise", "other"]).await;
    let serving = deployed.serve();
    let mut purges = Vec::new();
    // The second at once after the first: SQS's minute between two purges is for whole queues.
    for (body, left) in [("noise", &["good", "other"][..]), ("other", &["good"])] {
        let plan = plan(&serving, DEAD, &deployed.id_of(body).await).await;
        assert_eq!((plan.items.len(), plan.confirm.as_deref()), (1, Some("purge 1")), "{plan:#?}");
        let applied = apply(&serving, &plan).await;
        assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
        assert_eq!(deployed.dead().await, left);
        purges.push(plan.id);
    }
    let restore = serving.client.plan(Action::Restore { plan_id: purges[0] }, None).await.unwrap();
    apply(&serving, &restore).await;
    assert_eq!(deployed.dead().await, ["good", "noise"], "what the first one took, and nothing else");
    let calls = serving.client.deployment().await.unwrap().calls;
    assert!(!calls.iter().any(|calls| calls.api == "sqs.PurgeQueue" && calls.attempts > 0), "{calls:#?}");
}

#[tokio::test]
async fn what_others_hold_and_what_lies_on_a_main_queue_is_left_there() {
    let deployed = Deployed::with(&["held"]).await;
    let serving = deployed.serve();
    let id = deployed.id_of("held").await;
    // No one may look at it at this moment.
    let held = serving
        .eventually("the message under somebody else's lease", async |_| {
            let input = json!({ "VisibilityTimeout": 600, "WaitTimeSeconds": 1 });
            let answer = deployed.on_queue("ReceiveMessage", "picked-chunking-dlq", input).await;
            answer["Messages"].as_array().filter(|messages| !messages.is_empty()).cloned()
        })
        .await;
    assert_eq!(held[0]["MessageId"], id.as_str());
    let refused = plan(&serving, DEAD, &id).await.refused.unwrap().why;
    assert!(refused.contains("no longer on the queue, or held by somebody who looks at it"), "{refused}");
    let sent = deployed.on_queue("SendMessage", "picked-chunking", json!({ "MessageBody": "waiting" })).await;
    let refused = plan(&serving, MAIN, sent["MessageId"].as_str().unwrap()).await.refused.unwrap().why;
    assert!(
        refused.starts_with("no single message can be taken off chunking: to find it, SQS would count"),
        "{refused}"
    );
    assert_eq!(deployed.dead().await, ["held"]);
}

#[tokio::test]
async fn a_kill_between_copying_and_deleting_loses_nothing() {
    let deployed = Deployed::with(&["good", "noise"]).await;
    let serving = deployed.serve();
    let purge = plan(&serving, DEAD, &deployed.id_of("noise").await).await;
    deployed.emulator.control("hang?api=sqs.DeleteMessage*&about=picked-chunking-dlq").await;
    let (client, confirm) = (serving.client.clone(), purge.confirm.clone());
    let applying = tokio::spawn(async move { client.apply(purge.id, &Apply { confirm, who: None }).await });
    let restore = Action::Restore { plan_id: purge.id };
    serving
        .eventually("the copy", async |client| {
            let plan = client.plan(restore.clone(), None).await.ok()?;
            (plan.items.len() + plan.skips.len() == 1).then_some(())
        })
        .await;
    serving.kill();
    applying.await.unwrap().unwrap_err();
    assert_eq!(deployed.dead().await, ["good", "noise"]);

    let serving = deployed.serve();
    // The lease of the one that was killed.
    deployed.emulator.control("pass?ms=61000").await;
    let log = serving.client.actions(1).await.unwrap().remove(0);
    assert_eq!((log.plan.id, log.finished_at, log.undo_until.is_some()), (purge.id, None, true));
    let undo = serving.client.plan(restore, None).await.unwrap();
    assert_eq!(undo.skips[0].what, "still on chunking-dlq: it was not removed", "{undo:#?}");
    assert_eq!(
        undo.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("nothing to put back: 1 message left alone")
    );
}
