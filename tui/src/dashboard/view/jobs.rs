//! Every job, one line each.

use ratatui::style::Style;
use stereospot_domain::JobStatus;

use super::table::{self, Cell, Column, column, number, stretching};
use super::value;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::jobs::{JobRow, status_word};
use crate::dashboard::mouse::List;
use crate::dashboard::state::State;
use crate::dashboard::theme::severity_glyph;
use crate::text;

/// The columns of the jobs' screen.
const FULL: [Column; 13] = [
    column(" ", 1, 0),
    column("JOB", 8, 0),
    stretching("TITLE", 10, 34, 2),
    column("FORMAT", 8, 9),
    column("STATUS", 12, 1),
    stretching("SEGMENTS", 14, 40, 3),
    number("FRAMES/S", 8, 8),
    number("ETA", 6, 5),
    number("AGE", 6, 6),
    number("QUIET", 6, 7),
    stretching("LAST EVENT", 12, 26, 11),
    number("TRIES", 5, 10),
    stretching("FINDING", 12, 48, 4),
];

/// The columns of the landing screen.
pub(super) const SHORT: [Column; 8] = [
    column(" ", 1, 0),
    column("JOB", 8, 0),
    stretching("TITLE", 8, 30, 4),
    column("STATUS", 12, 1),
    stretching("SEGMENTS", 14, 32, 2),
    number("FRAMES/S", 8, 6),
    number("ETA", 6, 3),
    number("QUIET", 6, 5),
];

/// Draws the screen.
pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let jobs = &state.model.jobs;
    let (width, height) = (canvas.width(), canvas.height());
    let mut title = if jobs.filter().is_empty() {
        format!("JOBS ({})", state.model.jobs_total)
    } else {
        format!("JOBS ({} of {} match)", jobs.shown_len(), jobs.len())
    };
    let unread = state.model.jobs_total.saturating_sub(jobs.len() as u64);
    if unread > 0 {
        title.push_str(&format!(" · {unread} not read"));
    }
    let x = canvas.heading(0, &title, theme.title, theme.faint);
    let order = format!(" {} ", jobs.order().name());
    if usize::from(width.saturating_sub(x + 4)) > order.len() {
        canvas.text_right(width.saturating_sub(2), 0, &order, theme.dim);
    }
    if height < 2 {
        return;
    }
    if jobs.shown_len() == 0 {
        let words = match (state.model.environment.is_some(), jobs.len()) {
            (false, _) => "not connected yet",
            (true, 0) => "no job yet: stereospot submit FILE starts one",
            (true, _) => "no job matches: esc clears the filter",
        };
        canvas.text(1, 1, words, theme.dim);
        return;
    }
    let mut part = canvas.part(0, 1, width, height - 1);
    let seen = usize::from(part.height().saturating_sub(1));
    let selected = state.job_index();
    let top = state.job.window(selected.unwrap_or(0), jobs.shown_len(), seen);
    let rows = table::Rows { count: jobs.shown_len(), selected, top };
    let bar_columns = bar_columns(&FULL, part.width());
    state.hits.rows(&part, 1, List::Jobs, (rows.top, rows.count));
    table::draw(&mut part, theme, &FULL, &rows, |at| cells(state, jobs.shown(at), bar_columns));
}

/// Columns that the segments' cell has when the table is `width` wide.
pub(super) fn bar_columns(columns: &[Column], width: u16) -> u16 {
    let placed = table::arrange(columns, width.saturating_sub(3));
    placed.iter().find(|placed| columns[placed.column].title == "SEGMENTS").map_or(0, |placed| placed.width)
}

/// A status' style.
pub(super) fn status_style(state: &State, row: &JobRow) -> Style {
    let theme = &state.theme;
    match row.status {
        JobStatus::Failed => theme.bad,
        JobStatus::Completed => theme.good,
        JobStatus::Deleted | JobStatus::Created => theme.dim,
        _ if row.running > 0 || row.status == JobStatus::Reassembling => theme.accent,
        _ => theme.text,
    }
}

