//! Every job the dashboard knows, in an order that costs nothing while it doesn't change.
//!
//! Invariant: a change costs O(1); filtering and sorting happen in [`Jobs::rearrange`] only, which the caller runs a few times a
//! second at most. Rows are kept small: 100,000 of them are held.

use std::cmp::Reverse;
use std::collections::HashMap;

use stereospot_api::view::JobView;
use stereospot_domain::diagnosis::{Finding, Severity};
use stereospot_domain::{Format, JobId, JobStatus, Timestamp};

/// Most jobs that are held; the oldest go first, and are counted.
pub(crate) const MAX_JOBS: usize = 200_000;

/// One job, without what no list shows.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub id: JobId,
    pub title: Option<Box<str>>,
    pub format: Format,
    pub status: JobStatus,
    pub total: Option<u32>,
    pub done: u32,
    pub running: u32,
    pub dead: u32,
    pub progress: Option<f32>,
    pub frames_per_second: Option<f32>,
    pub eta: Option<Timestamp>,
    pub created_at: Timestamp,
    pub last_activity_at: Timestamp,
    pub last_event: Option<Box<str>>,
    pub attempts: u32,
    pub error: Option<Box<str>>,
    pub findings: Box<[Finding]>,
}

impl From<JobView> for JobRow {
    fn from(view: JobView) -> Self {
        Self {
            id: view.job.job_id,
            title: view.job.title.map(String::into_boxed_str),
            format: view.job.options.format,
            status: view.job.status,
            total: view.job.total_segments,
            done: view.segments_done,
            running: view.segments_running,
            dead: view.segments_dead.unwrap_or(0),
            progress: view.progress,
            frames_per_second: view.frames_per_second,
            eta: view.eta,
            created_at: view.job.created_at,
            last_activity_at: view.last_activity_at,
            last_event: view.last_event.map(String::into_boxed_str),
            attempts: view.attempts,
            error: view.job.error.map(String::into_boxed_str),
            findings: view.findings.into_boxed_slice(),
        }
    }
}

impl JobRow {
    /// Its gravest finding's severity.
    pub(crate) fn severity(&self) -> Option<Severity> {
        self.findings.first().map(|finding| finding.severity)
    }

    /// True while something is still to happen to it by itself.
    pub(crate) fn is_active(&self) -> bool {
        !self.status.is_final()
    }

    /// True when it will not go on unless somebody acts.
    pub(crate) fn is_stuck(&self) -> bool {
        self.severity() == Some(Severity::Critical)
    }

    /// Why reassembly can't be triggered, as far as a list knows; the server has the last word.
    pub(crate) fn why_no_trigger(&self) -> Option<String> {
        match (self.status, self.total) {
            (JobStatus::Completed, _) => Some("the result exists".into()),
            (JobStatus::Deleted, _) => Some("the job is deleted".into()),
            (_, None) => Some("its segments are not known yet".into()),
            (_, Some(total)) if self.done < total => Some(format!("{} of {total} segments missing", total - self.done)),
            _ => None,
        }
    }

    fn matches(&self, needle: &str) -> bool {
        let is_id = || {
            let mut buffer = [0; 36];
            let could_be = needle.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
            could_be && contains(self.id.0.as_hyphenated().encode_lower(&mut buffer), needle)
        };
        self.title.as_deref().is_some_and(|title| contains(title, needle))
            || contains(status_word(self.status), needle)
            || contains(self.status.as_str(), needle)
            || contains(self.format.as_str(), needle)
            || is_id()
            || self.findings.iter().any(|finding| contains(finding.code.as_str(), needle))
            || (self.is_stuck() && contains("stuck", needle))
    }
}

/// A status in one short word.
pub(crate) fn status_word(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Created => "created",
        JobStatus::Ingesting => "ingesting",
        JobStatus::ChunkingInProgress => "chunking",
        JobStatus::ChunkingComplete => "converting",
        JobStatus::Reassembling => "reassembling",
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
        JobStatus::Deleted => "deleted",
    }
}

/// Whether `text` holds `needle`, which is in lower case already; ASCII letters match in either case.
pub(crate) fn contains(text: &str, needle: &str) -> bool {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else { return true };
    if text.len() < needle.len() {
        return false;
    }
    (0..=text.len() - needle.len()).any(|start| {
        text[start].to_ascii_lowercase() == *first && text[start..start + needle.len()].eq_ignore_ascii_case(needle)
    })
}

/// In which order jobs stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// What needs somebody first, then what is at work, then the newest.
    Attention,
    /// Longest without a sign of life first, among those not ended.
    Silent,
}

impl Order {
    pub(crate) fn next(self) -> Self {
        match self {
            Order::Newest => Order::Attention,
            Order::Attention => Order::Silent,
            Order::Silent => Order::Newest,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Order::Newest => "newest first",
            Order::Attention => "findings first",
            Order::Silent => "longest silent first",
        }
    }
}

type SortKey = (u8, u8, Reverse<i64>, JobId);

