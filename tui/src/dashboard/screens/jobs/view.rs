//! The table of jobs, in full and, for the landing screen, in short.

use ratatui::style::Style;
use stereospot_domain::{Collector, JobStatus};

use super::Jobs;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::jobs::{JobRow, status_word};
use crate::dashboard::state::State;
use crate::dashboard::theme::severity_glyph;
use crate::dashboard::view::table::{self, Cell, Column, column, number, stretching};
use crate::dashboard::view::value;
use crate::text;

/// The columns of the jobs' screen.
const COLUMNS: &[Column<JobRow>] = &[
    column(" ", 1, 0, mark),
    column("JOB", 8, 0, id),
    stretching("TITLE", 10, 34, 2, title),
    column("FORMAT", 8, 9, |state, row, _| Cell::new(row.format.as_str(), state.theme.dim)),
    column("STATUS", 12, 1, |state, row, _| {
        let style = status_style(state, row);
        Cell::new(status_word(row.status), state.theme.aged(style, is_old(state, row)))
    }),
    stretching("SEGMENTS", 14, 40, 3, progress),
    number("FRAMES/S", 8, 8, speed),
    number("ETA", 6, 5, eta),
    number("AGE", 6, 6, |state, row, _| Cell::new(text::age(state.ago(row.created_at)), state.theme.dim)),
    number("QUIET", 6, 7, quiet),
    stretching("LAST EVENT", 12, 26, 11, |state, row, _| {
        value::live(state, row.last_event.as_ref().map(ToString::to_string), state.theme.dim)
    }),
    number("TRIES", 5, 10, |state, row, _| {
        let style = if row.attempts > 1 { state.theme.warn } else { state.theme.dim };
        Cell::new(row.attempts.to_string(), style)
    }),
    stretching("FINDING", 12, 48, 4, finding),
];

/// The columns of the landing screen.
pub(crate) const SHORT_COLUMNS: &[Column<JobRow>] = &[
    column(" ", 1, 0, mark),
    column("JOB", 8, 0, id),
    stretching("TITLE", 8, 30, 4, title),
    column("STATUS", 12, 1, |state, row, _| Cell::new(status_word(row.status), status_style(state, row))),
    stretching("SEGMENTS", 14, 32, 2, progress),
    number("FRAMES/S", 8, 6, speed),
    number("ETA", 6, 3, eta),
    number("QUIET", 6, 5, quiet),
];

pub(super) fn draw(screen: &Jobs, state: &State, canvas: &mut Canvas<'_>) {
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
    let order = format!(" {} ", jobs.order().name);
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
    let selected = screen.index(&state.model);
    let top = screen.cursor.window(selected.unwrap_or(0), jobs.shown_len(), seen);
    let rows = table::Rows { section: 0, count: jobs.shown_len(), selected, top };
    table::draw(state, &mut part, COLUMNS, &rows, |at| jobs.shown(at));
}

/// True where a change of the row could have been missed. The stream brings changes only, so a row is as fresh as the collector
/// that would have sent one.
fn is_old(state: &State, row: &JobRow) -> bool {
    row.is_active() && state.model.is_behind(Collector::Jobs, state.now)
}

pub(crate) fn status_style(state: &State, row: &JobRow) -> Style {
    let theme = &state.theme;
    match row.status {
        JobStatus::Failed => theme.bad,
        JobStatus::Completed => theme.good,
        JobStatus::Deleted | JobStatus::Created => theme.dim,
        _ if row.running > 0 || row.status == JobStatus::Reassembling => theme.accent,
        _ => theme.text,
    }
}

/// A bar, then `done/total`.
fn progress(state: &State, row: &JobRow, width: u16) -> Cell {
    let theme = &state.theme;
    let is_stale = state.is_stale() && row.is_active();
    let Some(total) = row.total else {
        return if row.is_active() { Cell::new("not split yet", theme.faint) } else { value::missing(state) };
    };
    let counted = format!(" {}/{total}", row.done);
    let dead = if row.dead > 0 { format!(" ✗{}", row.dead) } else { String::new() };
    let behind = (counted.len() + text::width(&dead)).max(8);
    let room = usize::from(width).saturating_sub(behind).min(24);
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

fn id(state: &State, row: &JobRow, _width: u16) -> Cell {
    Cell::new(row.id.short(), state.theme.accent)
}

fn mark(state: &State, row: &JobRow, _width: u16) -> Cell {
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

fn title(state: &State, row: &JobRow, _width: u16) -> Cell {
    Cell::new(text::title(row.title.as_deref()).into_owned(), state.theme.text)
}

fn eta(state: &State, row: &JobRow, _width: u16) -> Cell {
    let theme = &state.theme;
    match row.eta {
        Some(at) if row.is_active() => {
            let left = at.since(state.server_now());
            Cell::new(format!("≈{}", text::age(left)), theme.aged(theme.text, state.is_stale()))
        }
        _ => value::missing(state),
    }
}

fn speed(state: &State, row: &JobRow, _width: u16) -> Cell {
    let speed = row.frames_per_second.filter(|_| row.is_active()).map(text::rate);
    value::live(state, speed, state.theme.text)
}

fn quiet(state: &State, row: &JobRow, _width: u16) -> Cell {
    if row.is_active() {
        value::since(state, Some(row.last_activity_at), state.theme.dim)
    } else {
        value::missing(state)
    }
}

/// The most severe finding and the number of others; without findings, the job's error.
fn finding(state: &State, row: &JobRow, _width: u16) -> Cell {
    let theme = &state.theme;
    match (row.findings.first(), &row.error) {
        (Some(finding), _) => {
            let more = row.findings.len() - 1;
            let more = if more > 0 { format!(" +{more}") } else { String::new() };
            let style = theme.aged(theme.severity(finding.severity), is_old(state, row));
            Cell::new(format!("{}{more}", finding.code.title()), style)
        }
        (None, Some(error)) => Cell::new(error.to_string(), theme.dim),
        (None, None) => Cell::default(),
    }
}
