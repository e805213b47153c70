//! Removes a deployment's resources. This can't be undone, so the operator must type the name prefix.

use serde::Serialize;
use stereospot_ports::{Error, ErrorCode, Result};

use super::resource::{self, Kind, Resource};
use super::{Account, Provisioner, alarm, bucket, log_group, owner, queue, table};
use super::{State, Wanted};

/// One thing to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    pub kind: Kind,
    pub name: String,
    /// What is lost with it, in words.
    pub content: String,
    /// Why it can't be looked at or removed, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Removal {
    /// One line for people: what will be removed, or why it can't be.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.problem {
            Some(problem) => format!("{} {}: can't be removed: {problem}", self.kind, self.name),
            None => format!("{} {}: remove, with {}", self.kind, self.name, self.content),
        }
    }
}

/// What destroying would remove. Making a plan changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DestroyPlan {
    pub account: Account,
    /// The operator must type this.
    pub name_prefix: String,
    /// Only what exists, in the order in which it is removed.
    pub removals: Vec<Removal>,
    /// What exists and stays, because something else made it.
    pub left: Vec<String>,
}

impl Provisioner {
    /// Plans to remove everything that [`Provisioner::plan`] made. What something else made stays, as do services and endpoints.
    ///
    /// # Errors
    /// When AWS doesn't say whose credentials these are.
    pub async fn destroy_plan(&self) -> Result<DestroyPlan> {
        let account = Account::look(&self.sts, &self.region).await?;
        let (mut removals, mut left) = (Vec::new(), Vec::new());
        owner::check_names(&removable(&self.prefix, &account), &self.taken)?;
        for resource in removable(&self.prefix, &account) {
            let (content, problem) = match self.content(&resource).await {
                Ok(None) => continue,
                Ok(Some(content)) if self.taken.contains(&resource.name) => (content, None),
                Ok(Some(content)) => match self.is_ours(&resource, &account).await {
                    Ok(true) => (content, None),
                    Ok(false) => {
                        left.push(format!("{} {}", resource.kind, resource.name));
                        continue;
                    }
                    Err(error) => (content, Some(error.to_string())),
                },
                Err(error) => (String::new(), Some(error.to_string())),
            };
            removals.push(Removal { kind: resource.kind, name: resource.name, content, problem });
        }
        Ok(DestroyPlan { account, name_prefix: self.prefix.clone(), removals, left })
    }

    /// Carries out the plan. Calls `progress` with each removal, and returns those that failed. `typed` is what the operator typed.
    /// Calling again goes on where it stopped.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when `typed` is not exactly the prefix, [`ErrorCode::Conflict`] when the credentials now belong to another
    /// account. Nothing was removed then.
    pub async fn destroy(
        &self,
        plan: &DestroyPlan,
        typed: &str,
        progress: &mut (dyn FnMut(&Removal) + Send),
    ) -> Result<Vec<Removal>> {
        if typed != plan.name_prefix || plan.name_prefix != self.prefix {
            let message = format!("nothing was removed: type `{}` to remove all of it", self.prefix);
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        let account = Account::look(&self.sts, &self.region).await?;
        if account != plan.account {
            return Err(Error::new(
                ErrorCode::Conflict,
                "nothing was removed: these credentials are not those of the plan",
            ));
        }
        let mut left = Vec::new();
        for removal in &plan.removals {
            // Whose it is must be known.
            let result = match &removal.problem {
                Some(problem) => Err(Error::new(ErrorCode::Denied, problem.clone())),
                None => self.unmake(removal.kind, &removal.name).await,
            };
            let done = Removal { problem: result.err().map(|error| error.to_string()), ..removal.clone() };
            progress(&done);
            if done.problem.is_some() {
                left.push(done);
            }
        }
        Ok(left)
    }

    /// What would be lost, in words; none when the resource does not exist.
    async fn content(&self, resource: &Resource) -> Result<Option<String>> {
        let name = resource.name.as_str();
        match &resource.wanted {
            Wanted::Queue(_) => queue::content(&self.sqs, name).await,
            Wanted::Bucket => bucket::content(&self.s3, name).await,
            Wanted::Table(_) => table::content(&self.dynamo, name).await,
            Wanted::LogGroup => log_group::content(&self.logs, name).await,
            Wanted::Alarm(wanted) => {
                let state = alarm::look(&self.cloudwatch, name, wanted).await?;
                Ok((state != State::Missing).then(|| "its history".into()))
            }
            Wanted::Notifications(_) | Wanted::TimeToLive(_) | Wanted::FieldIndex(_) => Ok(None),
        }
    }

    async fn unmake(&self, kind: Kind, name: &str) -> Result<()> {
        match kind {
            Kind::Queue => queue::unmake(&self.sqs, name).await,
            Kind::Bucket => bucket::unmake(&self.s3, name).await,
            Kind::Table => table::unmake(&self.dynamo, name).await,
            Kind::LogGroup => log_group::unmake(&self.logs, name).await,
            Kind::Alarm => alarm::unmake(&self.cloudwatch, name).await,
            // These go with the resource that they belong to.
            Kind::Notifications | Kind::TimeToLive | Kind::FieldIndex => Ok(()),
        }
    }
}

/// In reverse order of making: buckets stop notifying before the queues go.
fn removable(prefix: &str, account: &Account) -> Vec<Resource> {
    let mut all = resource::all(prefix, account);
    all.reverse();
    all
}
