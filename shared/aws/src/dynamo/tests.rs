//! Rows of existing services, and what is written into them.

use super::*;
use crate::Deployment;
use crate::replay::Replay;

const ID: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";
const TABLES: &str = "REGION=us-east-1\nJOBS_TABLE_NAME=p-jobs\nSEGMENT_COMPLETIONS_TABLE_NAME=p-segment-completions\n\
                      REASSEMBLY_TRIGGERED_TABLE_NAME=p-reassembly-triggered";

fn store(answers: &[(u16, &str)]) -> (DynamoJobs, Replay) {
    let replay = Replay::in_order(answers);
    let connections = replay.connections(Deployment::parse(TABLES, &|_| None).unwrap());
    (DynamoJobs::new(&connections), replay)
}

fn id() -> JobId {
    ID.parse().unwrap()
}

#[tokio::test]
async fn a_row_of_an_existing_service_is_read() {
    let row = r#"{"Item":{"job_id":{"S":"7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f"},"mode":{"S":"anaglyph"},
        "status":{"S":"chunking_complete"},"created_at":{"N":"1700000000"},"total_segments":{"NULL":true},
        "source_file_size_bytes":{"N":"123.0"},"something_new":{"S":"x"}}}"#;
    let (store, _) = store(&[(200, row)]);
    let job = store.get(id()).await.unwrap().unwrap();
    assert_eq!(job.status, JobStatus::ChunkingComplete);
    assert_eq!(job.created_at, Timestamp::from_secs(1_700_000_000));
    assert_eq!((job.total_segments, job.source_file_size_bytes, job.error), (None, Some(123), None));
    assert_eq!(job.options, stereospot_domain::JobOptions::of(stereospot_domain::Format::Anaglyph));
}

