//! The writes on the reassembly lock.
//!
//! Existing services take the lock for good: `reassembly_started_at` without `lease_until`. No one takes over such a lock; it can
//! only be reset, by a caller who read its value. We hold a lock until the end of the second `lease_until`.

use std::time::Duration;

use stereospot_domain::{JobId, Timestamp};

use super::change::Change;
use super::rows::{Item, number, secs, text};

/// DynamoDB removes a lock this long after its creation.
const TTL: Duration = Duration::from_secs(7_776_000);

pub(super) fn new(job_id: JobId, now: Timestamp) -> Item {
    Item::from([
        ("job_id".into(), text(job_id)),
        ("triggered_at".into(), secs(now)),
        ("ttl".into(), secs(now.plus(TTL))),
    ])
}

pub(super) fn retrigger(observed: Timestamp, now: Timestamp) -> Change {
    // Always a new value: otherwise two callers within one second would both succeed.
    let triggered_at = now.as_secs().max(observed.as_secs().saturating_add(1));
    Change::default().set("triggered_at", number(triggered_at)).only_if_equal("triggered_at", secs(observed))
}

pub(super) fn acquire(owner: &str, now: Timestamp, lease: Duration) -> Change {
    let mut change = Change::default()
        .set("reassembly_started_at", secs(now))
        .set("lease_until", end(now, lease))
        .set("owner", text(owner));
    let (until, at) = (change.name("lease_until"), change.value("now", secs(now)));
    change.only_if(format!(
        "attribute_exists(job_id) AND (attribute_not_exists(#reassembly_started_at) OR {until} < {at} OR #owner = :owner)"
    ))
}

pub(super) fn renew(owner: &str, now: Timestamp, lease: Duration) -> Change {
    Change::default().set("lease_until", end(now, lease)).only_if_equal("owner", text(owner))
}

pub(super) fn let_go() -> Change {
    Change::default().remove("reassembly_started_at").remove("lease_until").remove("owner")
}

/// Rounded up: a lease must not be shorter than requested.
fn end(now: Timestamp, lease: Duration) -> aws_sdk_dynamodb::types::AttributeValue {
    secs(Timestamp(now.plus(lease).as_millis().saturating_add(999)))
}