fn sort_key(order: Order, row: &JobRow) -> SortKey {
    let newest = Reverse(row.created_at.0);
    match order {
        Order::Newest => (0, 0, newest, row.id),
        Order::Attention => {
            let severity = row.severity().map_or(3, |severity| match severity {
                Severity::Critical => 0,
                Severity::Warning => 1,
                Severity::Notice => 2,
            });
            (severity, u8::from(!row.is_active()), newest, row.id)
        }
        Order::Silent => (u8::from(!row.is_active()), 0, Reverse(row.last_activity_at.0.saturating_neg()), row.id),
    }
}

/// How many jobs there are of a kind.
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
            _ if row.is_stuck() && row.is_active() => &mut self.stuck,
            JobStatus::Failed => &mut self.failed,
            JobStatus::Completed => &mut self.completed,
            JobStatus::Deleted => return None,
            JobStatus::Created | JobStatus::Ingesting => &mut self.waiting,
            _ => &mut self.running,
        })
    }
}

/// The jobs, by id, and the rows that are shown.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    rows: Vec<JobRow>,
    by_id: HashMap<JobId, u32>,
    /// Every row, in order.
    all: Vec<u32>,
    /// Those of them that the filter lets through.
    shown: Vec<u32>,
    tally: Tally,
    filter: String,
    order: Order,
    /// New rows since the last rearrangement: they are not shown yet.
    fresh: Vec<u32>,
    is_unsorted: bool,
    is_unfiltered: bool,
    dropped: u64,
}

impl Jobs {
    /// Takes in a new or changed job.
    pub(crate) fn upsert(&mut self, view: JobView) {
        let row = JobRow::from(view);
        if let Some(at) = self.by_id.get(&row.id).copied() {
            let order = self.order;
            let old = &mut self.rows[at as usize];
            if let Some(slot) = self.tally.slot(old) {
                *slot -= 1;
            }
            self.is_unsorted |= sort_key(order, old) != sort_key(order, &row);
            self.is_unfiltered |= !self.filter.is_empty() && old.matches(&self.filter) != row.matches(&self.filter);
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

    /// As [`Jobs::upsert`], for a page that may be older than what the stream told since.
    pub(crate) fn upsert_older(&mut self, view: JobView) {
        let is_news = self.get(view.job.job_id).is_none_or(|row| row.last_activity_at < view.last_activity_at);
        if is_news {
            self.upsert(view);
        }
    }

    /// Forgets every job, keeping filter and order.
    pub(crate) fn clear(&mut self) {
        let (filter, order, dropped) = (std::mem::take(&mut self.filter), self.order, self.dropped);
        *self = Self { filter, order, dropped, ..Self::default() };
    }

    pub(crate) fn get(&self, id: JobId) -> Option<&JobRow> {
        self.by_id.get(&id).map(|at| &self.rows[*at as usize])
    }

    /// The first job whose id begins so.
    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<JobId> {
        let mut buffer = [0; 36];
        self.rows.iter().map(|row| row.id).find(|id| id.0.as_hyphenated().encode_lower(&mut buffer).starts_with(prefix))
    }

    /// How many are held.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many are shown.
    pub(crate) fn shown_len(&self) -> usize {
        self.shown.len()
    }

    /// The row shown at a place.
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

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    /// Jobs not ended, those that need somebody first; at most `limit`. Looks at every job once: for the landing screen, a few
    /// times a second at most.
    pub(crate) fn active(&self, limit: usize) -> Vec<JobId> {
        let mut active: Vec<&JobRow> = self.rows.iter().filter(|row| row.is_active()).collect();
        let key = |row: &&JobRow| sort_key(Order::Attention, row);
        if active.len() > limit && limit > 0 {
            active.select_nth_unstable_by_key(limit, key);
            active.truncate(limit);
        }
        active.sort_unstable_by_key(key);
        active.into_iter().map(|row| row.id).collect()
    }

    pub(crate) fn set_order(&mut self, order: Order) {
        self.order = order;
        self.include_fresh();
        let rows = &self.rows;
        // Nothing is in place yet: each row is looked at once, not at each comparison.
        self.all.sort_by_cached_key(|at| sort_key(order, &rows[*at as usize]));
        self.is_unsorted = false;
        self.filter_all();
    }

    /// Shows only what holds `filter`. Looks only at the rows shown now where the new filter narrows the old one.
    pub(crate) fn set_filter(&mut self, filter: &str) {
        let filter = filter.to_ascii_lowercase();
        if filter == self.filter {
            return;
        }
        let narrows = contains(&filter, &self.filter) && !self.is_unfiltered;
        self.filter = filter;
        if narrows {
            let (rows, filter) = (&self.rows, &self.filter);
            self.shown.retain(|at| rows[*at as usize].matches(filter));
        } else {
            self.filter_all();
        }
    }

    /// True when what is shown is not yet what should be.
    pub(crate) fn needs_rearranging(&self) -> bool {
        self.is_unsorted || self.is_unfiltered || !self.fresh.is_empty()
    }

    /// Brings the shown rows up to date.
    pub(crate) fn rearrange(&mut self) {
        if self.rows.len() > MAX_JOBS {
            self.drop_oldest();
        }
        self.include_fresh();
        if self.is_unsorted {
            let (rows, order) = (&self.rows, self.order);
            // Mostly sorted already: the stable sort then takes little more than one pass.
            self.all.sort_by_key(|at| sort_key(order, &rows[*at as usize]));
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
            self.shown.retain(|at| rows[*at as usize].matches(filter));
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
