//! What can't be read, and what else makes all that is shown doubtful.

use std::time::Duration;

use stereospot_api::view::{Attention, CollectorView};
use stereospot_domain::diagnosis::Severity;
use stereospot_domain::text::age;
use stereospot_domain::{QueueRole, Timestamp};

use crate::World;
use crate::watch::collector::Collector;
use crate::world::Polling;

/// A collector that missed so many runs is down.
const MISSED_RUNS: f32 = 3.0;
/// Nobody answers for so long: that is no longer a moment's fault.
const OUTAGE_AFTER: Duration = Duration::from_secs(10);
/// As above of one collector, whose next try may come a little later.
pub(super) const FAILS_FOR: Duration = Duration::from_secs(12);

/// Neither queues nor rows can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When one of them last answered.
    pub since: Timestamp,
    /// Why.
    pub error: String,
    /// It is AWS that doesn't, not this machine's disk.
    pub of_aws: bool,
    /// Somebody else does answer: what else there is can be asked.
    pub others_answer: bool,
}

impl World {
    /// Lines about the sources of what is shown.
    pub(super) fn source_lines(&self, now: Timestamp, list: &mut Vec<Attention>) {
        let outage = self.outage.as_ref().filter(|outage| now.since(outage.since) >= OUTAGE_AFTER);
        if let Some(outage) = outage {
            list.push(outage_line(outage));
        } else {
            self.queue_lines(list);
            self.polling_line(list);
        }
        self.collector_lines(now, outage, list);
        list.extend(self.wrong_clock.iter().map(|(since, words)| clock_line(*since, words)));
    }

    /// Queues that can't be read, each by itself. When none can, and all are there, the collector's own line says it.
    fn queue_lines(&self, list: &mut Vec<Attention>) {
        let all_fail = self.queue_faults.len() >= self.queues.len();
        for (name, fault) in self.queue_faults.iter().filter(|(_, fault)| fault.is_missing || !all_fail) {
            // Without a queue of the pipeline nothing goes on.
            let is_grave = fault.is_missing && QueueRole::PIPELINE.contains(&name.role);
            list.push(Attention {
                id: format!("queue/{name}"),
                severity: if is_grave { Severity::Critical } else { Severity::Warning },
                subject: format!("queue {name} not read"),
                evidence: fault.error.clone(),
                since: fault.since,
                next: match fault.is_missing {
                    true => "stereospot provision makes it again; a wrong name or region: correct the environment file",
                    false => "its numbers are unknown; the others go on",
                }
                .into(),
                command: None,
                job_id: None,
                queue: Some(*name),
                code: "collector-down".into(),
            });
        }
    }

    fn polling_line(&self, list: &mut Vec<Attention>) {
        let Some(polling) = self.polling else { return };
        let Polling { budget, waiting, latest, since } = polling;
        list.push(Attention {
            id: "collector/budget".into(),
            severity: Severity::Warning,
            subject: "polling is at its budget".into(),
            evidence: format!("{budget} calls a minute: {waiting} readings wait, the latest is {} late", age(latest)),
            since,
            next: "what is shown is older; --poll-budget allows more".into(),
            command: None,
            job_id: None,
            queue: None,
            code: "collector-down".into(),
        });
    }

    /// What is not read, and why; empty while all is well.
    pub fn not_read(&self, now: Timestamp) -> Vec<(Collector, String)> {
        let collectors = self.collectors.iter().filter(|(name, _)| **name != Collector::OwnDatabase);
        collectors.filter_map(|(name, view)| Some((*name, self.lack(*name, view, now)?.1))).collect()
    }

    fn collector_lines(&self, now: Timestamp, outage: Option<&Outage>, list: &mut Vec<Attention>) {
        let is_partial = outage.is_some_and(|outage| outage.others_answer);
        let fails = |name: Collector| self.collectors.get(&name).is_some_and(|view| view.error.is_some());
        for (name, view) in &self.collectors {
            let is_own = *name == Collector::OwnDatabase;
            // What says the same as another line.
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
            let (subject, severity, next) = match view.lacks {
                _ if is_own => {
                    let next = "events wait with their senders: what workers do is not known, and no plan can be made";
                    (format!("{name} not written"), Severity::Critical, next)
                }
                None => {
                    let is_grave = matches!(*name, Collector::Queues | Collector::Jobs);
                    let severity = if is_grave { Severity::Critical } else { Severity::Warning };
                    (
                        format!("{name} not read"),
                        severity,
                        "what is shown of it is old; writes that rest on it are refused",
                    )
                }
                Some(_) => (format!("{name} partly not read"), Severity::Warning, "what is shown of it may be old"),
            };
            list.push(Attention {
                id: format!("collector/{name}"),
                severity,
                subject,
                evidence: lacks,
                since,
                next: next.into(),
                command: None,
                job_id: None,
                queue: None,
                code: "collector-down".into(),
            });
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
            // It waits for its turn.
            return None;
        }
        let first = self.first_ran.get(&name).copied().unwrap_or_default();
        Some((last.max(first), view.error.clone().unwrap_or_else(|| "no answer".into())))
    }
}

/// The one line that makes all others doubtful.
fn outage_line(outage: &Outage) -> Attention {
    let (subject, next) = match (outage.others_answer, outage.of_aws) {
        (true, _) => ("queues, jobs not read", "what is shown of them is old; writes that rest on it are refused"),
        (false, true) => (
            "AWS can't be asked",
            "nothing newer is known until that is mended; it goes on by itself (stereospot doctor checks all of it)",
        ),
        (false, false) => ("nothing can be read", "nothing newer is known until that is mended; it goes on by itself"),
    };
    Attention {
        id: "backend/silent".into(),
        severity: Severity::Critical,
        subject: subject.into(),
        evidence: outage.error.clone(),
        since: outage.since,
        next: next.into(),
        command: None,
        job_id: None,
        queue: None,
        code: "collector-down".into(),
    }
}

/// Calls go on, since their makers go by the answers' dates; what is counted from this machine's time is wrong.
fn clock_line(since: Timestamp, words: &str) -> Attention {
    Attention {
        id: "backend/clock".into(),
        severity: Severity::Warning,
        subject: "clock is wrong".into(),
        evidence: words.to_owned(),
        since,
        next: "ages and times are off by as much until it is set".into(),
        command: None,
        job_id: None,
        queue: None,
        code: "clock-wrong".into(),
    }
}

/// Since when a collector is down; none while it is up.
pub fn down_since(view: &CollectorView, now: Timestamp) -> Option<Timestamp> {
    let last = view.last_success_at.unwrap_or_default();
    (now.since(last) > patience(view)).then_some(last)
}

/// How long a collector's values may be old, or not be read, before that counts.
fn patience(view: &CollectorView) -> Duration {
    let patience = Duration::from_secs_f32((view.interval_secs * MISSED_RUNS).max(5.0));
    // Why is known: there is nothing to wait for.
    if view.error.is_some() || view.lacks.is_some() { patience.min(FAILS_FOR) } else { patience }
}
