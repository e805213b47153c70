use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic};
use serde_json::{Value, json};

use super::*;
use crate::replay::Replay;

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a</Arn>\
    <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

fn account() -> Account {
    Account {
        id: "123456789012".into(),
        region: "eu-central-1".into(),
        partition: "aws".into(),
        caller: "arn:aws:iam::123456789012:user/a".into(),
    }
}

fn provisioner(replay: &Replay) -> Provisioner {
    Provisioner::new(&replay.config(), &Calls::default(), "p").unwrap()
}

fn wanted(name: &str, kind: Kind) -> Wanted {
    let is = |resource: &Resource| resource.kind == kind && resource.name == name;
    resource::all("p", &account()).into_iter().find(is).unwrap().wanted
}

fn wanted_queue() -> resource::QueueWanted {
    match wanted("p-chunking", Kind::Queue) {
        Wanted::Queue(wanted) => wanted,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_are_those_of_the_contract() {
    let all = resource::all("stereo-spot", &account());
    let names = |kind: Kind| -> Vec<&str> {
        all.iter().filter(|resource| resource.kind == kind).map(|resource| resource.name.as_str()).collect()
    };
    assert_eq!(
        names(Kind::Queue),
        [
            "stereo-spot-chunking-dlq",
            "stereo-spot-chunking",
            "stereo-spot-video-worker-dlq",
            "stereo-spot-video-worker",
            "stereo-spot-reassembly-dlq",
            "stereo-spot-reassembly",
            "stereo-spot-output-events-dlq",
            "stereo-spot-output-events",
        ]
    );
    assert_eq!(names(Kind::Bucket), ["stereo-spot-input-123456789012", "stereo-spot-output-123456789012"]);
    assert_eq!(
        names(Kind::Table),
        [
            "stereo-spot-jobs",
            "stereo-spot-segment-completions",
            "stereo-spot-reassembly-triggered",
            "stereo-spot-inference-invocations",
        ]
    );
    assert_eq!(names(Kind::TimeToLive), ["stereo-spot-reassembly-triggered", "stereo-spot-inference-invocations"]);
    assert_eq!(names(Kind::LogGroup), ["/ecs/stereo-spot/media-worker", "/ecs/stereo-spot/video-worker"]);
    assert_eq!(names(Kind::Alarm).len(), 9);
    let chunking = wanted_queue();
    assert_eq!(chunking.visibility_secs, Some(900));
    assert_eq!(chunking.dead_letter_arn.as_deref(), Some("arn:aws:sqs:eu-central-1:123456789012:p-chunking-dlq"));
    assert_eq!(chunking.sender_arn.as_deref(), Some("arn:aws:s3:::p-input-123456789012"));
}

#[test]
fn prefixes_that_cannot_begin_a_buckets_name_are_refused() {
    for good in ["stereo-spot", "a", "x1"] {
        assert!(check_prefix(good).is_ok(), "{good}");
    }
    for bad in ["", "-a", "a-", "Stereo", "a_b", "a/b", &"a".repeat(44)] {
        assert_eq!(check_prefix(bad).unwrap_err().code(), ErrorCode::Invalid, "{bad}");
    }
}

#[tokio::test]
async fn a_queue_is_made_with_redrive_retention_and_policy() {
    let replay = Replay::default()
        .refuse("GetQueueUrl", "QueueDoesNotExist", "no")
        .answer("CreateQueue", json!({ "QueueUrl": "u" }));
    make_queue(&replay).await.unwrap();
    let sent = replay.sent_to("CreateQueue")[0].json();
    let attributes = &sent["Attributes"];
    assert_eq!(
        (&attributes["VisibilityTimeout"], &attributes["MessageRetentionPeriod"]),
        (&json!("900"), &json!("1209600"))
    );
    let inner = |name: &str| serde_json::from_str::<Value>(attributes[name].as_str().unwrap()).unwrap();
    assert_eq!(inner("RedrivePolicy")["maxReceiveCount"], 5);
    let statement = &inner("Policy")["Statement"][0];
    assert_eq!(statement["Principal"]["Service"], "s3.amazonaws.com");
    assert_eq!(statement["Condition"]["ArnLike"]["aws:SourceArn"], "arn:aws:s3:::p-input-123456789012");
    assert_eq!(statement["Condition"]["StringEquals"]["aws:SourceAccount"], "123456789012");
    replay.finish();
}

async fn make_queue(replay: &Replay) -> Result<()> {
    let Provisioner { sqs, sleep, .. } = provisioner(replay);
    queue::make(&sqs, &sleep, "p-chunking", &wanted_queue(), &account()).await
}

async fn look_at_queue(replay: &Replay) -> Result<State> {
    queue::look(&provisioner(replay).sqs, "p-chunking", &wanted_queue(), &account()).await
}

fn found_queue(visibility: &str, policy: Value) -> Replay {
    let redrive = json!({
        "deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:p-chunking-dlq", "maxReceiveCount": "5"
    });
    let attributes = json!({ "Attributes": {
        "VisibilityTimeout": visibility, "MessageRetentionPeriod": "1209600", "RedrivePolicy": redrive.to_string(),
        "Policy": policy.to_string(),
    }});
    Replay::default().answer("GetQueueUrl", json!({ "QueueUrl": "u" })).answer("GetQueueAttributes", attributes)
}

fn statement_of_terraform() -> Value {
    json!({
        "Sid": "AllowS3InputBucketSendMessage", "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" },
        "Action": "SQS:SendMessage", "Resource": "arn:aws:sqs:eu-central-1:123456789012:p-chunking",
        "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:s3:::p-input-123456789012" } },
    })
}

