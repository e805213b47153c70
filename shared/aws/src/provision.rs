//! Makes the resources of a deployment in an empty account, and removes them again.
//!
//! A [`Plan`] looks at everything first: each resource is there and fits, or must be made, or must be changed and how. Applying
//! looks again before it writes. So a plan may be applied any number of times, by any number of people, and goes on where an
//! earlier try stopped. It keeps what others have set up beside ours: policies, notifications, index fields. What something else made
//! it leaves as it is (`provision::owner`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aws_config::SdkConfig;
use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use serde::Serialize;
use stereospot_domain::QueueRole;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::by_hand::Api;
use crate::calls::Calls;
use crate::config::{client, sleep};
use crate::deployment;

mod account;
pub mod alarm;
pub(crate) mod bucket;
pub mod destroy;
mod log_group;
mod owner;
pub(crate) mod queue;
mod resource;
mod state;
pub(crate) mod table;
pub(crate) mod tag;

pub use account::Account;
pub use resource::Kind;
use resource::{Resource, Wanted};
pub use state::State;

/// Longest name prefix: a bucket's name has at most 63 characters, and ends in `-output-123456789012`.
const MAX_PREFIX: usize = 43;

/// One resource of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub kind: Kind,
    pub name: String,
    /// Absent when the resource can't be looked at.
    #[serde(flatten)]
    pub state: Option<State>,
    /// Why it could not be looked at, or made, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// True when the credentials lack a permission for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_refused: bool,
    /// True when something else made it, or the deployment that it is missing in: it is left as it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_left: bool,
}

impl Step {
    /// True when something is to be done about it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.is_left && (self.state != Some(State::Fits) || self.problem.is_some())
    }

    /// One line for people: what will be done, or what was found.
    #[must_use]
    pub fn line(&self) -> String {
        let what = match (&self.problem, &self.state) {
            (None, Some(State::Differs(changes))) if self.is_left => {
                format!("left as it is (not: {})", changes.join("; "))
            }
            (None, Some(State::Missing)) if self.is_left => "missing, and left to what made the rest".into(),
            (Some(problem), _) => format!("could not be checked: {problem}"),
            (None, Some(State::Differs(changes))) => format!("change: {}", changes.join("; ")),
            (None, Some(State::Missing)) => "make".into(),
            (None, _) => "is there".into(),
        };
        format!("{} {}: {what}", self.kind, self.name)
    }
}

/// What provisioning will do. Making a plan changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub account: Account,
    /// First part of every name.
    pub name_prefix: String,
    /// All resources, in the order in which they are made.
    pub steps: Vec<Step>,
    /// Why it is not known who made some of them; those are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners_unknown: Option<String>,
}

impl Plan {
    /// True when nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.steps.iter().any(Step::is_open)
    }

    /// True when something else made part of the deployment.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.steps.iter().any(|step| step.is_left)
    }

    /// How many resources could not be looked at.
    #[must_use]
    pub fn unchecked(&self) -> usize {
        self.steps.iter().filter(|step| step.is_open() && step.state.is_none()).count()
    }

    /// True when a step failed for lack of a permission.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.steps.iter().any(|step| step.is_refused)
    }
}

/// The region of the AWS profile in use, if it names one.
pub async fn profile_region() -> Option<String> {
    use aws_config::meta::region::ProvideRegion as _;
    aws_config::profile::ProfileFileRegionProvider::new().region().await.map(|region| region.to_string())
}

/// Makes a deployment's resources.
#[derive(Debug, Clone)]
pub struct Provisioner {
    prefix: String,
    /// Names of resources that are made, changed or removed although something else made them.
    taken: BTreeSet<String>,
    region: String,
    endpoint: Option<String>,
    sqs: aws_sdk_sqs::Client,
    s3: Api,
    dynamo: aws_sdk_dynamodb::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    sts: aws_sdk_sts::Client,
    sleep: SharedAsyncSleep,
}

