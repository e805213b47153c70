//! The table of queues, and the selected one's chart and facts.

use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_api::view::QueueView;
use stereospot_domain::{QueueName, Timestamp};

use super::Queues;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::dashboard::view::table::{self, Cell, Column, beside_note, number, stretching};
use crate::dashboard::view::value;
use crate::text;

const COLUMNS: &[Column<QueueView>] = &[
    beside_note(stretching("QUEUE", 17, 24, 0, name)),
    number("ready", 7, 0, |state, queue, _| match queue.name.is_dead_letter {
        true => value::polled_letters(state, queue.ready),
        false => value::polled(state, queue.ready, state.theme.text),
    }),
    number("flight", 7, 1, |state, queue, _| value::polled(state, queue.in_flight, state.theme.text)),
    number("delayed", 7, 6, |state, queue, _| value::polled(state, queue.delayed, state.theme.dim)),
    number("oldest", 7, 2, |state, queue, _| {
        value::since(state, queue.oldest_enqueued_at, value::aged(state, queue, state.theme.text))
    }),
    number("in/min", 7, 5, |state, queue, _| value::rate(state, queue, queue.in_per_minute)),
    number("out/min", 7, 4, |state, queue, _| value::rate(state, queue, queue.out_per_minute)),
    number("drains in", 9, 3, |state, queue, _| match queue.name.is_dead_letter {
        true => Cell::default(),
        false => value::drains_in(state, queue),
    }),
    stretching("30 min", 10, 30, 8, value::history),
    number("consumers", 9, 7, consumers),
    number("hidden for", 10, 10, |state, queue, _| match seconds(queue.visibility_secs) {
        Some(duration) => Cell::new(text::age(duration), state.theme.dim),
        None => value::missing(state),
    }),
    number("max receives", 12, 11, |state, queue, _| match queue.max_receives {
        Some(max) => Cell::new(max.to_string(), state.theme.dim),
        None => value::missing(state),
    }),
    number("age", 5, 9, |state, queue, _| {
        value::since(state, value::read_at(state, queue), value::aged(state, queue, state.theme.dim))
    }),
];

pub(super) fn draw(screen: &Queues, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let queues = &state.model.queues;
    canvas.heading(0, &format!("QUEUES ({})", queues.len()), theme.title, theme.faint);
    if queues.is_empty() {
        let words = if state.model.environment.is_some() { "none is known" } else { "not connected yet" };
        canvas.text(1, 1, words, theme.dim);
        return;
    }
    let wanted = queues.len() as u16 + 1;
    let table_rows = if height >= wanted + 8 { wanted } else { height.saturating_sub(1) };
    let mut part = canvas.part(0, 1, width, table_rows);
    let selected = screen.index(&state.model);
    let top = screen.cursor.window(selected.unwrap_or(0), queues.len(), usize::from(table_rows.saturating_sub(1)));
    let rows = table::Rows { section: 0, count: queues.len(), selected, top };
    let note = |state: &State, queue: &QueueView| {
        let words = value::absent(state, queue.name)?;
        Some((words, theme.aged(theme.dim, state.is_stale())))
    };
    table::draw_with_notes(state, &mut part, COLUMNS, &rows, |at| &queues[at], note);
    let absent = absent_lines(state);
    for (y, words) in (1 + table_rows..).zip(&absent) {
        canvas.text(1, y, words, theme.aged(theme.dim, state.is_stale()));
    }
    let below = 1 + table_rows + absent.len() as u16 + 1;
    if height > below + 4
        && let Some(queue) = screen.under_cursor(&state.model)
    {
        one(state, queue, &mut canvas.part(0, below, width, height - below));
    }
}

/// Pipeline queues without a row, because they don't exist, grouped by reason.
fn absent_lines(state: &State) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in QueueName::pipeline().filter(|name| state.model.queue(*name).is_none()) {
        if let Some(why) = state.model.deployment.absent(name) {
            by_reason.entry(why).or_default().push(name.to_string());
        }
    }
    by_reason.into_iter().map(|(why, names)| format!("{why}: {}", names.join(", "))).collect()
}

fn name(state: &State, queue: &QueueView, _width: u16) -> Cell {
    let theme = &state.theme;
    let name = format!("{}{}", if queue.name.is_dead_letter { " └ " } else { "" }, queue.name);
    let style = match () {
        () if value::absent(state, queue.name).is_some() => theme.dim,
        () if queue.name.is_dead_letter => value::aged(state, queue, theme.dim),
        () => value::aged(state, queue, theme.title),
    };
    Cell::new(name, style)
}

