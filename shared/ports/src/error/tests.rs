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
