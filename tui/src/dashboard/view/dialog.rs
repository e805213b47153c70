//! The plan of a write: what it will do, item by item, before anything is sent; then the results.

use std::time::Duration;

use crossterm::event::KeyCode;
use ratatui::style::Style;
use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem};

use crate::dashboard::canvas::Canvas;
use crate::dashboard::dialog::{Dialog, Drawn, Face, Step, has_choice};
use crate::dashboard::keys::Command;
use crate::dashboard::state::State;
use crate::text;

type Line = Vec<(String, Style)>;

/// The head scrolls with the list when it would leave fewer rows than this for the list.
const LIST_ROWS: usize = 4;

/// Silence after which the missing answer is mentioned.
const UNANSWERED: Duration = Duration::from_secs(5);

/// Draws the dialog over the body.
pub(super) fn draw(state: &State, dialog: &Dialog, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let width = canvas.width().saturating_sub(if canvas.width() > 60 { 8 } else { 0 }).min(110);
    let inner = usize::from(width.saturating_sub(4)).max(1);
    let (head, list, foot) = lines(state, dialog, inner);
    let wanted = (head.len() + list.len() + foot.len() + 2) as u16;
    let height = wanted.max(6).min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let y = (canvas.height() - height) / 3;
    let mut part = canvas.part(x, y, width, height);
    part.clear(theme.dialog);
    let style = match &dialog.step {
        Step::Shown(plan) if plan.refused.is_some() => theme.bad,
        Step::Failed(_) | Step::Unknown(_) => theme.bad,
        Step::Done(_, results) if results.iter().any(|result| result.outcome == Outcome::Failed) => theme.bad,
        Step::Done(..) => theme.good,
        _ => theme.accent,
    };
    let mut inside = part.frame(&title(state, dialog), style, style);
    // The foot says how to continue, so it stays visible at every size.
    let rows = usize::from(inside.height());
    let foot: Vec<Line> = if rows < 10 { foot.into_iter().filter(|line| !line.is_empty()).collect() } else { foot };
    let foot_rows = foot.len().min(rows);
    let room = rows - foot_rows;
    // The head stays above a list with enough rows; otherwise both scroll as one text, so that all of it can be reached.
    let (head, list) =
        if head.len() + list.len().min(LIST_ROWS) > room { (Vec::new(), [head, list].concat()) } else { (head, list) };
    let list_rows = room - head.len();
    let reach = list.len().saturating_sub(list_rows);
    dialog.drawn.set(Drawn { rows: list_rows, reach });
    let scroll = dialog.scroll.min(reach);
    put(&mut inside, 0, head.iter());
    put(&mut inside, head.len(), list.iter().skip(scroll).take(list_rows));
    put(&mut inside, rows - foot_rows, foot.iter());
    // In the frame, where it covers nothing.
    let mut sign = String::new();
    if scroll > 0 {
        sign.push_str(&format!(" ↑ {scroll} more "));
    }
    if scroll < reach {
        sign.push_str(&format!(" {} more ↓ ", reach - scroll));
    }
    part.text_right(width.saturating_sub(2), height.saturating_sub(1), &sign, theme.warn);
}

fn put<'a>(canvas: &mut Canvas<'_>, from: usize, lines: impl Iterator<Item = &'a Line>) {
    for (line, spans) in lines.enumerate() {
        let mut x = 1;
        for (words, style) in spans {
            x = canvas.text(x, (from + line) as u16, words, *style);
        }
    }
}

fn title(state: &State, dialog: &Dialog) -> String {
    let name = dialog.action.name();
    // The last digits: the first ones are the time, which plans of one morning share.
    let short = |plan: &Plan| {
        let id = plan.id.to_string();
        id[id.len() - 4..].to_owned()
    };
    match &dialog.step {
        Step::Asking => format!("PLAN {name} ─ asking the control plane"),
        Step::Shown(plan) => {
            let left = plan.valid_until.since(state.server_now()).as_secs();
            let valid = if left == 0 { "has run out".to_owned() } else { format!("valid {left} s") };
            format!("PLAN {name} #{} ─ {valid} ─ nothing has been sent", short(plan))
        }
        Step::Applying(plan) => {
            let since = text::age(dialog.applying_for(state.now));
            let how = if is_unanswered(state, dialog) { "no answer for" } else { "being applied for" };
            format!("PLAN {name} #{} ─ {how} {since}", short(plan))
        }
        Step::Done(plan, _) => format!("RESULT {name} #{}", short(plan)),
        Step::Failed(_) => format!("PLAN {name} ─ not done"),
        Step::Unknown(_) => format!("PLAN {name} ─ not known whether it was done"),
    }
}

/// True when a plan has been sent for some seconds to a server that is away: its state is unknown.
fn is_unanswered(state: &State, dialog: &Dialog) -> bool {
    state.is_stale() && dialog.applying_for(state.now) >= UNANSWERED
}

