//! The deployment in lines.

use ratatui::style::Style;
use stereospot_api::view::{ApiCalls, DeploymentView, FoundQueue};
use stereospot_domain::{QueueName, Topology};

use super::Deployment;
use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::text;

type Line = Vec<(String, Style)>;

pub(super) fn draw(screen: &Deployment, state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let deployment = &state.model.deployment;
    let x = canvas.heading(0, "DEPLOYMENT", theme.title, theme.faint);
    let mut y = 1;
    if let Some(error) = &deployment.error {
        canvas.text(1, y, error, theme.warn);
        y += 1;
    }
    let Some(view) = &deployment.view else {
        if deployment.error.is_none() {
            canvas.text(1, y, if state.is_live() { "reading …" } else { "not connected yet" }, theme.dim);
        }
        return;
    };
    let lines = lines(state, view, usize::from(width.saturating_sub(2)));
    let room = usize::from(height.saturating_sub(y));
    screen.last_scroll.set(lines.len().saturating_sub(room));
    let scroll = screen.scroll.min(lines.len().saturating_sub(room));
    let mut part = canvas.part(0, y, width, height.saturating_sub(y));
    for (row, line) in lines.iter().skip(scroll).take(room).enumerate() {
        let mut x = 1;
        for (words, style) in line {
            x = part.text(x, row as u16, words, *style);
        }
    }
    let hidden = lines.len().saturating_sub(scroll + room);
    let more = if hidden > 0 { format!(" {hidden} more ↓ ") } else { String::new() };
    let end = width.saturating_sub(1);
    canvas.text_right(end, 0, &more, theme.warn);
    if let Some(at) = deployment.read_at {
        let age = format!(" asked {} ago ", text::age(state.ago(at)));
        let end = end.saturating_sub(text::width(&more) as u16);
        if usize::from(x) + age.len() + 1 < usize::from(end) {
            canvas.text_right(end, 0, &age, theme.aged(theme.dim, state.is_stale()));
        }
    }
}

fn lines(state: &State, view: &DeploymentView, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let aged = |style| theme.aged(style, state.is_stale());
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| text::MISSING.into());
    let mut lines: Vec<Line> = Vec::new();
    let fact = |label: &str, words: String| vec![(format!("{label:<10}"), theme.dim), (words, aged(theme.text))];
    let topology = match view.topology {
        Some(Topology::JobWorker) => "A: its job-worker completes and triggers",
        Some(Topology::VideoWorker) => "B: its video worker completes and triggers",
        None => text::MISSING,
    };
    let repairs = state.model.environment.as_ref().map_or("", |environment| match environment.repairs_by_itself {
        true => "; lost jobs are repaired without asking",
        false => "; lost jobs are left to operators' plans",
    });
    lines.push(fact("backend", format!("{}{repairs}", view.backend)));
    lines.push(fact("region", known(&view.region)));
    lines.push(fact("prefix", known(&view.prefix)));
    lines.push(fact("topology", topology.to_owned()));
    lines.push(Vec::new());
    let started = format!("  {} ago", text::age(state.ago(view.started_at)));
    if view.missing.is_empty() {
        let words = ("nothing was missing at the start".into(), aged(theme.text));
        lines.push(vec![("✓ ".into(), aged(theme.good)), words, (started, aged(theme.dim))]);
    } else {
        let title = (format!("MISSING AT THE START ({})", view.missing.len()), theme.warn);
        lines.push(vec![title, (started, aged(theme.dim))]);
        for missing in &view.missing {
            for (at, words) in text::wrap(missing, columns.saturating_sub(2).max(8)).into_iter().enumerate() {
                lines.push(vec![(if at == 0 { "! " } else { "  " }.into(), theme.warn), (words, aged(theme.text))]);
            }
        }
    }
    lines.push(Vec::new());
    lines.extend(calls(state, view, columns));
    lines.push(Vec::new());
    lines.push(vec![(format!("QUEUES ({})", view.queues.len()), theme.title)]);
    lines.extend(view.queues.iter().map(|queue| queue_line(state, queue)));
    for name in QueueName::pipeline().filter(|name| view.queues.iter().all(|queue| queue.name != *name)) {
        let absent = FoundQueue { name, physical: String::new(), exists: false, note: None, read_at: None };
        lines.push(queue_line(state, &absent));
    }
    lines
}

/// The cost of watching: the total, then by call.
fn calls(state: &State, view: &DeploymentView, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let aged = |style| theme.aged(style, state.is_stale());
    let mut lines: Vec<Line> = vec![vec![("CALLS".into(), theme.title)]];
    if view.calls.is_empty() && view.budget_per_minute.is_none() {
        lines[0].push(("  none: asking this platform costs nothing".into(), aged(theme.dim)));
        return lines;
    }
    let is_over = view.budget_per_minute.is_some_and(|budget| view.calls_per_minute > budget as f32);
    let style = if is_over { theme.warn } else { theme.text };
    let mark = if is_over { " ▲" } else { "" };
    let budget = view.budget_per_minute.map(|budget| format!(" of at most {budget}")).unwrap_or_default();
    let minute = text::rate(view.calls_per_minute);
    lines[0].push((format!("  {minute} a minute{budget}{mark}"), aged(style)));
    lines[0].push((format!("  ≈{} a month at list price", text::usd(view.usd_per_month)), aged(theme.text)));
    if !view.calls.is_empty() {
        let titles = ["CALL", "/MIN", "IN ALL", "THROTTLED", "FAILED", "A MONTH"];
        lines.push(vec![(row(titles.map(str::to_owned), columns), theme.dim)]);
    }
    lines.extend(view.calls.iter().map(|call| {
        let style = if call.throttled + call.failed > 0 { theme.warn } else { theme.text };
        vec![(row(cells(call), columns), aged(style))]
    }));
    lines
}

fn cells(call: &ApiCalls) -> [String; 6] {
    [
        call.api.clone(),
        text::rate(call.per_minute),
        text::count(call.attempts),
        text::count(call.throttled),
        text::count(call.failed),
        format!("≈{}", text::usd(call.usd_per_month)),
    ]
}

fn row([api, minute, all, throttled, failed, month]: [String; 6], columns: usize) -> String {
    // The numbers take 43 columns; the longest name takes 48.
    let width = columns.saturating_sub(43).clamp(12, 48);
    format!("  {:<width$} {minute:>6} {all:>7} {throttled:>9} {failed:>6} {month:>8}", text::truncate(&api, width))
}

fn queue_line(state: &State, queue: &FoundQueue) -> Line {
    let theme = &state.theme;
    let aged = |style| theme.aged(style, state.is_stale());
    let name = queue.name.to_string();
    let (glyph, glyph_style, style) =
        if queue.exists { ("✓ ", theme.good, theme.text) } else { ("– ", theme.dim, theme.dim) };
    let read_at = state.model.queue(queue.name).and_then(|queue| queue.ready).map(|ready| ready.at);
    let note = match (&queue.note, queue.exists, read_at) {
        (Some(note), _, _) => format!("  {note}"),
        (None, false, _) => "  not deployed".to_owned(),
        (None, true, Some(at)) => format!("  read {} ago", text::age(state.ago(at))),
        (None, true, None) => "  not read yet".to_owned(),
    };
    let note_style = if queue.exists && queue.note.is_some() { theme.accent } else { theme.dim };
    vec![
        (glyph.into(), aged(glyph_style)),
        (format!("{name:<22} "), aged(style)),
        (queue.physical.clone(), aged(theme.dim)),
        (note, aged(note_style)),
    ]
}
