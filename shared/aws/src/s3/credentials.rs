//! The SDK's credential chain (profile, SSO, ECS task, instance, environment) for S3.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use stereospot_ports::Error;
use tokio::sync::Mutex;

use crate::error::from_credentials;

/// Credentials are loaded again this long before they expire.
const AHEAD: Duration = Duration::from_secs(300);
/// Credentials are loaded again at least this often, because a file may have changed.
const LONGEST: Duration = Duration::from_secs(900);

pub(super) struct SdkCredentials {
    provider: Option<SharedCredentialsProvider>,
    /// The last credentials, and until when they are used.
    last: Mutex<Option<(Arc<AwsCredential>, SystemTime)>>,
}

impl SdkCredentials {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { provider: config.credentials_provider(), last: Mutex::default() }
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
        // Locked while loading, so that many requests that start together load once.
        let mut last = self.last.lock().await;
        let now = SystemTime::now();
        if let Some((credential, until)) = &*last
            && now < *until
        {
            return Ok(Arc::clone(credential));
        }
        let found = match &self.provider {
            Some(provider) => provider.provide_credentials().await,
            None => Err(aws_credential_types::provider::error::CredentialsError::not_loaded("no provider")),
        };
        let found = found.map_err(|error| {
            let (code, message) = from_credentials(&error);
            object_store::Error::Generic { store: "S3", source: Box::new(Error::with(code, message, error)) }
        })?;
        let longest = now + LONGEST;
        let until = found.expiry().map_or(longest, |end| end.checked_sub(AHEAD).unwrap_or(now).min(longest));
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().into(),
            secret_key: found.secret_access_key().into(),
            token: found.session_token().map(str::to_owned),
        });
        *last = Some((Arc::clone(&credential), until));
        Ok(credential)
    }
}
