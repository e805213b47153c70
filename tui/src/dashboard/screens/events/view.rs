//! The table of events.

use ratatui::style::Style;
use stereospot_domain::Event;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::log::{self, Entry};
use crate::dashboard::state::State;
use crate::dashboard::view::table::{self, Cell, Column, column, stretching};
use crate::text;

const COLUMNS: &[Column<Entry>] = &[
    column("UTC", 8, 3, |state, entry, _| Cell::new(text::time_of_day(entry.event.time), state.theme.dim)),
    stretching("EVENT", 20, 22, 0, |state, entry, _| {
        let mark = if entry.event.kind().is_error() { "✗ " } else { "" };
        Cell::new(format!("{mark}{}", entry.event.payload.name()), style(state, &entry.event))
    }),
    stretching("JOB/SEGMENT", 8, 14, 0, |state, entry, _| Cell::new(log::subject(&entry.event), state.theme.accent)),
    stretching("FROM", 14, 24, 2, |state, entry, _| Cell::new(entry.event.source.clone(), state.theme.dim)),
    stretching("FACTS", 10, 400, 1, |state, entry, _| {
        let attempt = entry.event.attempt.filter(|attempt| *attempt > 1);
        let attempt = attempt.map(|attempt| format!("attempt={attempt} ")).unwrap_or_default();
        Cell::new(attempt, state.theme.warn).and(entry.facts.clone(), style(state, &entry.event))
    }),
];

fn style(state: &State, event: &Event) -> Style {
    match event.kind() {
        kind if kind.is_error() => state.theme.bad,
        kind if kind.is_progress() => state.theme.dim,
        _ => state.theme.text,
    }
}

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
    let rows = table::Rows { section: 0, count: events.shown_len(), selected, top };
    let mut part = canvas.part(0, 1, width, height.saturating_sub(1));
    table::draw(state, &mut part, COLUMNS, &rows, |at| events.shown(at).expect("the list holds what it counts"));
}
