//! Buckets: [`object_store`]'s S3 client with the SDK's credentials and HTTP client.
//!
//! S3 itself sends the notifications, by the deployment's rules, so nothing is wrapped here.
//!
//! Each upload carries its SHA-256 (`x-amz-checksum-sha256`), in parts one for each: S3 refuses what arrives otherwise, and keeps it.
//! Requests are signed with the same hash, so it costs nothing more.
//!
//! Conditional puts use S3's `If-None-Match: *`. A copy that must not overwrite is a multipart upload of one copied part, completed
//! on that condition: atomic, at most 5 GiB, without tags and attributes. A plain copy, and so a rename, is also limited to 5 GiB.
//! After a crash in the middle, only a lifecycle rule removes the unfinished upload.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum, S3ConditionalPut, S3CopyIfNotExists};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use stereospot_ports::{Bucket, Error, ErrorCode, Result};

use crate::Connections;

mod absent;
mod credentials;
mod transport;

/// Opens a bucket. Makes no call.
///
/// # Errors
/// [`ErrorCode::Invalid`] for an impossible endpoint or name.
pub fn bucket(connections: &Connections, name: &str) -> Result<Bucket> {
    let deployment = &connections.deployment;
    let mut builder = AmazonS3Builder::new()
        .with_region(&deployment.region)
        .with_bucket_name(name)
        .with_credentials(Arc::new(credentials::SdkCredentials::new(&connections.config)))
        .with_http_connector(transport::SdkTransport::new(connections.http.clone(), connections.calls.clone(), name))
        .with_checksum_algorithm(Checksum::SHA256)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .with_retry(retries());
    builder = match &deployment.endpoint_url {
        Some(url) => builder
            .with_endpoint(url.trim_end_matches('/'))
            .with_virtual_hosted_style_request(false)
            .with_client_options(ClientOptions::new().with_allow_http(true)),
        // The client only knows the endpoints of the main partition.
        None if deployment.region.starts_with("cn-") => builder
            .with_endpoint(format!("https://s3.{}.amazonaws.com.cn", deployment.region))
            .with_virtual_hosted_style_request(false),
        // The certificate of the virtual hosts does not cover a name with dots.
        None => builder.with_virtual_hosted_style_request(!name.contains('.')),
    };
    let store = builder.build().map_err(|error| {
        Error::with(ErrorCode::Invalid, format!("the bucket {name} can't be opened: check its name"), error)
    })?;
    Ok(Bucket { name: name.into(), scheme: "s3", store: Arc::new(store) as Arc<dyn ObjectStore> })
}

/// Stands for a bucket that the environment file does not name: each call fails with [`ErrorCode::NotFound`] and says so.
pub(crate) fn not_deployed(key: &'static str, what: &'static str) -> Bucket {
    Bucket { name: String::new(), scheme: "s3", store: Arc::new(absent::Absent { key, what }) }
}

/// Few attempts, spread out, as in the SDK. Together with the transport's timeouts this bounds every request.
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
