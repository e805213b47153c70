use serde_json::{Value, json};

use super::report::Permission;
use super::*;
use crate::replay::Replay;

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Arn>arn:aws:sts::123456789012:assumed-role/media-worker/task</Arn><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/stereo-spot-chunking";

async fn report(replay: &Replay, env: &str) -> Report {
    examine(&replay.connections(Deployment::parse(env, &|_| None).unwrap())).await
}

fn attributes(ready: &str, redrive: Option<Value>) -> Value {
    let mut attributes = json!({
        "ApproximateNumberOfMessages": ready, "ApproximateNumberOfMessagesNotVisible": "1",
        "ApproximateNumberOfMessagesDelayed": "0", "VisibilityTimeout": "600", "MessageRetentionPeriod": "345600",
    });
    if let Some(redrive) = redrive {
        attributes["RedrivePolicy"] = redrive.to_string().into();
    }
    json!({ "Attributes": attributes })
}

fn no_groups(replay: Replay) -> Replay {
    replay.answer("DescribeLogGroups", json!({})).answer("DescribeLogGroups", json!({}))
}

#[tokio::test]
async fn nothing_that_fails_ends_the_check() {
    let env = format!(
        "REGION=eu-central-1\nINPUT_BUCKET_NAME=in\nOUTPUT_BUCKET_NAME=out\nCHUNKING_QUEUE_URL={QUEUE}\n\
         JOBS_TABLE_NAME=stereo-spot-jobs\nECS_CLUSTER_NAME=c\nSAGEMAKER_ENDPOINT_NAME=e\nINFERENCE_HTTP_URL=http://h"
    );
    let report = report(&Replay::default(), &env).await;
    assert!(!report.is_healthy());
    assert_eq!((report.account.as_deref(), report.permissions.len()), (None, 0));
    assert_eq!(report.buckets.iter().map(|bucket| bucket.is_there).collect::<Vec<_>>(), [None, None]);
    assert_eq!((report.queues[0].depth.as_ref(), report.tables[0].status.as_deref()), (None, None));
    assert_eq!(
        (report.endpoint.as_ref().unwrap().status.as_deref(), report.inference_server_answers),
        (None, Some(false))
    );
    let says = |what: &str| report.problems.iter().any(|problem| problem.what.contains(what));
    assert!(says("REASSEMBLY_QUEUE_URL is missing in the environment file"));
    assert!(says("REASSEMBLY_TRIGGERED_TABLE_NAME is missing"));
    assert!(says("the inference server http://h does not answer"));
    let text = report.to_string();
    assert!(text.contains("stereo-spot-chunking               not known"), "{text}");
    assert!(report.problems.is_sorted_by_key(|problem| problem.severity), "{text}");
}

#[tokio::test]
async fn what_could_not_be_asked_is_not_missing_and_its_reason_is_said_once() {
    let env = format!(
        "REGION=eu-central-1\nINPUT_BUCKET_NAME=in\nCHUNKING_QUEUE_URL={QUEUE}\nJOBS_TABLE_NAME=j\nSAGEMAKER_ENDPOINT_NAME=e"
    );
    let code = "ExpiredTokenException";
    let xml = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>m</Message></Error></ErrorResponse>";
    let mut replay = Replay::default().raw("GetCallerIdentity", 403, &[], xml);
    replay = replay.raw("GET /in?list-type=2&max-keys=1", 400, &[], xml);
    for action in ["GetQueueAttributes", "GetQueueAttributes", "DescribeTable", "DescribeEndpoint"] {
        replay = replay.refuse(action, code, "expired");
    }
    for action in ["DescribeLogGroups", "DescribeLogGroups"] {
        replay = replay.refuse(action, code, "expired");
    }
    let expired = report(&replay, &env).await;
    // If nothing answers at all, every call fails with its own sentence, and one is enough.
    let silent = report(&Replay::default(), &env).await;
    for (report, says) in [(expired, "the AWS credentials have expired"), (silent, "no connection for ")] {
        let text = report.to_string();
        let is_there = (report.buckets[0].is_there, report.queues[0].is_there, report.tables[0].is_there);
        assert_eq!(is_there, (None, None, None), "{text}");
        assert_eq!(report.endpoint.as_ref().unwrap().is_there, None, "{text}");
        assert!(!text.contains("MISSING"), "{text}");
        let said: Vec<&str> =
            report.problems.iter().map(|problem| problem.what.as_str()).filter(|what| what.contains(says)).collect();
        assert_eq!(said.len(), 1, "{text}");
        assert!(said[0].ends_with("more could not be asked either)"), "{text}");
    }
    let gone = no_groups(Replay::default()).refuse("GetQueueAttributes", "QueueDoesNotExist", "no").refuse(
        "GetQueueAttributes",
        "QueueDoesNotExist",
        "no",
    );
    let text = report_of_queue(&gone).await.to_string();
    assert!(text.contains("stereo-spot-chunking               MISSING"), "{text}");
}

