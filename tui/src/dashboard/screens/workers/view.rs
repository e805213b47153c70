//! The tables of services and workers.

use ratatui::style::Style;
use stereospot_api::view::{ServiceView, WorkerState, WorkerView};
use stereospot_domain::{Collector, JobId};

use super::{SERVICES, WORKERS, Workers};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::dashboard::view::table::{self, Cell, Column, column, number, stretching};
use crate::dashboard::view::value;
use crate::text;

const WORKER_COLUMNS: &[Column<WorkerView>] = &[
    column(" ", 1, 0, |state, worker, _| {
        let (glyph, _, style) = state_of(state, worker);
        Cell::new(glyph, style)
    }),
    stretching("WORKER", 14, 36, 0, |state, worker, _| Cell::new(worker.name.clone(), state.theme.text)),
    column("STAGE", 10, 4, |state, worker, _| {
        Cell::new(worker.stage.map_or("all", |stage| stage.as_str()), state.theme.dim)
    }),
    column("STATE", 8, 1, |state, worker, _| {
        let (_, word, style) = state_of(state, worker);
        Cell::new(word, style)
    }),
    column("JOB", 8, 3, |state, worker, _| value::live(state, worker.job_id.map(JobId::short), state.theme.accent)),
    number("SEG", 5, 5, |state, worker, _| {
        value::live(state, worker.segment_index.map(|index| index.to_string()), state.theme.text)
    }),
    number("FRAMES/S", 8, 6, |state, worker, _| {
        // An idle worker still reports the speed of its last segment.
        let speed = worker.frames_per_second.filter(|_| worker.state == WorkerState::Busy);
        value::live(state, speed.map(text::rate), state.theme.text)
    }),
    number("SEEN", 6, 2, |state, worker, _| {
        let is_silent = worker.state == WorkerState::Silent;
        let style = if is_silent { state.theme.warn } else { state.theme.dim };
        value::since(state, Some(worker.last_seen_at), style)
    }),
    number("DONE", 6, 7, |state, worker, _| Cell::new(text::count(worker.done), state.theme.text)),
    number("FAILED", 6, 8, |state, worker, _| unwanted(state, worker.failed)),
    number("SPOOLED", 7, 10, |state, worker, _| unwanted(state, worker.spooled)),
    number("LOST", 5, 11, |state, worker, _| unwanted(state, worker.events_lost)),
    column("PROVIDER", 9, 9, |state, worker, _| value::live(state, worker.provider.clone(), state.theme.dim)),
    column("VERSION", 9, 12, |state, worker, _| value::live(state, worker.version.clone(), state.theme.dim)),
];

const SERVICE_COLUMNS: &[Column<ServiceView>] = &[
    column(" ", 1, 0, |state, service, _| {
        let (glyph, style) = running_of(state, service);
        Cell::new(glyph, aged(state, service, style))
    }),
    stretching("SERVICE", 14, 36, 0, |state, service, _| Cell::new(service.name.clone(), state.theme.text)),
    number("DESIRED", 7, 1, |state, service, _| {
        Cell::new(service.desired.to_string(), aged(state, service, state.theme.text))
    }),
    number("RUNNING", 7, 0, |state, service, _| {
        let (_, style) = running_of(state, service);
        Cell::new(service.running.to_string(), aged(state, service, style))
    }),
    number("PENDING", 7, 3, |state, service, _| {
        let style = if service.pending > 0 { state.theme.accent } else { state.theme.dim };
        Cell::new(service.pending.to_string(), aged(state, service, style))
    }),
    column("SCALING", 15, 4, |state, service, _| match (service.min, service.max) {
        (Some(min), Some(max)) => {
            let suspended = if service.is_scaling_suspended { " suspended" } else { "" };
            Cell::new(format!("{min}-{max}{suspended}"), aged(state, service, state.theme.dim))
        }
        _ => value::missing(state),
    }),
    number("AGE", 5, 5, |state, service, _| {
        let read_at = state.model.read_at(service.observed_at, Collector::Services);
        value::since(state, Some(read_at), aged(state, service, state.theme.dim))
    }),
    stretching("NOTE", 12, 200, 2, |state, service, _| {
        Cell::new(service.note.clone().unwrap_or_default(), aged(state, service, state.theme.warn))
    }),
];