fn consumers(state: &State, queue: &QueueView, _width: u16) -> Cell {
    let theme = &state.theme;
    let waits = queue.ready.is_some_and(|ready| ready.value > 0);
    match queue.consumers {
        _ if queue.name.is_dead_letter => Cell::default(),
        None => value::missing(state),
        Some(0) if waits => Cell::new("▲ 0", value::aged(state, queue, theme.warn)),
        Some(count) => Cell::new(count.to_string(), value::aged(state, queue, theme.text)),
    }
}

fn seconds(secs: Option<f32>) -> Option<Duration> {
    Duration::try_from_secs_f32(secs?).ok()
}

/// The selected queue: its last half hour as a chart, and its facts.
fn one(state: &State, queue: &QueueView, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    canvas.heading(0, &format!("{} ready, 30 min", queue.name), theme.title, theme.faint);
    let facts = facts(state, queue);
    let facts_columns = if width >= 100 { 46 } else { 0 };
    let chart_rows = (height - 1).min(14);
    let columns = usize::from(width.saturating_sub(facts_columns + 9)).min(queue.history.len().max(30) * 3);
    chart(state, queue, &mut canvas.part(1, 1, columns as u16 + 7, chart_rows));
    if facts_columns > 0 {
        let x = columns as u16 + 11;
        for (line, (label, words)) in facts.iter().enumerate() {
            canvas.text(x, line as u16 + 1, label, theme.dim);
            canvas.text(x + 15, line as u16 + 1, words, theme.text);
        }
    }
}

fn facts(state: &State, queue: &QueueView) -> Vec<(&'static str, String)> {
    let missing = || text::MISSING.to_owned();
    let secs = |secs: Option<f32>| seconds(secs).map_or_else(missing, text::age);
    let ago = |at: Option<Timestamp>| at.map_or_else(missing, |at| format!("{} ago", text::age(state.ago(at))));
    let exact = [queue.ready, queue.in_flight, queue.delayed].into_iter().flatten().all(|value| value.is_exact);
    let mut facts = vec![
        ("read", format!("{}, {}", ago(value::read_at(state, queue)), if exact { "exact" } else { "≈ approximate" })),
        ("oldest", queue.oldest_enqueued_at.map_or_else(missing, |at| text::age(state.ago(at)))),
        (
            "last purge",
            queue.purged_at.map_or_else(|| "none here".to_owned(), |at| format!("{} ago", text::age(state.ago(at)))),
        ),
    ];
    if !queue.name.is_dead_letter {
        facts.insert(2, ("hidden for", format!("{} after each receive", secs(queue.visibility_secs))));
        facts.insert(
            3,
            ("dead-lettered", queue.max_receives.map_or_else(missing, |max| format!("after {max} receives"))),
        );
        let consumers = match queue.consumers {
            Some(count) => format!("{count} heard of in the last 30s"),
            None if queue.ready.is_none() => missing(),
            None => format!("{}, which sends no events", queue.name.role.service()),
        };
        facts.insert(4, ("consumers", consumers));
    }
    facts
}

/// Draws the history as columns of block glyphs, newest at the right, with the highest value at the side.
fn chart(state: &State, queue: &QueueView, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let rows = usize::from(canvas.height().saturating_sub(1)).max(1);
    let columns = usize::from(canvas.width().saturating_sub(7));
    let top = queue.history.iter().copied().max().unwrap_or(0);
    canvas.text_right(5, 0, &text::count(top), theme.dim);
    canvas.text_right(5, rows as u16 - 1, "0", theme.dim);
    let per_value = (columns / queue.history.len().max(30)).max(1);
    let shown = &queue.history[queue.history.len().saturating_sub(columns / per_value)..];
    let start = columns.saturating_sub(shown.len() * per_value);
    let style = theme.aged(theme.accent, value::is_old(state, queue));
    for row in 0..rows {
        let y = row as u16;
        canvas.text(5, y, "│", theme.faint);
        let below = (rows - 1 - row) * 8;
        for (at, value) in shown.iter().enumerate() {
            let eighths = (*value as usize * rows * 8).checked_div(top as usize).unwrap_or(0);
            let glyph = text::EIGHTHS[eighths.saturating_sub(below).min(8)];
            if glyph != " " {
                canvas.text((6 + start + at * per_value) as u16, y, &glyph.repeat(per_value), style);
            }
        }
    }
    canvas.text(5, rows as u16, &format!("└{}", "─".repeat(columns)), theme.faint);
    canvas.text_right((6 + columns) as u16, rows as u16, " now", theme.dim);
}