/// Head, list and foot of the dialog.
fn lines(state: &State, dialog: &Dialog, columns: usize) -> (Vec<Line>, Vec<Line>, Vec<Line>) {
    let theme = &state.theme;
    let plain = |words: String, style: Style| {
        text::wrap(&words, columns).into_iter().map(|line| vec![(line, style)]).collect::<Vec<Line>>()
    };
    let mut foot: Vec<Line> = Vec::new();
    if let Some(note) = &dialog.note {
        foot.extend(plain(note.clone(), theme.warn));
    }
    match &dialog.step {
        Step::Asking => {
            foot.push(vec![("esc cancel".into(), theme.dim)]);
            (plain(about(&dialog.action), theme.text), Vec::new(), foot)
        }
        Step::Failed(why) | Step::Unknown(why) => {
            foot.push(vec![("esc close".into(), theme.dim)]);
            (plain(why.clone(), theme.bad), Vec::new(), foot)
        }
        Step::Shown(plan) => {
            foot.push(Vec::new());
            foot.extend(confirm_lines(state, dialog, plan, columns));
            let list = match dialog.face {
                Face::Items => items(state, plan, columns),
                Face::Json => {
                    let json = serde_json::to_string_pretty(plan).unwrap_or_default();
                    json.lines()
                        .flat_map(|line| text::wrap_kept(line, columns))
                        .map(|line| vec![(line, theme.dim)])
                        .collect()
                }
            };
            (head(state, plan, columns), list, foot)
        }
        Step::Applying(plan) if is_unanswered(state, dialog) => {
            let server = &state.server;
            let words =
                format!("whether it was applied is not known: no answer has come, and nothing answers at {server}");
            foot.extend(plain(words, theme.warn));
            foot.push(vec![("esc esc leaves it".into(), theme.dim)]);
            (head(state, plan, columns), items(state, plan, columns), foot)
        }
        Step::Applying(plan) => {
            foot.push(vec![
                ("being applied …".into(), theme.accent),
                ("   esc esc leaves it running".into(), theme.dim),
            ]);
            (head(state, plan, columns), items(state, plan, columns), foot)
        }
        Step::Done(plan, results) => {
            let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
            let (done, skipped, failed) = (count(Outcome::Done), count(Outcome::Skipped), count(Outcome::Failed));
            let summary = vec![
                (format!("✓ {done} done"), theme.good),
                (format!("   – {skipped} skipped"), theme.dim),
                (format!("   ✗ {failed} failed"), if failed > 0 { theme.bad } else { theme.dim }),
            ];
            let mut head = plain(format!("scope  {}", plan.scope), theme.text);
            head.push(summary);
            head.push(Vec::new());
            if plan.keeps_copies() && done > 0 {
                let key = state.keymap.hint(Command::Undo).unwrap_or_default();
                let words = match done {
                    1 => format!("a copy is kept: {key} puts it back"),
                    _ => format!("copies are kept: {key} puts them back"),
                };
                foot.push(vec![(words, theme.accent)]);
            }
            foot.push(vec![("esc close   ↑↓ scroll".into(), theme.dim)]);
            (head, result_lines(state, plan, results, columns), foot)
        }
    }
}

fn about(action: &Action) -> String {
    match action {
        Action::Replay { queue, message_ids: Some(ids) } => {
            format!("replay {} from {queue}", text::plural(ids.len(), "message"))
        }
        Action::Replay { queue, message_ids: None } => format!("replay everything in {queue}"),
        Action::Purge { queue, message_ids: Some(ids) } => {
            format!("discard {} of {queue}", text::plural(ids.len(), "message"))
        }
        Action::Purge { queue, message_ids: None } => format!("purge {queue}"),
        Action::Trigger { job_id } => format!("trigger reassembly of job {job_id}"),
        Action::Repair { job_id, code } => format!("repair {code} of job {job_id}"),
        Action::Scale { service, desired } => format!("scale {service} to {}", text::plural(*desired as usize, "task")),
        Action::StopMove { queue } => format!("stop the move out of {queue}"),
        Action::Fail { job_id, .. } => format!("give up job {job_id}"),
        Action::Delete { job_id } => format!("delete job {job_id}"),
        Action::Prune { .. } => "delete what old jobs have".into(),
        Action::Restore { plan_id } => format!("put back what purge {plan_id} took away"),
    }
}

