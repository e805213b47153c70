//! From one thing that is wrong to the next, on every screen.

use stereospot_api::view::{QueueView, SegmentState, SegmentView, ServiceView, WorkerState};
use stereospot_domain::{QueueName, QueueRole};

use super::command::enter;
use crate::dashboard::detail;
use crate::dashboard::place::Place;
use crate::dashboard::state::{FleetItem, PulseItem, State};

/// Puts the cursor on the next one in the direction of `by`, or says that there is none.
pub(super) fn to_error(state: &mut State, by: isize) {
    let found = match state.place {
        Place::Pulse => in_pulse(state, by),
        Place::Queues => in_queues(state, by),
        Place::DeadLetters(queue) => in_dead_letters(state, queue, by),
        Place::Jobs { .. } => in_jobs(state, by),
        Place::Job(_) => in_job(state, by),
        Place::Logs(_) => in_logs(state, by),
        Place::Workers => in_fleet(state, by),
        Place::Events { .. } => state.model.log.seek_error(by),
        Place::Deployment => false,
    };
    if !found {
        state.say("nothing further is wrong in this direction", false);
    }
}

/// The next place after `from`, or before it, that `is` one.
fn next(from: Option<usize>, len: usize, by: isize, is: impl Fn(usize) -> bool) -> Option<usize> {
    let from = from?;
    if by > 0 { (from + 1..len).find(|at| is(*at)) } else { (0..from.min(len)).rev().find(|at| is(*at)) }
}

fn has_letters(queue: &QueueView) -> bool {
    queue.name.is_dead_letter && queue.ready.is_some_and(|ready| ready.value > 0)
}

fn in_pulse(state: &mut State, by: isize) -> bool {
    let items = state.pulse_items();
    let is_wrong = |at: usize| match &items[at] {
        PulseItem::Attention(_) => true,
        PulseItem::Stage(stage) => state.model.stage(*stage).1.is_some_and(has_letters),
        PulseItem::Job(id) => state.model.jobs.get(*id).is_some_and(|row| row.severity().is_some()),
    };
    let from = state.pulse.index(items.len(), |at| items[at].clone());
    let found = next(from, items.len(), by, is_wrong);
    if let Some(at) = found {
        state.pulse.select(at, items[at].clone());
    }
    found.is_some()
}

fn in_queues(state: &mut State, by: isize) -> bool {
    let queues = &state.model.queues;
    let stands = |queue: &QueueView| {
        queue.ready.is_some_and(|ready| ready.value > 0) && queue.out_per_minute.is_some_and(|rate| rate <= 0.0)
    };
    let is_wrong = |at: usize| has_letters(&queues[at]) || stands(&queues[at]);
    let found = next(state.queue_index(), queues.len(), by, is_wrong);
    if let Some(at) = found {
        let name = queues[at].name;
        state.queue.select(at, name);
    }
    found.is_some()
}

fn in_dead_letters(state: &mut State, queue: QueueName, by: isize) -> bool {
    let name = |at: usize| QueueName::dead_letter(QueueRole::ALL[at]);
    let from = QueueRole::ALL.iter().position(|role| *role == queue.role);
    let found = next(from, QueueRole::ALL.len(), by, |at| state.model.queue(name(at)).is_some_and(has_letters));
    if let Some(at) = found {
        enter(state, Place::DeadLetters(name(at)));
    }
    found.is_some()
}

fn in_jobs(state: &mut State, by: isize) -> bool {
    let jobs = &state.model.jobs;
    let found = next(state.job_index(), jobs.shown_len(), by, |at| jobs.shown(at).severity().is_some());
    if let Some(at) = found {
        let id = jobs.shown(at).id;
        state.job.select(at, id);
    }
    found.is_some()
}

fn in_job(state: &mut State, by: isize) -> bool {
    let Some(detail) = &mut state.detail else { return false };
    let segments = detail.data.as_ref().map(|data| data.segments.as_slice()).unwrap_or_default();
    let is_wrong = |segment: &SegmentView| {
        matches!(segment.state, SegmentState::Missing | SegmentState::DeadLettered) || segment.error.is_some()
    };
    let found = next(Some(detail.segment as usize), segments.len(), by, |at| is_wrong(&segments[at]));
    if let Some(at) = found {
        (detail.segment, detail.pane) = (at as u32, detail::Pane::Segments);
    }
    found.is_some()
}

fn in_logs(state: &mut State, by: isize) -> bool {
    let Some(logs) = state.open_logs_mut() else { return false };
    let found = next(logs.index(), logs.shown_len(), by, |at| logs.shown(at).is_bad());
    if let Some(at) = found {
        logs.select(at);
    }
    found.is_some()
}

fn in_fleet(state: &mut State, by: isize) -> bool {
    let items = state.fleet_items();
    let is_short = |service: &ServiceView| service.running < service.desired || service.note.is_some();
    let is_wrong = |at: usize| match &items[at] {
        FleetItem::Service(_) => is_short(&state.model.services[at]),
        FleetItem::Worker(name) => {
            state.model.workers.get(name).is_some_and(|worker| worker.state == WorkerState::Silent || worker.failed > 0)
        }
    };
    let found = next(state.fleet_index(), items.len(), by, is_wrong);
    if let Some(at) = found {
        state.fleet.select(at, items[at].clone());
    }
    found.is_some()
}
