//! Every worker, one line each.

use ratatui::style::Style;
use stereospot_api::view::{WorkerState, WorkerView};

use super::table::{self, Cell, Column, column, number, stretching};
use super::value;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::dashboard::text;

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

/// Draws the screen.
pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let workers: Vec<&WorkerView> = state.model.workers.values().collect();
    let busy = workers.iter().filter(|worker| worker.state == WorkerState::Busy).count();
    canvas.heading(0, &format!("WORKERS ({}, {busy} busy)", workers.len()), theme.title, theme.faint);
    if workers.is_empty() {
        let words =
            if state.model.environment.is_some() { "none was heard of in the last hour" } else { "not connected yet" };
        canvas.text(1, 1, words, theme.dim);
        return;
    }
    let selected = state.worker_index();
    let top = state.worker.window(selected.unwrap_or(0), workers.len(), usize::from(height.saturating_sub(2)));
    let rows = table::Rows { count: workers.len(), selected, top };
    let mut part = canvas.part(0, 1, width, height.saturating_sub(1));
    table::draw(&mut part, theme, &COLUMNS, &rows, |at| cells(state, workers[at]));
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
    let words = |words: &Option<String>| value::live(state, words.clone(), theme.dim);
    vec![
        Cell::new(glyph, style),
        Cell::new(worker.name.clone(), theme.text),
        Cell::new(worker.stage.map_or("all", |stage| stage.as_str()), theme.dim),
        Cell::new(word, style),
        value::live(state, worker.job_id.map(text::short_id), theme.accent),
        value::live(state, worker.segment_index.map(|index| index.to_string()), theme.text),
        value::live(state, worker.frames_per_second.map(text::rate), theme.text),
        value::since(state, Some(worker.last_seen_at), if word == "silent" { theme.warn } else { theme.dim }),
        Cell::new(text::count(worker.done), theme.text),
        unwanted(worker.failed),
        unwanted(worker.spooled),
        unwanted(worker.events_lost),
        words(&worker.provider),
        words(&worker.version),
    ]
}
