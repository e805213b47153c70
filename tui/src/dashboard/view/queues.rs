//! Every queue with its dead-letter queue, and the one under the cursor in full.

use std::collections::BTreeMap;

use ratatui::style::Style;
use stereospot_api::view::QueueView;
use stereospot_domain::QueueName;

use super::table::{self, Cell, Column, number, stretching};
use super::value;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::mouse::List;
use crate::dashboard::state::State;
use crate::text;

const COLUMNS: [Column; 13] = [
    stretching("QUEUE", 17, 24, 0),
    number("ready", 7, 0),
    number("flight", 7, 1),
    number("delayed", 7, 6),
    number("oldest", 7, 2),
    number("in/min", 7, 5),
    number("out/min", 7, 4),
    number("drains in", 9, 3),
    stretching("30 min", 10, 30, 8),
    number("consumers", 9, 7),
    number("hidden for", 10, 10),
    number("max receives", 12, 11),
    number("age", 5, 9),
];

/// Draws the screen.
pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
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
    let placed = table::arrange(&COLUMNS, width.saturating_sub(3));
    let spark_columns = placed.iter().find(|placed| placed.column == 8).map_or(0, |placed| placed.width);
    let selected = state.queue_index();
    let top = state.queue.window(selected.unwrap_or(0), queues.len(), usize::from(table_rows.saturating_sub(1)));
    let rows = table::Rows { count: queues.len(), selected, top };
    state.hits.rows(&part, 1, List::Queues, (rows.top, rows.count));
    table::draw(&mut part, theme, &COLUMNS, &rows, |at| cells(state, &queues[at], spark_columns));
    let after_name = placed.get(1).map_or(u16::MAX, |place| place.x + 1);
    for (y, queue) in (1..table_rows).zip(queues.iter().skip(top)) {
        if let Some(words) = value::absent(state, queue.name) {
            part.text(after_name, y, &words, theme.aged(theme.dim, state.is_stale()));
        }
    }
    let absent = absent_lines(state);
    for (y, words) in (1 + table_rows..).zip(&absent) {
        canvas.text(1, y, words, theme.aged(theme.dim, state.is_stale()));
    }
    let below = 1 + table_rows + absent.len() as u16 + 1;
    if height > below + 4
        && let Some(queue) = state.queue_under_cursor()
    {
        one(state, queue, &mut canvas.part(0, below, width, height - below));
    }
}

/// Queues of the pipeline that are no row of the table because they are not there.
fn absent_lines(state: &State) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in QueueName::pipeline().filter(|name| state.model.queue(*name).is_none()) {
        if let Some(why) = state.deployment.absent(name) {
            by_reason.entry(why).or_default().push(name.to_string());
        }
    }
    by_reason.into_iter().map(|(why, names)| format!("{why}: {}", names.join(", "))).collect()
}

fn cells(state: &State, queue: &QueueView, spark_columns: u16) -> Vec<Cell> {
    let theme = &state.theme;
    let aged = |style: Style| theme.aged(style, value::is_old(state, queue));
    let rate = |rate: Option<f32>| match rate {
        Some(rate) => Cell::new(text::rate(rate), aged(theme.text)),
        None => value::missing(state),
    };
    let (name_style, ready) = if queue.name.is_dead_letter {
        (theme.dim, value::polled_letters(state, queue.ready))
    } else {
        (theme.title, value::polled(state, queue.ready, theme.text))
    };
    let waits = queue.ready.is_some_and(|ready| ready.value > 0);
    let consumers = match queue.consumers {
        _ if queue.name.is_dead_letter => Cell::default(),
        None => value::missing(state),
        Some(0) if waits => Cell::new("▲ 0", aged(theme.warn)),
        Some(count) => Cell::new(count.to_string(), aged(theme.text)),
    };
    let drains = if queue.name.is_dead_letter { Cell::default() } else { value::drains_in(state, queue) };
    let indent = if queue.name.is_dead_letter { " └ " } else { "" };
    let name = format!("{indent}{}", queue.name);
    if value::absent(state, queue.name).is_some() {
        // What stands after the name says so, over all columns.
        return vec![Cell::new(name, theme.dim)];
    }
    vec![
        Cell::new(name, aged(name_style)),
        ready,
        value::polled(state, queue.in_flight, theme.text),
        value::polled(state, queue.delayed, theme.dim),
        value::since(state, queue.oldest_enqueued_at, aged(theme.text)),
        rate(queue.in_per_minute),
        rate(queue.out_per_minute),
        drains,
        Cell::new(text::spark(&queue.history, usize::from(spark_columns)), aged(theme.accent)),
        consumers,
        duration(state, queue.visibility_secs),
        queue.max_receives.map_or_else(|| value::missing(state), |max| Cell::new(max.to_string(), theme.dim)),
        value::since(state, value::read_at(state, queue), aged(theme.dim)),
    ]
}

fn duration(state: &State, secs: Option<f32>) -> Cell {
    match secs.and_then(|secs| std::time::Duration::try_from_secs_f32(secs).ok()) {
        Some(duration) => Cell::new(text::age(duration), state.theme.dim),
        None => value::missing(state),
    }
}

/// The queue under the cursor: its last half hour as a chart, and what is known of it in words.
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
    let secs = |secs: Option<f32>| {
        let duration = secs.and_then(|secs| std::time::Duration::try_from_secs_f32(secs).ok());
        duration.map_or_else(missing, text::age)
    };
    let ago = |at: Option<stereospot_domain::Timestamp>| {
        at.map_or_else(missing, |at| format!("{} ago", text::age(state.ago(at))))
    };
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

/// History as columns of block glyphs, newest at the right, with its highest value at the side.
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
