//! The schedule as the tasks share it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use stereospot_core::watch::budget::Budget;
use stereospot_core::watch::pace::Pace;
use stereospot_core::watch::polls::PollState;
use stereospot_core::watch::schedule::{Moment, Next, Outcome, Reading, Target, Watching};
use stereospot_core::watch::spending::{Counts, PollsView};
use stereospot_domain::Collector;
use stereospot_domain::{JobId, QueueRole};
use stereospot_ports::Error;
use stereospot_telemetry::catalogue::CallOutcome;
use stereospot_telemetry::record;
use tokio::time::Instant;
use uuid::Uuid;

use super::jobs::Listing;
use super::logs::Tail;
use crate::app::App;
use crate::config::Config;
use crate::platform::{CallCounts, Platform};

/// Calls a minute where they cost nothing: a bound on what watching takes of the machine.
const FREE_BUDGET: u32 = 30_000;
/// Calls a minute where they are paid for.
const METERED_BUDGET: u32 = 300;
/// Longest: dashboards take a longer silence for a lost connection.
pub(super) const LONGEST_TICK: Duration = Duration::from_secs(1);

/// What is read when, and what that costs.
#[derive(Debug)]
pub(crate) struct Polls {
    began: Instant,
    is_metered: bool,
    burst: u32,
    calls: Option<Arc<dyn CallCounts>>,
    state: Mutex<PollState>,
    /// When the numbers of all jobs were last counted, and how long that took.
    measured: Mutex<Option<(Moment, Duration)>>,
    /// Names this life of the source of observed events.
    boot: Uuid,
    seqs: Mutex<BTreeMap<String, u64>>,
    /// Lists of rows that are read page by page.
    pub(super) listings: Mutex<BTreeMap<Target, Listing>>,
    /// Where the logs were read up to.
    pub(super) tail: tokio::sync::Mutex<Tail>,
}

