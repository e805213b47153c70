//! The account that a deployment is made in.

use serde::Serialize;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::error::failed;

/// The account that the credentials in use belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Region that everything is made in.
    pub region: String,
    /// `aws`, `aws-cn`, `aws-us-gov` …
    pub partition: String,
    /// ARN of the caller.
    pub caller: String,
}

impl Account {
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.id)
    }

    /// Asks who the credentials belong to.
    pub(crate) async fn look(sts: &aws_sdk_sts::Client, region: &str) -> Result<Self> {
        let answer = sts.get_caller_identity().send().await;
        let answer = answer.map_err(failed("sts:GetCallerIdentity", "account", "of these credentials"))?;
        let caller = answer.arn.unwrap_or_default();
        let id = answer.account.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Error::new(ErrorCode::Corrupt, "AWS did not say whose credentials these are"))?;
        let partition = caller.split(':').nth(1).filter(|part| !part.is_empty()).unwrap_or("aws").to_owned();
        Ok(Self { id, region: region.into(), partition, caller })
    }
}