#[tokio::test]
async fn an_unreadable_row_is_named_and_hides_no_other() {
    let bad = r#"{"job_id":{"S":"7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f"},"mode":{"S":"sbs"},"status":{"S":"paused"},"created_at":{"N":"1"}}"#;
    let good = bad.replace("paused", "created");
    let (store, _) =
        store(&[(200, &format!(r#"{{"Item":{bad}}}"#)), (200, &format!(r#"{{"Items":[{bad},{good}],"Count":2}}"#))]);
    let error = store.get(id()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupt);
    assert!(error.to_string().contains("its `status` is missing or not what it should be"), "{error}");
    let page = store.list(JobStatus::Created, None, 10).await.unwrap();
    assert_eq!(page.items.len(), 1);
}

#[tokio::test]
async fn a_lock_of_an_existing_service_is_held_for_ever() {
    let held = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed",
        "Item":{"job_id":{"S":"7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f"},"triggered_at":{"N":"5"},"reassembly_started_at":{"N":"9"}}}"#;
    let missing = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}"#;
    let (store, replay) = store(&[(400, held), (400, missing)]);
    let now = Timestamp::from_secs(1_700_000_000);
    let acquired = store.acquire_lock(id(), "me", now, Duration::from_secs(60)).await.unwrap();
    assert_eq!(acquired, Acquired::Held(None));
    assert_eq!(store.acquire_lock(id(), "me", now, Duration::from_secs(60)).await.unwrap(), Acquired::Missing);
    let asked = &replay.sent()[0];
    assert_eq!(asked.action, "UpdateItem");
    let body = asked.json();
    assert_eq!(body["TableName"], "p-reassembly-triggered");
    let condition = "attribute_exists(job_id) AND (attribute_not_exists(#reassembly_started_at) OR #lease_until < :now OR #owner = :owner)";
    assert_eq!(body["ConditionExpression"], condition);
    assert_eq!(body["ExpressionAttributeValues"][":now"]["N"], "1700000000");
}

#[tokio::test]
async fn a_lock_is_created_as_existing_services_do() {
    let (store, replay) = store(&[(200, "{}")]);
    assert!(store.create_lock(id(), Timestamp(1_700_000_000_999)).await.unwrap());
    let body = replay.sent()[0].json();
    assert_eq!(body["ConditionExpression"], "attribute_not_exists(job_id)");
    assert_eq!(body["Item"]["triggered_at"]["N"], "1700000000");
    assert_eq!(body["Item"]["ttl"]["N"], "1707776000");
}

#[tokio::test]
async fn a_count_goes_over_all_pages() {
    let first =
        format!(r#"{{"Count":400,"LastEvaluatedKey":{{"job_id":{{"S":"{ID}"}},"segment_index":{{"N":"399"}}}}}}"#);
    let (store, replay) = store(&[
        (200, &first),
        (200, r#"{"Count":0,"LastEvaluatedKey":{"job_id":{"S":"a"},"segment_index":{"N":"5"}}}"#),
        (200, r#"{"Count":17}"#),
    ]);
    assert_eq!(store.count_completions(id()).await.unwrap(), 417);
    for asked in replay.sent() {
        assert!(
            asked.body.contains(r#""ConsistentRead":true"#) && asked.body.contains(r#""Select":"COUNT""#),
            "{asked:?}"
        );
    }
    assert!(replay.sent()[1].body.contains("399"));
}

/// A query's answer: the keys of these segments, and where to go on.
fn keys(segments: std::ops::Range<u32>, last: Option<u32>) -> String {
    let key = |index: u32| format!(r#"{{"job_id":{{"S":"{ID}"}},"segment_index":{{"N":"{index}"}}}}"#);
    let items: Vec<String> = segments.map(key).collect();
    let next = last.map_or(String::new(), |last| format!(r#","LastEvaluatedKey":{}"#, key(last)));
    format!(r#"{{"Items":[{}],"Count":{}{next}}}"#, items.join(","), items.len())
}

/// A batch's answer that leaves the deletion of these segments undone.
fn undone(segments: &[u32]) -> String {
    let request = |index: &u32| {
        format!(r#"{{"DeleteRequest":{{"Key":{{"job_id":{{"S":"{ID}"}},"segment_index":{{"N":"{index}"}}}}}}}}"#)
    };
    let requests: Vec<String> = segments.iter().map(request).collect();
    format!(r#"{{"UnprocessedItems":{{"p-segment-completions":[{}]}}}}"#, requests.join(","))
}

/// The segments that a batch deletes.
fn asked_for(asked: &crate::replay::Sent) -> Vec<String> {
    assert_eq!(asked.action, "BatchWriteItem");
    let body = asked.json();
    let requests = body["RequestItems"]["p-segment-completions"].as_array().unwrap();
    let index =
        |request: &serde_json::Value| request["DeleteRequest"]["Key"]["segment_index"]["N"].as_str().unwrap().into();
    requests.iter().map(index).collect()
}

#[tokio::test]
async fn completions_are_deleted_over_all_pages_in_batches_until_none_is_undone() {
    let (first, second) = (keys(0..30, Some(29)), keys(30..32, None));
    let (many, few) = (undone(&[3, 24]), undone(&[24]));
    let (store, replay) = store(&[(200, &first), (200, &second), (200, &many), (200, &few), (200, "{}"), (200, "{}")]);
    assert_eq!(store.delete_completions(id()).await.unwrap(), 32);
    let asked = replay.sent();
    assert!(asked[0].body.contains(r#""ConsistentRead":true"#), "{asked:?}");
    assert!(asked[1].body.contains("ExclusiveStartKey"), "{asked:?}");
    let sizes: Vec<usize> = asked[2..].iter().map(|asked| asked_for(asked).len()).collect();
    assert_eq!(sizes, [25, 2, 1, 7]);
    assert_eq!((asked_for(&asked[3]), asked_for(&asked[4])), (vec!["3".into(), "24".into()], vec!["24".into()]));
}

#[tokio::test]
async fn a_single_completion_is_deleted_by_its_key_with_the_permission_that_all_need() {
    let (store, replay) = store(&[(200, "{}")]);
    store.delete_completion(id(), 7).await.unwrap();
    assert_eq!(asked_for(&replay.sent()[0]), ["7"]);
}

#[tokio::test]
async fn deleting_completions_is_given_up_when_nothing_goes() {
    let (page, all) = (keys(0..2, None), undone(&[0, 1]));
    let mut answers = vec![(200, page.as_str())];
    answers.extend([(200, all.as_str()); 5]);
    let (store, replay) = store(&answers);
    let error = store.delete_completions(id()).await.unwrap_err();
    assert_eq!((error.code(), replay.sent().len()), (ErrorCode::Throttled, 6));
    let said = "the table p-segment-completions takes no more deletions just now: 2 rows are left, try again later";
    assert_eq!(error.to_string(), said);
}

#[tokio::test]
async fn a_table_that_is_not_deployed_is_named_and_the_others_answer() {
    let replay = Replay::in_order(&[(200, "{}")]);
    let deployment = Deployment::parse("REGION=a\nJOBS_TABLE_NAME=j", &|_| None).unwrap();
    let store = DynamoJobs::new(&replay.connections(deployment));
    assert_eq!(store.get(id()).await.unwrap(), None);
    let said = "this deployment has no table of segment completions: SEGMENT_COMPLETIONS_TABLE_NAME is missing in the \
                environment file";
    for error in [store.count_completions(id()).await.unwrap_err(), store.delete_completions(id()).await.unwrap_err()] {
        assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::NotFound, said));
    }
    let error = store.delete_lock(id()).await.unwrap_err();
    assert!(error.to_string().contains("REASSEMBLY_TRIGGERED_TABLE_NAME is missing"), "{error}");
}
