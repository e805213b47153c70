//! Lines about what can't be read, and what else makes the screens doubtful.

use std::time::Duration;

use stereospot_api::view::{Attention, CollectorView};
use stereospot_domain::attention::{Step, Subject, Wait};
use stereospot_domain::diagnosis::Severity;
use stereospot_domain::text::age;
use stereospot_domain::{Collector, Timestamp};

use crate::World;
use crate::world::{Outage, Polling};

/// A collector that missed so many runs is down.
const MISSED_RUNS: f32 = 3.0;
/// A silence of this length is an outage, not a passing fault.
const OUTAGE_AFTER: Duration = Duration::from_secs(10);
/// The same for one collector, whose next try may come a little later.
pub(super) const FAILS_FOR: Duration = Duration::from_secs(12);

impl World {
    /// Takes in how far the wall clock is ahead of the time that all here goes by; says so when it has just jumped.
    pub fn note_jump(&mut self, ahead_ms: i64, now: Timestamp) -> Option<String> {
        let before = self.clock_jump.map_or(0, |(_, before)| before);
        if (ahead_ms - before).abs() < SMALL_STEP_MS {
            return None;
        }
        self.clock_jump = (ahead_ms.abs() >= SMALL_STEP_MS).then_some((now, ahead_ms));
        Some(jump(ahead_ms))
    }

    /// Lines about the sources of what is shown.
    pub(super) fn source_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        let outage = self.outage.as_ref().filter(|outage| !outage.may_pass || now.since(outage.since) >= OUTAGE_AFTER);
        if let Some(outage) = outage {
            list.push(outage_line(outage));
        } else {
            self.queue_lines(list);
            self.polling_line(list);
        }
        self.collector_lines(now, outage, list);
        list.extend(self.clock_jump.map(|(since, ahead_ms)| jump_line(since, ahead_ms)));
        list.extend(self.wrong_clock.iter().map(|(since, words)| clock_line(*since, words)));
    }

    /// One line for each queue that can't be read. When all exist and none can be read, the collector's line says it.
    fn queue_lines(&self, list: &mut Vec<Attention>) {
        let all_fail = self.queue_faults.len() >= self.queues.len();
        for (name, fault) in self.queue_faults.iter().filter(|(_, fault)| fault.is_missing || !all_fail) {
            // Without a queue of the pipeline nothing goes on.
            let is_grave = fault.is_missing && name.role.is_in_pipeline();
            let next = match fault.is_missing {
                true => Step::Provision { queue: *name, is_provisioned: self.is_provisioned },
                false => Step::Wait { until: Wait::QueueRead },
            };
            list.push(Attention::new(
                Subject::Queue { queue: *name },
                if is_grave { Severity::Critical } else { Severity::Warning },
                fault.since,
                (format!("queue {name} not read"), fault.error.clone()),
                vec![next],
            ));
        }
    }

    fn polling_line(&self, list: &mut Vec<Attention>) {
        let Some(polling) = self.polling else { return };
        let Polling { budget, waiting, most_overdue, since } = polling;
        let late = age(most_overdue);
        let evidence = format!("{budget} calls a minute: {waiting} readings wait, the most overdue is {late} late");
        let said = ("polling is at its budget".to_owned(), evidence);
        list.push(Attention::new(Subject::Polling, Severity::Warning, since, said, vec![Step::RaiseBudget]));
    }

    /// The collectors that fail, and why.
    pub fn not_read(&self, now: Timestamp) -> Vec<(Collector, String)> {
        let collectors = self.collectors.iter().filter(|(name, _)| **name != Collector::OwnDatabase);
        collectors.filter_map(|(name, view)| Some((*name, self.lack(*name, view, now)?.1))).collect()
    }

    fn collector_lines(&self, now: Timestamp, outage: Option<&Outage>, list: &mut Vec<Attention>) {
        let is_partial = outage.is_some_and(|outage| outage.others_answer);
        let fails = |name: Collector| self.collectors.get(&name).is_some_and(|view| view.error.is_some());
        for (name, view) in &self.collectors {
            let is_own = *name == Collector::OwnDatabase;
            // Another line says the same.
            let is_said = match *name {
                _ if is_own => false,
                Collector::Services | Collector::Logs if is_partial => false,
                _ if outage.is_some() => true,
                Collector::DeadLetters => fails(Collector::Queues),
                Collector::SettledJobs | Collector::JobDetails => fails(Collector::Jobs),
                _ => false,
            };
            let has_lasted = self.lacking_since.get(name).is_none_or(|since| now.since(*since) >= patience(view));
            let Some((since, lacks)) = self.lack(*name, view, now).filter(|_| has_lasted && !is_said) else { continue };
            let (title, severity, until) = match view.lacks {
                _ if is_own => (format!("{name} not written"), Severity::Critical, Wait::DatabaseWritten),
                None => {
                    let is_grave = matches!(*name, Collector::Queues | Collector::Jobs);
                    let severity = if is_grave { Severity::Critical } else { Severity::Warning };
                    (format!("{name} not read"), severity, Wait::AllRead)
                }
                Some(_) => (format!("{name} partly not read"), Severity::Warning, Wait::SomeRead),
            };
            let about = Subject::Collector { name: *name };
            list.push(Attention::new(about, severity, since, (title, lacks), vec![Step::Wait { until }]));
        }
    }

    /// What a collector can't read, and since when; none while all is well.
    fn lack(&self, name: Collector, view: &CollectorView, now: Timestamp) -> Option<(Timestamp, String)> {
        if let Some(lacks) = &view.lacks {
            // Queues have lines of their own.
            let since = self.lacking_since.get(&name).filter(|_| name != Collector::Queues)?;
            return Some((*since, lacks.clone()));
        }
        let last = down_since(view, now)?;
        if view.error.is_none() && self.is_held_back {
            // It waits for its share of the budget.
            return None;
        }
        let first = self.first_ran.get(&name).copied().unwrap_or_default();
        Some((last.max(first), view.error.clone().unwrap_or_else(|| "no answer".into())))
    }
}

