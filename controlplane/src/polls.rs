//! The poll schedule, shared by all tasks.
//!
//! This file knows neither the application state nor the readers: callers pass in what they read and what it costs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use stereospot_core::watch::budget::Budget;
use stereospot_core::watch::pace::Pace;
use stereospot_core::watch::polls::PollState;
use stereospot_core::watch::schedule::{Next, ReadOutcome, Reading, Target, Uptime, Watching};
use stereospot_core::watch::spending::{Counts, PollsView};
use stereospot_domain::{Collector, JobId, QueueName, QueueRole, Timestamp};
use stereospot_ports::{Clock, Error};
use stereospot_telemetry::catalogue::CallOutcome;
use stereospot_telemetry::record;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::Config;
use crate::live::Live;
use crate::measure::JobCounts;
use crate::platform::{CallCounts, Platform};

mod unfinished;

pub(crate) use unfinished::{Listing, LogTail};

/// Calls a minute where calls are free: limits the load that polling puts on the machine.
const FREE_BUDGET: u32 = 30_000;
/// Calls a minute where calls cost money.
const METERED_BUDGET: u32 = 300;
/// Longest time between two reports: dashboards take a longer silence for a lost connection.
pub(crate) const LONGEST_TICK: Duration = Duration::from_secs(1);

/// What is read when, and what it costs.
#[derive(Debug)]
pub(crate) struct Polls {
    began: Instant,
    is_metered: bool,
    burst: u32,
    calls: Option<Arc<dyn CallCounts>>,
    state: Mutex<PollState>,
    /// When the numbers of all jobs were last counted, and how long that took.
    measured: Mutex<Option<(Uptime, Duration)>>,
    /// The boot id of this process as a source of observed events.
    boot: Uuid,
    seqs: Mutex<BTreeMap<String, u64>>,
    listings: Mutex<BTreeMap<Target, Listing>>,
    pub(crate) log_tail: tokio::sync::Mutex<LogTail>,
}

impl Polls {
    /// Takes pace and budget from the platform, unless the operator set them.
    pub(crate) fn new(platform: &Platform, config: &Config) -> Self {
        let is_metered = platform.calls.is_some() || platform.backend.kind.is_metered();
        let pace = match is_metered {
            true => Pace::metered(config.poll, config.watch_logs),
            false => Pace::free(config.poll, config.watch_logs),
        };
        let usual = if is_metered { METERED_BUDGET } else { FREE_BUDGET };
        let budget = Budget::new(config.poll_budget_per_minute.unwrap_or(usual));
        record::poll_budget(budget.per_minute());
        let burst = budget.burst();
        Self {
            began: Instant::now(),
            is_metered,
            burst,
            calls: platform.calls.clone(),
            state: Mutex::new(PollState::new(pace, budget, platform.backend.kind)),
            measured: Mutex::default(),
            boot: Uuid::now_v7(),
            seqs: Mutex::default(),
            listings: Mutex::default(),
            log_tail: tokio::sync::Mutex::default(),
        }
    }

    /// Calls by API, the budget and the cost, as of the last report.
    pub(crate) fn view(&self) -> PollsView {
        self.lock().view(self.is_metered, self.now())
    }

    /// Counts the bytes that a log search scanned.
    pub(crate) fn log_bytes(&self, bytes: u64) {
        record::log_bytes_scanned(bytes);
        let now = self.now();
        self.lock().spending.scanned(bytes, now);
    }

    /// True where calls cost money.
    pub(crate) fn is_metered(&self) -> bool {
        self.is_metered
    }

    /// Charges calls that were made outside the schedule. Where the platform counts calls, it has counted them already.
    pub(crate) fn charge(&self, calls: u32) {
        if self.calls.is_none() {
            let now = self.now();
            self.lock().schedule.charge(calls, now);
        }
    }