pub(super) fn draw(screen: &Workers, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let services = state.model.services.len();
    let mut y = 0;
    if services > 0 {
        // Workers keep at least half of the rows.
        let rows = (services as u16 + 2).min(height.div_ceil(2).max(3));
        services_table(screen, state, &mut canvas.part(0, 0, width, rows));
        y = rows + u16::from(height >= rows + 8);
    }
    let mut rest = canvas.part(0, y, width, height.saturating_sub(y));
    let workers: Vec<&WorkerView> = state.model.workers.values().collect();
    let busy = workers.iter().filter(|worker| worker.state == WorkerState::Busy).count();
    rest.heading(0, &format!("WORKERS ({}, {busy} busy)", workers.len()), theme.title, theme.faint);
    if workers.is_empty() {
        let words = match (&state.model.environment, services) {
            (None, _) => "not connected yet",
            (Some(_), 0) => "none was heard of in the last hour",
            (Some(_), _) => "none sends events here: the services' own workers are seen by what they do",
        };
        rest.text(1, 1, words, theme.dim);
        return;
    }
    let selected = screen.index(&state.model).and_then(|at| at.checked_sub(services));
    let seen = usize::from(rest.height().saturating_sub(2));
    let top = match selected {
        Some(at) => screen.cursor.window(at, workers.len(), seen),
        None => 0,
    };
    let rows = table::Rows { section: WORKERS, count: workers.len(), selected, top };
    let (width, height) = (rest.width(), rest.height());
    let mut part = rest.part(0, 1, width, height.saturating_sub(1));
    table::draw(state, &mut part, WORKER_COLUMNS, &rows, |at| workers[at]);
}

fn services_table(screen: &Workers, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let services = &state.model.services;
    let running: u32 = services.iter().map(|service| service.running).sum();
    canvas.heading(0, &format!("SERVICES ({}, {running} tasks running)", services.len()), theme.title, theme.faint);
    let selected = screen.index(&state.model).filter(|at| *at < services.len());
    let seen = usize::from(canvas.height().saturating_sub(2)).max(1);
    let top = selected.map_or(0, |at| (at + 1).saturating_sub(seen));
    let rows = table::Rows { section: SERVICES, count: services.len(), selected, top };
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, 1, width, height.saturating_sub(1));
    table::draw(state, &mut part, SERVICE_COLUMNS, &rows, |at| &services[at]);
}

fn aged(state: &State, service: &ServiceView, style: Style) -> Style {
    let is_old = state.model.is_old(service.observed_at, Collector::Services, state.now);
    state.theme.aged(style, is_old)
}

/// Glyph and style: whether all desired tasks run.
fn running_of(state: &State, service: &ServiceView) -> (&'static str, Style) {
    let is_idle = service.desired == 0 && service.running == 0;
    match (service.running < service.desired, is_idle) {
        (true, _) => ("▲", state.theme.warn),
        (false, true) => ("○", state.theme.dim),
        (false, false) => ("▶", state.theme.good),
    }
}

/// A worker's state: glyph, word and style.
fn state_of(state: &State, worker: &WorkerView) -> (&'static str, &'static str, Style) {
    let theme = &state.theme;
    let (glyph, word, style) = match worker.state {
        WorkerState::Idle => ("○", "idle", theme.dim),
        WorkerState::Busy => ("▶", "busy", theme.accent),
        WorkerState::Draining => ("▽", "draining", theme.warn),
        WorkerState::Stopped => ("-", "stopped", theme.faint),
        WorkerState::Silent => ("▲", "silent", theme.warn),
    };
    (glyph, word, theme.aged(style, state.is_stale()))
}

/// A number that should be 0.
fn unwanted(state: &State, count: u64) -> Cell {
    Cell::new(count.to_string(), if count > 0 { state.theme.warn } else { state.theme.dim })
}
