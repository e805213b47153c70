//! The OpenAPI schema of payloads.

use utoipa::openapi::schema::{AnyOf, Object, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Payload;

impl PartialSchema for Payload {
    /// `type` and `data` of each known kind, or any other `type` with any `data`.
    fn schema() -> RefOr<Schema> {
        let kind = |kind: Object| Object::builder().schema_type(Type::Object).property("type", kind).required("type");
        let string = || Object::builder().schema_type(Type::String);
        let known = Payload::variants().into_iter().fold(AnyOf::builder(), |known, (name, fields)| {
            let variant = kind(string().enum_values(Some([name])).build());
            known.item(match fields {
                Some(fields) => variant.property("data", fields),
                None => variant,
            })
        });
        known.item(kind(string().build())).into()
    }
}

impl ToSchema for Payload {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Payload::fields_schemas(schemas);
    }
}