impl Provisioner {
    /// For the deployment with this name prefix. Makes no call.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when a bucket's name can't start with the prefix.
    pub fn new(config: &SdkConfig, calls: &Calls, name_prefix: &str) -> Result<Self> {
        check_prefix(name_prefix)?;
        Ok(Self {
            prefix: name_prefix.into(),
            taken: BTreeSet::new(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            endpoint: config.endpoint_url().map(str::to_owned),
            sqs: client!(aws_sdk_sqs, config, calls),
            s3: Api::s3(config, calls),
            dynamo: client!(aws_sdk_dynamodb, config, calls),
            logs: client!(aws_sdk_cloudwatchlogs, config, calls),
            cloudwatch: client!(aws_sdk_cloudwatch, config, calls),
            sts: client!(aws_sdk_sts, config, calls),
            sleep: sleep(config),
        })
    }

    /// Takes these resources over, although something else made them.
    #[must_use]
    pub fn taking(self, names: &[String]) -> Self {
        Self { taken: names.iter().cloned().collect(), ..self }
    }

    /// Looks at all resources and changes nothing. A resource that can't be looked at has a problem; the others are still planned.
    ///
    /// # Errors
    /// When AWS doesn't say whose credentials these are.
    pub async fn plan(&self) -> Result<Plan> {
        let account = Account::look(&self.sts, &self.region).await?;
        let all = resource::all(&self.prefix, &account);
        owner::check_names(&all, &self.taken)?;
        let mut found = Vec::new();
        for resource in all {
            let state = self.look(&resource, &account).await;
            found.push((resource, state));
        }
        let owners = self.owners(&found, &account).await;
        let steps = found.into_iter().map(|(resource, state)| {
            let mut step = step(resource, state);
            step.is_left = owners.keep_out(step.kind, &step.name, step.state.as_ref(), &self.taken);
            if owners.is_to_be_marked(step.kind, &step.name) && !step.is_left {
                step.state = Some(match step.state.take() {
                    Some(State::Differs(changes)) => State::Differs([changes, vec![owner::MARKED.into()]].concat()),
                    _ => State::Differs(vec![owner::MARKED.into()]),
                });
            }
            step
        });
        let steps = steps.collect();
        Ok(Plan { account, name_prefix: self.prefix.clone(), steps, owners_unknown: owners.unknown })
    }

    /// Carries out a plan. Calls `progress` with each step that is done or has failed, and returns the plan as it is afterwards.
    /// After a step that fails it goes on with the next.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] when the credentials now belong to another account.
    pub async fn apply(&self, plan: &Plan, progress: &mut (dyn FnMut(&Step) + Send)) -> Result<Plan> {
        let account = Account::look(&self.sts, &self.region).await?;
        if account.id != plan.account.id || self.prefix != plan.name_prefix {
            let message =
                format!("the plan is for account {}, these credentials are of {}", plan.account.id, account.id);
            return Err(Error::new(ErrorCode::Conflict, message));
        }
        let mut steps = Vec::new();
        for resource in resource::all(&self.prefix, &account) {
            let planned = plan.steps.iter().find(|step| (step.kind, &step.name) == (resource.kind, &resource.name));
            if let Some(left) = planned.filter(|step| step.is_left) {
                progress(left);
                steps.push(left.clone());
                continue;
            }
            let mut made = match self.look(&resource, &account).await {
                Ok(State::Fits) => Ok(State::Fits),
                Ok(_) => self.make(&resource, &account).await.map(|()| State::Fits),
                Err(error) => Err(error),
            };
            if made.is_ok() && self.taken.contains(&resource.name) {
                made = self.mark(&resource, &account).await.map(|()| State::Fits);
            }
            let step = step(resource, made);
            progress(&step);
            steps.push(step);
        }
        let owners_unknown = plan.owners_unknown.clone();
        Ok(Plan { account, name_prefix: self.prefix.clone(), steps, owners_unknown })
    }

    /// The `.env` of the deployment. It has every name of an existing deployment's file, with `null` for what is not made here,
    /// and gives a queue that does not exist yet the URL that it will have.
    ///
    /// # Errors
    /// When SQS can't be asked for a queue's URL.
    pub async fn env(&self, account: &Account) -> Result<String> {
        let mut env = format!("REGION={}\nNAME_PREFIX={}\n", self.region, self.prefix);
        let mut set = |key: &str, value: Option<String>| {
            let value = value.unwrap_or_else(|| "null".into());
            // Writing to a string can't fail.
            let _ = writeln!(env, "{key}={value}");
        };
        for side in ["input", "output"] {
            let key = format!("{}_BUCKET_NAME", side.to_uppercase());
            set(&key, Some(resource::bucket(&self.prefix, side, account)));
        }
        for role in QueueRole::ALL {
            let url = if role.is_in_pipeline() {
                let name = resource::queue_name(&self.prefix, *role);
                let found = queue::url(&self.sqs, &name).await?;
                match found {
                    Some(url) => Some(url),
                    None => Some(self.expected_url(account, &name).await?),
                }
            } else {
                None
            };
            set(deployment::key(*role), url);
        }
        for (key, suffix) in [
            ("JOBS_TABLE_NAME", Some("jobs")),
            ("SEGMENT_COMPLETIONS_TABLE_NAME", Some("segment-completions")),
            ("REASSEMBLY_TRIGGERED_TABLE_NAME", Some("reassembly-triggered")),
            ("INFERENCE_INVOCATIONS_TABLE_NAME", Some("inference-invocations")),
            ("PUSH_SUBSCRIPTIONS_TABLE_NAME", None),
        ] {
            set(key, suffix.map(|suffix| format!("{}-{suffix}", self.prefix)));
        }
        for key in [
            "ECS_CLUSTER_NAME",
            "ECS_CLUSTER_ARN",
            "WEB_UI_URL",
            "SAGEMAKER_ENDPOINT_NAME",
            "SAGEMAKER_ENDPOINT_ROLE_ARN",
            "SAGEMAKER_INSTANCE_TYPE",
            "SAGEMAKER_INSTANCE_COUNT",
            "SAGEMAKER_IW3_VIDEO_CODEC",
            "INFERENCE_HTTP_URL",
        ] {
            set(key, None);
        }
        if let Some(endpoint) = &self.endpoint {
            set("AWS_ENDPOINT_URL", Some(endpoint.clone()));
        }
        Ok(env)
    }

    async fn expected_url(&self, account: &Account, name: &str) -> Result<String> {
        let base = match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => sqs_endpoint(&self.region).await?,
        };
        Ok(format!("{base}/{}/{name}", account.id))
    }

