//! Asks whether the dashboard's own stack stops or goes on.

use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::dashboard::update::leave::STOP;
use crate::text;

pub(super) fn draw(state: &State, typed: &str, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let width = canvas.width().min(76);
    let must_type = state.stop_interrupts_work();
    let inner = usize::from(width.saturating_sub(4));
    let mut lines: Vec<_> = text::wrap(&what(state), inner).into_iter().map(|line| (line, theme.text)).collect();
    lines.push((String::new(), theme.text));
    let mut offer = |key: &str, words: &str| {
        for (at, words) in text::wrap(words, inner.saturating_sub(5)).into_iter().enumerate() {
            lines.push((format!("{:5}{words}", if at == 0 { key } else { "" }), theme.accent));
        }
    };
    offer("d", "close the dashboard, the stack goes on; `stereospot down` stops it");
    if !must_type {
        offer("s", "stop the stack, workers first");
    }
    offer("esc", "stay here");
    let rows = lines.len() as u16 + u16::from(must_type) + 2;
    let height = rows.min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let mut part = canvas.part(x, (canvas.height() - height) / 3, width, height);
    part.clear(theme.dialog);
    let mut inside = part.frame("LEAVE", theme.title, theme.accent);
    // Where not all fits, the keys matter more than the sentence above them.
    let skipped = lines.len().saturating_sub(usize::from(inside.height().saturating_sub(u16::from(must_type))));
    let mut y = 0;
    for (line, style) in lines.iter().skip(skipped) {
        inside.text(1, y, line, *style);
        y += 1;
    }
    if must_type {
        let x = inside.text(1, y, &format!("type {STOP} and press enter to stop the stack: "), theme.title);
        let x = inside.text(x, y, typed, theme.text);
        inside.text(x, y, "█", theme.accent);
    }
}

/// What a stop would interrupt.
fn what(state: &State) -> String {
    let tally = state.model.jobs.tally();
    let jobs = tally.running + tally.stuck;
    if !state.stop_interrupts_work() {
        "This dashboard started the stack. No job is at work.".to_owned()
    } else if !state.is_live() {
        "This dashboard started the stack. What is at work is not known now.".to_owned()
    } else {
        format!(
            "This dashboard started the stack, and {} at work. A stop interrupts {}; the next start goes on.",
            if jobs == 1 { "1 job is".into() } else { format!("{jobs} jobs are") },
            if jobs == 1 { "it" } else { "them" }
        )
    }
}
