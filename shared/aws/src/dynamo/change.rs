//! Builds an update expression. Every attribute name is a placeholder, because `status`, `owner`, `error` and `ttl` are reserved
//! words of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::Item;

/// Attributes to set and to remove, and the condition.
#[derive(Debug, Default)]
pub(super) struct Change {
    set: Vec<String>,
    remove: Vec<String>,
    pub(super) condition: Option<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

/// The result of a change.
#[derive(Debug)]
pub(super) enum Changed {
    /// It is done; the item as it is now.
    Yes(Item),
    /// The condition does not hold; the item as it is, if it exists.
    No(Option<Item>),
}

impl Change {
    pub(super) fn set(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(attribute, value));
        self.set.push(format!("{name} = {value}"));
        self
    }

    pub(super) fn set_if(self, attribute: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(attribute, value),
            None => self,
        }
    }

    pub(super) fn remove(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.remove.push(name);
        self
    }

    /// Sets the condition, made of placeholders from [`Change::name`] and [`Change::value`].
    pub(super) fn only_if(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// Requires this value. An absent item or attribute equals nothing.
    pub(super) fn only_if_equal(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(&format!("wanted_{attribute}"), value));
        self.only_if(format!("{name} = {value}"))
    }

    /// A placeholder for an attribute's name.
    pub(super) fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.into());
        placeholder
    }

    /// A placeholder for a value.
    pub(super) fn value(&mut self, called: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{called}");
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// The update expression.
    pub(super) fn update(&self) -> String {
        let clause = |word: &str, parts: &[String]| {
            if parts.is_empty() { String::new() } else { format!("{word} {} ", parts.join(", ")) }
        };
        format!("{}{}", clause("SET", &self.set), clause("REMOVE", &self.remove)).trim_end().to_owned()
    }
}
