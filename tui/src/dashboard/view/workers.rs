//! The platform's services where there are some, then every worker, one line each.

use ratatui::style::Style;
use stereospot_api::view::{ServiceView, WorkerState, WorkerView};
use stereospot_domain::JobId;

use super::table::{self, Cell, Column, column, number, stretching};
use super::value;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::mouse::List;
use crate::dashboard::state::State;
use crate::text;

/// The collector that reads services.
const SERVICES_COLLECTOR: &str = "services";

const COLUMNS: [Column; 14] = [
    column(" ", 1, 0),
    stretching("WORKER", 14, 36, 0),
    column("STAGE", 10, 4),
    column("STATE", 8, 1),
    column("JOB", 8, 3),
    number("SEG", 5, 5),
    number("FRAMES/S", 8, 6),
    number("SEEN", 6, 2),
    number("DONE", 6, 7),
    number("FAILED", 6, 8),
    number("SPOOLED", 7, 10),
    number("LOST", 5, 11),
    column("PROVIDER", 9, 9),
    column("VERSION", 9, 12),
];

const SERVICES: [Column; 8] = [
    column(" ", 1, 0),
    stretching("SERVICE", 14, 36, 0),
    number("DESIRED", 7, 1),
    number("RUNNING", 7, 0),
    number("PENDING", 7, 3),
    column("SCALING", 15, 4),
    number("AGE", 5, 5),
    stretching("NOTE", 12, 200, 2),
];

/// Draws the screen.
pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let services = state.model.services.len();
    let mut y = 0;
    if services > 0 {
        // Workers keep at least half.
        let rows = (services as u16 + 2).min(height.div_ceil(2).max(3));
        services_table(state, &mut canvas.part(0, 0, width, rows));
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
    let selected = state.fleet_index().and_then(|at| at.checked_sub(services));
    let seen = usize::from(rest.height().saturating_sub(2));
    let top = match selected {
        Some(at) => state.fleet.window(at, workers.len(), seen),
        None => 0,
    };
    let rows = table::Rows { count: workers.len(), selected, top };
    let (width, height) = (rest.width(), rest.height());
    let mut part = rest.part(0, 1, width, height.saturating_sub(1));
    state.hits.rows(&part, 1, List::Workers, (rows.top, rows.count));
    table::draw(&mut part, theme, &COLUMNS, &rows, |at| cells(state, workers[at]));
}

fn services_table(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let services = &state.model.services;
    let running: u32 = services.iter().map(|service| service.running).sum();
    canvas.heading(0, &format!("SERVICES ({}, {running} tasks running)", services.len()), theme.title, theme.faint);
    let selected = state.fleet_index().filter(|at| *at < services.len());
    let seen = usize::from(canvas.height().saturating_sub(2)).max(1);
    let top = selected.map_or(0, |at| (at + 1).saturating_sub(seen));
    let rows = table::Rows { count: services.len(), selected, top };
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, 1, width, height.saturating_sub(1));
    state.hits.rows(&part, 1, List::Services, (rows.top, rows.count));
    table::draw(&mut part, theme, &SERVICES, &rows, |at| service_cells(state, &services[at]));
}

fn service_cells(state: &State, service: &ServiceView) -> Vec<Cell> {
    let theme = &state.theme;
    let aged = |style| theme.aged(style, state.model.is_old(service.observed_at, SERVICES_COLLECTOR, state.now));
    let is_idle = service.desired == 0 && service.running == 0;
    let (glyph, style) = match (service.running < service.desired, is_idle) {
        (true, _) => ("▲", theme.warn),
        (false, true) => ("○", theme.dim),
        (false, false) => ("▶", theme.good),
    };
    let scaling = match (service.min, service.max) {
        (Some(min), Some(max)) => {
            let suspended = if service.is_scaling_suspended { " suspended" } else { "" };
            Cell::new(format!("{min}-{max}{suspended}"), aged(theme.dim))
        }
        _ => value::missing(state),
    };
    let age = state.model.read_at(service.observed_at, SERVICES_COLLECTOR);
    let count = |count: u32, style| Cell::new(count.to_string(), aged(style));
    vec![
        Cell::new(glyph, aged(style)),
        Cell::new(service.name.clone(), theme.text),
        count(service.desired, theme.text),
        count(service.running, style),
        count(service.pending, if service.pending > 0 { theme.accent } else { theme.dim }),
        scaling,
        value::since(state, Some(age), aged(theme.dim)),
        Cell::new(service.note.clone().unwrap_or_default(), aged(theme.warn)),
    ]
}

fn state_of(state: &State, worker: &WorkerView) -> (&'static str, &'static str, Style) {
    let theme = &state.theme;
    match worker.state {
        WorkerState::Idle => ("○", "idle", theme.dim),
        WorkerState::Busy => ("▶", "busy", theme.accent),
        WorkerState::Draining => ("▽", "draining", theme.warn),
        WorkerState::Stopped => ("-", "stopped", theme.faint),
        WorkerState::Silent => ("▲", "silent", theme.warn),
    }
}

fn cells(state: &State, worker: &WorkerView) -> Vec<Cell> {
    let theme = &state.theme;
    let (glyph, word, style) = state_of(state, worker);
    let style = theme.aged(style, state.is_stale());
    let unwanted = |count: u64| Cell::new(count.to_string(), if count > 0 { theme.warn } else { theme.dim });
    // Of one that waits it would be its last segment's.
    let speed = worker.frames_per_second.filter(|_| worker.state == WorkerState::Busy);
    let words = |words: &Option<String>| value::live(state, words.clone(), theme.dim);
    vec![
        Cell::new(glyph, style),
        Cell::new(worker.name.clone(), theme.text),
        Cell::new(worker.stage.map_or("all", |stage| stage.as_str()), theme.dim),
        Cell::new(word, style),
        value::live(state, worker.job_id.map(JobId::short), theme.accent),
        value::live(state, worker.segment_index.map(|index| index.to_string()), theme.text),
        value::live(state, speed.map(text::rate), theme.text),
        value::since(state, Some(worker.last_seen_at), if word == "silent" { theme.warn } else { theme.dim }),
        Cell::new(text::count(worker.done), theme.text),
        unwanted(worker.failed),
        unwanted(worker.spooled),
        unwanted(worker.events_lost),
        words(&worker.provider),
        words(&worker.version),
    ]
}
