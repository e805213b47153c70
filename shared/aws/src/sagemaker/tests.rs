use std::sync::Arc;

use object_store::memory::InMemory;

use super::*;
use crate::replay::Replay;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";
const INVOKE: &str = "POST /endpoints/stereo-spot-inference/async-invocations";
const SUCCESS: &str = "s3://out/sagemaker-async-responses/abc.out";
const FAILURE: &str = "s3://out/sagemaker-async-failures/abc-error.out";

fn sagemaker(replay: &Replay) -> Sagemaker {
    let output = Bucket { name: "out".into(), scheme: "s3", store: Arc::new(InMemory::new()) };
    let (config, hour) = (replay.config(), Duration::from_secs(7200));
    let table = "stereo-spot-inference-invocations";
    Sagemaker::new(&config, &Calls::default(), output, "stereo-spot-inference", table, hour)
}

fn segment() -> Segment {
    Segment {
        job_id: JOB.parse().unwrap(),
        index: 3,
        total: 12,
        mode: Mode::Sbs,
        input_uri: "s3://in/segments/x".into(),
        output_uri: "s3://out/jobs/x/segments/3.mp4".into(),
    }
}

fn row() -> Value {
    json!({ "Item": {
        "output_location": { "S": SUCCESS }, "job_id": { "S": JOB }, "segment_index": { "N": "3" },
        "total_segments": { "N": "12" }, "output_s3_uri": { "S": "s3://out/jobs/x/segments/3.mp4" },
        "created_at": { "N": "1795290597" },
    }})
}

#[tokio::test]
async fn an_invocation_leaves_its_request_and_a_row_for_success_and_failure() {
    let locations = [("x-amzn-sagemaker-outputlocation", SUCCESS), ("x-amzn-sagemaker-failurelocation", FAILURE)];
    let replay = Replay::default()
        .raw(INVOKE, 202, &locations, r#"{"InferenceId":"i"}"#)
        .answer("PutItem", json!({}))
        .answer("PutItem", json!({}));
    let sagemaker = sagemaker(&replay);
    let invocation = sagemaker.invoke(&segment(), Timestamp::from_secs(1_795_290_597)).await.unwrap();
    assert_eq!((invocation.success_uri.as_str(), invocation.failure_uri.as_deref()), (SUCCESS, Some(FAILURE)));

    let key = format!("sagemaker-invocation-requests/{JOB}/3.json");
    let request = sagemaker.output.store.get(&Path::from(key.as_str())).await.unwrap().bytes().await.unwrap();
    let expected = json!({
        "s3_input_uri": "s3://in/segments/x", "s3_output_uri": "s3://out/jobs/x/segments/3.mp4", "mode": "sbs"
    });
    assert_eq!(serde_json::from_slice::<Value>(&request).unwrap(), expected);

    let invoked = &replay.sent()[0];
    assert!(invoked.uri.starts_with("https://runtime.sagemaker.eu-central-1.amazonaws.com/"), "{}", invoked.uri);
    assert_eq!(invoked.header("x-amzn-sagemaker-inputlocation"), Some(format!("s3://out/{key}").as_str()));
    assert_eq!(invoked.header("x-amzn-sagemaker-invocationtimeoutseconds"), Some("3600"), "the service's cap");
    let rows = replay.sent_to("PutItem");
    let places: Vec<Value> = rows.iter().map(|row| row.json()["Item"]["output_location"]["S"].clone()).collect();
    assert_eq!(places, [SUCCESS, FAILURE]);
    let item = &rows[0].json()["Item"];
    assert_eq!(item["ttl"]["N"], "1795304997");
    assert_eq!((&item["segment_index"]["N"], &item["total_segments"]["N"]), (&json!("3"), &json!("12")));
    replay.finish();
}

#[tokio::test]
async fn a_refused_invocation_leaves_no_row() {
    let body = r#"{"__type":"ValidationError","message":"Endpoint x of account y not found."}"#;
    let replay = Replay::default().raw(INVOKE, 400, &[("x-amzn-errortype", "ValidationError")], body);
    let error = sagemaker(&replay).invoke(&segment(), Timestamp(0)).await.unwrap_err();
    assert!(error.to_string().contains("not found"), "{error}");
    assert!(replay.sent_to("PutItem").is_empty());
}

#[tokio::test]
async fn results_find_their_segment() {
    let replay = Replay::default().answer("GetItem", row()).answer("GetItem", row());
    let sagemaker = sagemaker(&replay);
    let matched = sagemaker.matched("sagemaker-async-responses/abc.out").await.unwrap().unwrap();
    assert_eq!((matched.index, matched.total, matched.failure), (3, Some(12), None));
    assert_eq!(matched.invoked_at, Some(Timestamp::from_secs(1_795_290_597)));

    let failed = Path::from("sagemaker-async-failures/abc-error.out");
    sagemaker.output.store.put(&failed, "{\"error\": \"iw3 exited 1\"}".into()).await.unwrap();
    let matched = sagemaker.matched(failed.as_ref()).await.unwrap().unwrap();
    assert_eq!(matched.failure.as_deref(), Some("{\"error\": \"iw3 exited 1\"}"));
    let asked: Vec<Value> =
        replay.sent().iter().map(|sent| sent.json()["Key"]["output_location"]["S"].clone()).collect();
    assert_eq!(asked, [SUCCESS, FAILURE]);
    replay.finish();
}

#[tokio::test]
async fn a_failure_is_found_through_the_row_of_its_success_and_a_stranger_by_none() {
    let replay = Replay::default().answer("GetItem", json!({})).answer("GetItem", row()).answer("GetItem", json!({}));
    let sagemaker = sagemaker(&replay);
    let matched = sagemaker.matched("sagemaker-async-failures/abc-error.out").await.unwrap().unwrap();
    assert!(matched.failure.unwrap().contains("can't be read"), "the failure stands without its reason");
    assert_eq!(replay.sent()[1].json()["Key"]["output_location"]["S"], SUCCESS);
    assert_eq!(sagemaker.matched("sagemaker-async-responses/zzz.out").await.unwrap(), None);
    assert!(Sagemaker::is_result("sagemaker-async-failures/x") && !Sagemaker::is_result("jobs/x/final.mp4"));
    replay.finish();
}

#[tokio::test]
async fn failures_of_a_segment_are_counted_beside_its_invocations() {
    let counted = json!({ "Item": { "failures": { "N": "1" }, "output_location": { "S": "x" } } });
    let replay = Replay::default()
        .answer("GetItem", json!({}))
        .answer("PutItem", json!({}))
        .answer("GetItem", counted)
        .answer("PutItem", json!({}));
    let sagemaker = sagemaker(&replay);
    let count = || sagemaker.count_failure(JOB.parse().unwrap(), 3, Timestamp::from_secs(100));
    assert_eq!(count().await.unwrap(), 1);
    assert_eq!(count().await.unwrap(), 2);
    let item = &replay.sent_to("PutItem")[1].json()["Item"];
    assert_eq!(item["output_location"]["S"], format!("s3://out/sagemaker-invocation-requests/{JOB}/3.json"));
    assert_eq!((&item["failures"]["N"], &item["ttl"]["N"]), (&json!("2"), &json!("14500")));
    replay.finish();
}