/// The one line that makes all others doubtful.
fn outage_line(outage: &Outage) -> Attention {
    let (title, next) = match (outage.others_answer, outage.of_aws) {
        (true, _) => ("queues, jobs not read", vec![Step::Wait { until: Wait::AllRead }]),
        (false, true) => ("AWS can't be asked", vec![Step::Wait { until: Wait::BackendAnswers }, Step::Doctor]),
        (false, false) => ("nothing can be read", vec![Step::Wait { until: Wait::BackendAnswers }]),
    };
    Attention::new(Subject::Backend, Severity::Critical, outage.since, (title.into(), outage.error.clone()), next)
}

/// A time service may set the clock by so much without harm.
const SMALL_STEP_MS: i64 = 5_000;

fn jump(ahead_ms: i64) -> String {
    let by = age(Duration::from_millis(ahead_ms.unsigned_abs()));
    match ahead_ms.signum() {
        _ if ahead_ms.abs() < SMALL_STEP_MS => "this machine's clock is again as it was before it was set".to_owned(),
        -1 => format!("this machine's clock was set back by {by}"),
        _ => format!("this machine's clock was set forward by {by}"),
    }
}

fn jump_line(since: Timestamp, ahead_ms: i64) -> Attention {
    let said = ("clock was set".to_owned(), jump(ahead_ms));
    Attention::new(Subject::Clock, Severity::Warning, since, said, vec![Step::RestartAll])
}

/// Calls and times follow AWS's clock, so they are right. What other programs on this machine write may not be.
fn clock_line(since: Timestamp, words: &str) -> Attention {
    let said = ("clock is wrong".to_owned(), words.to_owned());
    Attention::new(Subject::Clock, Severity::Warning, since, said, vec![Step::SetClock])
}

/// Since when a collector is down; none while it is up.
pub fn down_since(view: &CollectorView, now: Timestamp) -> Option<Timestamp> {
    let last = view.last_success_at.unwrap_or_default();
    (now.since(last) > patience(view)).then_some(last)
}

/// How old a collector's values may be before it counts as down.
fn patience(view: &CollectorView) -> Duration {
    let patience = Duration::from_secs_f32((view.interval_secs * MISSED_RUNS).max(5.0));
    // The reason is known: no need to wait longer.
    if view.error.is_some() || view.lacks.is_some() { patience.min(FAILS_FOR) } else { patience }
}
