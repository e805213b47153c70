//! The SDK's credentials for S3.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use stereospot_ports::Error;

use crate::error::from_credentials;

/// The provider remembers what it loaded ([`crate::credentials`]), so nothing is kept here.
pub(super) struct SdkCredentials(Option<SharedCredentialsProvider>);

impl SdkCredentials {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(config.credentials_provider())
    }
}

impl std::fmt::Debug for SdkCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SdkCredentials")
    }
}

#[async_trait]
impl CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let found = match &self.0 {
            Some(provider) => provider.provide_credentials().await,
            None => Err(CredentialsError::not_loaded_no_source()),
        };
        let found = found.map_err(|error| {
            let (code, message) = from_credentials(&error);
            object_store::Error::Generic { store: "S3", source: Box::new(Error::with(code, message, error)) }
        })?;
        Ok(Arc::new(AwsCredential {
            key_id: found.access_key_id().into(),
            secret_key: found.secret_access_key().into(),
            token: found.session_token().map(str::to_owned),
        }))
    }
}
