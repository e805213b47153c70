//! Finds out what the credentials in use may do, without doing it.
//!
//! IAM knows all of it (`iam:SimulatePrincipalPolicy`), but few roles may ask IAM. Otherwise calls that can't change anything
//! ([`attempt`]) answer. What neither answers is reported as not known.

use futures::StreamExt;
use futures::stream;
use serde::Deserialize;
use stereospot_ports::{Error, ErrorCode};

use super::attempt::{self, Apis};
use super::report::{Permission, Verdict};
use crate::by_hand::{Api, Request};
use crate::deployment::Deployment;
use crate::provision::Account;

/// Questions to IAM at once: it throttles early.
const AT_ONCE: usize = 3;

/// The actions that stereospot needs, and what for. On the queues that workers receive from:
const ON_QUEUES: [(&str, &str); 6] = [
    ("sqs:GetQueueAttributes", "watching queues"),
    ("sqs:SendMessage", "replay, repair and reassembly trigger"),
    ("sqs:ReceiveMessage", "our workers, peeking at messages"),
    ("sqs:DeleteMessage", "our workers"),
    ("sqs:ChangeMessageVisibility", "our workers: extending a lease while they work"),
    ("sqs:PurgeQueue", "purge"),
];
/// On their dead-letter queues:
const ON_DEAD_LETTERS: [(&str, &str); 9] = [
    ("sqs:GetQueueAttributes", "watching dead-letter queues"),
    ("sqs:ReceiveMessage", "reading and replaying dead-lettered messages"),
    ("sqs:DeleteMessage", "replay and discard"),
    ("sqs:ChangeMessageVisibility", "replay: giving back what was not replayed"),
    ("sqs:PurgeQueue", "purge"),
    ("sqs:StartMessageMoveTask", "replay of whole queues"),
    ("sqs:ListMessageMoveTasks", "following a replay of a whole queue"),
    ("sqs:ListDeadLetterSourceQueues", "replay of whole queues: also what was put back by a restore"),
    ("sqs:CancelMessageMoveTask", "stopping a replay of a whole queue"),
];
const ON_TABLES: [(&str, &str); 5] = [
    ("dynamodb:GetItem", "watching jobs"),
    ("dynamodb:Query", "watching jobs and their segments"),
    ("dynamodb:PutItem", "our workers and repairs"),
    ("dynamodb:UpdateItem", "our workers and repairs"),
    ("dynamodb:DeleteItem", "repairs: taking a dead lock away"),
];
/// And on the completions' own:
const ON_COMPLETIONS: [(&str, &str); 1] = [("dynamodb:BatchWriteItem", "deleting jobs")];
const ON_OBJECTS: [(&str, &str); 3] = [
    ("s3:GetObject", "our workers"),
    ("s3:PutObject", "submitting, our workers, repairs"),
    ("s3:DeleteObject", "deleting jobs"),
];
const ON_BUCKETS: [(&str, &str); 1] = [("s3:ListBucket", "finding outputs without a completion")];
const ON_SERVICES: [(&str, &str); 2] =
    [("ecs:DescribeServices", "watching services"), ("ecs:UpdateService", "scaling, forcing a task")];
const ON_EVERYTHING: [(&str, &str); 5] = [
    ("application-autoscaling:DescribeScalableTargets", "showing the limits of scaling"),
    ("logs:DescribeLogGroups", "logs of a job"),
    ("logs:StartQuery", "logs of a job"),
    ("logs:GetQueryResults", "logs of a job"),
    ("logs:StopQuery", "stopping an abandoned log search"),
];
const ON_ENDPOINT: [(&str, &str); 2] =
    [("sagemaker:InvokeEndpointAsync", "managed inference"), ("sagemaker:UpdateEndpoint", "endpoint update")];

/// Every action that stereospot needs on the deployment's resources, each with a verdict; and notes. `dead_letters` are names of
/// queues, `seen` are actions that have just worked.
pub(super) async fn look(
    apis: &Apis<'_>,
    deployment: &Deployment,
    account: Option<&Account>,
    dead_letters: &[String],
    seen: &[&str],
) -> (Vec<Permission>, Vec<String>) {
    let Some(account) = account else { return (Vec::new(), Vec::new()) };
    let mut notes = Vec::new();
    let wanted = wanted(deployment, account, dead_letters);
    let mut permissions: Vec<Permission> = match principal(account) {
        Principal::Root => known(wanted, |_, _| Verdict::Allowed),
        Principal::Policies(arn) => {
            let ask = async |(resource, actions): (String, Actions)| {
                let verdicts = simulate(apis.iam, &arn, &resource, &actions).await;
                (resource, actions, verdicts)
            };
            let mut wanted = wanted.into_iter();
            let mut answers: Vec<_> = stream::iter(wanted.next()).then(&ask).collect().await;
            // Without the permission for the first question the others would fail as well.
            if answers.iter().all(|(_, _, verdicts)| verdicts.is_ok()) {
                let others: Vec<_> = stream::iter(wanted.map(&ask)).buffered(AT_ONCE).collect().await;
                answers.extend(others);
            } else {
                answers.extend(wanted.map(|(resource, actions)| (resource, actions, Ok(Vec::new()))));
            }
            if let Some(error) = answers.iter().find_map(|(_, _, verdicts)| verdicts.as_ref().err()) {
                notes.push(format!("IAM does not tell all permissions, so some were tried without effect: {error}"));
            }
            let mut permissions = Vec::new();
            for (resource, actions, verdicts) in answers {
                let verdicts = verdicts.unwrap_or_default();
                permissions.extend(known(vec![(resource, actions)], |_, action| {
                    let found = verdicts.iter().find(|(name, _)| name == action);
                    found.map_or(Verdict::NotKnown, |(_, verdict)| *verdict)
                }));
            }
            permissions
        }
        Principal::Unknown => {
            notes.push(format!("IAM can't be asked what {} may do", account.caller));
            known(wanted, |_, _| Verdict::NotKnown)
        }
    };
    for permission in permissions.iter_mut().filter(|permission| permission.verdict == Verdict::NotKnown) {
        permission.verdict = if seen.contains(&permission.action) {
            Verdict::Allowed
        } else {
            attempt::verdict(apis, deployment, permission).await
        };
    }
    (permissions, notes)
}

