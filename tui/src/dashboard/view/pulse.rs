//! The landing screen: what is wrong first, then the stages, then the jobs at work.

use ratatui::style::Style;
use stereospot_api::view::WorkerState;
use stereospot_domain::{QueueName, Stage};

use super::table::{self, Cell, Column, column, number, stretching};
use super::{jobs, value};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::log;
use crate::dashboard::mouse::List;
use crate::dashboard::state::{PulseItem, State};
use crate::dashboard::theme::severity_glyph;
use crate::text;

/// Draws the screen.
pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let here = state.pulse_item();
    let problems = state.model.attention.len() as u16 + u16::from(state.disconnected().is_some());
    let stages = Stage::ALL.len() as u16;
    // Attention may take what the stages leave; with room to spare each section gets air.
    let airy = u16::from(height >= 20);
    let stage_rows = stages + 2;
    let left = height.saturating_sub(1 + stage_rows + 2 * airy).max(height.saturating_sub(2 + stages)).max(1);
    let attention_rows = problems.max(1).min(left) + 1;
    attention(state, here.as_ref(), &mut canvas.part(0, 0, width, attention_rows));
    let mut y = attention_rows + airy;
    stage_table(state, here.as_ref(), &mut canvas.part(0, y, width, stages + 1));
    y += stages + 1;
    summary(state, &mut canvas.part(0, y, width, 1));
    y += 1 + airy;
    let rest = height.saturating_sub(y);
    if rest < 2 {
        return;
    }
    // A wide terminal shows events beside the jobs; a narrow one only the jobs.
    let jobs_width = if width >= 150 { width * 3 / 5 } else { width };
    active_jobs(state, here.as_ref(), &mut canvas.part(0, y, jobs_width, rest));
    if jobs_width < width {
        newest_events(state, &mut canvas.part(jobs_width + 1, y, width - jobs_width - 1, rest));
    }
}

fn attention(state: &State, here: Option<&PulseItem>, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let items = &state.model.attention;
    let disconnected = state.disconnected();
    let above = u16::from(disconnected.is_some());
    let title_style = match items.first() {
        _ if above > 0 => theme.bad,
        Some(gravest) => theme.severity(gravest.severity),
        None => theme.title,
    };
    canvas.heading(0, &format!("ATTENTION ({})", items.len() + usize::from(above)), title_style, theme.faint);
    // It is no item of the server's, and no cursor stands on it; it comes first, for it makes all others doubtful.
    if let Some(why) = disconnected {
        canvas.text(1, 1, "✗", theme.bad);
        let x = canvas.text(3, 1, "control plane", theme.title);
        canvas.text(x + 2, 1, &why, theme.warn);
        if items.is_empty() {
            return;
        }
    }
    if items.is_empty() {
        match state.model.environment {
            Some(_) => {
                let x = canvas.text(1, 1, "✓ ", theme.good);
                canvas.text(x, 1, "nothing is wrong, as far as can be seen", theme.text);
            }
            None => {
                canvas.text(1, 1, &format!("asking {} …", state.server), theme.dim);
            }
        }
        return;
    }
    let room = usize::from(canvas.height().saturating_sub(1 + above));
    let selected = items.iter().position(|item| here == Some(&PulseItem::Attention(item.id.clone())));
    let top = selected.map_or(0, |at| (at + 1).saturating_sub(room));
    let (width, is_stale) = (canvas.width(), state.is_stale());
    let aged = |style| theme.aged(style, is_stale);
    let subject_columns = items.iter().map(|item| text::width(&item.subject)).max().unwrap_or(0).min(34) as u16;
    let is_wide = width >= 70;
    let next_columns = items.iter().map(|item| text::width(&item.next)).max().unwrap_or(0) as u16;
    let next_columns = if is_wide { next_columns.min(width / 3) } else { 0 };
    for (line, (at, item)) in items.iter().enumerate().skip(top).take(room).enumerate() {
        let y = line as u16 + 1 + above;
        let style = theme.severity(item.severity);
        canvas.text(1, y, severity_glyph(item.severity), style);
        let age = text::age(state.ago(item.since));
        let age_end = width.saturating_sub(if is_wide { next_columns + 4 } else { 1 });
        if is_wide {
            canvas.text(width.saturating_sub(next_columns + 1), y, &item.next, aged(theme.accent));
        }
        canvas.text_right(age_end, y, &age, aged(theme.dim));
        let end = age_end.saturating_sub(text::width(&age) as u16 + 2);
        let subject_end = 3 + subject_columns.min(end.saturating_sub(3));
        canvas.text_within(3, y, subject_end - 3, &item.subject, aged(theme.title));
        let x = subject_end + 2;
        canvas.text_within(x, y, end.saturating_sub(x), &item.evidence, aged(theme.text));
        if selected == Some(at) {
            canvas.text(0, y, "▌", theme.accent);
            canvas.style_row(y, theme.selected);
        }
    }
    state.hits.rows(canvas, 1 + above, List::Attention, (top, items.len()));
    let hidden = items.len().saturating_sub(room);
    if hidden > 0 {
        canvas.text_right(width.saturating_sub(1), 0, &format!(" {hidden} more ↓ "), theme.warn);
    }
}

