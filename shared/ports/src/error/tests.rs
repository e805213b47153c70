use super::*;

#[test]
fn a_failed_notification_is_reported_once() {
    let ours = Error::new(ErrorCode::Unavailable, "no answer in time to sqs.SendMessage");
    let error = object_store::Error::Generic { store: "notifying", source: Box::new(ours) };
    let error = Error::from(error);
    assert_eq!(
        (error.code(), chain(&error).as_str()),
        (ErrorCode::Unavailable, "no answer in time to sqs.SendMessage")
    );
}

#[test]
fn an_object_store_s_document_is_a_code_and_a_sentence() {
    let body = "Error performing HEAD http://h/b/k in 1ms - Server returned non-2xx status code: 403 Forbidden: \
                <?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message><HostId>x</HostId></Error>";
    let expected = "Error performing HEAD http://h/b/k in 1ms - Server returned non-2xx status code: 403 Forbidden: AccessDenied: \
                    Access Denied";
    assert_eq!(without_markup(body), expected);
    assert_eq!(without_markup("refused: <?xml "), "refused:");
    assert_eq!(without_markup("no document"), "no document");
}
