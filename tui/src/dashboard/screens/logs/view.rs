//! The state of the search, the lines, and the selected one in full.

use ratatui::style::{Modifier, Style};

use super::search::{Entry, Level, LogSearch, Search};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::effect::LOG_LINES;
use crate::dashboard::mouse::Target;
use crate::dashboard::state::State;
use crate::dashboard::theme::Theme;
use crate::dashboard::view::table::{self, Cell, Column, column, stretching};
use crate::text;

const COLUMNS: &[Column<Entry>] = &[
    column("UTC", 8, 2, |state, entry, _| Cell::new(text::time_of_day(entry.line.time), state.theme.dim)),
    column("LEVEL", 5, 1, |state, entry, _| Cell::new(level_word(entry), style(&state.theme, entry))),
    column("FROM", 12, 3, |state, entry, _| Cell::new(entry.writer().to_owned(), state.theme.dim)),
    stretching("TEXT", 8, 1000, 0, |state, entry, _| {
        Cell::new(entry.says.clone().into_string(), style(&state.theme, entry))
    }),
];

pub(super) fn draw(logs: &LogSearch, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let title = state.model.jobs.get(logs.id).map(|row| text::title(row.title.as_deref())).unwrap_or_default();
    let lines = match (logs.read_at, logs.filter()) {
        (None, _) => String::new(),
        (_, "") => format!(" · {}", text::plural(logs.len(), "line")),
        _ => format!(" · {} of {} match", logs.shown_len(), text::plural(logs.len(), "line")),
    };
    let name = format!("LOGS {} {title}", logs.id.short());
    canvas.heading(0, &format!("{}{lines}", name.trim_end()), theme.title, theme.faint);
    let y = 1 + status(state, logs, &mut canvas.part(0, 1, width, height.saturating_sub(1)));
    let mut body = canvas.part(0, y, width, height.saturating_sub(y));
    if logs.shown_len() == 0 {
        let words = match (logs.read_at, logs.len()) {
            (None, _) => "",
            (Some(_), 0) => "no line names this job in the time that it ran",
            (Some(_), _) => "no line matches",
        };
        body.text(1, 0, words, theme.dim);
    } else if logs.wraps {
        wrapped(state, logs, &mut body);
    } else {
        cut(state, logs, &mut body);
    }
}

/// Draws the state of the search, its cost, and what it could not search. Returns the rows it took.
fn status(state: &State, logs: &LogSearch, canvas: &mut Canvas<'_>) -> u16 {
    let theme = &state.theme;
    let now = state.now;
    let mut parts: Vec<(String, Style)> = Vec::new();
    match logs.search {
        Search::Running { since } => {
            let secs = now.saturating_sub(since).as_secs();
            parts.push((format!("searching … {secs}s, esc stops it"), theme.accent.add_modifier(Modifier::BOLD)));
        }
        Search::Due if !state.is_live() => parts.push(("not connected: searched when it is".into(), theme.warn)),
        Search::Due => parts.push(("searching …".into(), theme.accent)),
        Search::Over { was_stopped: true, .. } => parts.push(("stopped: enter searches again".into(), theme.warn)),
        Search::Over { .. } => {}
    }
    if let Some(next) = logs.next_in(state.model.is_paid(), now) {
        parts.push((format!("follows: next search in {}s", next.as_secs()), theme.good));
    }
    if let Some(at) = logs.read_at {
        parts.push((format!("read {} ago", text::age(state.ago(at))), theme.aged(theme.dim, state.is_stale())));
        let searches = if logs.searches > 1 { format!(" in {} searches", logs.searches) } else { String::new() };
        parts.push((format!("{} scanned{searches}", text::size(logs.scanned)), theme.dim));
        parts.push((text::plural(logs.searched.len(), "source"), theme.dim));
    }
    let mut x = 1;
    for (at, (words, style)) in parts.iter().enumerate() {
        if at > 0 {
            x = canvas.text(x, 0, " │ ", theme.faint);
        }
        x = canvas.text(x, 0, words, *style);
    }
    let mut warnings: Vec<String> = logs.error.iter().map(|why| format!("✗ {why}")).collect();
    if !logs.is_whole {
        warnings.push(format!("! these are the oldest {LOG_LINES} lines; there are more"));
    }
    warnings.extend(logs.missing.iter().map(|missing| format!("! not searched: {missing}")));
    let room = usize::from(canvas.height() / 3).max(usize::from(canvas.height() > 2));
    for (line, words) in warnings.iter().take(room).enumerate() {
        canvas.text(1, 1 + line as u16, words, theme.warn);
    }
    1 + warnings.len().min(room) as u16
}