    /// Starts to watch everything that a deployment always has.
    pub(crate) fn begin<'a>(&self, queues: impl Iterator<Item = &'a QueueName>, has_services: bool, has_logs: bool) {
        let now = self.now();
        let mut state = self.lock();
        let used = state.begin(queues, has_services, has_logs, now);
        used.for_each(|collector| record::collector_known(collector.as_str()));
    }

    /// What to read now. `cost` returns the most calls that a reading may take.
    pub(crate) fn next(&self, cost: impl Fn(Target, bool) -> u32) -> Next {
        let now = self.now();
        self.lock().next(now, cost)
    }

    /// Takes in the end of a reading.
    pub(crate) fn done(&self, reading: Reading, outcome: ReadOutcome, took: Duration, calls: u32) {
        let now = self.now();
        self.lock().done(reading, outcome, took, calls, now);
    }

    /// Reads a target at once, because it is known to have changed.
    pub(crate) fn hurry(&self, target: Target) {
        let now = self.now();
        self.lock().schedule.hurry(target, now);
    }

    /// Reads a queue and its dead-letter queue at once, because messages were just moved between them.
    pub(crate) fn moved(&self, role: QueueRole) {
        let now = self.now();
        self.lock().moved(role, now);
    }

    /// Reads these jobs soon, rows included.
    pub(crate) fn nudge(&self, jobs: BTreeSet<JobId>) {
        let now = self.now();
        let mut state = self.lock();
        jobs.into_iter().for_each(|job_id| state.schedule.nudge(job_id, now));
    }

    /// Sets how these jobs are watched from now on.
    pub(crate) fn watch_jobs(&self, jobs: impl IntoIterator<Item = (JobId, Watching)>) {
        let now = self.now();
        let mut state = self.lock();
        jobs.into_iter().for_each(|(job_id, watching)| state.schedule.watch_job(job_id, watching, now));
    }

    /// Stops watching a job that no longer exists.
    pub(crate) fn forget_job(&self, job_id: JobId) {
        self.lock().forget_job(job_id);
    }

    /// Counts the read units of a query.
    pub(crate) fn queried(&self, units: f64) {
        self.lock().spending.queried(units);
    }

    /// Calls that may be made at once.
    pub(crate) fn burst(&self) -> u32 {
        self.burst
    }

    /// Keeps a target's error; false when the target was failing already.
    pub(crate) fn note_error(&self, target: Target, error: &Error) -> bool {
        let now = self.now();
        self.lock().note_error(target, error.code(), error.to_string(), now)
    }

    /// True while any target of a collector fails or hangs.
    pub(crate) fn is_any_unanswered(&self, collector: Collector) -> bool {
        self.lock().is_any_unanswered(collector, self.now())
    }

    /// The boot id and next sequence number for an event of this source.
    pub(crate) fn number(&self, source: &str) -> (Uuid, u64) {
        let mut seqs = self.seqs.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = seqs.entry(source.to_owned()).or_default();
        *seq += 1;
        (self.boot, *seq)
    }

    /// Publishes the state of the collectors, counts the calls made, and now and then the jobs.
    pub(crate) fn report(&self, live: &Live, clock: &dyn Clock) {
        let (now, at) = (self.now(), clock.now());
        let mut state = self.lock();
        if let Some(calls) = &self.calls {
            record_calls(&state.counted(calls.snapshot(), now));
            record::clock_ahead(calls.clock_ahead_secs());
            state.renewed(calls.renewals(), now);
            state.hindrance = calls.hindrance();
        }
        let report = state.report(now, at);
        drop(state);
        record::polls_deferred(report.deferred);
        let fresh = report.collectors.iter().filter(|one| one.is_fresh);
        fresh.for_each(|one| record::collector_fresh(one.collector.as_str(), SystemTime::now()));
        live.with(|world| {
            (world.polling, world.is_held_back, world.outage) = (report.polling, report.is_held_back, report.outage);
            let wrong_clock = self.calls.as_ref().and_then(|calls| calls.wrong_clock());
            if let Some(jumped) = world.note_jump(clock.wall_ahead_ms(), at) {
                tracing::warn!("{jumped}: schedules, leases and ages go on as before");
            }
            world.wrong_clock =
                wrong_clock.map(|words| (world.wrong_clock.take().map_or(at, |(since, _)| since), words));
            for one in report.collectors {
                if one.error.is_some() || one.at.is_some() {
                    world.collector_ran(one.collector, one.pause, one.error, one.at.unwrap_or(at));
                }
                world.collector_lacks(one.collector, one.lacks, at);
            }
        });
        self.measure_jobs(live, at);
    }

    /// Counts the jobs as metrics, in at most a tenth of the time: with very many jobs counting takes long.
    fn measure_jobs(&self, live: &Live, at: Timestamp) {
        let now = self.now();
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if measured.is_none_or(|(when, took)| now.saturating_sub(when) >= took * 10) {
            let began = Instant::now();
            live.with(|world| JobCounts::of(world, at)).record();
            *measured = Some((now, began.elapsed()));
        }
    }

    /// Takes a list of rows that is being read page by page, to go on with it; none when it starts from the beginning.
    pub(crate) fn take_listing(&self, target: Target) -> Option<Listing> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).remove(&target)
    }

    /// Keeps a list of rows whose next page is still to be read.
    pub(crate) fn keep_listing(&self, target: Target, listing: Listing) {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).insert(target, listing);
    }

    /// Converts a moment of the schedule to the runtime's clock.
    pub(crate) fn instant(&self, moment: Uptime) -> Instant {
        self.began + moment
    }

    fn now(&self) -> Uptime {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, PollState> {
        // After a panic under the lock, at worst one target is read out of turn.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record_calls(new: &[(String, Counts)]) {
    for (api, counts) in new {
        record::backend_calls(api, CallOutcome::Throttled, counts.throttled);
        record::backend_calls(api, CallOutcome::Failed, counts.failed);
        let answered = counts.attempts.saturating_sub(counts.throttled + counts.failed);
        record::backend_calls(api, CallOutcome::Answered, answered);
    }
}
