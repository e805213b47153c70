//! `GET /v1/openapi.json`: the OpenAPI document, generated from the handlers.

use axum::Json;
use serde_json::{Value, json};
use stereospot_api::Problem;
use stereospot_api::problem::MEDIA_TYPE;
use stereospot_api::view::Change;
use utoipa::OpenApi;

/// The routes with their types. [`document`] adds what is the same for all.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "stereospot control plane",
        description = "Jobs, queues, workers and what an operator does about them."
    ),
    paths(
        super::health::healthz,
        super::health::readyz,
        super::health::metrics,
        show,
        super::events::accept,
        super::events::newest,
        super::jobs::create,
        super::jobs::list,
        super::jobs::show,
        super::jobs::events,
        super::jobs::verify,
        super::logs::lines,
        super::upload::source,
        super::result::download,
        super::queues::list,
        super::queues::messages,
        super::queues::workers,
        super::deployment::show,
        super::actions::plan,
        super::actions::show,
        super::actions::apply,
        super::actions::list,
        super::snapshot::snapshot,
        super::stream::stream,
    ),
    components(schemas(Problem, Change))
)]
struct Routes;

/// This document.
#[utoipa::path(get, operation_id = "openapi", tag = "openapi", path = "/v1/openapi.json", responses((status = 200, body = Object)))]
pub(super) async fn show() -> Json<Value> {
    Json(document())
}

/// The OpenAPI document.
fn document() -> Value {
    let mut document = serde_json::to_value(Routes::openapi()).expect("the document is JSON");
    document["components"]["responses"] = json!({ "Problem": {
        "description": "It was not done: `detail` says why, and what to do",
        "content": { MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    } });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, operation) in paths.flat_map(|(_, path)| path.as_object_mut().into_iter().flatten()) {
        // Every response must have a description.
        let summary = operation["summary"].clone();
        for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            response.as_object_mut().map(|response| response.entry("description").or_insert(summary.clone()));
        }
        // An optional parameter is left out, never null.
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            without_null(&mut parameter["schema"]);
        }
        // utoipa takes tags from Rust paths; code generators name their modules after them.
        for tag in operation["tags"].as_array_mut().into_iter().flatten() {
            *tag = json!(tag.as_str().unwrap_or_default().trim_start_matches("super::"));
        }
        for statuses in ["4XX", "5XX"] {
            operation["responses"][statuses] = json!({ "$ref": "#/components/responses/Problem" });
        }
    }
    bound(&mut document);
    document
}

/// Takes `null` out of the types that a schema allows.
fn without_null(schema: &mut Value) {
    if let Some(kinds) = schema["type"].as_array() {
        schema["type"] = kinds.iter().find(|kind| *kind != "null").cloned().unwrap_or_default();
    }
    if let Some(one_of) = schema["oneOf"].as_array() {
        *schema = one_of.iter().find(|one| one["type"] != "null").cloned().unwrap_or_default();
    }
}

/// Adds the bounds of the Rust types to integers, because utoipa writes `int32` and `int64` for unsigned types too.
fn bound(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(bound),
        Value::Object(fields) => {
            let is_unsigned = fields.get("minimum").is_some_and(|least| least.as_i64() >= Some(0));
            let bounds = match fields.get("format").and_then(Value::as_str) {
                Some("int32") if is_unsigned => Some((json!(0), json!(u32::MAX))),
                // No maximum: not every reader of a schema can represent `u64::MAX`.
                Some("int64") if is_unsigned => None,
                Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
                Some("int64") => Some((json!(i64::MIN), json!(i64::MAX))),
                _ => None,
            };
            if let Some((least, most)) = bounds {
                fields.entry("minimum").or_insert(least);
                fields.entry("maximum").or_insert(most);
                if fields["maximum"].as_u64() > Some(i32::MAX as u64) {
                    fields["format"] = json!("int64");
                }
            }
            fields.values_mut().for_each(bound);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
