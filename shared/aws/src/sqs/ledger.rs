//! When each lease of this process ends, because SQS itself does not refuse an expired receipt.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stereospot_domain::Timestamp;
use stereospot_ports::work_queue::Receipt;

/// Receipts are forgotten this long after the end of their lease: no consumer uses one a day later.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// Old receipts are removed each time the number of receipts reaches a multiple of this.
const TIDY_AT: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    ends: Mutex<HashMap<Receipt, Timestamp>>,
}

impl Ledger {
    /// Records that the lease of this receipt ends at `end`.
    pub(super) fn note(&self, receipt: &Receipt, end: Timestamp, now: Timestamp) {
        let mut ends = self.ends();
        ends.insert(receipt.clone(), end);
        if ends.len().is_multiple_of(TIDY_AT) {
            ends.retain(|_, end| now.since(*end) < REMEMBERED);
        }
    }

    /// True when the lease is known to have ended.
    pub(super) fn is_void(&self, receipt: &Receipt, now: Timestamp) -> bool {
        self.ends().get(receipt).is_some_and(|end| *end <= now)
    }

    /// Forgets a receipt whose message is deleted.
    pub(super) fn forget(&self, receipt: &Receipt) {
        self.ends().remove(receipt);
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<Receipt, Timestamp>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_void_from_its_lease_s_end_and_forgotten_after_a_day() {
        let ledger = Ledger::default();
        let receipt = Receipt("a".into());
        let at = |secs| Timestamp::from_secs(secs);
        assert!(!ledger.is_void(&receipt, at(0)), "of another process");
        ledger.note(&receipt, at(10), at(0));
        assert!(!ledger.is_void(&receipt, at(9)));
        assert!(ledger.is_void(&receipt, at(10)));
        ledger.note(&receipt, at(40), at(5));
        assert!(!ledger.is_void(&receipt, at(30)));
        for number in 1..TIDY_AT {
            ledger.note(&Receipt(number.to_string()), at(200_000), at(200_000));
        }
        assert!(!ledger.is_void(&receipt, at(200_000)), "forgotten");
    }
}
