//! One dead-letter queue: by cause, then message by message, then the body.

use stereospot_api::view::MessageView;
use stereospot_domain::QueueName;

use super::table::{self, Cell, Column, column, number, stretching};
use super::value;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::mouse::List;
use crate::dashboard::state::State;
use crate::dashboard::triage::{MAX_MESSAGES, Pane};
use crate::text;

const GROUPS: [Column; 7] = [
    column(" ", 1, 0),
    number("COUNT", 5, 0),
    stretching("CAUSE", 14, 120, 0),
    number("JOBS", 4, 2),
    number("RECEIVES", 8, 4),
    number("FIRST", 6, 3),
    number("LAST", 6, 1),
];

const MESSAGES: [Column; 7] = [
    column(" ", 1, 0),
    stretching("MESSAGE", 8, 36, 5),
    column("JOB", 8, 1),
    number("SEG", 5, 0),
    number("RECEIVES", 8, 3),
    number("DEAD FOR", 8, 2),
    number("EXPIRES", 7, 4),
];

/// Draws the screen.
pub(super) fn draw(state: &State, queue: QueueName, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let triage = &state.triage;
    let (width, height) = (canvas.width(), canvas.height());
    let mut title = queue.to_string();
    // What was not read has no count.
    if triage.read_at.is_some() && triage.error.is_none() {
        title.push_str(&format!(" · {}", text::plural(triage.messages.len(), "message")));
    }
    if triage.messages.len() >= MAX_MESSAGES as usize {
        title.push_str(" (the oldest; there may be more)");
    }
    if !triage.marked.is_empty() {
        title.push_str(&format!(" · {} marked", triage.marked.len()));
    }
    let x = canvas.heading(0, &title, theme.title, theme.faint);
    let fits = |age: &&String| usize::from(x) + text::width(age) + 4 < usize::from(width);
    if let Some(age) = ages(state, queue).iter().find(fits) {
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
    groups(state, &mut canvas.part(0, 1, width, group_rows));
    let rest = height.saturating_sub(group_rows + 2);
    let y = group_rows + 2;
    if width >= 110 {
        let left = width / 2;
        messages(state, &mut canvas.part(0, y, left, rest));
        body(state, &mut canvas.part(left + 1, y, width - left - 1, rest));
    } else {
        let rows = (rest / 2).max(rest.min(4));
        messages(state, &mut canvas.part(0, y, width, rows));
        body(state, &mut canvas.part(0, y + rows, width, rest.saturating_sub(rows)));
    }
}

/// When the messages were read, in words, the fullest first. Where they are read only when their count has changed, the count is
/// younger than they are: it says since when they are known to be the same number.
fn ages(state: &State, queue: QueueName) -> Vec<String> {
    let triage = &state.triage;
    let age = |at| text::age(state.ago(at));
    let Some(at) = triage.read_at else {
        return vec![if triage.is_reading { "reading …" } else { "not read" }.to_owned()];
    };
    let read = format!("read {} ago", age(at));
    let counted =
        state.model.queue(queue).and_then(|queue| value::read_at(state, queue)).filter(|counted| *counted > at);
    match counted.filter(|_| state.is_paid()) {
        Some(counted) => vec![format!("{read}, as many {} ago", age(counted)), read],
        None => vec![read],
    }
}

fn groups(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let triage = &state.triage;
    let selected = triage.group_cursor.index(triage.groups.len(), |at| triage.groups[at].fingerprint.clone());
    let seen = usize::from(canvas.height().saturating_sub(1));
    let top = triage.group_cursor.window(selected.unwrap_or(0), triage.groups.len(), seen);
    let has_cursor = triage.pane == Pane::Groups;
    let rows = table::Rows { count: triage.groups.len(), selected: selected.filter(|_| has_cursor), top };
    state.hits.rows(canvas, 1, List::Groups, (rows.top, rows.count));
    table::draw(canvas, theme, &GROUPS, &rows, |at| {
        let group = &triage.groups[at];
        let marked = group.messages.iter().filter(|at| triage.marked.contains(&triage.messages[**at].id)).count();
        let mark = match marked {
            0 if selected == Some(at) && !has_cursor => Cell::new("›", theme.accent),
            0 => Cell::default(),
            all if all == group.messages.len() => Cell::new("■", theme.accent),
            _ => Cell::new("◧", theme.accent),
        };
        vec![
            mark,
            Cell::new(group.messages.len().to_string(), theme.bad),
            Cell::new(group.fingerprint.clone(), theme.text),
            Cell::new(group.jobs.to_string(), theme.text),
            Cell::new(group.most_receives.to_string(), theme.dim),
            value::since(state, Some(group.first_at), theme.dim),
            value::since(state, Some(group.last_at), theme.text),
        ]
    });
}

fn messages(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let triage = &state.triage;
    let messages = triage.group_messages();
    let (width, height) = (canvas.width(), canvas.height());
    canvas.heading(0, &format!("MESSAGES ({})", messages.len()), theme.title, theme.faint);
    let selected = triage.message_cursor.index(messages.len(), |at| messages[at].id.clone());
    let top =
        triage.message_cursor.window(selected.unwrap_or(0), messages.len(), usize::from(height.saturating_sub(2)));
    let has_cursor = triage.pane == Pane::Messages;
    let rows = table::Rows { count: messages.len(), selected: selected.filter(|_| has_cursor), top };
    let mut part = canvas.part(0, 1, width, height.saturating_sub(1));
    state.hits.rows(&part, 1, List::Messages, (rows.top, rows.count));
    table::draw(&mut part, theme, &MESSAGES, &rows, |at| {
        let message = messages[at];
        let mark = if triage.marked.contains(&message.id) {
            Cell::new("■", theme.accent)
        } else if selected == Some(at) && !has_cursor {
            Cell::new("›", theme.accent)
        } else {
            Cell::default()
        };
        let expires = message.expires_at.map(|at| text::age(at.since(state.server_now())));
        vec![
            mark,
            Cell::new(message.id.clone(), theme.dim),
            message.job_id.map_or_else(|| value::missing(state), |id| Cell::new(id.short(), theme.accent)),
            message.segment_index.map_or_else(|| value::missing(state), |at| Cell::new(at.to_string(), theme.text)),
            Cell::new(message.receive_count.to_string(), theme.dim),
            value::since(state, message.dead_lettered_at, theme.text),
            value::live(state, expires, theme.dim),
        ]
    });
}

fn body(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let Some(message) = state.triage.message() else { return };
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
    lines.push((String::new(), theme.dim));
    lines.extend(
        pretty(message).into_iter().flat_map(|line| text::wrap_kept(&line, columns)).map(|line| (line, theme.text)),
    );
    for (y, (line, style)) in lines.iter().enumerate() {
        canvas.text(1, y as u16 + 1, line, *style);
    }
}

/// The body in lines, indented where it is JSON.
fn pretty(message: &MessageView) -> Vec<String> {
    let value: Result<serde_json::Value, _> = serde_json::from_str(&message.body);
    let text = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    text.as_deref().unwrap_or(&message.body).lines().map(str::to_owned).collect()
}
