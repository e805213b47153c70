//! The segments as a grid of glyphs that differ by shape, not only by colour.

use ratatui::style::{Modifier, Style};
use stereospot_api::view::{SegmentState, SegmentView};

use super::heading;
use super::panes::{Pane, Panes};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::job_reading::JobReading;
use crate::dashboard::state::State;
use crate::text;

/// Columns of the index at the start of a row.
const MARGIN: u16 = 7;

/// Columns of one segment: two if there is room, to keep neighbours apart.
fn pitch(count: usize) -> usize {
    if count <= 400 { 2 } else { 1 }
}

/// Segments per line: a round number, so that an index can be read off.
fn per_line(count: usize, width: u16) -> usize {
    let fits = usize::from(width.saturating_sub(MARGIN + 1)) / pitch(count);
    match fits {
        0..10 => fits.max(1),
        10..50 => fits / 10 * 10,
        _ => (fits / 25 * 25).min(100),
    }
}

/// Rows that the whole grid would take, with heading, legend and the selected segment.
pub(super) fn rows(reading: &JobReading, width: u16) -> u16 {
    let count = reading.segments().len();
    let lines = count.div_ceil(per_line(count, width).max(1));
    (lines as u16).saturating_add(6)
}

/// Draws heading, grid, legend, and the selected segment.
pub(super) fn draw(state: &State, panes: &Panes, reading: &JobReading, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    heading::draw(state, panes, Pane::Segments, "", canvas);
    let segments = reading.segments();
    if segments.is_empty() {
        let words = match (&reading.data, &reading.error) {
            (Some(_), _) => "their number is known once the source is split",
            (None, Some(error)) => error,
            (None, None) if state.is_live() => "reading …",
            (None, None) => "not connected: they are read when it is",
        };
        canvas.text(1, 1, words, theme.dim);
        return;
    }
    let columns = per_line(segments.len(), width);
    let pitch = pitch(segments.len());
    panes.grid_columns.set(columns);
    let lines = segments.len().div_ceil(columns);
    let below = if height >= 7 { 4 } else { u16::from(height >= 3) };
    let room = usize::from(height.saturating_sub(1 + below)).max(1);
    let cursor = panes.segment.min(segments.len() - 1);
    let top = (cursor / columns).saturating_sub(room / 2).min(lines.saturating_sub(room));
    for line in 0..room.min(lines - top) {
        let y = line as u16 + 1;
        let first = (top + line) * columns;
        canvas.text_right(MARGIN - 1, y, &first.to_string(), theme.faint);
        for (at, segment) in segments.iter().enumerate().skip(first).take(columns) {
            let (glyph, style) = glyph(state, segment);
            let style = theme.aged(style, state.is_stale());
            let (glyph, style) = match at == cursor {
                // A full block would vanish when reversed.
                true if glyph == "█" => ("✓", style.add_modifier(Modifier::REVERSED)),
                true => (glyph, style.add_modifier(Modifier::REVERSED)),
                false => (glyph, style),
            };
            canvas.text(MARGIN + ((at - first) * pitch) as u16, y, glyph, style);
        }
    }
    if lines > room {
        canvas.text_right(width, 0, &format!(" lines {}-{} of {lines} ", top + 1, (top + room).min(lines)), theme.dim);
    }
    let y = 1 + room.min(lines) as u16;
    match below {
        0 => {}
        1 => under_cursor(state, &segments[cursor], &mut canvas.part(0, y, width, 1)),
        _ => {
            legend(state, reading, &mut canvas.part(0, y + 1, width, 1));
            under_cursor(state, &segments[cursor], &mut canvas.part(0, y + 2, width, 2));
        }
    }
}

/// A segment's glyph. A running one fills up with its frames.
fn glyph(state: &State, segment: &SegmentView) -> (&'static str, Style) {
    let theme = &state.theme;
    match segment.state {
        SegmentState::Done => ("█", theme.good),
        SegmentState::Running => {
            let share = match (segment.frames_done, segment.frames) {
                (Some(done), Some(frames)) if frames > 0 => done as f32 / frames as f32,
                _ => 0.5,
            };
            (text::EIGHTHS[1 + (share * 5.0).clamp(0.0, 5.0) as usize], theme.accent.add_modifier(Modifier::BOLD))
        }
        SegmentState::Queued => ("░", theme.dim),
        SegmentState::Missing => ("?", theme.warn),
        SegmentState::DeadLettered => ("✗", theme.bad),
    }
}

fn word(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Done => "done",
        SegmentState::Running => "running",
        SegmentState::Queued => "queued",
        SegmentState::Missing => "missing",
        SegmentState::DeadLettered => "dead-lettered",
    }
}

fn legend(state: &State, reading: &JobReading, canvas: &mut Canvas<'_>) {
    use SegmentState::*;
    let segments = reading.segments();
    let is_dead_known = reading.data.as_ref().is_some_and(|data| data.view.segments_dead.is_some());
    let mut x = 1;
    for (kind, glyph) in [(Done, "█"), (Running, "▄"), (Queued, "░"), (Missing, "?"), (DeadLettered, "✗")] {
        let count = segments.iter().filter(|segment| segment.state == kind).count();
        let (_, style) = match segments.iter().find(|segment| segment.state == kind) {
            Some(segment) => self::glyph(state, segment),
            None => ("", state.theme.faint),
        };
        x = canvas.text(x, 0, glyph, style);
        let words = if count == 0 { state.theme.faint } else { state.theme.dim };
        let is_known = count > 0 || kind != DeadLettered || is_dead_known;
        let count = if is_known { count.to_string() } else { text::MISSING.to_owned() };
        x = canvas.text(x + 1, 0, &format!("{} {count}", word(kind)), words) + 3;
    }
}

fn under_cursor(state: &State, segment: &SegmentView, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (_, style) = glyph(state, segment);
    let mut x = canvas.text(1, 0, &format!("segment {}", segment.index), theme.title);
    x = canvas.text(x + 1, 0, word(segment.state), style) + 2;
    let mut words = Vec::new();
    if let (Some(done), Some(frames)) = (segment.frames_done, segment.frames) {
        words.push(format!("{done}/{frames} frames"));
    }
    if let Some(worker) = &segment.worker {
        words.push(worker.clone());
    }
    if segment.attempts > 0 {
        words.push(format!("attempt {}", segment.attempts));
    }
    match (segment.completed_at, segment.last_seen_at) {
        (Some(at), _) => words.push(format!("done {} ago", text::age(state.ago(at)))),
        (None, Some(at)) => words.push(format!("seen {} ago", text::age(state.ago(at)))),
        (None, None) => {}
    }
    if let (Some(started), Some(completed)) = (segment.started_at, segment.completed_at) {
        words.push(format!("took {}", text::duration(completed.since(started))));
    }
    canvas.text(x, 0, &words.join("  "), theme.dim);
    if let Some(error) = &segment.error {
        canvas.text(1, 1, &text::wrap(error, usize::MAX).join(" "), theme.warn);
    }
}