/// Draws one row per line, cut at the right, and, if there is room, the selected one in full below.
fn cut(state: &State, logs: &LogSearch, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let full = if height >= 10 { in_full(logs, usize::from(width.saturating_sub(2))) } else { Vec::new() };
    let full_rows = (full.len() as u16 + 1).min(height / 3) * u16::from(!full.is_empty());
    let list_rows = height - full_rows;
    let selected = logs.index();
    let seen = usize::from(list_rows.saturating_sub(1));
    let top = logs.cursor.window(selected.unwrap_or(0), logs.shown_len(), seen);
    let rows = table::Rows { section: 0, count: logs.shown_len(), selected, top };
    let mut list = canvas.part(0, 0, width, list_rows);
    table::draw(state, &mut list, COLUMNS, &rows, |at| logs.shown(at));
    if full_rows > 0 {
        let mut part = canvas.part(0, list_rows, width, full_rows);
        part.heading(0, "LINE", theme.title, theme.faint);
        for (y, words) in full.iter().enumerate() {
            part.text(1, y as u16 + 1, words, if y == 0 { theme.dim } else { theme.text });
        }
    }
}

/// The selected line's source, then its whole text.
fn in_full(logs: &LogSearch, columns: usize) -> Vec<String> {
    let Some(entry) = logs.under_cursor() else { return Vec::new() };
    let stream = if entry.line.stream.is_empty() { String::new() } else { format!(" · {}", entry.line.stream) };
    let mut lines = vec![format!("{}{stream}", entry.line.source)];
    lines.extend(text::wrap_kept(entry.line.text.trim_end(), columns));
    lines
}

/// Draws every line in full, in as many rows as it needs.
fn wrapped(state: &State, logs: &LogSearch, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let room = usize::from(canvas.height());
    let margin = if canvas.width() >= 60 { 17 } else { 1 };
    let columns = usize::from(canvas.width().saturating_sub(margin + 1)).max(1);
    let Some(selected) = logs.index() else { return };
    let lines_of = |at: usize| text::wrap_kept(&logs.shown(at).says, columns);
    // Each line takes at least one row, which limits how far up the first one can be. The selected line must fit too.
    let mut top = logs.top.get().min(selected).max((selected + 1).saturating_sub(room.max(1)));
    let mut used: usize = (top..=selected).map(|at| lines_of(at).len()).sum();
    while top < selected && used > room {
        used -= lines_of(top).len();
        top += 1;
    }
    logs.top.set(top);
    // A page is the number of visible lines.
    logs.cursor.window(selected, logs.shown_len(), room);
    let mut y = 0;
    for at in top..logs.shown_len() {
        if usize::from(y) >= room {
            break;
        }
        let entry = logs.shown(at);
        if margin > 1 {
            canvas.text(1, y, &text::time_of_day(entry.line.time), theme.dim);
            canvas.text(10, y, level_word(entry), style(theme, entry));
        }
        for words in lines_of(at) {
            canvas.text(margin, y, &words, style(theme, entry));
            state.hits.put(canvas, (0, y, canvas.width()), Target::Row { section: 0, at });
            if at == selected {
                canvas.text(0, y, "▌", theme.accent);
                canvas.style_row(y, theme.selected);
            }
            y = y.saturating_add(1);
        }
    }
}

fn level_word(entry: &Entry) -> &'static str {
    entry.level.map_or("", Level::word)
}

fn style(theme: &Theme, entry: &Entry) -> Style {
    match entry.level {
        Some(Level::Error) => theme.bad,
        Some(Level::Warning) => theme.warn,
        Some(Level::Debug) => theme.dim,
        Some(Level::Info) | None => theme.text,
    }
}