#[tokio::test]
async fn a_clock_that_is_far_off_is_said() {
    let replay = no_groups(Replay::default()).raw(
        "GetCallerIdentity",
        200,
        &[("date", "Sat, 21 Nov 2026 10:00:00 GMT")],
        IDENTITY,
    );
    let report = report(&replay, "REGION=eu-central-1").await;
    let is_said = |problem: &Problem| {
        problem.what.starts_with("this machine's clock is ") && problem.what.ends_with("set it (NTP)")
    };
    assert!(report.problems.iter().any(is_said), "{report}");
}

async fn report_of_queue(replay: &Replay) -> Report {
    report(replay, &format!("REGION=eu-central-1\nCHUNKING_QUEUE_URL={QUEUE}")).await
}

#[tokio::test]
async fn queues_are_shown_with_what_is_wrong_about_them() {
    let redrive =
        json!({ "deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:other-name", "maxReceiveCount": 5 });
    let replay = no_groups(Replay::default())
        .raw("GetCallerIdentity", 200, &[], &IDENTITY.replace("assumed-role/media-worker/task", "root"))
        .answer("ListQueueTags", json!({ "Tags": { "stereospot:made-by": "provision" } }))
        .answer("GetQueueAttributes", attributes("7", Some(redrive)))
        .answer("GetQueueAttributes", attributes("3", None));
    let report = report(&replay, &format!("REGION=eu-central-1\nCHUNKING_QUEUE_URL={QUEUE}")).await;
    let asked = &replay.sent_to("GetQueueAttributes")[1].json()["QueueUrl"];
    assert_eq!(asked, "https://sqs.eu-central-1.amazonaws.com/123456789012/other-name", "beside its queue");
    let queue = &report.queues[0];
    let depth = queue.depth.as_ref().unwrap();
    assert_eq!((depth.ready, depth.in_flight, depth.visibility_secs, depth.max_receives), (7, 1, 600, Some(5)));
    let dead = queue.dead_letter.as_ref().unwrap();
    assert_eq!((dead.name.as_str(), dead.is_in_policy), ("other-name", true));
    let problems: Vec<&str> = report.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert!(problems.contains(&"other-name holds about 4 messages: read why, then replay or discard them"));
    let says = |what: &str| report.notes.iter().any(|note| note.contains(what));
    assert!(says("hides messages for 600 s; 900 s is usual"));
    assert!(says("other-name forgets messages 4 days after they were first sent"));
    assert!(report.permissions.iter().all(|permission| permission.verdict == Verdict::Allowed), "root may do all");
    assert_eq!((report.topology, report.is_provisioned), (Topology::VideoWorker, Some(true)));
    replay.finish();
}

