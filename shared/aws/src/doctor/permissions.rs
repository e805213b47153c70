//! Finds out what the credentials in use may do, without doing it.
//!
//! IAM knows all of it (`iam:SimulatePrincipalPolicy`), but few roles may ask IAM. Otherwise calls that can't change anything
//! ([`attempt`]) answer. What neither answers is reported as not known.

use futures::StreamExt;
use futures::stream;
use serde::Deserialize;
use stereospot_ports::{Error, ErrorCode};

use super::attempt::{self, Apis};
use super::needed::{Actions, needed};
use super::report::{Permission, Report, Verdict};
use crate::by_hand::{Api, Request};
use crate::deployment::Deployment;
use crate::provision::Account;

/// Questions to IAM at once: it throttles early.
const AT_ONCE: usize = 3;

/// Every action that stereospot needs on the resources that the report has found, each with a verdict; and notes. `seen` are actions
/// that have just worked wherever they were tried.
pub(super) async fn look(
    apis: &Apis<'_>,
    deployment: &Deployment,
    account: Option<&Account>,
    report: &Report,
    seen: &[String],
) -> (Vec<Permission>, Vec<String>) {
    let Some(account) = account else { return (Vec::new(), Vec::new()) };
    let mut notes = Vec::new();
    let wanted = needed(deployment, account, report);
    let mut permissions: Vec<Permission> = match principal(account) {
        Principal::Root => known(wanted, |_, _| Verdict::Allowed),
        Principal::Policies(arn) => {
            let ask = async |(resource, actions): (String, Actions)| {
                // IAM knows keys, not their aliases.
                let verdicts = match resource.contains(":alias/") {
                    true => Ok(Vec::new()),
                    false => simulate(apis.iam, &arn, &resource, &actions).await,
                };
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
        permission.verdict = if seen.iter().any(|action| action == permission.action) {
            Verdict::Allowed
        } else {
            attempt::verdict(apis, deployment, permission).await
        };
    }
    (permissions, notes)
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
