//! A bounded list that counts what it dropped.

use std::collections::VecDeque;

/// Keeps the newest `limit` entries.
#[derive(Debug, Clone)]
pub(crate) struct Ring<T> {
    entries: VecDeque<T>,
    limit: usize,
    dropped: u64,
}

impl<T> Ring<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), limit, dropped: 0 }
    }

    /// Adds an entry; returns the oldest if that had to go.
    pub(crate) fn push(&mut self, entry: T) -> Option<T> {
        self.entries.push_back(entry);
        if self.entries.len() <= self.limit {
            return None;
        }
        self.dropped += 1;
        self.entries.pop_front()
    }

    /// How many were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_counted() {
        let mut ring = Ring::new(2);
        assert_eq!((ring.push(1), ring.push(2), ring.push(3)), (None, None, Some(1)));
        assert_eq!((ring.dropped(), ring.iter().copied().collect::<Vec<_>>()), (1, vec![2, 3]));
    }
}
