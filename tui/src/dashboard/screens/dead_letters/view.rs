//! The table of causes, the selected cause's messages, and the selected message's body.

use stereospot_api::view::MessageView;
use stereospot_domain::QueueName;

use super::triage::{Group, Pane, Triage};
use super::{GROUPS, MESSAGES};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::effect;
use crate::dashboard::state::State;
use crate::dashboard::view::table::{self, Cell, Column, column, number, stretching};
use crate::dashboard::view::value;
use crate::dashboard::words;
use crate::text;

struct Marked<'a, T> {
    item: &'a T,
    mark: &'static str,
}

fn mark<T>(state: &State, row: &Marked<'_, T>, _width: u16) -> Cell {
    Cell::new(row.mark, state.theme.accent)
}

fn group_columns<'a>() -> [Column<Marked<'a, Group>>; 7] {
    [
        column(" ", 1, 0, mark),
        number("COUNT", 5, 0, |state, row, _| Cell::new(row.item.messages.len().to_string(), state.theme.bad)),
        stretching("CAUSE", 14, 120, 0, |state, row, _| {
            Cell::new(words::cause(row.item.fingerprint.as_ref()), state.theme.text)
        }),
        number("JOBS", 4, 2, |state, row, _| Cell::new(row.item.jobs.to_string(), state.theme.text)),
        number("RECEIVES", 8, 4, |state, row, _| Cell::new(row.item.most_receives.to_string(), state.theme.dim)),
        number("FIRST", 6, 3, |state, row, _| value::since(state, Some(row.item.first_at), state.theme.dim)),
        number("LAST", 6, 1, |state, row, _| value::since(state, Some(row.item.last_at), state.theme.text)),
    ]
}

fn message_columns<'a>() -> [Column<Marked<'a, MessageView>>; 7] {
    [
        column(" ", 1, 0, mark),
        stretching("MESSAGE", 8, 36, 5, |state, row, _| Cell::new(row.item.id.clone(), state.theme.dim)),
        column("JOB", 8, 1, |state, row, _| match row.item.job_id {
            Some(id) => Cell::new(id.short(), state.theme.accent),
            None => value::missing(state),
        }),
        number("SEG", 5, 0, |state, row, _| match row.item.segment_index {
            Some(index) => Cell::new(index.to_string(), state.theme.text),
            None => value::missing(state),
        }),
        number("RECEIVES", 8, 3, |state, row, _| Cell::new(row.item.receive_count.to_string(), state.theme.dim)),
        number("DEAD FOR", 8, 2, |state, row, _| value::since(state, row.item.dead_lettered_at, state.theme.text)),
        number("EXPIRES", 7, 4, |state, row, _| {
            let left = row.item.expires_at.map(|at| text::age(at.since(state.server_now())));
            value::live(state, left, state.theme.dim)
        }),
    ]
}

pub(super) fn draw(triage: &Triage, queue: QueueName, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let mut title = queue.to_string();
    // An unread queue has no count.
    if triage.read_at.is_some() && triage.error.is_none() {
        title.push_str(&format!(" · {}", text::plural(triage.messages.len(), "message")));
    }
    if triage.messages.len() >= effect::MESSAGES as usize {
        title.push_str(" (the oldest; there may be more)");
    }
    if !triage.marked.is_empty() {
        title.push_str(&format!(" · {} marked", triage.marked.len()));
    }
    let x = canvas.heading(0, &title, theme.title, theme.faint);
    let fits = |age: &&String| usize::from(x) + text::width(age) + 4 < usize::from(width);
    if let Some(age) = ages(triage, queue, state).iter().find(fits) {
        canvas.text_right(width - 1, 0, &format!(" {age} "), theme.dim);
    }
    if let Some(error) = &triage.error {
        canvas.text(1, 1, error, theme.warn);
        return;
    }
    if triage.messages.is_empty() {
        if triage.read_at.is_some() {
            let x = canvas.text(1, 1, "✓ ", theme.good);
            canvas.text(x, 1, "no dead letter here   ← → other queues", theme.text);
        }
        return;
    }
    let group_rows = (triage.groups.len() as u16 + 1).min((height / 3).max(3));
    groups(triage, state, &mut canvas.part(0, 1, width, group_rows));
    let rest = height.saturating_sub(group_rows + 2);
    let y = group_rows + 2;
    if width >= 110 {
        let left = width / 2;
        messages(triage, state, &mut canvas.part(0, y, left, rest));
        body(triage, state, &mut canvas.part(left + 1, y, width - left - 1, rest));
    } else {
        let rows = (rest / 2).max(rest.min(4));
        messages(triage, state, &mut canvas.part(0, y, width, rows));
        body(triage, state, &mut canvas.part(0, y + rows, width, rest.saturating_sub(rows)));
    }
}

