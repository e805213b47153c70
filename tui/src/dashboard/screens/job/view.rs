//! The job's head, and its panes side by side or one at a time.

use stereospot_api::view::JobDetail;
use stereospot_domain::JobStatus;
use stereospot_domain::check::Verdict;

use super::super::jobs;
use super::panes::{Pane, Panes};
use super::{diagnosis, grid, timeline};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::job_reading::JobReading;
use crate::dashboard::jobs::{JobRow, status_word};
use crate::dashboard::state::State;
use crate::text;

pub(super) fn draw(panes: &Panes, reading: &JobReading, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let read = reading.data.as_ref().map(|data| JobRow::from(data.view.clone()));
    // Changes reach the list at once, the read follows later.
    let Some(row) = state.model.jobs.get(reading.id).or(read.as_ref()) else {
        canvas.heading(0, &format!("JOB {}", reading.id.short()), theme.title, theme.faint);
        match &reading.error {
            Some(error) => canvas.text(1, 1, error, theme.warn),
            None => canvas.text(1, 1, "reading …", theme.dim),
        };
        return;
    };
    let head_rows = head(state, row, reading, canvas);
    let mut body = canvas.part(0, head_rows, width, height.saturating_sub(head_rows));
    if width >= 120 && body.height() >= 16 {
        wide(state, panes, reading, &mut body);
    } else {
        narrow(state, panes, reading, &mut body);
    }
}

/// Draws title, status and progress. Returns the rows it took.
fn head(state: &State, row: &JobRow, reading: &JobReading, canvas: &mut Canvas<'_>) -> u16 {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let aged = |style| theme.aged(style, state.is_stale() && row.is_active());
    let mut x = canvas.text(1, 0, &row.id.short(), theme.accent);
    // A long title is cut, never the status behind it.
    let status = status_word(row.status);
    let room = width.saturating_sub(x + 2).saturating_sub((status.len() + row.format.as_str().len() + 4) as u16);
    x = canvas.text_within(x + 2, 0, room.max(8), &text::title(row.title.as_deref()), theme.title);
    x = canvas.text(x + 2, 0, status, aged(jobs::status_style(state, row)));
    canvas.text(x + 2, 0, row.format.as_str(), theme.dim);
    let age = match reading.read_at {
        Some(at) => format!("read {} ago", text::age(state.ago(at))),
        None if state.is_live() => "reading …".into(),
        None => "not read: not connected".into(),
    };
    let age_style = if state.is_stale() { theme.warn } else { theme.faint };
    if usize::from(x) + 14 + age.len() < usize::from(width) {
        canvas.text_right(width.saturating_sub(1), 0, &age, age_style);
    }
    if height < 5 {
        return 1;
    }
    // The bar takes the space that the numbers leave.
    let server_now = state.server_now();
    let mut numbers = Vec::new();
    numbers.push(match row.total {
        Some(total) => format!("{}/{total} segments", row.done),
        None => "segments not known yet".into(),
    });
    if let Some(speed) = row.frames_per_second.filter(|_| row.is_active()) {
        numbers.push(format!("{} frames/s", text::rate(speed)));
    }
    if let Some(eta) = row.eta.filter(|_| row.is_active()) {
        numbers.push(format!("ETA ≈{}", text::age(eta.since(server_now))));
    }
    numbers.push(format!("age {}", text::age(state.ago(row.created_at))));
    if row.is_active() {
        numbers.push(format!("quiet {}", text::age(state.ago(row.last_activity_at))));
    }
    if let Some((data, bytes)) = reading.data.as_ref().and_then(|data| Some((data, data.result_bytes?))) {
        numbers.push(format!("result {}{}", text::size(bytes), checked(data, state)));
    }
    let numbers = numbers.join("  ");
    let room = usize::from(width).saturating_sub(text::width(&numbers) + 10).min(60);
    let mut x = 1;
    let share = row.progress.or_else(|| row.total.map(|total| row.done as f32 / total.max(1) as f32));
    if let Some(share) = share.filter(|_| room >= 8) {
        let (filled, rest) = text::bar(share, room);
        let x_after = canvas.text(x, 1, &filled, aged(theme.accent));
        x = canvas.text(x_after, 1, &rest, theme.faint);
        x = canvas.text(x + 1, 1, &format!("{:>3.0}%", share * 100.0), aged(theme.title)) + 2;
    }
    canvas.text(x, 1, &numbers, aged(theme.dim));
    if let Some(error) = &row.error {
        let lines = text::wrap_within(error, usize::from(width.saturating_sub(4)), 2);
        let shown = lines.len();
        for (line, words) in lines.iter().enumerate() {
            canvas.text(1, 2 + line as u16, if line == 0 { "✗" } else { " " }, theme.bad);
            canvas.text(3, 2 + line as u16, words, theme.bad);
        }
        return 2 + shown as u16 + u16::from(height >= 12);
    }
    2 + u16::from(height >= 12)
}

