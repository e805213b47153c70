//! The sort orders of jobs.

use std::cmp::Reverse;

use stereospot_domain::JobId;
use stereospot_domain::diagnosis::Severity;

use super::row::JobRow;

/// Ends with the id, so that no two keys are equal.
type SortKey = (u8, u8, Reverse<i64>, JobId);

/// An order: its name, and its sort key.
#[derive(Debug)]
pub(crate) struct Order {
    pub name: &'static str,
    key: fn(&JobRow) -> SortKey,
}

/// Every order; a key cycles through them.
static ORDERS: [Order; 3] = [
    Order { name: "newest first", key: |row| (0, 0, Reverse(row.created_at.0), row.id) },
    Order { name: "findings first", key: Order::by_severity },
    Order {
        name: "longest silent first",
        key: |row| {
            let silent_since = row.last_activity_at.0;
            (u8::from(!row.is_active()), 0, Reverse(silent_since.saturating_neg()), row.id)
        },
    },
];

impl Order {
    pub(crate) fn first() -> &'static Self {
        &ORDERS[0]
    }

    pub(crate) fn next(&self) -> &'static Self {
        let at = ORDERS.iter().position(|order| order.name == self.name).unwrap_or(0);
        &ORDERS[(at + 1) % ORDERS.len()]
    }

    pub(crate) fn key(&self, row: &JobRow) -> SortKey {
        (self.key)(row)
    }

    /// The most severe findings first, then running jobs, then the newest.
    pub(crate) fn by_severity(row: &JobRow) -> SortKey {
        let severity = row.severity().map_or(3, |severity| match severity {
            Severity::Critical => 0,
            Severity::Warning => 1,
            Severity::Notice => 2,
        });
        (severity, u8::from(!row.is_active()), Reverse(row.created_at.0), row.id)
    }
}
