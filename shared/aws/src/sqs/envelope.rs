//! Converts what travels with a message to SQS's attributes, and back.

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use aws_smithy_types::{Blob, base64};
use stereospot_ports::work_queue::{Attribute, Envelope, Outgoing};
use stereospot_ports::{Error, ErrorCode, Result};
use uuid::Uuid;

use super::seconds::whole_secs;

/// What a received message carries.
pub(super) fn received(message: &Message) -> Envelope {
    let system = |name| message.attributes.as_ref()?.get(&name).cloned();
    let attribute = |value: &MessageAttributeValue| Attribute {
        data_type: value.data_type.clone(),
        value: match &value.binary_value {
            Some(bytes) => base64::encode(bytes),
            None => value.string_value.clone().unwrap_or_default(),
        },
    };
    let attributes = message.message_attributes.iter().flatten();
    Envelope {
        attributes: attributes.map(|(name, value)| (name.clone(), attribute(value))).collect(),
        trace_header: system(MessageSystemAttributeName::AwsTraceHeader),
        group_id: system(MessageSystemAttributeName::MessageGroupId),
    }
}

/// The entry of a batch. On a FIFO queue it has a new deduplication id, because SQS drops a message whose id it saw in the last five
/// minutes; it gets no delay there, because SQS accepts none.
pub(super) fn entry(id: usize, message: &Outgoing, is_fifo: bool) -> Result<SendMessageBatchRequestEntry> {
    let Envelope { attributes, trace_header, group_id } = &message.envelope;
    let mut entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(&message.body);
    for (name, attribute) in attributes {
        entry = entry.message_attributes(name, sent(name, attribute)?);
    }
    if let Some(trace) = trace_header {
        let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace).build();
        entry = entry
            .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value.map_err(incomplete)?);
    }
    entry = if is_fifo {
        let unique = Uuid::new_v4().to_string();
        // A message of our own belongs to no group: it waits for no other.
        let group = group_id.clone().unwrap_or_else(|| unique.clone());
        entry.message_group_id(group).message_deduplication_id(unique)
    } else {
        let delay = Some(whole_secs(message.delay)).filter(|secs| *secs > 0);
        entry.set_message_group_id(group_id.clone()).set_delay_seconds(delay)
    };
    entry.build().map_err(incomplete)
}

fn sent(name: &str, attribute: &Attribute) -> Result<MessageAttributeValue> {
    let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
    let value = if attribute.is_binary() {
        let bytes = base64::decode(&attribute.value).map_err(|error| {
            Error::with(ErrorCode::Invalid, format!("the attribute {name} of the message is no base64"), error)
        })?;
        value.binary_value(Blob::new(bytes))
    } else {
        value.string_value(&attribute.value)
    };
    value.build().map_err(incomplete)
}

fn incomplete(error: BuildError) -> Error {
    Error::with(ErrorCode::Internal, "a batch entry lacks a field", error)
}
