//! The landing screen: what is wrong first, then the stages, then the jobs at work.

use stereospot_api::view::{QueueView, WorkerState, WorkerView};
use stereospot_domain::{QueueName, Stage};

use super::super::jobs;
use super::{ATTENTION, Item, JOBS, Pulse, STAGES};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::log;
use crate::dashboard::model::ACTIVE_JOBS;
use crate::dashboard::mouse::Target;
use crate::dashboard::state::State;
use crate::dashboard::theme::severity_glyph;
use crate::dashboard::view::table::{self, Cell, Column, beside_note, column, number, stretching};
use crate::dashboard::view::value;
use crate::dashboard::words;
use crate::text;

pub(super) fn draw(screen: &Pulse, state: &State, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let here = screen.item(&state.model);
    let problems = state.model.attention.len() as u16 + u16::from(state.disconnected().is_some());
    let stages = Stage::ALL.len() as u16;
    // Attention may use the rows that the stages leave. With space to spare, blank lines separate the sections.
    let airy = u16::from(height >= 20);
    let stage_rows = stages + 2;
    let left = height.saturating_sub(1 + stage_rows + 2 * airy).max(height.saturating_sub(2 + stages)).max(1);
    let list = Attentions::of(state, width);
    let below = list.below.iter().map(Vec::len).sum::<usize>();
    let problems = problems.saturating_add(u16::try_from(below).unwrap_or(u16::MAX));
    let attention_rows = problems.max(1).min(left) + 1;
    attention(state, &list, here.as_ref(), &mut canvas.part(0, 0, width, attention_rows));
    let mut y = attention_rows + airy;
    stage_table(state, here.as_ref(), &mut canvas.part(0, y, width, stages + 1));
    y += stages + 1;
    summary(state, &mut canvas.part(0, y, width, 1));
    y += 1 + airy;
    let rest = height.saturating_sub(y);
    if rest < 2 {
        return;
    }
    // Only a wide terminal has space for events beside the jobs.
    let jobs_width = if width >= 150 { width * 3 / 5 } else { width };
    active_jobs(state, here.as_ref(), &mut canvas.part(0, y, jobs_width, rest));
    if jobs_width < width {
        newest_events(state, &mut canvas.part(jobs_width + 1, y, width - jobs_width - 1, rest));
    }
}

/// How wide the list's columns are, and which next steps don't fit beside their items.
struct Attentions {
    subject_columns: u16,
    next_columns: u16,
    next: Vec<String>,
    /// The lines of a next step that follow below its item: none where it fits beside it.
    below: Vec<Vec<String>>,
}

impl Attentions {
    fn of(state: &State, width: u16) -> Self {
        let items = &state.model.attention;
        let subject_columns = items.iter().map(|item| text::width(&item.title)).max().unwrap_or(0).min(34) as u16;
        let is_wide = width >= 70;
        let mut next: Vec<String> = items.iter().map(|item| words::next(&state.keymap, &item.next)).collect();
        let mut below = Vec::new();
        for (item, next) in items.iter().zip(&mut next) {
            let age = text::age(state.ago(item.since));
            let most = width.saturating_sub(subject_columns + 8 + text::width(&age) as u16);
            below.push(match is_wide && text::width(next) > usize::from(most) {
                true => text::wrap(&std::mem::take(next), usize::from(width.saturating_sub(7))),
                false => Vec::new(),
            });
        }
        let next_columns = next.iter().map(|words| text::width(words)).max().unwrap_or(0) as u16;
        let next_columns = if is_wide { next_columns.min(width / 3) } else { 0 };
        Self { subject_columns, next_columns, next, below }
    }

    /// The first item to draw, so that the selected one is whole within `room` rows.
    fn top(&self, selected: Option<usize>, room: usize) -> usize {
        let Some(selected) = selected else { return 0 };
        let rows = |from: usize| self.below[from..=selected].iter().map(|below| 1 + below.len()).sum::<usize>();
        (0..selected).find(|from| rows(*from) <= room).unwrap_or(selected)
    }
}

fn attention(state: &State, list: &Attentions, here: Option<&Item>, canvas: &mut Canvas<'_>) {
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
    // A lost connection comes first, because everything below is doubtful then. The cursor skips it: it is not an item of the
    // server.
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
    let selected = items.iter().position(|item| here == Some(&Item::Attention(item.about.clone())));
    let top = list.top(selected, room);
    let (width, is_stale) = (canvas.width(), state.is_stale());
    let aged = |style| theme.aged(style, is_stale);
    let Attentions { subject_columns, next_columns, ref next, ref below } = *list;
    let is_wide = width >= 70;
    let (mut y, mut shown) = (1 + above, 0);
    for (at, item) in items.iter().enumerate().skip(top) {
        if y >= canvas.height() {
            break;
        }
        let style = theme.severity(item.severity);
        canvas.text(1, y, severity_glyph(item.severity), style);
        let age = text::age(state.ago(item.since));
        // The next step is not cut: on its line the evidence gives way to it.
        let next_columns = if is_wide { next_columns.max(text::width(&next[at]) as u16) } else { 0 };
        let age_end = width.saturating_sub(if is_wide { next_columns + 4 } else { 1 });
        if is_wide {
            canvas.text(width.saturating_sub(next_columns + 1), y, &next[at], aged(theme.accent));
        }
        canvas.text_right(age_end, y, &age, aged(theme.dim));
        let end = age_end.saturating_sub(text::width(&age) as u16 + 2);
        let subject_end = 3 + subject_columns.min(end.saturating_sub(3));
        canvas.text_within(3, y, subject_end - 3, &item.title, aged(theme.title));
        let x = subject_end + 2;
        canvas.text_within(x, y, end.saturating_sub(x), &item.evidence, aged(theme.text));
        for (line, words) in below[at].iter().enumerate() {
            let y = y + 1 + line as u16;
            canvas.text(4, y, if line == 0 { "→" } else { " " }, aged(theme.dim));
            canvas.text(6, y, words, aged(theme.accent));
        }
        for y in y..=y + below[at].len() as u16 {
            state.hits.put(canvas, (0, y, width), Target::Row { section: ATTENTION, at });
            if selected == Some(at) {
                canvas.text(0, y, "▌", theme.accent);
                canvas.style_row(y, theme.selected);
            }
        }
        y += 1 + below[at].len() as u16;
        shown += 1;
    }
    let hidden = items.len() - shown;
    if hidden > 0 {
        canvas.text_right(width.saturating_sub(1), 0, &format!(" {hidden} more ↓ "), theme.warn);
    }
}

