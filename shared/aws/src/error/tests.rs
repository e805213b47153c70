use super::*;

const CALL: Call<'_> = Call { action: "sqs:PurgeQueue", kind: "queue", resource: "p-chunking-dlq", key: None };

fn check(code: &str, message: &str, expected: ErrorCode, says: &str) {
    let (got, sentence) = from_code(CALL, code, message);
    assert_eq!(got, expected, "{code}: {sentence}");
    assert!(sentence.contains(says), "{code}: {sentence}");
}

#[test]
fn each_failure_has_a_code_and_says_what_to_do() {
    check("ExpiredToken", "", ErrorCode::Denied, "aws sso login");
    check("ExpiredTokenException", "", ErrorCode::Denied, "have expired");
    check("InvalidClientTokenId", "", ErrorCode::Denied, "does not know these credentials");
    check("RequestTimeTooSkewed", "", ErrorCode::Denied, "clock");
    check("InvalidSignatureException", "Signature expired: 2026… is now earlier than …", ErrorCode::Denied, "clock");
    check(
        "InvalidSignatureException",
        "The request signature we calculated does not match",
        ErrorCode::Denied,
        "does not know",
    );
    check("AccessDenied", "", ErrorCode::Denied, "sqs:PurgeQueue on the queue p-chunking-dlq is not allowed");
    check("AWS.SimpleQueueService.PurgeQueueInProgress", "", ErrorCode::Throttled, "60 s");
    check("AWS.SimpleQueueService.NonExistentQueue", "", ErrorCode::NotFound, "p-chunking-dlq does not exist");
    check("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "", ErrorCode::NotFound, "does not exist");
    check("com.amazon.coral.service#ThrottlingException", "", ErrorCode::Throttled, "throttles");
    check("ProvisionedThroughputExceededException", "", ErrorCode::Throttled, "throttles");
    check("ReceiptHandleIsInvalid", "", ErrorCode::LeaseLost, "ran out");
    check(
        "InvalidParameterValue",
        "Value … for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.",
        ErrorCode::LeaseLost,
        "ran out",
    );
    check(
        "InvalidParameterValue",
        "Value 50000 for parameter VisibilityTimeout is invalid",
        ErrorCode::Invalid,
        "50000",
    );
    check("ConditionalCheckFailedException", "", ErrorCode::Conflict, "");
    check("InternalServerError", "", ErrorCode::Unavailable, "passes by itself");
    check("PermanentRedirect", "", ErrorCode::Invalid, "another region");
    check("SomethingNew", "odd", ErrorCode::Internal, "SomethingNew: odd");
    check("", "", ErrorCode::Internal, "no code");
}

#[test]
fn only_transient_errors_are_retryable() {
    for (code, expected) in [("ThrottlingException", true), ("ServiceUnavailable", true), ("AccessDenied", false)] {
        let (code, message) = from_code(CALL, code, "");
        assert_eq!(Error::new(code, message).retryable(), expected);
    }
}

#[test]
fn no_debug_text_is_shown() {
    use aws_sdk_sqs::operation::send_message::SendMessageError;
    let check = |code: &str, message: &str, expected: &str| {
        let meta = aws_sdk_sqs::error::ErrorMetadata::builder().code(code).message(message).build();
        let response = HttpResponse::new(400_u16.try_into().unwrap(), "".into());
        let error = from_sdk(CALL, SdkError::service_error(SendMessageError::generic(meta), response));
        assert_eq!(stereospot_ports::error::chain(&error), expected);
    };
    check(
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
        "sqs:PurgeQueue on the queue p-chunking-dlq failed: MissingParameter: The request must contain the parameter \
         MessageGroupId.",
    );
    check(
        "com.amazon.coral.service#AccessDeniedException",
        "no identity-based policy allows it",
        "sqs:PurgeQueue on the queue p-chunking-dlq is not allowed: add the action to the policy of the role in use: \
         AccessDeniedException: no identity-based policy allows it",
    );
}

#[test]
fn missing_credentials_say_how_to_give_some() {
    let error = SdkError::<aws_sdk_sqs::operation::purge_queue::PurgeQueueError, _>::construction_failure(
        CredentialsError::not_loaded("no providers in chain provided credentials"),
    );
    let error = from_sdk(CALL, error);
    assert_eq!(error.code(), ErrorCode::Denied);
    assert!(error.to_string().starts_with("no AWS credentials were found"), "{error}");
    assert!(StdError::source(&error).is_some());
}

#[test]
fn a_key_that_may_not_be_used_is_named_with_what_it_needs() {
    const KEY: &str = "arn:aws:kms:eu-west-1:1:key/0f";
    let by_message =
        format!("User: u is not authorized to perform: kms:Decrypt on resource: {KEY} because no policy allows it");
    let check = |action, code: &str, message: &str, says: &[&str]| {
        let call = Call { action, key: Some("alias/spot"), ..CALL };
        let (got, sentence) = from_code(call, code, message);
        assert_eq!(got, ErrorCode::Denied, "{code}: {sentence}");
        for part in says {
            assert!(sentence.contains(part), "{code}: {sentence}");
        }
    };
    let both = "add kms:Decrypt and kms:GenerateDataKey on that key";
    check(
        "sqs:ReceiveMessage",
        "KMS.AccessDeniedException",
        "",
        &["its KMS key alias/spot", "add kms:Decrypt on that key"],
    );
    check("sqs:SendMessage", "KmsAccessDenied", &by_message, &[&format!("its KMS key {KEY}:"), both]);
    check("sqs:SendMessage", "AWS.SimpleQueueService.KmsAccessDenied", "", &["alias/spot", both]);
    check("s3:PutObject", "AccessDenied", &by_message, &[KEY, both]);
    check(
        "dynamodb:PutItem",
        "com.amazonaws.dynamodb#AccessDeniedException",
        "KMS key access denied",
        &["alias/spot", both],
    );
    for code in [
        "KmsDisabled",
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "KMS.KMSInvalidStateException",
        "KmsInvalidKeyUsage",
    ] {
        check("sqs:ReceiveMessage", code, "", &["alias/spot can't be used", "enable it in KMS"]);
    }
    check(
        "s3:GetObject",
        "AccessDenied",
        "arn:aws:kms:r:1:key/0f is disabled.",
        &["its KMS key arn:aws:kms:r:1:key/0f can't be used"],
    );
    let (code, _) = from_code(CALL, "KmsThrottled", "");
    assert_eq!(code, ErrorCode::Throttled);
    let (_, sentence) = from_code(CALL, "AccessDenied", "User is not authorized to perform: sqs:PurgeQueue");
    assert!(!sentence.contains("kms"), "{sentence}");
}