type Actions = Vec<(&'static str, &'static str)>;

fn wanted(deployment: &Deployment, account: &Account, dead_letters: &[String]) -> Vec<(String, Actions)> {
    let mut wanted: Vec<(String, Actions)> = Vec::new();
    let mut on = |resource: String, actions: &[(&'static str, &'static str)]| wanted.push((resource, actions.to_vec()));
    for name in deployment.queues.keys().filter_map(|role| deployment.queue_name(*role)) {
        on(account.arn("sqs", name), &ON_QUEUES);
    }
    for name in dead_letters {
        on(account.arn("sqs", name), &ON_DEAD_LETTERS);
    }
    for (_, name) in tables(deployment) {
        on(account.arn("dynamodb", &format!("table/{name}")), &ON_TABLES);
    }
    if let Some(name) = &deployment.tables.completions {
        on(account.arn("dynamodb", &format!("table/{name}")), &ON_COMPLETIONS);
    }
    for name in [&deployment.input_bucket, &deployment.output_bucket].into_iter().flatten() {
        let arn = format!("arn:{}:s3:::{name}", account.partition);
        on(format!("{arn}/*"), &ON_OBJECTS);
        on(arn, &ON_BUCKETS);
    }
    if let Some(cluster) = &deployment.cluster {
        let cluster = cluster.rsplit('/').next().unwrap_or_default();
        on(account.arn("ecs", &format!("service/{cluster}/video-worker")), &ON_SERVICES);
    }
    if let Some(endpoint) = &deployment.sagemaker.endpoint_name {
        on(account.arn("sagemaker", &format!("endpoint/{}", endpoint.to_lowercase())), &ON_ENDPOINT);
    }
    on("*".into(), &ON_EVERYTHING);
    wanted
}

/// The tables that the deployment names and stereospot uses: purpose and name.
pub(super) fn tables(deployment: &Deployment) -> Vec<(&'static str, &str)> {
    let tables = &deployment.tables;
    [
        ("jobs", &tables.jobs),
        ("completions", &tables.completions),
        ("locks", &tables.locks),
        ("invocations", &tables.invocations),
    ]
    .into_iter()
    .filter_map(|(purpose, name)| Some((purpose, name.as_deref()?)))
    .collect()
}

fn known(wanted: Vec<(String, Actions)>, verdict: impl Fn(&str, &str) -> Verdict) -> Vec<Permission> {
    let mut permissions = Vec::new();
    for (resource, actions) in wanted {
        for (action, needed_for) in actions {
            let verdict = verdict(&resource, action);
            permissions.push(Permission { action, resource: resource.clone(), needed_for, verdict });
        }
    }
    permissions
}

enum Principal {
    /// May do everything.
    Root,
    /// The ARN of a user or role whose policies IAM knows.
    Policies(String),
    /// A federated user, or one whose policies are elsewhere.
    Unknown,
}

/// The caller as IAM knows it. A role's session is called `assumed-role/NAME/SESSION`, which leaves out the role's path: IAM does
/// not find a role that has one.
fn principal(account: &Account) -> Principal {
    let resource = account.caller.splitn(6, ':').nth(5).unwrap_or_default();
    let mut parts = resource.split('/');
    match (parts.next(), parts.next()) {
        (Some("root"), _) => Principal::Root,
        (Some("user"), Some(_)) => Principal::Policies(account.caller.clone()),
        (Some("assumed-role"), Some(role)) => {
            Principal::Policies(format!("arn:{}:iam::{}:role/{role}", account.partition, account.id))
        }
        _ => Principal::Unknown,
    }
}

async fn simulate(
    iam: &Api,
    principal: &str,
    resource: &str,
    actions: &Actions,
) -> Result<Vec<(String, Verdict)>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        simulate_principal_policy_result: Simulated,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Simulated {
        #[serde(default)]
        evaluation_results: Members,
    }
    #[derive(Default, Deserialize)]
    struct Members {
        #[serde(default)]
        member: Vec<Evaluated>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Evaluated {
        eval_action_name: String,
        eval_decision: String,
    }
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("Action", "SimulatePrincipalPolicy").append_pair("Version", "2010-05-08");
    body.append_pair("PolicySourceArn", principal).append_pair("ResourceArns.member.1", resource);
    for (number, (action, _)) in (1..).zip(actions) {
        body.append_pair(&format!("ActionNames.member.{number}"), action);
    }
    let request = Request {
        action: "iam:SimulatePrincipalPolicy",
        method: "POST",
        path: "/".into(),
        content_type: Some("application/x-www-form-urlencoded"),
        body: body.finish(),
    };
    let answer = iam.send(request, "principal", principal).await?;
    let answer: Answer = quick_xml::de::from_str(&answer)
        .map_err(|error| Error::with(ErrorCode::Corrupt, "IAM answered in an unknown shape", error))?;
    let verdict = |decision: &str| if decision == "allowed" { Verdict::Allowed } else { Verdict::Missing };
    let members = answer.simulate_principal_policy_result.evaluation_results.member.into_iter();
    Ok(members.map(|one| (one.eval_action_name, verdict(&one.eval_decision))).collect())
}
