//! Events as they come.

use super::table::{self, Cell, Column, column, stretching};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::log;
use crate::dashboard::mouse::List;
use crate::dashboard::state::State;
use crate::text;

const COLUMNS: [Column; 5] = [
    column("UTC", 8, 3),
    stretching("EVENT", 20, 22, 0),
    stretching("JOB/SEGMENT", 8, 14, 0),
    stretching("FROM", 14, 24, 2),
    stretching("FACTS", 10, 400, 1),
];

/// Draws the screen.
pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let events = &state.model.log;
    let (width, height) = (canvas.width(), canvas.height());
    let mut title = format!("EVENTS ({} of {}, without heartbeats)", events.shown_len(), events.len());
    if let Some(job) = events.only_job() {
        title.push_str(&format!(" · only job {}", job.short()));
    }
    if events.dropped() > 0 {
        title.push_str(&format!(" · {} older dropped", events.dropped()));
    }
    let x = canvas.heading(0, &title, theme.title, theme.faint);
    let tail = match (state.is_frozen, events.follows) {
        (true, _) => format!(" held, {} more came in ", events.held_back()),
        (false, true) => " following ".to_owned(),
        (false, false) => " not following: G ".to_owned(),
    };
    if usize::from(x) + tail.len() + 2 < usize::from(width) {
        canvas.text_right(
            width - 1,
            0,
            &tail,
            if events.follows && !state.is_frozen { theme.good } else { theme.warn },
        );
    }
    if events.shown_len() == 0 {
        let words = if events.len() == 0 { "none came in since this dashboard began" } else { "no event matches" };
        canvas.text(1, 1, words, theme.dim);
        return;
    }
    let selected = events.index();
    let top = events.cursor.window(selected.unwrap_or(0), events.shown_len(), usize::from(height.saturating_sub(2)));
    let rows = table::Rows { count: events.shown_len(), selected, top };
    let mut part = canvas.part(0, 1, width, height.saturating_sub(1));
    state.hits.rows(&part, 1, List::Events, (rows.top, rows.count));
    table::draw(&mut part, theme, &COLUMNS, &rows, |at| {
        let Some(entry) = events.shown(at) else { return Vec::new() };
        let event = &entry.event;
        let style = match event.kind {
            kind if kind.is_error() => theme.bad,
            kind if kind.is_progress() => theme.dim,
            _ => theme.text,
        };
        let mark = if event.kind.is_error() { "✗ " } else { "" };
        let attempt = event.attempt.filter(|attempt| *attempt > 1).map(|attempt| format!("attempt={attempt} "));
        vec![
            Cell::new(text::time_of_day(event.time), theme.dim),
            Cell::new(format!("{mark}{}", event.kind), style),
            Cell::new(log::subject(event), theme.accent),
            Cell::new(event.source.clone(), theme.dim),
            Cell::new(attempt.unwrap_or_default(), theme.warn).and(entry.facts.clone(), style),
        ]
    });
}
