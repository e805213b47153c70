//! Completions of no segment: an existing media-worker refuses such a job after it took the lock.

use serde_json::{Value, json};
use stereospot_api::wire::Apply;
use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::plan::{Action, Outcome, Plan};
use stereospot_domain::{JobId, message};
use uuid::Uuid;

use crate::emulator::{Deployed, Serving};

impl Deployed {
    async fn dynamo(&self, action: &str, input: Value) -> Value {
        self.emulator.call("dynamodb", &format!("DynamoDB_20120810.{action}"), input).await
    }

    /// A job of two segments with completions of these keys.
    async fn job(&self, status: &str, completions: &[&str]) -> JobId {
        let job_id = JobId(Uuid::new_v4());
        let item = json!({
            "job_id": { "S": job_id.to_string() }, "mode": { "S": "sbs" }, "status": { "S": status },
            "created_at": { "N": "1700000000" }, "total_segments": { "N": "2" },
        });
        self.dynamo("PutItem", json!({ "TableName": "more-jobs", "Item": item })).await;
        for key in completions {
            let item = json!({
                "job_id": { "S": job_id.to_string() }, "segment_index": { "N": key },
                "completed_at": { "N": "1700000100" }, "output_s3_uri": { "S": "s3://out/x.mp4" },
            });
            self.dynamo("PutItem", json!({ "TableName": "more-segment-completions", "Item": item })).await;
        }
        job_id
    }

    async fn completions(&self, job_id: JobId) -> Vec<String> {
        let found = self.dynamo("Scan", json!({ "TableName": "more-segment-completions" })).await;
        let items = found["Items"].as_array().unwrap();
        let of_job = items.iter().filter(|item| item["job_id"]["S"] == job_id.to_string().as_str());
        let mut keys: Vec<String> =
            of_job.map(|item| item["segment_index"]["N"].as_str().unwrap().to_owned()).collect();
        keys.sort();
        keys
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.items.iter().map(|item| item.target.to_string()).collect()
}

#[tokio::test]
async fn a_trigger_removes_what_would_make_a_media_worker_refuse() {
    let deployed = Deployed::provision("more");
    let beyond = deployed.job("chunking_complete", &["0", "1", "2"]).await;
    let strange = deployed.job("failed", &["0", "1", "-1", "0.5"]).await;
    let lacking = deployed.job("chunking_complete", &["0", "5"]).await;
    let serving = Serving::start(&deployed.file, deployed.dir.path());
    let plan = async |action: Action| serving.client.plan(action, Some("tester".into())).await.unwrap();
    let apply = async |plan: &Plan| {
        let apply = Apply { confirm: plan.confirm.clone(), who: None };
        let applied = serving.client.apply(plan.id, &apply).await.unwrap();
        assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    };
    // As the finding's repair; then as the trigger itself.
    let code = FindingCode::TriggerMissed;
    let repair = serving
        .eventually("the finding", async |client| {
            let plan = client.plan(Action::Repair { job_id: beyond, code }, None).await.ok()?;
            plan.refused.is_none().then_some(plan)
        })
        .await;
    assert_eq!(lines(&repair), ["completion 2", &beyond.to_string()]);
    assert!(repair.items[0].what.contains("the job has 2 segments, and a media-worker joins only if"), "{repair:#?}");
    assert_eq!(deployed.completions(beyond).await, ["0", "1", "2"], "a plan changes nothing");
    apply(&repair).await;
    assert_eq!(deployed.completions(beyond).await, ["0", "1"]);

    let trigger = plan(Action::Trigger { job_id: strange }).await;
    assert_eq!(lines(&trigger), ["completion -1", "completion 0.5", &strange.to_string()]);
    apply(&trigger).await;
    assert_eq!(deployed.completions(strange).await, ["0", "1"]);
    let sent = deployed.emulator.bodies("more-reassembly").await;
    assert_eq!(sent, [message::reassemble(beyond), message::reassemble(strange)]);

    let refused = plan(Action::Trigger { job_id: lacking }).await.refused.unwrap();
    assert_eq!(refused.why, "1 of 2 segments missing: 1", "as many completions as segments, and one is missing");
}

#[tokio::test]
async fn nothing_is_sent_where_completions_can_t_be_removed() {
    let deployed = Deployed::provision("more");
    let job_id = deployed.job("failed", &["0", "1", "2"]).await;
    let serving = Serving::start(&deployed.file, deployed.dir.path());
    let plan = serving.client.plan(Action::Trigger { job_id }, None).await.unwrap();
    let denied = "fail?api=dynamodb.BatchWriteItem&status=400&code=AccessDeniedException&message=no";
    deployed.emulator.control(denied).await;
    let applied = serving.client.apply(plan.id, &Apply { confirm: plan.confirm, who: None }).await.unwrap();
    let ends: Vec<(Outcome, &str)> =
        applied.results.iter().map(|result| (result.outcome, result.note.as_str())).collect();
    assert_eq!(ends[0].0, Outcome::Failed);
    assert!(
        ends[0].1.contains("dynamodb:BatchWriteItem on the table more-segment-completions is not allowed"),
        "{ends:?}"
    );
    assert_eq!(ends[1], (Outcome::Skipped, "not asked for: a media-worker would refuse it and leave the job locked"));
    assert_eq!(deployed.emulator.bodies("more-reassembly").await, Vec::<String>::new());
    let row = json!({ "TableName": "more-jobs", "Key": { "job_id": { "S": job_id.to_string() } } });
    assert_eq!(deployed.dynamo("GetItem", row).await["Item"]["status"]["S"], "failed", "nothing is half done");
}