const STAGES: [Column; 10] = [
    column("STAGE", 11, 0),
    number("ready", 7, 0),
    number("flight", 7, 3),
    number("oldest", 7, 2),
    number("in/min", 7, 6),
    number("out/min", 7, 5),
    stretching("30 min", 10, 30, 7),
    number("drains in", 9, 4),
    number("age", 5, 8),
    number("DLQ  ", 7, 1),
];

fn stage_table(state: &State, here: Option<&PulseItem>, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let spark_columns = table::arrange(&STAGES, canvas.width().saturating_sub(3));
    let spark_columns = spark_columns.iter().find(|placed| placed.column == 6).map_or(0, |placed| placed.width);
    let selected = Stage::ALL.iter().position(|stage| here == Some(&PulseItem::Stage(*stage)));
    let rows = table::Rows { count: Stage::ALL.len(), selected, top: 0 };
    state.hits.rows(canvas, 1, List::Stages, (rows.top, rows.count));
    table::draw(canvas, theme, &STAGES, &rows, |at| {
        let stage = Stage::ALL[at];
        let (main, dead) = state.model.stage(stage);
        let name = Cell::new(stage.as_str(), theme.text);
        let letters = match dead {
            Some(queue) if queue.ready.is_some() => value::polled_unwanted(state, queue.ready),
            // As far from the edge as the numbers.
            _ => value::missing(state).and("  ", theme.dim),
        };
        let Some(queue) = main else {
            let mut cells = vec![name];
            cells.extend((0..8).map(|_| value::missing(state)));
            cells.push(letters);
            return cells;
        };
        let aged = |style: Style| theme.aged(style, value::is_old(state, queue));
        // Of both queues' numbers, the older.
        let read_at = [main, dead].into_iter().flatten().filter_map(|queue| value::read_at(state, queue)).min();
        let rate = |rate: Option<f32>| {
            rate.map_or_else(|| value::missing(state), |rate| Cell::new(text::rate(rate), aged(theme.text)))
        };
        vec![
            name,
            value::polled(state, queue.ready, theme.text),
            value::polled(state, queue.in_flight, theme.text),
            value::since(state, queue.oldest_enqueued_at, aged(theme.text)),
            rate(queue.in_per_minute),
            rate(queue.out_per_minute),
            Cell::new(text::spark(&queue.history, usize::from(spark_columns)), aged(theme.accent)),
            value::drains_in(state, queue),
            value::since(state, read_at, aged(theme.dim)),
            letters,
        ]
    });
    absent_stages(state, canvas);
}

/// Says over the columns of a stage that its queue is not there.
fn absent_stages(state: &State, canvas: &mut Canvas<'_>) {
    let placed = table::arrange(&STAGES, canvas.width().saturating_sub(3));
    let Some((after_name, last)) = placed.get(1).zip(placed.last()) else { return };
    for (y, stage) in (1..).zip(Stage::ALL) {
        if let Some(words) = value::absent(state, QueueName::main(stage.queue())) {
            let room = last.x.saturating_sub(after_name.x + 1);
            let mut part = canvas.part(1 + after_name.x, y, room, 1);
            part.clear(state.theme.text);
            part.text(0, 0, &words, state.theme.dim);
        }
    }
}

