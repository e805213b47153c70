//! Turns AWS's failures into our error codes, each with a sentence that says what to do.

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use stereospot_ports::{Error, ErrorCode};

use crate::credentials::Unloaded;
use crate::credentials::source::Source;

mod said;

use said::Said;
pub(crate) use said::causes;

/// The call that failed, for the sentence.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The permission that it needs: `sqs:ReceiveMessage`.
    pub action: &'a str,
    /// What kind of thing it acts on: `queue`, `table`.
    pub kind: &'a str,
    /// The name of that thing.
    pub resource: &'a str,
    /// The KMS key that encrypts it, if that is known.
    pub key: Option<&'a str>,
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
    move |error| from_sdk(Call { action, kind, resource, key: None }, error)
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
    let answer = error.as_service_error().map(|answer| answer.meta().clone());
    let said = match answer {
        Some(answer) => Said::by_service(&answer, error),
        None => Said::by_connection(error),
    };
    Error::with(code, message, said)
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
    /// The caller may not use the key that encrypts the thing.
    KeyNotAllowed,
    /// The key can't be used by anyone: disabled, deleted, of the wrong kind.
    KeyUnusable,
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
fn meaning(code: &str, name: &str, message: &str) -> Meaning {
    match name {
        _ if let Some(meaning) = meaning_for_key(code, name, message) => meaning,
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

/// What a code means that is about a key. SQS says `KmsAccessDenied`, or like S3 `KMS.AccessDeniedException`; DynamoDB and S3 also
/// refuse like any other access, and only their message names the key.
fn meaning_for_key(code: &str, name: &str, message: &str) -> Option<Meaning> {
    let of_key = name.strip_prefix("Kms").or_else(|| name.strip_prefix("KMS"));
    let is_of_kms = code.split(['#', '.']).any(|part| part == "KMS");
    let in_message = message.contains("kms:") || message.contains("KMS");
    let state = match of_key {
        Some(state) => state,
        None if is_of_kms || in_message => name,
        None => return None,
    };
    if state.contains("Throttl") || state.contains("LimitExceeded") {
        return Some(Meaning::Throttled);
    }
    if is_forbidden_code(state) {
        // What a disabled key refuses looks like a refusal of the caller, except in the message.
        let is_off = ["disabled", "pending deletion"].iter().any(|word| message.contains(word));
        return Some(if is_off { Meaning::KeyUnusable } else { Meaning::KeyNotAllowed });
    }
    (of_key.is_some() || is_of_kms || name.contains("Encryption")).then_some(Meaning::KeyUnusable)
}

/// The key as the message names it, else as the call knows it.
fn named_key<'a>(call: Call<'a>, message: &'a str) -> Option<&'a str> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '"' | '\'' | ')');
    let from = message.find("arn:").filter(|at| message[*at..].split(':').nth(2) == Some("kms"));
    from.and_then(|at| message[at..].split(is_end).next()).map(|arn| arn.trim_end_matches('.')).or(call.key)
}

/// The permissions on the key that an action needs, as SQS, DynamoDB and S3 use keys: whatever is written needs a new data key, and
/// sending to a queue also opens the one in use.
pub(crate) fn key_actions(action: &str) -> &'static str {
    match action {
        "sqs:ReceiveMessage" | "s3:GetObject" | "s3:GetObject (or s3:ListBucket)" => "kms:Decrypt",
        _ => "kms:Decrypt and kms:GenerateDataKey",
    }
}

/// The code and the sentence for an error code and message of AWS: of a call, or of one entry of a batch.
#[must_use]
pub fn from_code(call: Call<'_>, code: &str, message: &str) -> (ErrorCode, String) {
    let Call { action, kind, resource, .. } = call;
    // `AWS.SimpleQueueService.NonExistentQueue`, `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException`
    let name = code.rsplit(['#', '.']).next().unwrap_or(code);
    let key = || named_key(call, message).map_or_else(|| "its KMS key".into(), |key| format!("its KMS key {key}"));
    match meaning(code, name, message) {
        Meaning::ExpiredCredentials => {
            (ErrorCode::Denied, format!("the AWS credentials have expired: {}", Source::of_process().renewal()))
        }
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
        Meaning::KeyNotAllowed => (
            ErrorCode::Denied,
            format!(
                "{call} is not allowed to use {}: add {} on that key to the policy of the role in use, and check the key's own \
                 policy",
                key(),
                key_actions(action)
            ),
        ),
        Meaning::KeyUnusable => (
            ErrorCode::Denied,
            format!(
                "{call} fails, because {} can't be used (disabled, deleted, or of the wrong kind): enable it in KMS, or set \
                 another key",
                key()
            ),
        ),
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
    (ErrorCode::Unavailable, format!("no answer in time to {call}: {}", check_network()))
}

/// What to check when AWS can't be reached. A proxy's address may hold a password, so only its variable is named.
pub(crate) fn check_network() -> String {
    let set = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some());
    let proxy = set.map_or_else(String::new, |name| format!(", is the proxy of {name} right"));
    format!("is the network up{proxy}, and the endpoint right?")
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
    (ErrorCode::Unavailable, format!("no connection for {call}: {}", check_network()))
}

/// Why there are no credentials to sign with.
#[must_use]
pub(crate) fn from_credentials(error: &CredentialsError) -> (ErrorCode, String) {
    if let Some(Unloaded { code, message }) = error.source().and_then(|source| source.downcast_ref()) {
        return (*code, message.clone());
    }
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
        _ => (ErrorCode::Denied, format!("the AWS credentials can't be loaded: {}", Source::of_process().renewal())),
    }
}

#[cfg(test)]
mod tests;