/// Whether the result is as its worker wrote it, as far as is known.
fn checked(data: &JobDetail, state: &State) -> String {
    let check = data.check.and_then(|check| Some((check.result?, check.checked_at)));
    match check {
        Some((Verdict::Ok, at)) => format!(", verified {} ago", text::age(state.ago(at))),
        Some((verdict, _)) => format!(", {}", verdict.as_str()),
        None if data.view.job.status == JobStatus::Completed && data.result_sha256.is_none() => ", unverified".into(),
        None => String::new(),
    }
}

/// Two columns: segments and timeline on the left, diagnosis and events on the right.
fn wide(state: &State, panes: &Panes, reading: &JobReading, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let left = width * 11 / 20;
    let timeline_rows = timeline::rows(reading).clamp(3, height / 3);
    let grid_rows = grid::rows(reading, left).clamp(7, height - timeline_rows - 1);
    grid::draw(state, panes, reading, &mut canvas.part(0, 0, left, grid_rows));
    timeline::draw(state, panes, reading, &mut canvas.part(0, grid_rows + 1, left, height - grid_rows - 1));
    let (x, right) = (left + 2, width - left - 2);
    let diagnosis_rows = diagnosis::rows(state, reading, right).clamp(3, height * 3 / 5);
    diagnosis::draw(state, panes, reading, &mut canvas.part(x, 0, right, diagnosis_rows));
    let y = diagnosis_rows + 1;
    timeline::events(state, panes, reading, &mut canvas.part(x, y, right, height.saturating_sub(y)));
}

/// One pane at a time, with the most severe finding always visible.
fn narrow(state: &State, panes: &Panes, reading: &JobReading, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let mut y = 0;
    if panes.pane != Pane::Diagnosis && height >= 6 {
        y += diagnosis::headline(state, reading, &mut canvas.part(0, y, width, 1));
        y += u16::from(y > 0 && height >= 12);
    }
    let mut part = canvas.part(0, y, width, height.saturating_sub(y));
    match panes.pane {
        Pane::Segments => {
            let rows = grid::rows(reading, width).min(part.height());
            grid::draw(state, panes, reading, &mut part.part(0, 0, width, rows));
            // The latest events take the space that the grid leaves.
            let rest = part.height() - rows;
            if rest >= 4 {
                timeline::events(state, panes, reading, &mut part.part(0, rows, width, rest));
            }
        }
        Pane::Diagnosis => diagnosis::draw(state, panes, reading, &mut part),
        Pane::Timeline => timeline::draw(state, panes, reading, &mut part),
        Pane::Events => timeline::events(state, panes, reading, &mut part),
    }
    // The names of all panes replace the heading of the visible one.
    part.part(0, 0, width, 1).clear(state.theme.text);
    let mut x = 1;
    for pane in Pane::ALL {
        let is_here = pane == panes.pane;
        let style = if is_here { state.theme.title } else { state.theme.faint };
        let name = if is_here { format!("▸ {}", pane.name()) } else { format!("  {}", pane.name()) };
        x = part.text(x, 0, &name, style) + 1;
    }
    let room = usize::from(width.saturating_sub(x + 1));
    part.text(x + 1, 0, &"─".repeat(room), state.theme.faint);
}
