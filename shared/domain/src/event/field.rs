//! Reads and writes the single fields of an event without losing any.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

/// Reads a field of the raw data. Removes it there only if writing the value gives exactly what was read, so that a field of a
/// wrong type, or a number in another form, is passed on unchanged.
pub(super) fn read<T: DeserializeOwned + Serialize>(raw: &mut Map<String, Value>, name: &str) -> Option<T> {
    let given = raw.get(name)?;
    let value = T::deserialize(given).ok()?;
    if serde_json::to_value(&value).is_ok_and(|written| written == *given) {
        raw.remove(name);
    }
    Some(value)
}

/// Writes a field, unless it is absent or `raw` has it: the caller writes all of `raw`.
pub(super) fn write<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &'static str,
    value: Option<&T>,
    raw: &Map<String, Value>,
) -> Result<(), M::Error> {
    match value {
        Some(value) if !raw.contains_key(name) => map.serialize_entry(name, value),
        _ => Ok(()),
    }
}