#[tokio::test]
async fn unknown_permissions_are_never_nothing_wrong() {
    let known =
        |verdict, action: &'static str, needed_for| Permission { action, resource: "arn".into(), needed_for, verdict };
    let text = |permissions| Report { permissions, ..Report::default() }.to_string();
    let some = text(vec![
        known(Verdict::Allowed, "sqs:GetQueueAttributes", "watching queues"),
        known(Verdict::NotKnown, "sqs:SendMessage", "replay"),
        known(Verdict::NotKnown, "sqs:SendMessage", "replay"),
        known(Verdict::NotKnown, "sqs:CreateQueue", report::PROVISION),
    ]);
    assert!(some.contains("1 known (1 allowed, 0 missing), 2 not known"), "{some}");
    assert!(some.contains("for provision: 0 allowed, 0 missing, 1 not known"), "{some}");
    assert!(
        some.ends_with("2 of 3 permissions are not known: allow iam:SimulatePrincipalPolicy to learn them\n"),
        "{some}"
    );
    assert!(!some.contains("nothing is wrong"), "{some}");
    let all = text(vec![
        known(Verdict::Allowed, "sqs:SendMessage", "replay"),
        known(Verdict::Missing, "sqs:CreateQueue", report::PROVISION),
    ]);
    assert!(all.ends_with("nothing is wrong\n"), "{all}");
}

#[tokio::test]
async fn keys_of_queues_are_checked_and_aws_s_own_key_is_no_key_for_s3() {
    let with_key = |key: &str| {
        let mut attributes = attributes("0", None);
        attributes["Attributes"]["KmsMasterKeyId"] = key.into();
        attributes
    };
    let replay = no_groups(Replay::default())
        .raw("GetCallerIdentity", 200, &[], &IDENTITY.replace("assumed-role/media-worker/task", "root"))
        .answer("ListQueueTags", json!({}))
        .answer("GetQueueAttributes", with_key("alias/aws/sqs"))
        .answer("GetQueueAttributes", with_key("0f-key"));
    let report = report_of_queue(&replay).await;
    let says = |what: &str| report.problems.iter().any(|problem| problem.what.contains(what));
    assert!(
        says("stereo-spot-chunking is encrypted with AWS's own key (alias/aws/sqs), with which S3 can't send"),
        "{report}"
    );
    let on_keys: Vec<(&str, &str)> = report
        .permissions
        .iter()
        .filter(|permission| permission.action.starts_with("kms:"))
        .map(|permission| (permission.action, permission.resource.as_str()))
        .collect();
    let key = "arn:aws:kms:eu-central-1:123456789012:key/0f-key";
    assert_eq!(on_keys, [("kms:Decrypt", key), ("kms:GenerateDataKey", key)]);
    assert_eq!(report.is_provisioned, Some(false));
    replay.finish();
}

