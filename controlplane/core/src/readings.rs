//! Takes in what the collectors read, and how their readings went.

use std::time::Duration;

use stereospot_api::view::{CollectorView, ServiceView};
use stereospot_domain::ErrorCode;
use stereospot_domain::queue::{Peeked, Settings, Stats};
use stereospot_domain::{QueueName, Timestamp};

use super::World;
use super::flow::Flow;
use super::known::{Fault, SeenDead};
use stereospot_domain::Collector;

/// The counts of a queue that can't be read are shown for this long.
const NUMBERS_LAST: Duration = Duration::from_secs(60);

impl World {
    /// Takes in a queue's counts and settings; true when they differ from the last.
    pub fn set_queue(&mut self, name: QueueName, stats: Stats, settings: Settings, at: Timestamp) -> bool {
        self.queue_faults.remove(&name);
        let flow = self.queues.entry(name).or_insert_with(|| Flow::new(name));
        let is_due = flow.stats().is_none_or(|(_, last)| at.as_secs().div_euclid(5) != last.as_secs().div_euclid(5));
        let is_changed = flow.observe(stats, settings, at);
        if is_changed || is_due {
            self.dirty.queues.insert(name);
        }
        is_changed
    }

    /// Takes in that a queue could not be read. If that will last (it is gone, or access is denied) or has lasted, its old counts are
    /// forgotten, so that nothing rests on them. True when there were any.
    pub fn queue_failed(&mut self, name: QueueName, code: ErrorCode, error: &str, at: Timestamp) -> bool {
        let since = self.queue_faults.get(&name).map_or(at, |fault| fault.since);
        let is_missing = code == ErrorCode::NotFound;
        self.queue_faults.insert(name, Fault { error: error.to_owned(), since, is_missing });
        let will_last = matches!(code, ErrorCode::NotFound | ErrorCode::Denied | ErrorCode::Invalid);
        let has_lasted = at.since(since) >= NUMBERS_LAST;
        let is_news = (will_last || has_lasted) && self.queues.get_mut(&name).is_some_and(Flow::forget_numbers);
        if is_news {
            self.dirty.queues.insert(name);
        }
        is_news
    }

    /// Takes in the services, read at this time; true when anything but the time is new.
    pub fn set_services(&mut self, services: Vec<ServiceView>, at: Timestamp) -> bool {
        let timeless = |services: &[ServiceView]| -> Vec<ServiceView> {
            services.iter().map(|one| ServiceView { observed_at: Timestamp(0), ..one.clone() }).collect()
        };
        let is_changed = timeless(&services) != timeless(&self.services);
        self.without_tasks.retain(|name, _| services.iter().any(|one| one.name == *name && one.running == 0));
        for service in services.iter().filter(|service| service.running == 0) {
            self.without_tasks.entry(service.name.clone()).or_insert(at);
        }
        self.services = services;
        self.dirty.services = true;
        is_changed
    }

    /// Takes in the messages on a dead-letter queue; true when they are not the same as before.
    pub fn set_dead(&mut self, name: QueueName, messages: &[Peeked], at: Timestamp) -> bool {
        let before = self.dead.remove(&name).unwrap_or_default();
        let mut seen: Vec<SeenDead> = messages
            .iter()
            .map(|message| {
                let seen_before = || before.iter().find(|seen| seen.message_id == message.id);
                let first_seen = || seen_before().map_or(at, |seen| seen.since);
                SeenDead::new(name, message, message.dead_lettered_at.unwrap_or_else(first_seen))
            })
            .collect();
        // A look leases the messages for a moment. Messages that others hold, or that could not be released, are counted but not
        // seen: keep the earlier ones up to that number.
        let counted = self.queues.get(&name).and_then(Flow::stats).map_or(0, |(stats, _)| super::flow::total(stats));
        let unseen = usize::try_from(counted).unwrap_or(usize::MAX).saturating_sub(seen.len());
        let is_gone = |one: &&SeenDead| !messages.iter().any(|message| message.id == one.message_id);
        let kept: Vec<SeenDead> = before.iter().filter(is_gone).take(unseen).cloned().collect();
        seen.extend(kept);
        let is_changed = seen != before;
        if is_changed {
            let concerned = before.iter().chain(&seen).filter_map(|seen| Some(seen.about?.0));
            self.dirty.jobs.extend(concerned);
        }
        self.dead.insert(name, seen);
        is_changed
    }

    /// Takes in how a collector's run went.
    pub fn collector_ran(&mut self, name: Collector, interval: Duration, error: Option<String>, at: Timestamp) {
        let view = self.collectors.entry(name).or_insert_with(|| CollectorView {
            name,
            last_success_at: None,
            error: None,
            lacks: None,
            interval_secs: interval.as_secs_f32(),
        });
        let interval_secs = interval.as_secs_f32();
        if error.is_none() {
            view.last_success_at = Some(at);
            view.interval_secs = interval_secs;
        } else {
            // Running less often, because there is nothing to read, does not make its last success any younger.
            view.interval_secs = view.interval_secs.min(interval_secs);
        }
        self.first_ran.entry(name).or_insert(at);
        view.error = error;
        self.dirty.collectors.insert(name);
    }

    /// Takes in what a collector could not read, and why, while the rest succeeded.
    pub fn collector_lacks(&mut self, name: Collector, lacks: Option<String>, now: Timestamp) {
        let Some(view) = self.collectors.get_mut(&name) else { return };
        view.lacks = lacks;
        if view.error.is_none() && view.lacks.is_none() {
            self.lacking_since.remove(&name);
        } else {
            self.lacking_since.entry(name).or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests;
