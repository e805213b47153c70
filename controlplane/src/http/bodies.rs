//! Schemas of what is not made from a type of ours: bodies that are not JSON, numbers without a bound.

use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// A body of bytes, such as a video.
pub(super) struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        Object::builder().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Bytes {}

/// A server-sent event of the stream. OpenAPI describes a body of such events by the schema of one.
pub(super) struct StreamEvent;

impl PartialSchema for StreamEvent {
    fn schema() -> RefOr<Schema> {
        let text = |what: &str| Object::builder().schema_type(Type::String).description(Some(what));
        Object::builder()
            .schema_type(Type::Object)
            .property("id", text("The revision after the change"))
            .property("data", text("A `Change` as JSON"))
            .required("id")
            .required("data")
            .into()
    }
}

impl ToSchema for StreamEvent {}

/// A revision of any size. `int64` would bound it.
pub(super) struct Revision;

impl PartialSchema for Revision {
    fn schema() -> RefOr<Schema> {
        Object::builder().schema_type(Type::Integer).minimum(Some(0)).into()
    }
}

impl ToSchema for Revision {}
