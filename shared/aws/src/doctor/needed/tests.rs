//! Holds the lists equal to the calls that this crate makes: what is called is listed, and what is listed is called.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// What receives an SDK's call in this crate.
const CLIENTS: [&str; 9] = ["client", "sqs", "dynamo", "ecs", "scaling", "runtime", "logs", "cloudwatch", "sts"];
/// Needs no permission.
const FREE: &str = "sts:GetCallerIdentity";
/// Needed by calls under another name: keys by what they encrypt, an endpoint's role by its model, uploads by `DELETE`.
const IMPLIED: [&str; 4] = ["kms:Decrypt", "kms:GenerateDataKey", "iam:PassRole", "s3:AbortMultipartUpload"];
/// Asked by the doctor only, which says when it may not.
const DOCTOR: &str = "iam:SimulatePrincipalPolicy";

fn listed() -> BTreeSet<String> {
    let text = "REGION=r\nINPUT_BUCKET_NAME=in\nCHUNKING_QUEUE_URL=https://x/1/q\nSEGMENT_COMPLETIONS_TABLE_NAME=c\n\
                ECS_CLUSTER_NAME=c\nSAGEMAKER_ENDPOINT_NAME=e";
    let deployment = Deployment::parse(text, &|_| None).unwrap();
    let account = Account { id: "1".into(), region: "r".into(), partition: "aws".into(), caller: "c".into() };
    let dead = super::super::report::DeadLetterFound {
        name: "q-dlq".into(),
        is_in_policy: true,
        is_there: None,
        depth: None,
        kms_key: Some("key".into()),
    };
    let queue = QueueFound {
        name: "q".into(),
        url: String::new(),
        is_there: None,
        depth: None,
        dead_letter: Some(dead),
        kms_key: Some("alias/aws/sqs".into()),
    };
    let report = Report { queues: vec![queue], ..Report::default() };
    let needed = needed(&deployment, &account, &report);
    let keys: Vec<&String> = needed.iter().map(|(resource, _)| resource).filter(|arn| arn.contains(":kms:")).collect();
    assert_eq!(keys, ["arn:aws:kms:r:1:key/key"], "AWS's own keys need no permission");
    needed.into_iter().flat_map(|(_, actions)| actions).map(|(action, _)| action.to_owned()).collect()
}

/// The text of the crate's files without tests and without these lists.
fn sources() -> String {
    let mut text = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ends = |name: &str| path.ends_with(name);
            if path.is_dir() {
                folders.push(path);
            } else if !ends("tests.rs") && !ends("replay.rs") && !ends("doctor/needed.rs") && !ends("error.rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// The actions named in the text, as in `"sqs:SendMessage"`.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !":-".contains(c));
    let is_action = |word: &&str| {
        let Some((service, action)) = word.split_once(':') else { return false };
        let services = [
            "sqs",
            "s3",
            "dynamodb",
            "ecs",
            "logs",
            "sagemaker",
            "cloudwatch",
            "application-autoscaling",
            "iam",
            "sts",
        ];
        services.contains(&service) && action.starts_with(|c: char| c.is_ascii_uppercase()) && !action.contains(':')
    };
    // The name of an event, not of an action.
    words.filter(is_action).map(str::to_owned).filter(|action| action != "s3:ObjectCreated").collect()
}

/// The operations called on a client of the SDK, as in `client.send_message()`.
fn called(text: &str) -> BTreeSet<String> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut called = BTreeSet::new();
    for client in CLIENTS {
        for (at, _) in text.match_indices(&format!("{client}.")) {
            let rest = &text[at + client.len() + 1..];
            let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if rest[name.len()..].starts_with("()") && name.contains('_') && name != "to_string" {
                called.insert(name);
            }
        }
    }
    called
}

fn snake(action: &str) -> String {
    let (_, name) = action.split_once(':').unwrap();
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[test]
fn the_list_has_every_action_that_the_code_names_and_no_other() {
    let mut named = named(&sources());
    assert!(named.remove(FREE) && named.remove(DOCTOR));
    let mut listed = listed();
    for implied in IMPLIED {
        named.remove(implied);
        assert!(listed.remove(implied), "{implied}");
    }
    let missing: Vec<_> = named.difference(&listed).collect();
    assert!(missing.is_empty(), "called, but not listed: {missing:?}");
    let surplus: Vec<_> = listed.difference(&named).collect();
    assert!(surplus.is_empty(), "listed, but not called: {surplus:?}");
}

#[test]
fn every_call_of_the_sdk_names_its_action() {
    let text = sources();
    let called = called(&text);
    assert!(called.len() > 35, "the calls are not found any more: {called:?}");
    let mut known: BTreeSet<String> = named(&text).iter().map(|action| snake(action)).collect();
    // These need the permission for single messages.
    known.extend(["send_message_batch", "change_message_visibility_batch"].map(str::to_owned));
    let unknown: Vec<_> = called.difference(&known).collect();
    assert!(unknown.is_empty(), "called without naming the action: {unknown:?}");
}

#[test]
fn counted_calls_are_actions() {
    let check = |service, operation, action: Option<&str>| {
        assert_eq!(action_of(service, operation).as_deref(), action);
    };
    check("cloudwatch logs", "DescribeLogGroups", Some("logs:DescribeLogGroups"));
    check("sqs", "SendMessageBatch", Some("sqs:SendMessage"));
    check("sts", "GetCallerIdentity", None);
    // As the S3 client of object_store is counted.
    assert!(!listed().contains(&action_of("s3", "GET").unwrap()));
}
