//! Buckets: [`object_store`]'s S3 client, signed with the SDK's credentials and carried by the SDK's HTTP client.
//!
//! S3 itself sends the notifications that the deployment's rules ask for, so nothing is wrapped here.
//!
//! Conditional puts are S3's own (`If-None-Match: *`). A copy that must not overwrite is a multipart upload of one copied part
//! whose completion carries that condition: atomic, at most 5 GiB, and it keeps neither tags nor attributes. A plain copy
//! (and so a rename) is bounded by 5 GiB too. A crash in either may leave an upload that only a lifecycle rule removes.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut, S3CopyIfNotExists};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use stereospot_ports::{Bucket, Error, ErrorCode, Result};

use crate::Connections;

mod absent;
mod credentials;
mod transport;

/// Opens a bucket; asks nothing of AWS yet.
///
/// # Errors
/// [`ErrorCode::Invalid`] for an endpoint or a name that no request can be made of.
pub fn bucket(connections: &Connections, name: &str) -> Result<Bucket> {
    let deployment = &connections.deployment;
    let mut builder = AmazonS3Builder::new()
        .with_region(&deployment.region)
        .with_bucket_name(name)
        .with_credentials(Arc::new(credentials::SdkCredentials::new(&connections.config)))
        .with_http_connector(transport::SdkTransport::new(connections.http.clone(), connections.calls.clone(), name))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .with_retry(retries());
    builder = match &deployment.endpoint_url {
        Some(url) => builder
            .with_endpoint(url.trim_end_matches('/'))
            .with_virtual_hosted_style_request(false)
            .with_client_options(ClientOptions::new().with_allow_http(true)),
        // The client knows the names of the main partition only.
        None if deployment.region.starts_with("cn-") => builder
            .with_endpoint(format!("https://s3.{}.amazonaws.com.cn", deployment.region))
            .with_virtual_hosted_style_request(false),
        // A name with dots does not fit the certificate of the virtual hosts.
        None => builder.with_virtual_hosted_style_request(!name.contains('.')),
    };
    let store = builder.build().map_err(|error| {
        Error::with(ErrorCode::Invalid, format!("the bucket {name} can't be opened: check its name"), error)
    })?;
    Ok(Bucket { name: name.into(), scheme: "s3", store: Arc::new(store) as Arc<dyn ObjectStore> })
}

/// In place of a bucket that the environment file does not name: each call fails with [`ErrorCode::NotFound`] and says so.
pub(crate) fn not_deployed(key: &'static str, what: &'static str) -> Bucket {
    Bucket { name: String::new(), scheme: "s3", store: Arc::new(absent::Absent { key, what }) }
}

/// As the SDK's: few attempts, spread out. Together with the transport's timeouts this bounds every request.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(60),
    }
}
