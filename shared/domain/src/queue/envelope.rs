//! What travels with a message beside its body.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What travels with a message beside its body. A message that is sent again keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Envelope {
    /// The sender's attributes, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// SQS's system attribute `AWSTraceHeader`: the trace that the message belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<String>,
    /// The message group; every message of a FIFO queue has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`; the sender may have added a label of its own: `Number.int`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Base64 if the type is `Binary`.
    pub value: String,
}

impl Attribute {
    /// True if the value is bytes in base64.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.data_type.split('.').next() == Some("Binary")
    }
}

impl Envelope {
    /// True if nothing travels with the body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that it adds to a message's size.
    #[must_use]
    pub fn size(&self) -> usize {
        // Base64 is longer than its bytes, so this never falls short.
        self.attributes
            .iter()
            .map(|(name, Attribute { data_type, value })| name.len() + data_type.len() + value.len())
            .sum()
    }

    /// A line for each part, for people.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, Attribute { data_type, value })| format!("{name} ({data_type}): {value}"));
        let trace = self.trace_header.iter().map(|trace| format!("AWSTraceHeader: {trace}"));
        let group = self.group_id.iter().map(|group| format!("group: {group}"));
        attributes.chain(trace).chain(group)
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_as_json_and_read_by_people() {
        let attribute = |data_type: &str, value: &str| Attribute { data_type: data_type.into(), value: value.into() };
        let envelope = Envelope {
            attributes: BTreeMap::from([
                ("kind".into(), attribute("String", "film")),
                ("picture".into(), attribute("Binary.png", "AAH/")),
            ]),
            trace_header: Some("Root=1-2".into()),
            group_id: Some("g".into()),
        };
        let json = serde_json::to_string(&envelope).unwrap();
        assert_eq!(
            json,
            r#"{"attributes":{"kind":{"type":"String","value":"film"},"picture":{"type":"Binary.png","value":"AAH/"}},"trace_header":"Root=1-2","group_id":"g"}"#
        );
        assert_eq!(serde_json::from_str::<Envelope>(&json).unwrap(), envelope);
        assert_eq!(
            envelope.to_string(),
            "kind (String): film, picture (Binary.png): AAH/, AWSTraceHeader: Root=1-2, group: g"
        );
        assert!(!envelope.is_empty() && envelope.attributes["picture"].is_binary());
        assert!(serde_json::from_str::<Envelope>("{}").unwrap().is_empty());
    }
}