fn head(state: &State, plan: &Plan, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let mut lines: Vec<Line> = Vec::new();
    let mut labelled = |label: &str, words: &str, style: Style| {
        for (at, line) in text::wrap(words, columns.saturating_sub(9).max(8)).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(vec![(format!("{label:<9}"), theme.dim), (line, style)]);
        }
    };
    if let Some(refused) = &plan.refused {
        labelled("refused", &refused.why, theme.bad);
    }
    labelled("scope", &plan.scope, theme.text);
    let counted = format!("{} to do, {} skipped", plan.items.len(), plan.skips.len());
    labelled("items", &counted, theme.title);
    labelled("effect", &plan.effect, theme.text);
    for assumption in &plan.assumptions {
        labelled("assumes", assumption, theme.dim);
    }
    let command = text::wrap(&plan.command, columns.saturating_sub(9).max(8));
    labelled("command", &command.iter().take(2).cloned().collect::<Vec<_>>().join(" "), theme.accent);
    if command.len() > 2 {
        lines.push(vec![(format!("{:<9}… C copies it whole", ""), theme.dim)]);
    }
    lines.push(Vec::new());
    lines
}

/// An item's subject: `7f3a2c1e/17`, `7f3a2c1e`, or the start of its id.
fn about_item(item: &PlanItem) -> String {
    match (item.job_id, item.segment_index) {
        (Some(job), Some(index)) => format!("{}/{index}  ", job.short()),
        (Some(job), None) => format!("{}  ", job.short()),
        _ => format!("{}  ", text::truncate(&item.target.to_string(), 12)),
    }
}

fn items(state: &State, plan: &Plan, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let (items, skips) = (plan.items.iter(), plan.skips.iter());
    let items = items.flat_map(|item| item_lines(state, columns, ("→", theme.text), about_item(item), &words(item)));
    let skips = skips.flat_map(|item| item_lines(state, columns, ("–", theme.dim), about_item(item), &words(item)));
    items.chain(skips).collect()
}

/// What becomes of an item, and what is sent with its message.
fn words(item: &PlanItem) -> String {
    if item.envelope.is_empty() { item.what.clone() } else { format!("{}; with {}", item.what, item.envelope) }
}

/// An item and its remark, in as many lines as needed.
fn item_lines(state: &State, columns: usize, (glyph, style): (&str, Style), about: String, words: &str) -> Vec<Line> {
    let indent = text::width(&about) + 2;
    // With too little space beside it, the remark goes below.
    let (indent, is_beside) = if columns >= indent + 24 { (indent, true) } else { (2, false) };
    let words = text::wrap(words, columns.saturating_sub(indent).max(4));
    let (beside, below) = if is_beside { words.split_at(1.min(words.len())) } else { words.split_at(0) };
    let mut first = vec![(format!("{glyph} "), style), (about, state.theme.accent)];
    first.extend(beside.iter().map(|line| (line.clone(), style)));
    let below = below.iter().map(|line| vec![(format!("{:indent$}{line}", ""), style)]);
    std::iter::once(first).chain(below).collect()
}

fn confirm_lines(state: &State, dialog: &Dialog, plan: &Plan, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let mut lines: Vec<Line> = Vec::new();
    let leave = if plan.refused.is_some() { "esc close" } else { "esc cancel" };
    let others = if columns >= 60 {
        format!("{leave}   J json   C copy command   ↑↓ scroll")
    } else {
        format!("{leave}  ↑↓ scroll  J json  C copy")
    };
    if plan.refused.is_some() {
        lines.push(vec![(others, theme.dim)]);
        return lines;
    }
    match Dialog::confirm(plan) {
        Some(wanted) => {
            let right = dialog.typed == wanted;
            lines.push(vec![
                ("type ".into(), theme.dim),
                (wanted.clone(), theme.title),
                (" then enter: ".into(), theme.dim),
                (dialog.typed.clone(), if right { theme.good } else { theme.text }),
                ("█".into(), theme.accent),
            ]);
            lines.push(vec![(others, theme.dim)]);
            if has_choice(plan) {
                let choice = match plan.action {
                    Action::Fail { discard: true, .. } => " leave the job's dead letters where they are",
                    _ => " discard the job's dead letters, too",
                };
                lines.push(vec![("tab".into(), theme.accent), (choice.into(), theme.text)]);
            }
        }
        None => {
            let key = if dialog.apply_key() == KeyCode::Enter { "enter" } else { "a" };
            let apply = vec![(key.into(), theme.accent), (" apply   ".into(), theme.text)];
            let others = vec![(others, theme.dim)];
            if columns >= 60 {
                lines.push([apply, others].concat());
            } else {
                lines.extend([apply, others]);
            }
        }
    }
    lines
}

fn result_lines(state: &State, plan: &Plan, results: &[ItemResult], columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    results
        .iter()
        .flat_map(|result| {
            let (glyph, style) = match result.outcome {
                Outcome::Done => ("✓", theme.good),
                Outcome::Skipped => ("–", theme.dim),
                Outcome::Failed => ("✗", theme.bad),
            };
            let item = plan.items.iter().find(|item| item.target == result.target);
            let about =
                item.map_or_else(|| format!("{}  ", text::truncate(&result.target.to_string(), 12)), about_item);
            let what = item.map_or("", |item| item.what.as_str());
            let words = if result.note.is_empty() { what } else { &result.note };
            item_lines(state, columns, (glyph, style), about, words)
        })
        .collect()
}