#[tokio::test]
async fn a_table_whose_key_is_off_and_odd_redrive_policies_are_said() {
    let redrive =
        |to: &str| Some(json!({ "deadLetterTargetArn": format!("arn:aws:sqs:r:1:{to}"), "maxReceiveCount": 5 }));
    let encryption = json!({ "Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": "arn:aws:kms:r:1:key/k",
        "InaccessibleEncryptionDateTime": 1_790_000_000 });
    let table =
        json!({ "Table": { "TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "SSEDescription": encryption } });
    let replay = no_groups(Replay::default())
        .answer("ListQueueTags", json!({}))
        .answer("GetQueueAttributes", attributes("0", redrive("stereo-spot-chunkng-dlq")))
        .refuse("GetQueueAttributes", "QueueDoesNotExist", "no")
        .answer("GetQueueAttributes", attributes("0", None))
        .answer("DescribeTable", table);
    let env = format!("REGION=eu-central-1\nCHUNKING_QUEUE_URL={QUEUE}\nJOBS_TABLE_NAME=j");
    let report_of_typo = report(&replay, &env).await;
    let says = |report: &Report, what: &str| {
        assert!(report.problems.iter().any(|problem| problem.what.contains(what)), "{report}");
    };
    says(
        &report_of_typo,
        "dead-letters to stereo-spot-chunkng-dlq, which does not exist, while stereo-spot-chunking-dlq does",
    );
    says(&report_of_typo, "DynamoDB can't use arn:aws:kms:r:1:key/k, so the table j can't be read");
    let chained = no_groups(Replay::default())
        .answer("ListQueueTags", json!({}))
        .answer("GetQueueAttributes", attributes("0", redrive("stereo-spot-chunking-dlq")))
        .answer("GetQueueAttributes", attributes("0", redrive("cellar")));
    let report_of_chain = report_of_queue(&chained).await;
    says(
        &report_of_chain,
        "stereo-spot-chunking-dlq is a dead-letter queue and has a redrive policy of its own, to cellar",
    );
}

fn verdict(report: &Report, action: &str, ending: &str) -> Verdict {
    let is = |permission: &&Permission| permission.action == action && permission.resource.ends_with(ending);
    report.permissions.iter().find(is).unwrap().verdict
}

fn simulated(members: &str) -> String {
    format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>\
         <EvaluationResults>{members}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
}

#[tokio::test]
async fn iam_is_asked_about_the_role_behind_a_session() {
    let decision = |action: &str, decision: &str| {
        format!(
            "<member><MatchedStatements><member/></MatchedStatements><EvalDecision>{decision}</EvalDecision>\
             <EvalActionName>{action}</EvalActionName></member>"
        )
    };
    let of_tables: String = [
        decision("dynamodb:GetItem", "allowed"),
        decision("dynamodb:PutItem", "implicitDeny"),
        decision("dynamodb:UpdateItem", "explicitDeny"),
        decision("dynamodb:Query", "allowed"),
        decision("dynamodb:DeleteItem", "allowed"),
    ]
    .concat();
    let table = json!({ "Table": { "TableStatus": "ACTIVE", "ItemCount": 12 } });
    let replay = no_groups(Replay::default())
        .raw("GetCallerIdentity", 200, &[], IDENTITY)
        .answer("DescribeTable", table)
        .raw("SimulatePrincipalPolicy", 200, &[], &simulated(&of_tables));
    // For what concerns no single resource, and for provision.
    let replay = (0..6).fold(replay, |replay, _| replay.raw("SimulatePrincipalPolicy", 200, &[], &simulated("")));
    let replay = replay.refuse("GetQueryResults", "ThrottlingException", "slow down").refuse(
        "StopQuery",
        "ThrottlingException",
        "slow down",
    );
    let report = report(&replay, "REGION=eu-central-1\nJOBS_TABLE_NAME=p-jobs").await;
    assert_eq!(verdict(&report, "dynamodb:GetItem", "p-jobs"), Verdict::Allowed);
    assert_eq!(verdict(&report, "dynamodb:PutItem", "p-jobs"), Verdict::Missing);
    assert_eq!(verdict(&report, "dynamodb:UpdateItem", "p-jobs"), Verdict::Missing);
    assert_eq!(verdict(&report, "logs:StartQuery", "*"), Verdict::NotKnown);
    let asked = replay.sent_to("SimulatePrincipalPolicy");
    assert!(asked[0].body.contains("PolicySourceArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fmedia-worker"));
    let problem = "dynamodb:PutItem on arn:aws:dynamodb:eu-central-1:123456789012:table/p-jobs is not allowed, needed for \
                   our workers and repairs: add it to the policy of the role in use";
    assert!(report.problems.iter().any(|found| found.what == problem), "{report}");
    assert!(report.problems.iter().any(|found| found.what.contains("has no index status-created_at")));
    replay.finish();
}

#[tokio::test]
async fn without_iam_simulation_harmless_writes_are_tried() {
    let replay = no_groups(Replay::default())
        .raw("GetCallerIdentity", 200, &[], IDENTITY)
        .answer("DescribeTable", json!({ "Table": { "TableStatus": "ACTIVE" } }))
        .refuse("SimulatePrincipalPolicy", "AccessDenied", "no")
        .answer("GetItem", json!({}))
        .refuse("Query", "ProvisionedThroughputExceededException", "slow down")
        .refuse("GetQueryResults", "ResourceNotFoundException", "no such query")
        .refuse("StopQuery", "AccessDeniedException", "not authorized")
        .refuse("PutItem", "ConditionalCheckFailedException", "The conditional request failed")
        .refuse("UpdateItem", "AccessDeniedException", "not authorized")
        .answer("DeleteItem", json!({}))
        .answer("BatchWriteItem", json!({ "UnprocessedItems": {} }));
    let report = report(&replay, "REGION=eu-central-1\nSEGMENT_COMPLETIONS_TABLE_NAME=p-segment-completions").await;
    assert_eq!(verdict(&report, "dynamodb:PutItem", "completions"), Verdict::Allowed);
    assert_eq!(verdict(&report, "dynamodb:UpdateItem", "completions"), Verdict::Missing);
    assert_eq!(verdict(&report, "dynamodb:GetItem", "completions"), Verdict::Allowed);
    assert_eq!(verdict(&report, "dynamodb:Query", "completions"), Verdict::NotKnown);
    assert_eq!(verdict(&report, "dynamodb:DeleteItem", "completions"), Verdict::NotKnown, "it was let through");
    assert_eq!(verdict(&report, "dynamodb:BatchWriteItem", "completions"), Verdict::Allowed);
    let batch = replay.sent_to("BatchWriteItem")[0].json();
    let key = &batch["RequestItems"]["p-segment-completions"][0]["DeleteRequest"]["Key"];
    assert_eq!(key["job_id"]["S"], "stereospot-doctor", "nobody's");
    assert_eq!(verdict(&report, "logs:GetQueryResults", "*"), Verdict::Allowed);
    assert_eq!(verdict(&report, "logs:StopQuery", "*"), Verdict::Missing);
    assert!(report.to_string().contains("not known: logs:StartQuery on 1, needed for logs of a job"), "{report}");
    let put = replay.sent_to("PutItem")[0].json();
    assert_eq!(put["ConditionExpression"], "attribute_exists(job_id) AND attribute_not_exists(job_id)");
    assert_eq!(put["Item"]["segment_index"]["N"], "0");
    assert!(report.notes.iter().any(|note| note.starts_with("IAM does not tell all permissions")));
    replay.finish();
}

#[tokio::test]
async fn a_deleted_dead_letter_queue_differs_from_none_configured() {
    for (redrive, says) in [
        (None, "has no dead-letter queue"),
        (
            Some(json!({ "deadLetterTargetArn": "arn:aws:sqs:r:1:gone", "maxReceiveCount": "5" })),
            "dead-letters to gone",
        ),
    ] {
        let replay = no_groups(Replay::default()).answer("GetQueueAttributes", attributes("0", redrive)).refuse(
            "GetQueueAttributes",
            "AWS.SimpleQueueService.NonExistentQueue",
            "no",
        );
        let report = report(&replay, &format!("REGION=eu-central-1\nCHUNKING_QUEUE_URL={QUEUE}")).await;
        assert!(report.problems.iter().any(|problem| problem.what.contains(says)), "{report}");
    }
}

#[tokio::test]
async fn a_topology_that_contradicts_its_services_is_said_to() {
    let service = |name: &str| json!({ "serviceName": name, "status": "ACTIVE", "desiredCount": 0 });
    let with = |services: Value| {
        no_groups(Replay::default())
            .answer("DescribeServices", json!({ "services": services }))
            .answer("DescribeScalableTargets", json!({}))
    };
    let workers = json!([service("media-worker"), service("video-worker")]);
    let a = format!("REGION=eu-central-1\nECS_CLUSTER_NAME=c\nJOB_STATUS_EVENTS_QUEUE_URL={QUEUE}");
    let report_of_a = report(&with(workers), &a).await;
    assert_eq!(report_of_a.topology, Topology::JobWorker);
    assert!(report_of_a.problems.iter().any(|problem| problem.what.contains("no job-worker runs")));
    let all = json!([service("media-worker"), service("video-worker"), service("job-worker")]);
    let report_of_b = report(&with(all), "REGION=eu-central-1\nECS_CLUSTER_NAME=c").await;
    assert!(report_of_b.problems.iter().any(|problem| problem.what.starts_with("a job-worker runs")));
    assert!(report_of_b.to_string().contains("video-worker  0 of 0 running, normal while queues are empty"));
}