impl Polls {
    /// By the platform's and the operator's settings.
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
            tail: tokio::sync::Mutex::default(),
        }
    }

    /// Calls by API, the budget, and what it costs, as of the last report.
    pub(crate) fn view(&self) -> PollsView {
        self.lock().view(self.is_metered, self.now())
    }

    /// A log search has scanned so many bytes.
    pub(crate) fn log_bytes(&self, bytes: u64) {
        record::log_bytes_scanned(bytes);
        let now = self.now();
        self.lock().spending.scanned(bytes, now);
    }

    /// True where calls are paid for.
    pub(crate) fn is_metered(&self) -> bool {
        self.is_metered
    }

    /// Calls that somebody made without asking for them here. Where the platform counts, it tells by itself.
    pub(crate) fn charge(&self, calls: u32) {
        if self.calls.is_none() {
            let now = self.now();
            self.lock().schedule.charge(calls, now);
        }
    }

    /// Watches all that there is from the start.
    pub(super) fn begin(&self, app: &App) {
        let has_logs = app.platform.logs.is_some() && !app.config.watch_logs.is_zero();
        let now = self.now();
        let mut state = self.lock();
        let used = state.begin(app.backend.queues.keys(), app.platform.fleet.is_some(), has_logs, now);
        used.for_each(|collector| record::collector_known(collector.as_str()));
    }

    pub(super) fn next(&self, app: &App) -> Next {
        let now = self.now();
        self.lock().next(now, |target, with_row| cost(app, target, with_row))
    }

    pub(super) fn done(&self, reading: Reading, outcome: Outcome, took: Duration, calls: u32) {
        let now = self.now();
        self.lock().done(reading, outcome, took, calls, now);
    }

    /// Has something read at once: it is known to have changed.
    pub(super) fn hurry(&self, target: Target) {
        let now = self.now();
        self.lock().schedule.hurry(target, now);
    }

    /// Has a queue and its dead-letter queue read at once: messages were just moved between them.
    pub(crate) fn moved(&self, role: QueueRole) {
        let now = self.now();
        self.lock().moved(role, now);
    }

    pub(super) fn nudge(&self, jobs: BTreeSet<JobId>) {
        let now = self.now();
        let mut state = self.lock();
        jobs.into_iter().for_each(|job_id| state.schedule.nudge(job_id, now));
    }

    /// Watches these jobs so from now on.
    pub(super) fn watch_jobs(&self, jobs: impl IntoIterator<Item = (JobId, Watching)>) {
        let now = self.now();
        let mut state = self.lock();
        jobs.into_iter().for_each(|(job_id, watching)| state.schedule.watch_job(job_id, watching, now));
    }

    /// The job is gone.
    pub(super) fn forget_job(&self, job_id: JobId) {
        self.lock().forget_job(job_id);
    }

    /// A query took so many read units.
    pub(super) fn queried(&self, units: f64) {
        self.lock().spending.queried(units);
    }

    /// Calls that may be used at once.
    pub(super) fn burst(&self) -> u32 {
        self.burst
    }

    /// Keeps a target's error; true when it failed not already.
    pub(super) fn note_error(&self, target: Target, error: &Error) -> bool {
        let now = self.now();
        self.lock().note_error(target, error.code(), error.to_string(), now)
    }

    /// Whether a collector is without an answer to any of its questions.
    pub(super) fn is_any_unanswered(&self, collector: Collector) -> bool {
        self.lock().is_any_unanswered(collector, self.now())
    }

    /// The next number of an event of this source, in this life.
    pub(super) fn number(&self, source: &str) -> (Uuid, u64) {
        let mut seqs = self.seqs.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = seqs.entry(source.to_owned()).or_default();
        *seq += 1;
        (self.boot, *seq)
    }

    /// Tells how the collectors fare, what was called, and how many jobs there are.
    pub(super) fn report(&self, app: &App) {
        let (now, at) = (self.now(), app.now());
        let mut state = self.lock();
        if let Some(calls) = &self.calls {
            tell_calls(&state.counted(calls.snapshot(), now));
            record::clock_ahead(calls.clock_ahead_secs());
        }
        let report = state.report(now, at);
        drop(state);
        record::polls_deferred(report.deferred);
        let fresh = report.collectors.iter().filter(|one| one.is_fresh);
        fresh.for_each(|one| record::collector_fresh(one.collector.as_str(), SystemTime::now()));
        app.live.with(|world| {
            (world.polling, world.is_held_back, world.outage) = (report.polling, report.is_held_back, report.outage);
            let wrong_clock = self.calls.as_ref().and_then(|calls| calls.wrong_clock());
            if let Some(jumped) = world.note_jump(app.backend.clock.wall_ahead_ms(), at) {
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
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if measured.is_none_or(|(when, took)| now.saturating_sub(when) >= took * 10) {
            let began = Instant::now();
            crate::measure::jobs(app);
            *measured = Some((now, began.elapsed()));
        }
    }

    /// A moment of the schedule as the runtime's.
    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.began + moment
    }

    pub(super) fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, PollState> {
        // A panic under the lock leaves at worst one target out of turn.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_calls(new: &[(String, Counts)]) {
    for (api, counts) in new {
        record::backend_calls(api, CallOutcome::Throttled, counts.throttled);
        record::backend_calls(api, CallOutcome::Failed, counts.failed);
        let answered = counts.attempts.saturating_sub(counts.throttled + counts.failed);
        record::backend_calls(api, CallOutcome::Answered, answered);
    }
}

/// Calls that a reading may take at most.
fn cost(app: &App, target: Target, with_row: bool) -> u32 {
    match target {
        Target::Queue(_) | Target::Active(_) | Target::Newest(_) | Target::All(_) => 1,
        Target::DeadLetters(name) => super::queues::cost(app, name),
        Target::Services => 2,
        Target::Job(job_id) => super::details::cost(app, job_id, with_row),
        Target::Logs => super::logs::COST,
    }
}
