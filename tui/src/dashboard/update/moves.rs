//! Moving within a screen: rows, pages, panes, queues.

use stereospot_domain::{QueueName, QueueRole};

use super::command::enter;
use crate::dashboard::place::Place;
use crate::dashboard::state::{PulseItem, State};
use crate::dashboard::triage::Pane;

pub(super) fn next_pane(state: &mut State) {
    match state.place {
        Place::DeadLetters(_) => {
            state.triage.pane = if state.triage.pane == Pane::Groups { Pane::Messages } else { Pane::Groups };
        }
        Place::Job(_) => {
            if let Some(detail) = &mut state.detail {
                detail.pane = detail.pane.next();
                detail.scroll = 0;
            }
        }
        Place::Pulse => {
            // The first item of the next section.
            let items = state.pulse_items();
            let section = |item: &PulseItem| std::mem::discriminant(item);
            if let Some(here) = state.pulse_item() {
                let after = items.iter().position(|item| *item == here).unwrap_or(0);
                let next = (after..items.len()).find(|at| section(&items[*at]) != section(&here)).unwrap_or(0);
                state.pulse.select(next, items[next].clone());
            }
        }
        Place::Workers => {
            // The first worker, or back to the services.
            let (services, items) = (state.model.services.len(), state.fleet_items());
            let next = if state.fleet_index().is_some_and(|at| at < services) { services } else { 0 };
            if let Some(item) = items.get(next) {
                state.fleet.select(next, item.clone());
            }
        }
        _ => {}
    }
}

pub(super) fn page(state: &State) -> isize {
    match state.place {
        Place::Pulse => state.pulse.page(),
        Place::Queues => state.queue.page(),
        Place::Jobs { .. } => state.job.page(),
        Place::Workers => state.fleet.page(),
        Place::Logs(_) => state.open_logs().map_or(10, |logs| logs.cursor.page()),
        Place::Events { .. } => state.model.log.cursor.page(),
        Place::DeadLetters(_) | Place::Job(_) | Place::Deployment => 10,
    }
}

pub(super) fn step(state: &mut State, rows: isize, columns: isize) {
    match state.place {
        Place::Pulse => {
            let items = state.pulse_items();
            state.pulse.step(rows, items.len(), |at| items[at].clone());
        }
        Place::Queues => {
            let queues = &state.model.queues;
            state.queue.step(rows, queues.len(), |at| queues[at].name);
        }
        Place::DeadLetters(_) => state.triage.step(rows),
        Place::Jobs { .. } => {
            let jobs = &state.model.jobs;
            state.job.step(rows, jobs.shown_len(), |at| jobs.shown(at).id);
        }
        Place::Job(_) => {
            if let Some(detail) = &mut state.detail {
                detail.step(rows, columns);
            }
        }
        Place::Workers => {
            let items = state.fleet_items();
            state.fleet.step(rows, items.len(), |at| items[at].clone());
        }
        Place::Logs(_) => {
            if let Some(logs) = state.open_logs_mut() {
                logs.step(rows);
            }
        }
        Place::Events { .. } => state.model.log.step(rows),
        Place::Deployment => state.deployment.step(rows),
    }
}

pub(super) fn sideways(state: &mut State, by: isize) {
    match state.place {
        Place::DeadLetters(queue) => {
            let is_there = |role: &QueueRole| {
                QueueRole::PIPELINE.contains(role) || state.model.queue(QueueName::dead_letter(*role)).is_some()
            };
            let roles: Vec<QueueRole> = QueueRole::ALL.iter().copied().filter(is_there).collect();
            let at = roles.iter().position(|role| *role == queue.role).unwrap_or(0);
            let next = roles[(at as isize + by).rem_euclid(roles.len() as isize) as usize];
            // Looking through the queues is one visit, not a history of its own.
            enter(state, Place::DeadLetters(QueueName::dead_letter(next)));
        }
        _ => step(state, 0, by),
    }
}