fn summary(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    if state.model.environment.is_none() {
        return;
    }
    let aged = |style| theme.aged(style, state.is_stale());
    let workers = state.model.workers.values();
    let present = |worker: &&stereospot_api::view::WorkerView| {
        !matches!(worker.state, WorkerState::Stopped | WorkerState::Silent)
    };
    let all = workers.clone().filter(present).count();
    let busy = workers.clone().filter(|worker| worker.state == WorkerState::Busy).count();
    let silent = workers.filter(|worker| worker.state == WorkerState::Silent).count();
    let tally = state.model.jobs.tally();
    let services = &state.model.services;
    let mut x = 1;
    if !services.is_empty() {
        let (running, desired) =
            services.iter().fold((0, 0), |sum, service| (sum.0 + service.running, sum.1 + service.desired));
        let style = if running < desired { theme.warn } else { theme.text };
        x = canvas.text(x, 0, &format!("tasks {running}/{desired} running"), aged(style));
    }
    if services.is_empty() || all > 0 {
        x = if x > 1 { canvas.text(x, 0, " │ ", theme.faint) } else { x };
        x = canvas.text(x, 0, &format!("workers {busy}/{all} busy"), aged(theme.text));
    }
    if silent > 0 {
        x = canvas.text(x, 0, &format!(" {silent} silent"), aged(theme.warn));
    }
    x = canvas.text(x, 0, " │ ", theme.faint);
    x = canvas.text(x, 0, &format!("jobs {} running {} waiting", tally.running, tally.waiting), aged(theme.text));
    let stuck = if tally.stuck > 0 { theme.bad } else { theme.dim };
    x = canvas.text(x, 0, &format!(" {} stuck", tally.stuck), aged(stuck));
    let failed = if tally.failed > 0 { theme.warn } else { theme.dim };
    x = canvas.text(x, 0, &format!(" {} failed", tally.failed), aged(failed));
    canvas.text(x, 0, &format!(" {} completed", tally.completed), aged(theme.dim));
}

fn active_jobs(state: &State, here: Option<&PulseItem>, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    canvas.heading(0, &format!("JOBS AT WORK ({})", at_work(state)), theme.title, theme.faint);
    let known: Vec<_> = state.active.iter().filter_map(|id| state.model.jobs.get(*id)).collect();
    if known.is_empty() {
        let words = if state.model.environment.is_some() { "none: stereospot submit FILE starts one" } else { "" };
        canvas.text(1, 1, words, theme.dim);
        return;
    }
    let selected = known.iter().position(|row| here == Some(&PulseItem::Job(row.id)));
    let seen = usize::from(height.saturating_sub(2));
    let top = selected.map_or(0, |at| (at + 1).saturating_sub(seen));
    let rows = table::Rows { count: known.len(), selected, top };
    let mut part = canvas.part(0, 1, width, height - 1);
    let bar_columns = jobs::bar_columns(&jobs::SHORT, part.width());
    state.hits.rows(&part, 1, List::ActiveJobs, (rows.top, rows.count));
    table::draw(&mut part, theme, &jobs::SHORT, &rows, |at| jobs::short_cells(state, known[at], bar_columns));
}

fn at_work(state: &State) -> u64 {
    let tally = state.model.jobs.tally();
    tally.running + tally.waiting + tally.stuck
}

fn newest_events(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    canvas.heading(0, "EVENTS", theme.title, theme.faint);
    let room = usize::from(canvas.height().saturating_sub(1));
    if state.model.log.len() == 0 {
        canvas.text(1, 1, "none came in since this dashboard began", theme.dim);
    }
    let telling = state.model.log.newest().filter(|entry| !entry.event.kind.is_progress());
    for (line, entry) in telling.take(room).enumerate() {
        let (event, y) = (&entry.event, line as u16 + 1);
        let style = if event.kind.is_error() { theme.bad } else { theme.text };
        let aged = |style| theme.aged(style, state.is_stale());
        canvas.text(1, y, &text::time_of_day(event.time), theme.dim);
        canvas.text_within(11, y, 22, event.kind.as_str(), aged(style));
        canvas.text_within(34, y, 14, &log::subject(event), aged(theme.accent));
        canvas.text(49, y, &entry.facts, theme.dim);
    }
}
