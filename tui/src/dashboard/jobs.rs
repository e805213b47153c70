//! Every job the dashboard knows, filtered and sorted.
//!
//! Invariant: a change costs O(1). Only [`Jobs::rearrange`] filters and sorts; the caller runs it a few times a second at most.
//! Rows are small, because there are up to [`MAX_JOBS`].

mod order;
mod row;

use std::cmp::Reverse;
use std::collections::HashMap;

use stereospot_api::view::JobView;
use stereospot_domain::{JobId, JobStatus};

pub(crate) use order::Order;
pub(crate) use row::{JobRow, status_word};

use crate::text::contains;

/// The most jobs kept; the oldest are dropped and counted.
pub(crate) const MAX_JOBS: usize = 200_000;

/// How many jobs are running, waiting, stuck, failed and completed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub running: u64,
    pub waiting: u64,
    pub stuck: u64,
    pub failed: u64,
    pub completed: u64,
}

impl Tally {
    fn slot(&mut self, row: &JobRow) -> Option<&mut u64> {
        Some(match row.status {
            _ if row.is_stuck() => &mut self.stuck,
            JobStatus::Failed => &mut self.failed,
            JobStatus::Completed => &mut self.completed,
            JobStatus::Deleted => return None,
            JobStatus::Created | JobStatus::Ingesting => &mut self.waiting,
            _ => &mut self.running,
        })
    }
}

/// The jobs by id, and the rows that are shown.
#[derive(Debug)]
pub(crate) struct Jobs {
    rows: Vec<JobRow>,
    by_id: HashMap<JobId, u32>,
    /// Every row but the fresh ones, as last sorted.
    all: Vec<u32>,
    /// The rows that pass the filter, sorted.
    shown: Vec<u32>,
    tally: Tally,
    filter: String,
    order: &'static Order,
    /// New rows, shown after the next rearrangement.
    fresh: Vec<u32>,
    is_unsorted: bool,
    is_unfiltered: bool,
    dropped: u64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            by_id: HashMap::new(),
            all: Vec::new(),
            shown: Vec::new(),
            tally: Tally::default(),
            filter: String::new(),
            order: Order::first(),
            fresh: Vec::new(),
            is_unsorted: false,
            is_unfiltered: false,
            dropped: 0,
        }
    }
}

impl Jobs {
    /// Inserts or updates a job.
    pub(crate) fn upsert(&mut self, view: JobView) {
        let row = JobRow::from(view);
        if let Some(at) = self.by_id.get(&row.id).copied() {
            let order = self.order;
            let old = &mut self.rows[at as usize];
            if let Some(slot) = self.tally.slot(old) {
                *slot -= 1;
            }
            self.is_unsorted |= order.key(old) != order.key(&row);
            self.is_unfiltered |= !self.filter.is_empty() && old.passes(&self.filter) != row.passes(&self.filter);
            *old = row;
            if let Some(slot) = self.tally.slot(&self.rows[at as usize]) {
                *slot += 1;
            }
            return;
        }
        let at = self.rows.len() as u32;
        if let Some(slot) = self.tally.slot(&row) {
            *slot += 1;
        }
        self.by_id.insert(row.id, at);
        self.rows.push(row);
        self.fresh.push(at);
    }

    /// Like [`Jobs::upsert`], for a page that may be older than what the stream has brought.
    pub(crate) fn upsert_older(&mut self, view: JobView) {
        let is_news = self.get(view.job.job_id).is_none_or(|row| row.last_activity_at < view.last_activity_at);
        if is_news {
            self.upsert(view);
        }
    }

    /// Removes every job; filter and order stay.
    pub(crate) fn clear(&mut self) {
        let (filter, order, dropped) = (std::mem::take(&mut self.filter), self.order, self.dropped);
        *self = Self { filter, order, dropped, ..Self::default() };
    }

    pub(crate) fn get(&self, id: JobId) -> Option<&JobRow> {
        self.by_id.get(&id).map(|at| &self.rows[*at as usize])
    }

