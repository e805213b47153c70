//! The job's findings: evidence, repair, and the runbook page.

use ratatui::style::Style;
use stereospot_api::view::JobWarning;
use stereospot_domain::JobStatus;
use stereospot_domain::diagnosis::{Finding, Severity};

use super::heading;
use super::panes::{Pane, Panes};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::job_reading::JobReading;
use crate::dashboard::keys::Command;
use crate::dashboard::state::State;
use crate::dashboard::theme::severity_glyph;
use crate::dashboard::words;
use crate::text;

/// Rows that the whole diagnosis would take.
pub(super) fn rows(state: &State, reading: &JobReading, width: u16) -> u16 {
    (lines(state, reading, width).len() as u16).saturating_add(1)
}

/// Draws the heading, the findings, and whether reassembly can be triggered.
pub(super) fn draw(state: &State, panes: &Panes, reading: &JobReading, canvas: &mut Canvas<'_>) {
    let count = state.model.findings(reading.id).len();
    let more = if count > 0 { format!(" ({})", text::plural(count, "finding")) } else { String::new() };
    heading::draw(state, panes, Pane::Diagnosis, &more, canvas);
    let lines = lines(state, reading, canvas.width());
    let scroll = panes.first_line(Pane::Diagnosis, lines.len());
    for (y, line) in lines.iter().skip(scroll).enumerate() {
        let mut x = 1;
        for (words, style) in line {
            x = canvas.text(x, y as u16 + 1, words, *style);
        }
    }
}

/// Draws the most severe finding in one line, else the first warning. Returns the rows it took: none without any.
pub(super) fn headline(state: &State, reading: &JobReading, canvas: &mut Canvas<'_>) -> u16 {
    let Some(finding) = state.model.findings(reading.id).first() else {
        let Some((warning, further)) = warnings(reading).split_first() else { return 0 };
        let more = if further.is_empty() { String::new() } else { format!(" (and {} more)", further.len()) };
        let room = usize::from(canvas.width().saturating_sub(3)).saturating_sub(more.len());
        let words = format!("{}{more}", text::truncate(&warning.text, room));
        let x = canvas.text(1, 0, severity_glyph(Severity::Warning), state.theme.warn);
        canvas.text(x + 1, 0, &words, state.theme.warn);
        return 1;
    };
    let style = state.theme.severity(finding.severity);
    let x = canvas.text(1, 0, severity_glyph(finding.severity), style);
    let evidence = finding.evidence.first().map(|evidence| format!(": {evidence}")).unwrap_or_default();
    canvas.text(x + 1, 0, &format!("{}{evidence}", finding.code.title()), style);
    1
}

fn warnings(reading: &JobReading) -> &[JobWarning] {
    reading.data.as_ref().map(|data| &*data.warnings).unwrap_or_default()
}

type Line = Vec<(String, Style)>;

fn lines(state: &State, reading: &JobReading, width: u16) -> Vec<Line> {
    let theme = &state.theme;
    let aged = |style| theme.aged(style, state.is_stale());
    let columns = usize::from(width.saturating_sub(6)).max(8);
    let mut lines: Vec<Line> = Vec::new();
    let findings = state.model.findings(reading.id);
    if findings.is_empty() {
        match state.model.jobs.get(reading.id) {
            Some(row) if row.status == JobStatus::Failed => {
                let why = row.error.as_deref().unwrap_or("no reason is known");
                for (at, words) in text::wrap(&format!("failed: {why}"), columns).into_iter().enumerate() {
                    let glyph = if at == 0 { "✗ " } else { "  " };
                    lines.push(vec![(glyph.into(), aged(theme.bad)), (words, aged(theme.text))]);
                }
            }
            None if reading.data.is_none() => {}
            _ => lines.push(vec![("✓ ".into(), aged(theme.good)), ("nothing is found wrong".into(), aged(theme.text))]),
        }
    }
    for finding in findings {
        let style = aged(theme.severity(finding.severity));
        let since = text::age(state.ago(finding.since));
        for (at, words) in text::wrap(finding.code.title(), columns).into_iter().enumerate() {
            let glyph = if at == 0 { severity_glyph(finding.severity) } else { " " };
            let mut line = vec![(format!("{glyph} "), style), (words, style)];
            if at == 0 {
                line.push((format!("  {since}"), aged(theme.dim)));
            }
            lines.push(line);
        }
        for evidence in &finding.evidence {
            for (at, words) in text::wrap(evidence, columns).into_iter().enumerate() {
                lines.push(vec![
                    (if at == 0 { "  · ".into() } else { "    ".into() }, theme.dim),
                    (words, aged(theme.text)),
                ]);
            }
        }
        lines.extend(repair_lines(state, finding, columns));
        lines.push(vec![("  runbook ".into(), theme.dim), (format!("{}.md", finding.code), aged(theme.dim))]);
        lines.push(Vec::new());
    }
    for warning in warnings(reading) {
        for (at, words) in text::wrap(&warning.text, columns).into_iter().enumerate() {
            let glyph = if at == 0 { severity_glyph(Severity::Warning) } else { " " };
            lines.push(vec![(format!("{glyph} "), aged(theme.warn)), (words, aged(theme.text))]);
        }
    }
    if let Some(data) = &reading.data {
        let key = state.keymap.hint(Command::Trigger).unwrap_or_default();
        let (words, style) = if data.can_trigger {
            (format!("{key} triggers reassembly: {}", data.trigger_note), aged(theme.accent))
        } else {
            (format!("{key} is blocked: {}", data.trigger_note), theme.faint)
        };
        lines.extend(text::wrap(&words, columns + 2).into_iter().map(|words| vec![(words, style)]));
    }
    lines
}

fn repair_lines(state: &State, finding: &Finding, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let Some(repair) = &finding.repair else {
        return vec![vec![("  no safe repair by key".into(), theme.dim)]];
    };
    let key = state.keymap.hint(Command::Repair).unwrap_or_default();
    let words = format!("{key} repairs: {}", words::repair(finding.code, repair));
    text::wrap(&words, columns).into_iter().map(|line| vec![("  ".into(), theme.dim), (line, theme.accent)]).collect()
}