/// When the messages were read, in words, the longest version first. Where only a changed count triggers a read, the count is
/// younger than the messages, so its age is shown too.
fn ages(triage: &Triage, queue: QueueName, state: &State) -> Vec<String> {
    let age = |at| text::age(state.ago(at));
    let Some(at) = triage.read_at else {
        return vec![if triage.is_reading { "reading …" } else { "not read" }.to_owned()];
    };
    let read = format!("read {} ago", age(at));
    let counted =
        state.model.queue(queue).and_then(|queue| value::read_at(state, queue)).filter(|counted| *counted > at);
    match counted.filter(|_| state.model.is_paid()) {
        Some(counted) => vec![format!("{read}, as many {} ago", age(counted)), read],
        None => vec![read],
    }
}

fn groups(triage: &Triage, state: &State, canvas: &mut Canvas<'_>) {
    let selected = triage.group_cursor.index(triage.groups.len(), |at| triage.groups[at].fingerprint.clone());
    let seen = usize::from(canvas.height().saturating_sub(1));
    let top = triage.group_cursor.window(selected.unwrap_or(0), triage.groups.len(), seen);
    let has_cursor = triage.pane == Pane::Groups;
    let rows =
        table::Rows { section: GROUPS, count: triage.groups.len(), selected: selected.filter(|_| has_cursor), top };
    table::draw(state, canvas, &group_columns(), &rows, |at| {
        let item = &triage.groups[at];
        let marked = item.messages.iter().filter(|at| triage.marked.contains(&triage.messages[**at].id)).count();
        let mark = match marked {
            0 if selected == Some(at) && !has_cursor => "›",
            0 => "",
            all if all == item.messages.len() => "■",
            _ => "◧",
        };
        Marked { item, mark }
    });
}

fn messages(triage: &Triage, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let messages = triage.group_messages();
    let (width, height) = (canvas.width(), canvas.height());
    canvas.heading(0, &format!("MESSAGES ({})", messages.len()), theme.title, theme.faint);
    let selected = triage.message_cursor.index(messages.len(), |at| messages[at].id.clone());
    let seen = usize::from(height.saturating_sub(2));
    let top = triage.message_cursor.window(selected.unwrap_or(0), messages.len(), seen);
    let has_cursor = triage.pane == Pane::Messages;
    let rows = table::Rows { section: MESSAGES, count: messages.len(), selected: selected.filter(|_| has_cursor), top };
    let mut part = canvas.part(0, 1, width, height.saturating_sub(1));
    table::draw(state, &mut part, &message_columns(), &rows, |at| {
        let item = messages[at];
        let mark = match triage.marked.contains(&item.id) {
            true => "■",
            false if selected == Some(at) && !has_cursor => "›",
            false => "",
        };
        Marked { item, mark }
    });
}

fn body(triage: &Triage, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let Some(message) = triage.message() else { return };
    canvas.heading(0, "MESSAGE", theme.title, theme.faint);
    let columns = usize::from(canvas.width().saturating_sub(2));
    let error = message.error.as_deref().unwrap_or("no worker reported an error for it");
    let mut lines: Vec<(String, _)> = text::wrap(error, columns).into_iter().map(|line| (line, theme.warn)).collect();
    lines.push((String::new(), theme.dim));
    let facts = format!(
        "sent {} ago, received {}",
        text::age(state.ago(message.enqueued_at)),
        text::plural(message.receive_count as usize, "time"),
    );
    lines.push((facts, theme.dim));
    lines.extend(message.envelope.lines().flat_map(|line| text::wrap(&line, columns)).map(|line| (line, theme.dim)));
    lines.push((String::new(), theme.dim));
    lines.extend(
        pretty(message).into_iter().flat_map(|line| text::wrap_kept(&line, columns)).map(|line| (line, theme.text)),
    );
    for (y, (line, style)) in lines.iter().enumerate() {
        canvas.text(1, y as u16 + 1, line, *style);
    }
}

/// The body in lines, indented if it is JSON.
fn pretty(message: &MessageView) -> Vec<String> {
    let value: Result<serde_json::Value, _> = serde_json::from_str(&message.body);
    let text = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    text.as_deref().unwrap_or(&message.body).lines().map(str::to_owned).collect()
}
