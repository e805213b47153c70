use std::time::Duration;

use serde_json::{Value, json};
use stereospot_domain::Timestamp;
use stereospot_ports::fleet::TaskProtection;

use super::protection::EcsTask;
use super::*;
use crate::replay::Replay;

fn fleet(replay: &Replay) -> EcsFleet {
    EcsFleet::new(&replay.config(), &Calls::default(), "arn:aws:ecs:eu-central-1:1:cluster/stereo-spot")
}

fn described(name: &str, desired: u32, running: u32) -> Value {
    json!({
        "serviceName": name, "status": "ACTIVE", "desiredCount": desired, "runningCount": running, "pendingCount": 0,
        "deployments": [{ "status": "PRIMARY", "rolloutState": "COMPLETED" }],
        "events": [{ "message": "(service x) was unable to place a task" }, { "message": "older" }],
    })
}

fn target(name: &str, suspended: bool) -> Value {
    json!({
        "ResourceId": format!("service/stereo-spot/{name}"), "MinCapacity": 1, "MaxCapacity": 8,
        "SuspendedState": {
            "DynamicScalingInSuspended": suspended, "DynamicScalingOutSuspended": suspended,
            "ScheduledScalingSuspended": suspended,
        },
    })
}

#[tokio::test]
async fn services_come_with_their_limits_and_what_keeps_tasks_away() {
    let gone = json!({ "serviceName": "job-worker", "status": "INACTIVE" });
    let services = [described("video-worker", 2, 1), described("media-worker", 0, 0), gone];
    let replay = Replay::default()
        .answer("DescribeServices", json!({ "services": services, "failures": [{ "reason": "MISSING" }] }))
        .answer("DescribeScalableTargets", json!({ "ScalableTargets": [target("video-worker", false)] }));
    let services = fleet(&replay).services().await.unwrap();
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["media-worker", "video-worker"]);
    assert!(services[0].is_idle() && services[0].note.is_none() && services[0].scaling == Scaling::Off);
    assert_eq!(services[1].scaling, Scaling::Within(Limits { min: 1, max: 8, is_suspended: false }));
    assert_eq!(services[1].note, Some(Note::TooFewTasks("(service x) was unable to place a task".into())));
    let asked = &replay.sent_to("DescribeScalableTargets")[0].json()["ResourceIds"];
    assert_eq!(asked[1], "service/stereo-spot/media-worker", "the cluster's name, not its ARN");
    replay.finish();
}

#[tokio::test]
async fn unknown_limits_do_not_hide_the_services() {
    let replay = Replay::default()
        .answer("DescribeServices", json!({ "services": [described("video-worker", 1, 1)] }))
        .refuse("DescribeScalableTargets", "AccessDeniedException", "not authorized");
    let services = fleet(&replay).services().await.unwrap();
    let note = services[0].remark().unwrap();
    assert!(note.contains("application-autoscaling:DescribeScalableTargets"), "{note}");
}

#[tokio::test]
async fn scaling_says_that_the_limits_may_change_it_again() {
    let replay = Replay::default()
        .answer("DescribeServices", json!({ "services": [described("video-worker", 0, 0)] }))
        .answer("DescribeScalableTargets", json!({ "ScalableTargets": [target("video-worker", false)] }))
        .answer("UpdateService", json!({ "service": {} }));
    let scaled = fleet(&replay).scale("video-worker", 3).await.unwrap();
    assert_eq!((scaled.before, scaled.desired), (0, 3));
    assert!(scaled.warning.unwrap().contains("between 1 and 8 tasks"));
    let sent = replay.sent_to("UpdateService")[0].json();
    assert_eq!((&sent["service"], &sent["desiredCount"]), (&json!("video-worker"), &json!(3)));
    replay.finish();
}

