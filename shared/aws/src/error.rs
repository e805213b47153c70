//! Turns AWS's failures into our error codes, each with a sentence that says what to do.

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use stereospot_ports::{Error, ErrorCode};

/// The call that failed, for the sentence.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The permission that it needs: `sqs:ReceiveMessage`.
    pub action: &'a str,
    /// What kind of thing it acts on: `queue`, `table`.
    pub kind: &'a str,
    /// The name of that thing.
    pub resource: &'a str,
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on the {} {}", self.action, self.kind, self.resource)
    }
}

/// Short for [`from_sdk`] in a `map_err`.
pub(crate) fn failed<'a, E>(
    action: &'a str,
    kind: &'a str,
    resource: &'a str,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error + 'a
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |error| from_sdk(Call { action, kind, resource }, error)
}

/// An SDK call's failure as our error. The SDK's own error stays as the source.
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

/// The code for an answer that has none, by its status.
fn code_of_status(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDenied",
        429 => "TooManyRequests",
        500.. => "ServiceUnavailable",
        _ => "",
    }
}

/// What an error code means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    ExpiredCredentials,
    WrongClock,
    UnknownCredentials,
    NotAllowed,
    PurgedLately,
    TooManyInFlight,
    Throttled,
    Missing,
    OtherRegion,
    LeaseLost,
    /// The thing is not in the state that the call needs.
    Conflict,
    /// A failure on AWS's side.
    Passing,
    Full,
    /// AWS does not accept the request.
    Refused,
    NoCode,
    Unknown,
}

/// The meaning of a code, as the services' API references have it.
fn meaning(name: &str, message: &str) -> Meaning {
    match name {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            Meaning::ExpiredCredentials
        }
        _ if is_skew(name, message) => Meaning::WrongClock,
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
        | "InvalidToken" => Meaning::UnknownCredentials,
        _ if is_forbidden_code(name) => Meaning::NotAllowed,
        "PurgeQueueInProgress" => Meaning::PurgedLately,
        "OverLimit" => Meaning::TooManyInFlight,
        // ECS, while another update of the service is under way.
        "UpdateInProgressException" => Meaning::Throttled,
        _ if is_throttle(name) => Meaning::Throttled,
        "QueueDoesNotExist"
        | "NonExistentQueue"
        | "QueueDeletedRecently"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchEntity"
        | "NotFound"
        | "ObjectNotFoundException"
        | "ResourceNotFound"
        | "ResourceNotFoundException"
        | "ClusterNotFoundException"
        | "ServiceNotFoundException"
        | "ServiceNotActiveException"
        | "TableNotFoundException" => Meaning::Missing,
        // SageMaker has no code of its own for a missing thing.
        "ValidationException" if message.starts_with("Could not find") => Meaning::Missing,
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            Meaning::OtherRegion
        }
        "ReceiptHandleIsInvalid" | "InvalidReceiptHandle" | "MessageNotInflight" => Meaning::LeaseLost,
        // SQS reports an expired lease like this.
        "InvalidParameterValue" | "InvalidParameterValueException"
            if message.contains("not available for visibility") =>
        {
            Meaning::LeaseLost
        }
        "ConditionalCheckFailedException"
        | "TransactionConflictException"
        | "ResourceInUse"
        | "ResourceInUseException"
        | "ResourceAlreadyExistsException"
        | "QueueAlreadyExists"
        | "QueueNameExists"
        | "BucketAlreadyOwnedByYou"
        | "BucketNotEmpty"
        | "OperationAborted"
        | "OperationAbortedException" => Meaning::Conflict,
        "InternalServerError"
        | "InternalError"
        | "InternalFailure"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ServerException"
        | "RequestTimeout"
        | "RequestTimeoutException" => Meaning::Passing,
        "ItemCollectionSizeLimitExceededException" => Meaning::Full,
        _ if name.contains("Invalid") || name.contains("Validation") || name.contains("TooLong") => Meaning::Refused,
        "" => Meaning::NoCode,
        _ => Meaning::Unknown,
    }
}

/// The code and the sentence for an error code and message of AWS: of a call, or of one entry of a batch.
#[must_use]
pub fn from_code(call: Call<'_>, code: &str, message: &str) -> (ErrorCode, String) {
    let Call { action, kind, resource } = call;
    // `AWS.SimpleQueueService.NonExistentQueue`, `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException`
    let name = code.rsplit(['#', '.']).next().unwrap_or(code);
    match meaning(name, message) {
        Meaning::ExpiredCredentials => (
            ErrorCode::Denied,
            "the AWS credentials have expired: renew them (`aws sso login`, or new session keys) and try again".into(),
        ),
        Meaning::WrongClock => (
            ErrorCode::Denied,
            "AWS refuses the signature's time: this machine's clock is off by five minutes or more; set it (NTP)"
                .into(),
        ),
        Meaning::UnknownCredentials => (
            ErrorCode::Denied,
            "AWS does not know these credentials: check AWS_PROFILE, the keys, and that they belong to this partition"
                .into(),
        ),
        Meaning::NotAllowed => {
            (ErrorCode::Denied, format!("{call} is not allowed: add the action to the policy of the role in use"))
        }
        Meaning::PurgedLately => {
            (ErrorCode::Throttled, format!("the {kind} {resource} was purged within the last 60 s: wait that long"))
        }
        Meaning::TooManyInFlight => (
            ErrorCode::Throttled,
            format!(
                "the {kind} {resource} has about 120,000 messages in flight: none can be received until some are done"
            ),
        ),
        Meaning::Throttled => {
            (ErrorCode::Throttled, format!("AWS throttles {call}: it takes more calls again in a moment"))
        }
        Meaning::Missing => (
            ErrorCode::NotFound,
            format!(
                "the {kind} {resource} does not exist: was it deleted, or does the environment file name another region?"
            ),
        ),
        Meaning::OtherRegion => (
            ErrorCode::Invalid,
            format!("the {kind} {resource} lies in another region than the environment file says: correct REGION"),
        ),
        Meaning::LeaseLost => lease_lost(),
        Meaning::Conflict => (ErrorCode::Conflict, format!("the {kind} {resource} is not as {action} wants it")),
        Meaning::Passing => (ErrorCode::Unavailable, format!("AWS failed at {call}: this usually passes by itself")),
        Meaning::Full => (ErrorCode::Full, format!("the {kind} {resource} is full")),
        Meaning::Refused => (ErrorCode::Invalid, format!("AWS refuses {call}: {name}: {message}")),
        Meaning::NoCode => (ErrorCode::Internal, format!("{call} failed in a way that AWS gave no code for")),
        Meaning::Unknown => (ErrorCode::Internal, format!("{call} failed: {name}: {message}")),
    }
}

/// True for the codes with which AWS asks for fewer calls.
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

/// True for the codes with which AWS refuses a known caller who lacks the permission.
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

/// The receipt is no longer valid.
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

/// The failure of a call that got no answer, from its chain of causes.
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
