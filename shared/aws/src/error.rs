//! What AWS's failures mean to a caller, each in a sentence that says what to do.

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use stereospot_ports::{Error, ErrorCode};

/// What was being done, for the sentence.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The permission that it needs: `sqs:ReceiveMessage`.
    pub action: &'a str,
    /// What kind of thing it was done to: `queue`, `table`.
    pub kind: &'a str,
    /// Its name.
    pub resource: &'a str,
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on the {} {}", self.action, self.kind, self.resource)
    }
}

/// An SDK call's failure in the port's words. The SDK's own error stays as the source.
pub fn from_sdk<E>(call: Call<'_>, error: SdkError<E, HttpResponse>) -> Error
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let (code, message) = match &error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().filter(|code| !code.is_empty());
            let code = code.unwrap_or_else(|| code_of_status(service.raw().status().as_u16()));
            from_code(call, code, service.err().message().unwrap_or_default())
        }
        SdkError::ResponseError(_) => (
            ErrorCode::Unavailable,
            format!("what answered {call} is not AWS: is the endpoint right, and no proxy or login page in between?"),
        ),
        SdkError::TimeoutError(_) => no_answer(call),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => no_answer(call),
        _ => from_chain(call, &error),
    };
    Error::with(code, message, error)
}

/// What an answer without an error code means by its status alone.
fn code_of_status(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDenied",
        429 => "TooManyRequests",
        500.. => "ServiceUnavailable",
        _ => "",
    }
}

/// Of an entry of a batch, or of a service that is called without its SDK: its error code and message.
#[must_use]
pub fn from_code(call: Call<'_>, code: &str, message: &str) -> (ErrorCode, String) {
    let Call { action, kind, resource } = call;
    // `AWS.SimpleQueueService.NonExistentQueue`, `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException`
    let name = code.rsplit(['#', '.']).next().unwrap_or(code);
    match name {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => (
            ErrorCode::Denied,
            "the AWS credentials have expired: renew them (`aws sso login`, or new session keys) and try again".into(),
        ),
        _ if is_skew(name, message) => (
            ErrorCode::Denied,
            "AWS refuses the signature's time: this machine's clock is off by five minutes or more; set it (NTP)"
                .into(),
        ),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSecurity"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure"
        | "InvalidToken" => (
            ErrorCode::Denied,
            "AWS does not know these credentials: check AWS_PROFILE, the keys, and that they belong to this partition"
                .into(),
        ),
        _ if is_forbidden_code(name) => (
            ErrorCode::Denied,
            format!(
                "{action} on the {kind} {resource} is not allowed: add the action to the policy of the role in use"
            ),
        ),
        "PurgeQueueInProgress" => {
            (ErrorCode::Throttled, format!("the {kind} {resource} was purged within the last 60 s: wait that long"))
        }
        "OverLimit" => (
            ErrorCode::Throttled,
            format!(
                "the {kind} {resource} has about 120,000 messages in flight: none can be received until some are done"
            ),
        ),
        _ if is_throttle(name) => (
            ErrorCode::Throttled,
            format!("AWS throttles {action} on the {kind} {resource}: it takes more calls again in a moment"),
        ),
        "QueueDoesNotExist"
        | "NonExistentQueue"
        | "QueueDeletedRecently"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NotFound"
        | "ResourceNotFoundException"
        | "ClusterNotFoundException"
        | "ServiceNotFoundException"
        | "ResourceNotFound"
        | "TableNotFoundException" => (
            ErrorCode::NotFound,
            format!(
                "the {kind} {resource} does not exist: was it deleted, or does the environment file name another region?"
            ),
        ),
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => (
            ErrorCode::Invalid,
            format!("the {kind} {resource} lies in another region than the environment file says: correct REGION"),
        ),
        "ReceiptHandleIsInvalid" | "InvalidReceiptHandle" | "MessageNotInflight" => lease_lost(),
        // This is how SQS says that the lease is over.
        "InvalidParameterValue" | "InvalidParameterValueException"
            if message.contains("not available for visibility") =>
        {
            lease_lost()
        }
        "ConditionalCheckFailedException" | "ResourceInUseException" | "TransactionConflictException" => {
            (ErrorCode::Conflict, format!("the {kind} {resource} is not as {action} wants it"))
        }
        "InternalServerError"
        | "InternalError"
        | "InternalFailure"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ServerException"
        | "RequestTimeout"
        | "RequestTimeoutException" => (
            ErrorCode::Unavailable,
            format!("AWS failed at {action} on the {kind} {resource}: this usually passes by itself"),
        ),
        "ItemCollectionSizeLimitExceededException" => (ErrorCode::Full, format!("the {kind} {resource} is full")),
        _ if name.contains("Invalid") || name.contains("Validation") || name.contains("TooLong") => {
            (ErrorCode::Invalid, format!("AWS refuses {action} on the {kind} {resource}: {name}: {message}"))
        }
        "" => (
            ErrorCode::Internal,
            format!("{action} on the {kind} {resource} failed in a way that AWS gave no code for"),
        ),
        _ => (ErrorCode::Internal, format!("{action} on the {kind} {resource} failed: {name}: {message}")),
    }
}