    async fn look(&self, resource: &Resource, account: &Account) -> Result<State> {
        let name = resource.name.as_str();
        match &resource.wanted {
            Wanted::Queue(wanted) => queue::look(&self.sqs, name, wanted, account).await,
            Wanted::Bucket => bucket::look(&self.s3, name).await,
            Wanted::Notifications(rules) => bucket::look_notifications(&self.s3, name, rules).await,
            Wanted::Table(wanted) => table::look(&self.dynamo, name, wanted).await,
            Wanted::TimeToLive(attribute) => table::look_ttl(&self.dynamo, name, attribute).await,
            Wanted::LogGroup => log_group::look(&self.logs, name).await,
            Wanted::FieldIndex(field) => log_group::look_index(&self.logs, name, field).await,
            Wanted::Alarm(wanted) => alarm::look(&self.cloudwatch, name, wanted).await,
        }
    }

    async fn make(&self, resource: &Resource, account: &Account) -> Result<()> {
        let name = resource.name.as_str();
        match &resource.wanted {
            Wanted::Queue(wanted) => queue::make(&self.sqs, &self.sleep, name, wanted, account).await,
            Wanted::Bucket => bucket::make(&self.s3, name, &self.region).await,
            Wanted::Notifications(rules) => bucket::make_notifications(&self.s3, &self.sleep, name, rules).await,
            Wanted::Table(wanted) => table::make(&self.dynamo, &self.sleep, name, wanted).await,
            Wanted::TimeToLive(attribute) => table::make_ttl(&self.dynamo, name, attribute).await,
            Wanted::LogGroup => log_group::make(&self.logs, name).await,
            Wanted::FieldIndex(field) => log_group::make_index(&self.logs, name, field).await,
            Wanted::Alarm(wanted) => alarm::make(&self.cloudwatch, name, wanted).await,
        }
    }
}

async fn sqs_endpoint(region: &str) -> Result<String> {
    let invalid =
        |why: String| Error::new(ErrorCode::Invalid, format!("SQS has no endpoint in the region {region}: {why}"));
    let params = Params::builder().region(region).build().map_err(|error| invalid(error.to_string()))?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
    Ok(endpoint.map_err(|error| invalid(error.to_string()))?.url().to_owned())
}

fn step(resource: Resource, found: Result<State>) -> Step {
    let (state, problem, is_refused) = match found {
        Ok(state) => (Some(state), None, false),
        Err(error) => (None, Some(error.to_string()), error.code() == ErrorCode::Denied),
    };
    Step { kind: resource.kind, name: resource.name, state, problem, is_refused, is_left: false }
}

/// The prefix starts the names of buckets, whose rules are the strictest.
fn check_prefix(prefix: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_good = (1..=MAX_PREFIX).contains(&prefix.len())
        && prefix.bytes().all(|byte| is_plain(byte) || byte == b'-')
        && prefix.bytes().next().is_some_and(is_plain)
        && !prefix.ends_with('-');
    if is_good {
        return Ok(());
    }
    let message = format!(
        "`{prefix}` can't be a name prefix: 1 to {MAX_PREFIX} small letters, digits and hyphens, no hyphen at either end"
    );
    Err(Error::new(ErrorCode::Invalid, message))
}

#[cfg(test)]
mod tests;