const COLUMNS: &[Column<Stage>] = &[
    beside_note(column("STAGE", 11, 0, |state, stage, _| Cell::new(stage.as_str(), state.theme.text))),
    number("ready", 7, 0, |state, stage, _| {
        of_queue(state, *stage, |queue| value::polled(state, queue.ready, state.theme.text))
    }),
    number("flight", 7, 3, |state, stage, _| {
        of_queue(state, *stage, |queue| value::polled(state, queue.in_flight, state.theme.text))
    }),
    number("oldest", 7, 2, |state, stage, _| {
        of_queue(state, *stage, |queue| {
            value::since(state, queue.oldest_enqueued_at, value::aged(state, queue, state.theme.text))
        })
    }),
    number("in/min", 7, 6, |state, stage, _| {
        of_queue(state, *stage, |queue| value::rate(state, queue, queue.in_per_minute))
    }),
    number("out/min", 7, 5, |state, stage, _| {
        of_queue(state, *stage, |queue| value::rate(state, queue, queue.out_per_minute))
    }),
    stretching("30 min", 10, 30, 7, |state, stage, width| {
        of_queue(state, *stage, |queue| value::history(state, queue, width))
    }),
    number("drains in", 9, 4, |state, stage, _| of_queue(state, *stage, |queue| value::drains_in(state, queue))),
    number("age", 5, 8, |state, stage, _| {
        // As old as the older of its two queues.
        let queues: [Option<&QueueView>; 2] = state.model.stage(*stage).into();
        let read_at = queues.into_iter().flatten().filter_map(|queue| value::read_at(state, queue)).min();
        of_queue(state, *stage, |queue| value::since(state, read_at, value::aged(state, queue, state.theme.dim)))
    }),
    beside_note(number("DLQ  ", 7, 1, |state, stage, _| match state.model.stage(*stage).1 {
        Some(queue) if queue.ready.is_some() => value::polled_unwanted(state, queue.ready),
        // As far from the edge as the numbers.
        _ => value::missing(state).and("  ", state.theme.dim),
    })),
];

/// A cell of a stage's main queue.
fn of_queue(state: &State, stage: Stage, cell: impl Fn(&QueueView) -> Cell) -> Cell {
    state.model.stage(stage).0.map_or_else(|| value::missing(state), cell)
}

fn stage_table(state: &State, here: Option<&Item>, canvas: &mut Canvas<'_>) {
    let selected = Stage::ALL.iter().position(|stage| here == Some(&Item::Stage(*stage)));
    let rows = table::Rows { section: STAGES, count: Stage::ALL.len(), selected, top: 0 };
    let note = |state: &State, stage: &Stage| {
        let words = value::absent(state, QueueName::main(stage.queue()))?;
        Some((words, state.theme.dim))
    };
    table::draw_with_notes(state, canvas, COLUMNS, &rows, |at| Stage::ALL[at], note);
}

fn summary(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    if state.model.environment.is_none() {
        return;
    }
    let aged = |style| theme.aged(style, state.is_stale());
    let workers = state.model.workers.values();
    let present = |worker: &&WorkerView| !matches!(worker.state, WorkerState::Stopped | WorkerState::Silent);
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

fn active_jobs(state: &State, here: Option<&Item>, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let known: Vec<_> = state.model.active.iter().filter_map(|id| state.model.jobs.get(*id)).collect();
    // The list lags behind the tally while rows must not move: what is counted is what is listed, up to the list's limit.
    let count = if known.len() < ACTIVE_JOBS { known.len() as u64 } else { at_work(state) };
    canvas.heading(0, &format!("JOBS AT WORK ({count})"), theme.title, theme.faint);
    if known.is_empty() {
        let words = if state.model.environment.is_some() { "none: stereospot submit FILE starts one" } else { "" };
        canvas.text(1, 1, words, theme.dim);
        return;
    }
    let selected = known.iter().position(|row| here == Some(&Item::Job(row.id)));
    let seen = usize::from(height.saturating_sub(2));
    let top = selected.map_or(0, |at| (at + 1).saturating_sub(seen));
    let rows = table::Rows { section: JOBS, count: known.len(), selected, top };
    let mut part = canvas.part(0, 1, width, height - 1);
    table::draw(state, &mut part, jobs::SHORT_COLUMNS, &rows, |at| known[at]);
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
    let telling = state.model.log.newest().filter(|entry| !entry.event.kind().is_progress());
    for (line, entry) in telling.take(room).enumerate() {
        let (event, y) = (&entry.event, line as u16 + 1);
        let style = if event.kind().is_error() { theme.bad } else { theme.text };
        let aged = |style| theme.aged(style, state.is_stale());
        canvas.text(1, y, &text::time_of_day(event.time), theme.dim);
        canvas.text_within(11, y, 22, event.payload.name(), aged(style));
        canvas.text_within(34, y, 14, &log::subject(event), aged(theme.accent));
        canvas.text(49, y, &entry.facts, theme.dim);
    }
}
