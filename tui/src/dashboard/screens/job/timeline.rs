//! The stages and attempts over time, and the job's events.

use stereospot_domain::Timestamp;

use super::heading;
use super::panes::{Pane, Panes};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::job_reading::JobReading;
use crate::dashboard::log;
use crate::dashboard::state::State;
use crate::text;

/// Rows that the whole timeline would take.
pub(super) fn rows(reading: &JobReading) -> u16 {
    (reading.data.as_ref().map_or(0, |data| data.timeline.len()) as u16).saturating_add(3)
}

/// Draws a line for each attempt at each stage, as bars over one time axis.
pub(super) fn draw(state: &State, panes: &Panes, reading: &JobReading, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    heading::draw(state, panes, Pane::Timeline, "", canvas);
    let entries = reading.data.as_ref().map(|data| data.timeline.as_slice()).unwrap_or_default();
    if entries.is_empty() {
        canvas.text(1, 1, "nothing has begun yet", theme.dim);
        return;
    }
    let now = state.server_now();
    let start = entries.iter().map(|entry| entry.started_at).min().unwrap_or(now);
    let end = entries.iter().map(|entry| entry.ended_at.unwrap_or(now)).max().unwrap_or(now).max(start);
    let span = end.since(start).as_secs_f64().max(0.001);
    let width = canvas.width();
    let bar_columns = usize::from(width.saturating_sub(26)).min(64) / 2;
    let scroll = panes.first_line(Pane::Timeline, entries.len());
    for (line, entry) in entries.iter().skip(scroll).enumerate() {
        let y = line as u16 + 1;
        let has_failed = entry.error.is_some();
        let (glyph, style) = match (has_failed, entry.ended_at) {
            (true, _) => ("✗", theme.bad),
            (false, Some(_)) => ("✓", theme.good),
            (false, None) => ("▶", theme.accent),
        };
        canvas.text(1, y, glyph, style);
        canvas.text(3, y, entry.stage.as_str(), theme.text);
        if entry.attempt > 1 {
            canvas.text_right(17, y, &format!("#{}", entry.attempt), theme.warn);
        }
        let took = entry.ended_at.unwrap_or(now).since(entry.started_at);
        canvas.text_right(
            24,
            y,
            &text::duration(took),
            theme.aged(theme.text, state.is_stale() && entry.ended_at.is_none()),
        );
        if bar_columns >= 8 {
            let place = |at: Timestamp| ((at.since(start).as_secs_f64() / span) * bar_columns as f64).floor() as usize;
            let from = place(entry.started_at).min(bar_columns - 1);
            let to = place(entry.ended_at.unwrap_or(now)).clamp(from + 1, bar_columns);
            canvas.text(26, y, &"·".repeat(bar_columns), theme.faint);
            canvas.text(26 + from as u16, y, &"━".repeat(to - from), style);
        }
        let x = 26 + if bar_columns >= 8 { bar_columns as u16 + 2 } else { 0 };
        let words = entry.error.as_deref().or(entry.worker.as_deref()).unwrap_or_default();
        canvas.text(x, y, words, if has_failed { theme.bad } else { theme.dim });
    }
}

/// Draws the job's events, newest first.
pub(super) fn events(state: &State, panes: &Panes, reading: &JobReading, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let dropped = reading.events.dropped();
    let more = if dropped > 0 {
        format!(" ({}, {dropped} older dropped)", reading.events.len())
    } else {
        format!(" ({})", reading.events.len())
    };
    heading::draw(state, panes, Pane::Events, &more, canvas);
    if reading.events.len() == 0 {
        canvas.text(1, 1, "none yet", theme.dim);
        return;
    }
    let scroll = panes.first_line(Pane::Events, reading.events.len());
    let room = usize::from(canvas.height().saturating_sub(1));
    for (line, event) in reading.events.iter().rev().skip(scroll).take(room).enumerate() {
        let y = line as u16 + 1;
        let style = match event.kind() {
            kind if kind.is_error() => theme.bad,
            kind if kind.is_progress() => theme.dim,
            _ => theme.text,
        };
        canvas.text(1, y, &text::time_of_day(event.time), theme.dim);
        canvas.text_within(11, y, 22, event.payload.name(), style);
        let segment = event.segment_index.map(|index| index.to_string()).unwrap_or_default();
        canvas.text_right(38, y, &segment, theme.accent);
        canvas.text(40, y, &log::facts(event), theme.dim);
    }
}