#[tokio::test]
async fn the_same_number_again_changes_nothing_and_a_missing_service_is_said() {
    let replay = Replay::default()
        .answer("DescribeServices", json!({ "services": [described("video-worker", 1, 1)] }))
        .answer("DescribeScalableTargets", json!({ "ScalableTargets": [target("video-worker", true)] }))
        .answer("DescribeServices", json!({ "services": [], "failures": [{ "reason": "MISSING" }] }))
        .answer("DescribeScalableTargets", json!({ "ScalableTargets": [] }));
    let fleet = fleet(&replay);
    assert_eq!(fleet.scale("video-worker", 1).await.unwrap().warning, None, "suspended scaling changes nothing");
    assert_eq!(fleet.scale("gpu-worker", 1).await.unwrap_err().code(), ErrorCode::NotFound);
    replay.finish();
}

#[tokio::test]
async fn forcing_one_task_sets_one_only_where_there_is_none() {
    let both = [described("video-worker", 0, 0), described("media-worker", 2, 2)];
    let replay = Replay::default()
        .answer("DescribeServices", json!({ "services": both }))
        .answer("DescribeScalableTargets", json!({}))
        .answer("DescribeServices", json!({ "services": [described("video-worker", 0, 0)] }))
        .answer("DescribeScalableTargets", json!({}))
        .answer("UpdateService", json!({}))
        .answer("DescribeServices", json!({ "services": both }))
        .answer("DescribeScalableTargets", json!({}));
    let fleet = fleet(&replay);
    assert_eq!(fleet.force_one("video-worker").await.unwrap().desired, 1);
    assert_eq!(fleet.force_one("media-worker").await.unwrap().desired, 2);
    replay.finish();
}

#[tokio::test]
async fn a_service_that_was_deleted_and_made_again_is_shown_once() {
    let with_status = |status: &str, running| {
        let mut service = described("video-worker", running, running);
        service["status"] = status.into();
        service
    };
    let both = [with_status("INACTIVE", 0), with_status("DRAINING", 2), with_status("ACTIVE", 1)];
    let replay = Replay::default()
        .answer("DescribeServices", json!({ "services": both }))
        // An empty page, and another one after it.
        .answer("DescribeScalableTargets", json!({ "ScalableTargets": [], "NextToken": "more" }))
        .answer("DescribeScalableTargets", json!({ "ScalableTargets": [target("video-worker", false)] }));
    let services = fleet(&replay).services().await.unwrap();
    assert_eq!(services.len(), 1, "{services:?}");
    assert_eq!((services[0].running, services[0].scaling.limits().map(|limits| limits.max)), (1, Some(8)));
    replay.finish();
    assert!(SERVICES.len() <= 10, "ECS describes at most ten services in one call");
}

#[tokio::test]
async fn a_task_is_protected_for_whole_minutes_and_let_go() {
    let path = "PUT /api/x/task-protection/v1/state";
    let held = r#"{"protection":{"ExpirationDate":"2026-11-21T19:49:57Z","ProtectionEnabled":true,"TaskArn":"a"}}"#;
    let replay = Replay::default()
        .raw(path, 200, &[], held)
        .raw(path, 200, &[], r#"{"protection":{"ProtectionEnabled":false,"TaskArn":"a"}}"#)
        .raw(path, 200, &[], r#"{"failure":{"Arn":"a","Reason":"DEPLOYMENT_BLOCKED"}}"#);
    let task = EcsTask::at(&replay.config(), &Calls::default(), "http://169.254.170.2/api/x").unwrap();
    let until = task.protect(Duration::from_secs(61)).await.unwrap();
    assert_eq!(until, Some(Timestamp::from_secs(1_795_290_597)));
    task.release().await.unwrap();
    let refused = task.protect(Duration::ZERO).await.unwrap_err();
    assert!(refused.to_string().ends_with("DEPLOYMENT_BLOCKED"), "{refused}");
    let sent = replay.sent();
    assert_eq!(sent[0].json(), json!({ "ProtectionEnabled": true, "ExpiresInMinutes": 2 }));
    assert_eq!(sent[1].json(), json!({ "ProtectionEnabled": false }));
    assert_eq!(sent[2].json()["ExpiresInMinutes"], 1);
    assert!(sent[0].header("authorization").is_none(), "the agent wants no signature");
    replay.finish();
    assert!(EcsTask::at(&replay.config(), &Calls::default(), "file:///x").is_err());
}