#[tokio::test]
async fn a_queue_that_fits_is_left_alone() {
    let replay = found_queue("900", json!({ "Version": "2012-10-17", "Statement": statement_of_terraform() }));
    let state = look_at_queue(&replay).await.unwrap();
    assert_eq!(state, State::Fits);
    replay.finish();
}

#[tokio::test]
async fn what_differs_is_said_and_what_others_set_is_kept() {
    let others = json!({ "Statement": [{ "Sid": "Others", "Effect": "Allow" }] });
    let replay = found_queue("30", others.clone());
    let state = look_at_queue(&replay).await.unwrap();
    let changes = vec!["VisibilityTimeout 30 becomes 900".to_owned(), "its bucket may send to it".to_owned()];
    assert_eq!(state, State::Differs(changes));

    let replay = found_queue("30", others).answer("SetQueueAttributes", json!({}));
    make_queue(&replay).await.unwrap();
    let sent = replay.sent_to("SetQueueAttributes")[0].json();
    let policy: Value = serde_json::from_str(sent["Attributes"]["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["Statement"][0]["Sid"], "Others");
    assert_eq!(policy["Statement"][1]["Action"], "sqs:SendMessage");
    replay.finish();
}

#[tokio::test]
async fn notifications_of_others_survive_ours() {
    let Wanted::Notifications(rules) = wanted("p-input-123456789012", Kind::Notifications) else { panic!("no rules") };
    let theirs = "<TopicConfiguration><Topic>t</Topic></TopicConfiguration><QueueConfiguration><Id>x</Id>\
        <Queue>arn:aws:sqs:eu-central-1:123456789012:p-chunking</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>\
        <FilterRule><Name>Prefix</Name><Value>input/</Value></FilterRule>\
        <FilterRule><Name>Suffix</Name><Value>.mp4</Value></FilterRule></S3Key></Filter></QueueConfiguration>";
    let xml = format!("<NotificationConfiguration xmlns=\"u\">{theirs}</NotificationConfiguration>");
    let get = "GET /b?notification=";
    let replay = Replay::default()
        .raw(get, 200, &[], &xml)
        .raw(get, 200, &[], &xml)
        .raw("PUT /b?notification=", 200, &[], "")
        .raw(get, 200, &[], "<NotificationConfiguration/>");
    let Provisioner { s3, sleep, .. } = provisioner(&replay);
    let state = bucket::look_notifications(&s3, "b", &rules).await.unwrap();
    assert_eq!(state, State::Differs(vec!["p-video-worker gets events of segments/*.mp4".into()]));
    bucket::make_notifications(&s3, &sleep, "b", &rules).await.unwrap();
    let sent = replay.sent()[2].clone();
    assert!(sent.body.contains(theirs), "{}", sent.body);
    assert_eq!(sent.body.matches("<QueueConfiguration>").count(), 2);
    assert!(sent.header("x-amz-content-sha256").is_some() && sent.header("authorization").is_some());
    assert_eq!(bucket::look_notifications(&s3, "b", &rules).await.unwrap(), State::Missing);
    replay.finish();
}

#[tokio::test]
async fn lines_that_somebody_keeps_longer_are_kept() {
    let of = |retention: Value| json!({ "logGroups": [{ "logGroupName": "/ecs/p/w", "retentionInDays": retention }] });
    for (retention, expected) in [
        (Value::Null, State::Fits),
        (json!(14), State::Fits),
        (json!(365), State::Fits),
        (json!(3), State::Differs(vec!["lines are kept 14 days instead of 3".into()])),
    ] {
        let replay = Replay::default().answer("DescribeLogGroups", of(retention));
        assert_eq!(log_group::look(&provisioner(&replay).logs, "/ecs/p/w").await.unwrap(), expected);
        replay.finish();
    }
}

#[tokio::test]
async fn field_indexes_keep_the_fields_of_others() {
    let policies = json!({ "indexPolicies": [
        { "source": "ACCOUNT", "policyDocument": "{\"Fields\":[\"job_id\"]}" },
        { "source": "LOG_GROUP", "policyDocument": "{\"Fields\":[\"RequestId\"]}" },
    ]});
    let replay = Replay::default()
        .answer("DescribeIndexPolicies", policies.clone())
        .answer("DescribeIndexPolicies", policies)
        .answer("PutIndexPolicy", json!({}));
    let logs = provisioner(&replay).logs;
    assert_eq!(log_group::look_index(&logs, "/ecs/p/media-worker", "job_id").await.unwrap(), State::Missing);
    log_group::make_index(&logs, "/ecs/p/media-worker", "job_id").await.unwrap();
    let sent = replay.sent_to("PutIndexPolicy")[0].json();
    assert_eq!(sent["policyDocument"], "{\"Fields\":[\"RequestId\",\"job_id\"]}");
    replay.finish();
}

#[test]
fn alarms_are_compared_by_what_they_watch() {
    let Wanted::Alarm(wanted) = wanted("p-chunking-not-worked-off", Kind::Alarm) else { panic!("no alarm") };
    assert_eq!(wanted.threshold, 4500.0, "five times 15 minutes");
    let found = |threshold: f64, queue: &str| {
        MetricAlarm::builder()
            .alarm_description("in other words")
            .namespace("AWS/SQS")
            .metric_name("ApproximateAgeOfOldestMessage")
            .dimensions(Dimension::builder().name("QueueName").value(queue).build())
            .statistic(Statistic::Maximum)
            .period(60)
            .evaluation_periods(1)
            .threshold(threshold)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .treat_missing_data("notBreaching")
            .build()
    };
    assert_eq!(alarm::differences(&found(4500.0, "p-chunking"), &wanted), Vec::<String>::new());
    let expected = ["Threshold 10 becomes 4500", "Dimensions QueueName=q becomes QueueName=p-chunking"];
    assert_eq!(alarm::differences(&found(10.0, "q"), &wanted), expected);
    let bare = alarm::differences(&MetricAlarm::builder().build(), &wanted);
    assert!(bare.contains(&"Period not set becomes 60".to_owned()), "{bare:?}");
}

#[tokio::test]
async fn destroying_needs_the_prefix_typed_and_the_same_account() {
    let other = IDENTITY.replace("123456789012", "210987654321");
    let replay = Replay::default().raw("GetCallerIdentity", 200, &[], &other);
    let provisioner = provisioner(&replay);
    let plan = destroy::DestroyPlan {
        account: account(),
        name_prefix: "p".into(),
        removals: vec![destroy::Removal {
            kind: Kind::Queue,
            name: "p-chunking".into(),
            content: String::new(),
            problem: None,
        }],
        left: Vec::new(),
    };
    for typed in ["", "P", "stereo-spot"] {
        let error = provisioner.destroy(&plan, typed, &mut |_| panic!("removed")).await.unwrap_err();
        assert!(error.to_string().contains("type `p`"), "{error}");
    }
    let error = provisioner.destroy(&plan, "p", &mut |_| panic!("removed")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    replay.finish();
}

#[tokio::test]
async fn tables_of_another_shape_are_refused_and_missing_indexes_added() {
    let Wanted::Table(wanted) = wanted("p-jobs", Kind::Table) else { panic!("no table") };
    let index = json!({ "IndexName": "status-completed_at", "IndexStatus": "ACTIVE" });
    let table = |key: &Value, indexes: Value, status: &str| json!({ "Table": { "TableStatus": status, "KeySchema": key, "GlobalSecondaryIndexes": indexes } });
    let key = &json!([{ "AttributeName": "job_id", "KeyType": "HASH" }]);
    let replay = Replay::default()
        .answer("DescribeTable", table(&json!([]), json!([]), "ACTIVE"))
        .answer("DescribeTable", table(key, json!([index]), "ACTIVE"))
        .answer("DescribeTable", table(key, json!([index]), "ACTIVE"))
        .answer("UpdateTable", json!({}))
        .answer("DescribeTable", table(key, json!([index, { "IndexStatus": "CREATING" }]), "UPDATING"))
        .answer("DescribeTable", table(key, json!([index, { "IndexStatus": "ACTIVE" }]), "ACTIVE"));
    let Provisioner { dynamo, sleep, .. } = provisioner(&replay);
    assert_eq!(table::look(&dynamo, "p-jobs", &wanted).await.unwrap_err().code(), ErrorCode::Conflict);
    let state = table::look(&dynamo, "p-jobs", &wanted).await.unwrap();
    assert_eq!(state, State::Differs(vec!["index status-created_at is added".into()]));
    table::make(&dynamo, &sleep, "p-jobs", &wanted).await.unwrap();
    let sent = replay.sent_to("UpdateTable")[0].json();
    assert_eq!(sent["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"], "status-created_at");
    assert_eq!(replay.pauses().len(), 1);
    replay.finish();
}

#[tokio::test]
async fn what_takes_aws_a_minute_is_waited_for() {
    let replay = Replay::default()
        .refuse("GetQueueUrl", "QueueDoesNotExist", "no")
        .refuse("CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", "wait 60 seconds")
        .answer("CreateQueue", json!({ "QueueUrl": "u" }));
    make_queue(&replay).await.unwrap();
    assert_eq!(replay.pauses().len(), 1);
    replay.finish();

    let refusal = "<Error><Code>InvalidArgument</Code><Message>Unable to validate the following destination \
        configurations</Message></Error>";
    let replay = Replay::default()
        .raw("GET /b?notification=", 200, &[], "<NotificationConfiguration/>")
        .raw("PUT /b?notification=", 400, &[], refusal)
        .raw("PUT /b?notification=", 200, &[], "");
    let Provisioner { s3, sleep, .. } = provisioner(&replay);
    bucket::make_notifications(&s3, &sleep, "b", &[]).await.unwrap();
    assert_eq!(replay.pauses().len(), 1);
    replay.finish();
}

#[tokio::test]
async fn a_bucket_is_made_in_its_region() {
    let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>a&amp;b</Value></Tag></TagSet></Tagging>";
    let none = "<Error><Code>NoSuchTagSet</Code><Message>no tags</Message></Error>";
    let replay = Replay::default().raw("PUT /b", 200, &[], "").raw("PUT /b", 200, &[], "");
    let replay = replay.raw("GET /b?tagging=", 404, &[], none).raw("GET /b?tagging=", 200, &[], tags);
    let replay = replay.raw("PUT /b?tagging=", 204, &[], "").raw("PUT /b?tagging=", 204, &[], "");
    let s3 = provisioner(&replay).s3;
    bucket::make(&s3, "b", "eu-central-1").await.unwrap();
    bucket::make(&s3, "b", "us-east-1").await.unwrap();
    let made = replay.sent_to("PUT /b");
    assert!(made[0].body.contains("<LocationConstraint>eu-central-1</LocationConstraint>"));
    assert_eq!(made[1].body, "");
    let tagged = replay.sent_to("PUT /b?tagging=");
    assert_eq!(tagged[0].body.matches("<Tag>").count(), 1);
    let kept = "<Tag><Key>team</Key><Value>a&amp;b</Value></Tag><Tag><Key>stereospot:made-by</Key><Value>provision</Value></Tag>";
    assert!(tagged[1].body.contains(kept), "{}", tagged[1].body);
    assert!(tagged[0].header("x-amz-checksum-crc32").is_some(), "S3 takes tags only with a checksum");
    replay.finish();
}

#[test]
fn plans_are_readable_by_people_and_programs() {
    let step = |state, problem: Option<&str>| Step {
        kind: Kind::TimeToLive,
        name: "p-locks".into(),
        state,
        problem: problem.map(str::to_owned),
        is_refused: false,
        is_left: false,
    };
    let shown = |step: Step| (serde_json::to_value(&step).unwrap(), step.line());
    let (json, line) = shown(step(Some(State::Missing), None));
    assert_eq!(json, json!({ "kind": "time-to-live", "name": "p-locks", "state": "missing" }));
    assert_eq!(line, "time to live of p-locks: make");
    let (json, line) = shown(step(Some(State::Differs(vec!["a".into()])), None));
    assert_eq!(json, json!({ "kind": "time-to-live", "name": "p-locks", "state": "differs", "changes": ["a"] }));
    assert_eq!(line, "time to live of p-locks: change: a");
    let (json, line) = shown(step(None, Some("no")));
    assert_eq!(json, json!({ "kind": "time-to-live", "name": "p-locks", "problem": "no" }));
    assert_eq!(line, "time to live of p-locks: could not be checked: no");
}

#[tokio::test]
async fn an_empty_page_of_log_groups_is_not_the_last() {
    let group = json!({ "logGroupName": "/ecs/p/media-worker", "retentionInDays": 14 });
    let replay = Replay::default()
        .answer("DescribeLogGroups", json!({ "logGroups": [], "nextToken": "more" }))
        .answer("DescribeLogGroups", json!({ "logGroups": [group] }));
    let state = log_group::look(&provisioner(&replay).logs, "/ecs/p/media-worker").await.unwrap();
    assert_eq!(state, State::Fits);
    assert_eq!(replay.sent()[1].json()["nextToken"], "more");
    replay.finish();
}