/// A bar with `done/total` behind it, in `columns`.
pub(super) fn progress(state: &State, row: &JobRow, columns: u16) -> Cell {
    let theme = &state.theme;
    let is_stale = state.is_stale() && row.is_active();
    let Some(total) = row.total else {
        return if row.is_active() { Cell::new("not split yet", theme.faint) } else { value::missing(state) };
    };
    let counted = format!(" {}/{total}", row.done);
    let dead = if row.dead > 0 { format!(" ✗{}", row.dead) } else { String::new() };
    let behind = (counted.len() + text::width(&dead)).max(8);
    let room = usize::from(columns).saturating_sub(behind).min(24);
    let share = row.progress.unwrap_or(if total > 0 { row.done as f32 / total as f32 } else { 0.0 });
    let (filled, rest) = text::bar(share, room);
    let style = match row.status {
        JobStatus::Completed => theme.good,
        JobStatus::Failed => theme.bad,
        _ => theme.accent,
    };
    let cell = Cell::new(filled, theme.aged(style, is_stale))
        .and(rest, theme.faint)
        .and(counted, theme.aged(theme.text, is_stale));
    cell.and(dead, theme.aged(theme.bad, is_stale))
}

fn mark(state: &State, row: &JobRow) -> Cell {
    let theme = &state.theme;
    let (glyph, style) = match (row.severity(), row.status) {
        (Some(severity), _) => (severity_glyph(severity), theme.severity(severity)),
        (None, JobStatus::Completed) => ("✓", theme.good),
        (None, JobStatus::Failed) => ("✗", theme.bad),
        (None, JobStatus::Deleted) => ("-", theme.faint),
        (None, _) if row.running > 0 || row.status == JobStatus::Reassembling => ("▶", theme.accent),
        (None, _) => ("○", theme.dim),
    };
    Cell::new(glyph, theme.aged(style, state.is_stale() && row.is_active()))
}

fn title(state: &State, row: &JobRow) -> Cell {
    match &row.title {
        Some(title) => Cell::new(title.to_string(), state.theme.text),
        None => value::missing(state),
    }
}

fn eta(state: &State, row: &JobRow) -> Cell {
    let theme = &state.theme;
    match row.eta {
        Some(at) if row.is_active() => {
            let left = at.since(state.server_now());
            Cell::new(format!("≈{}", text::age(left)), theme.aged(theme.text, state.is_stale()))
        }
        _ => value::missing(state),
    }
}

fn speed(state: &State, row: &JobRow) -> Cell {
    let speed = row.frames_per_second.filter(|_| row.is_active()).map(text::rate);
    value::live(state, speed, state.theme.text)
}

fn quiet(state: &State, row: &JobRow) -> Cell {
    if row.is_active() {
        value::since(state, Some(row.last_activity_at), state.theme.dim)
    } else {
        value::missing(state)
    }
}

/// A row of the landing screen.
pub(super) fn short_cells(state: &State, row: &JobRow, bar_columns: u16) -> Vec<Cell> {
    vec![
        mark(state, row),
        Cell::new(row.id.short(), state.theme.accent),
        title(state, row),
        Cell::new(status_word(row.status), status_style(state, row)),
        progress(state, row, bar_columns),
        speed(state, row),
        eta(state, row),
        quiet(state, row),
    ]
}

fn cells(state: &State, row: &JobRow, bar_columns: u16) -> Vec<Cell> {
    let theme = &state.theme;
    // The stream tells changes only: a row is as fresh as the collector that would have told one.
    let is_old = row.is_active() && state.model.is_behind("jobs", state.now);
    let finding = match (row.findings.first(), &row.error) {
        (Some(finding), _) => {
            let more = row.findings.len() - 1;
            let more = if more > 0 { format!(" +{more}") } else { String::new() };
            Cell::new(format!("{}{more}", finding.code.title()), theme.aged(theme.severity(finding.severity), is_old))
        }
        (None, Some(error)) => Cell::new(error.to_string(), theme.dim),
        (None, None) => Cell::default(),
    };
    let last_event = row.last_event.as_ref().map(ToString::to_string);
    vec![
        mark(state, row),
        Cell::new(row.id.short(), theme.accent),
        title(state, row),
        Cell::new(row.format.as_str(), theme.dim),
        Cell::new(status_word(row.status), theme.aged(status_style(state, row), is_old)),
        progress(state, row, bar_columns),
        speed(state, row),
        eta(state, row),
        Cell::new(text::age(state.ago(row.created_at)), theme.dim),
        quiet(state, row),
        value::live(state, last_event, theme.dim),
        Cell::new(row.attempts.to_string(), if row.attempts > 1 { theme.warn } else { theme.dim }),
        finding,
    ]
}
