//! Who made a resource.
//!
//! Invariant: `provision` marks what it makes with a tag, and changes or removes nothing without it, unless the operator names it. So
//! it stays out of deployments that Terraform or CloudFormation own, also where the names are the same.

use std::collections::{BTreeSet, HashSet};

use stereospot_ports::{Error, ErrorCode, Result};

use super::account::Account;
use super::resource::{Kind, Resource, Wanted};
use super::state::State;
use super::{Provisioner, alarm, bucket, log_group, queue, table};

/// The change of marking what something else made.
pub(super) const MARKED: &str = "it is marked as made by provision";

/// Resources of a deployment that something else made, by name.
#[derive(Debug, Default)]
pub(super) struct Owners {
    theirs: HashSet<(Kind, String)>,
    /// Why it is not known who made some of them.
    pub(super) unknown: Option<String>,
}

impl Owners {
    /// True when the resource exists, and something else made it.
    pub(super) fn is_to_be_marked(&self, kind: Kind, name: &str) -> bool {
        self.theirs.contains(&(kind, name.to_owned()))
    }

    /// True when the resource is not to be touched. What is missing belongs to what made the rest.
    pub(super) fn keep_out(&self, kind: Kind, name: &str, state: Option<&State>, taken: &BTreeSet<String>) -> bool {
        let is_theirs = self.theirs.contains(&(kind.bearer(), name.to_owned()));
        // Log groups and buckets prove nothing: the first may come from ECS, the second from a try that ended before the tag.
        let is_deployed = self.theirs.iter().any(|(kind, _)| matches!(kind, Kind::Queue | Kind::Table));
        let is_missing_of_theirs = is_deployed && state == Some(&State::Missing);
        (is_theirs || is_missing_of_theirs) && !taken.contains(name)
    }
}

impl Kind {
    /// The kind of resource that carries the tag: settings belong to what they are set on.
    fn bearer(self) -> Self {
        match self {
            Kind::Notifications => Kind::Bucket,
            Kind::TimeToLive => Kind::Table,
            Kind::FieldIndex => Kind::LogGroup,
            kind => kind,
        }
    }
}

impl Provisioner {
    /// Finds out who made what exists.
    pub(super) async fn owners(&self, found: &[(Resource, Result<State>)], account: &Account) -> Owners {
        let mut owners = Owners::default();
        let exists = |state: &Result<State>| matches!(state, Ok(State::Fits | State::Differs(_)));
        for (resource, _) in
            found.iter().filter(|(resource, state)| resource.kind == resource.kind.bearer() && exists(state))
        {
            match self.is_ours(resource, account).await {
                Ok(true) => {}
                Ok(false) => drop(owners.theirs.insert((resource.kind, resource.name.clone()))),
                Err(error) => {
                    owners.theirs.insert((resource.kind, resource.name.clone()));
                    owners.unknown.get_or_insert(error.to_string());
                }
            }
        }
        if owners.theirs.iter().all(|(kind, _)| *kind == Kind::Bucket) {
            owners.theirs.clear();
        }
        owners
    }

    /// True when the resource carries our tag; an alarm, when its description is ours.
    pub(super) async fn is_ours(&self, resource: &Resource, account: &Account) -> Result<bool> {
        let name = resource.name.as_str();
        match &resource.wanted {
            Wanted::Queue(_) => queue::is_ours(&self.sqs, name).await,
            Wanted::Bucket | Wanted::Notifications(_) => bucket::is_ours(&self.s3, name).await,
            Wanted::Table(_) | Wanted::TimeToLive(_) => {
                table::is_ours(&self.dynamo, name, &account.arn("dynamodb", &format!("table/{name}"))).await
            }
            Wanted::LogGroup | Wanted::FieldIndex(_) => {
                log_group::is_ours(&self.logs, name, &account.arn("logs", &format!("log-group:{name}"))).await
            }
            Wanted::Alarm(wanted) => alarm::is_ours(&self.cloudwatch, name, wanted).await,
        }
    }

    /// Marks what the operator named and something else had made. From then on it is ours.
    pub(super) async fn mark(&self, resource: &Resource, account: &Account) -> Result<()> {
        let name = resource.name.as_str();
        match &resource.wanted {
            Wanted::Queue(_) => queue::mark(&self.sqs, name).await,
            Wanted::Bucket => bucket::mark(&self.s3, name).await,
            Wanted::Table(_) => {
                table::mark(&self.dynamo, name, &account.arn("dynamodb", &format!("table/{name}"))).await
            }
            Wanted::LogGroup => {
                log_group::mark(&self.logs, name, &account.arn("logs", &format!("log-group:{name}"))).await
            }
            // Making an alarm sets its description.
            Wanted::Alarm(wanted) => alarm::make(&self.cloudwatch, name, wanted).await,
            Wanted::Notifications(_) | Wanted::TimeToLive(_) | Wanted::FieldIndex(_) => Ok(()),
        }
    }
}

/// Fails for a name that no resource has: a typo would silently take nothing.
pub(super) fn check_names(all: &[Resource], taken: &BTreeSet<String>) -> Result<()> {
    match taken.iter().find(|name| !all.iter().any(|resource| resource.name == **name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("provision makes nothing of the name {name}: take a name as --dry-run prints it");
            Err(Error::new(ErrorCode::Invalid, message))
        }
    }
}