/// True for the codes by which AWS asks for fewer calls.
#[must_use]
pub fn is_throttle(name: &str) -> bool {
    name.contains("Throttl")
        || matches!(
            name,
            "ProvisionedThroughputExceededException"
                | "ProvisionedThroughputExceeded"
                | "RequestLimitExceeded"
                | "BandwidthLimitExceeded"
                | "LimitExceededException"
                | "TooManyRequestsException"
                | "TooManyRequests"
                | "SlowDown"
                | "PriorRequestNotComplete"
        )
}

/// True for the codes by which AWS says that it knows the caller, who may not do this.
#[must_use]
pub fn is_forbidden_code(code: &str) -> bool {
    let name = code.rsplit(['#', '.']).next().unwrap_or(code);
    matches!(
        name,
        "AccessDenied"
            | "AccessDeniedException"
            | "UnauthorizedOperation"
            | "NotAuthorized"
            | "AuthorizationError"
            | "KmsAccessDenied"
            | "AllAccessDisabled"
    )
}

/// The receipt is void.
#[must_use]
pub(crate) fn lease_lost() -> (ErrorCode, String) {
    (ErrorCode::LeaseLost, "the lease on the message ran out, and somebody else may have it".into())
}

fn is_skew(name: &str, message: &str) -> bool {
    matches!(name, "RequestTimeTooSkewed" | "RequestInTheFuture")
        || message.contains("Signature expired")
        || message.contains("Signature not yet current")
}

fn no_answer(call: Call<'_>) -> (ErrorCode, String) {
    (ErrorCode::Unavailable, format!("no answer in time to {call}: is the network up, and the endpoint right?"))
}

/// What stands in the chain of causes when no service answered.
fn from_chain(call: Call<'_>, error: &(dyn StdError + 'static)) -> (ErrorCode, String) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(credentials) = error.downcast_ref::<CredentialsError>() {
            return from_credentials(credentials);
        }
        cause = error.source();
    }
    (ErrorCode::Unavailable, format!("no connection for {call}: is the network up, and the endpoint right?"))
}

/// Why there are no credentials to sign with.
#[must_use]
pub(crate) fn from_credentials(error: &CredentialsError) -> (ErrorCode, String) {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            ErrorCode::Denied,
            "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run \
             `aws sso login`, or give the task or instance a role"
                .into(),
        ),
        CredentialsError::ProviderTimedOut(_) => {
            (ErrorCode::Unavailable, "the source of the AWS credentials did not answer in time".into())
        }
        CredentialsError::InvalidConfiguration(_) => {
            (ErrorCode::Denied, "the AWS profile is wrong: check AWS_PROFILE and ~/.aws/config".into())
        }
        _ => (
            ErrorCode::Denied,
            "the AWS credentials can't be loaded; an expired SSO session is the usual reason: run `aws sso login`"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests;