    /// The first job whose id starts with the text.
    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<JobId> {
        let mut buffer = [0; 36];
        self.rows.iter().map(|row| row.id).find(|id| id.0.as_hyphenated().encode_lower(&mut buffer).starts_with(prefix))
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many are shown.
    pub(crate) fn shown_len(&self) -> usize {
        self.shown.len()
    }

    /// The row shown at an index.
    pub(crate) fn shown(&self, index: usize) -> &JobRow {
        &self.rows[self.shown[index] as usize]
    }

    /// How many were dropped to stay within [`MAX_JOBS`].
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn order(&self) -> &'static Order {
        self.order
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    /// The unfinished jobs, those with findings first; at most `limit`. Scans every job, so call it only a few times a second.
    pub(crate) fn active(&self, limit: usize) -> Vec<JobId> {
        let mut active: Vec<&JobRow> = self.rows.iter().filter(|row| row.is_active()).collect();
        let key = |row: &&JobRow| Order::by_severity(row);
        if active.len() > limit && limit > 0 {
            active.select_nth_unstable_by_key(limit, key);
            active.truncate(limit);
        }
        active.sort_unstable_by_key(key);
        active.into_iter().map(|row| row.id).collect()
    }

    pub(crate) fn set_order(&mut self, order: &'static Order) {
        self.order = order;
        self.include_fresh();
        let rows = &self.rows;
        // Nothing is sorted yet, so sort keys are computed once per row rather than at each comparison.
        self.all.sort_by_cached_key(|at| order.key(&rows[*at as usize]));
        self.is_unsorted = false;
        self.filter_all();
    }

    /// Shows only the jobs that contain `filter`; those that don't, if it begins with `!`. A longer filter only searches the rows shown now.
    pub(crate) fn set_filter(&mut self, filter: &str) {
        let filter = filter.to_ascii_lowercase();
        if filter == self.filter {
            return;
        }
        // A longer word after `!` lets more through.
        let is_inverted = filter.starts_with('!') || self.filter.starts_with('!');
        let narrows = !is_inverted && contains(&filter, &self.filter) && !self.is_unfiltered;
        self.filter = filter;
        if narrows {
            let (rows, filter) = (&self.rows, &self.filter);
            self.shown.retain(|at| rows[*at as usize].passes(filter));
        } else {
            self.filter_all();
        }
    }

    /// True when [`Jobs::rearrange`] has work to do.
    pub(crate) fn needs_rearranging(&self) -> bool {
        self.is_unsorted || self.is_unfiltered || !self.fresh.is_empty()
    }

    /// Filters and sorts the shown rows.
    pub(crate) fn rearrange(&mut self) {
        if self.rows.len() > MAX_JOBS {
            self.drop_oldest();
        }
        self.include_fresh();
        if self.is_unsorted {
            let (rows, order) = (&self.rows, self.order);
            // Mostly sorted already, so a stable sort takes little more than one pass.
            self.all.sort_by_key(|at| order.key(&rows[*at as usize]));
            (self.is_unsorted, self.is_unfiltered) = (false, true);
        }
        if self.is_unfiltered {
            self.filter_all();
        }
    }

    fn include_fresh(&mut self) {
        self.is_unsorted |= !self.fresh.is_empty();
        self.all.append(&mut self.fresh);
    }

    fn filter_all(&mut self) {
        self.shown.clone_from(&self.all);
        if !self.filter.is_empty() {
            let (rows, filter) = (&self.rows, &self.filter);
            self.shown.retain(|at| rows[*at as usize].passes(filter));
        }
        self.is_unfiltered = false;
    }

    fn drop_oldest(&mut self) {
        let surplus = self.rows.len() - MAX_JOBS;
        self.rows.sort_by_key(|row| Reverse(row.created_at));
        for row in self.rows.drain(MAX_JOBS..) {
            if let Some(slot) = self.tally.slot(&row) {
                *slot -= 1;
            }
        }
        self.dropped += surplus as u64;
        self.by_id = self.rows.iter().enumerate().map(|(at, row)| (row.id, at as u32)).collect();
        self.all = (0..self.rows.len() as u32).collect();
        self.fresh.clear();
        self.is_unsorted = true;
    }
}

#[cfg(test)]
mod tests;
