//! What every screen has: header, tabs, footer.

use ratatui::style::{Modifier, Style};
use stereospot_api::view::CollectorView;
use stereospot_domain::Collector;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Link;
use crate::dashboard::mouse::Target;
use crate::dashboard::screen::Screen;
use crate::dashboard::state::{Overlay, State};
use crate::dashboard::write;
use crate::text;
use crate::text::whereabouts;

/// A part of the header: its spans and its priority (0 stays longest).
struct Part {
    spans: Vec<(String, Style)>,
    priority: u8,
}

/// Environment, connection, collectors, read-only, operator.
pub(super) fn header(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let mut parts = vec![environment(state), link(state, canvas.width())];
    parts.extend(platform(state));
    for collector in &state.model.collectors {
        parts.push(collector_part(state, collector));
    }
    let environment = state.model.environment.as_ref();
    if environment.is_some_and(|environment| environment.is_read_only) {
        parts.push(Part { spans: vec![("READ-ONLY".into(), theme.warn.add_modifier(Modifier::BOLD))], priority: 2 });
    }
    if state.is_frozen {
        parts.push(Part { spans: vec![("FROZEN".into(), theme.warn.add_modifier(Modifier::BOLD))], priority: 1 });
    }
    parts.push(Part { spans: vec![(state.who.clone(), theme.dim)], priority: 5 });
    let columns = |part: &Part| part.spans.iter().map(|(span, _)| text::width(span)).sum::<usize>() + 3;
    while parts.len() > 1 && parts.iter().map(columns).sum::<usize>() > usize::from(canvas.width()) + 2 {
        let least = parts.iter().enumerate().max_by_key(|(_, part)| part.priority).map_or(0, |(at, _)| at);
        if parts[least].priority == 0 {
            break;
        }
        parts.remove(least);
    }
    let mut x = 0;
    for (at, part) in parts.iter().enumerate() {
        if at == 1 {
            x = canvas.text(x, 0, " ", theme.faint);
        } else if at > 1 {
            x = canvas.text(x, 0, " │ ", theme.faint);
        }
        for (span, style) in &part.spans {
            x = canvas.text(x, 0, span, *style);
        }
    }
}

fn environment(state: &State) -> Part {
    let theme = &state.theme;
    let (name, style) = match &state.model.environment {
        Some(environment) if environment.is_production => {
            (format!(" PRODUCTION {} ", environment.name), theme.production)
        }
        Some(environment) => (format!(" {} ", environment.name), theme.environment),
        None => (format!(" {} ", state.server.trim_start_matches("http://")), theme.environment),
    };
    Part { spans: vec![(name, style)], priority: 0 }
}

/// Where the deployment is: region, prefix, topology, as far as known.
fn platform(state: &State) -> Option<Part> {
    let words = whereabouts(state.model.environment.as_ref()?)?;
    Some(Part { spans: vec![(words, state.theme.text)], priority: 4 })
}

fn link(state: &State, width: u16) -> Part {
    let theme = &state.theme;
    let label = if width >= 120 { "control plane " } else { "" };
    let bold = Modifier::BOLD;
    let age = state.model.silence(state.now).map(text::duration);
    let spans = match &state.model.link {
        Link::Live if state.is_stale() => vec![
            (label.into(), theme.dim),
            ("▲ ".into(), theme.warn),
            ("SILENT".into(), theme.warn.add_modifier(bold)),
            (format!(" {}", age.unwrap_or_default()), theme.warn),
        ],
        Link::Live => vec![
            (label.into(), theme.dim),
            ("● ".into(), theme.good),
            ("LIVE".into(), theme.good.add_modifier(bold)),
            (format!(" {}", age.unwrap_or_default()), theme.dim),
        ],
        Link::Connecting { attempt } => {
            let attempt = if *attempt > 1 { format!(" attempt {attempt}") } else { String::new() };
            let seen = age.map(|age| format!(", last seen {age} ago")).unwrap_or_default();
            vec![
                (label.into(), theme.dim),
                ("○ ".into(), theme.warn),
                (format!("CONNECTING{attempt}{seen}"), theme.warn),
            ]
        }
        Link::Lost { attempt, retry_at, .. } => {
            let left = retry_at.saturating_sub(state.now).as_secs_f32().ceil();
            let seen = age.map(|age| format!(", last seen {age} ago")).unwrap_or_default();
            vec![
                (label.into(), theme.dim),
                ("✗ ".into(), theme.bad),
                ("RECONNECTING".into(), theme.bad),
                (format!(" attempt {attempt} in {left:.0}s{seen}"), theme.warn),
            ]
        }
    };
    Part { spans, priority: 0 }
}

fn collector_part(state: &State, collector: &CollectorView) -> Part {
    let theme = &state.theme;
    let is_late = state.model.collector_is_late(collector, state.now);
    let age = collector.last_success_at.map_or_else(|| "never".into(), |at| text::duration(state.ago(at)));
    let name = (format!("{} ", collector.name), theme.dim);
    if is_late || collector.error.is_some() || collector.lacks.is_some() {
        let word = match (&collector.error, &collector.lacks) {
            (Some(_), _) => "FAILING",
            (None, Some(_)) => "PARTLY",
            (None, None) => "STALE",
        };
        Part { spans: vec![name, (format!("▲ {word} {age}"), theme.warn)], priority: 3 }
    } else {
        // Everything depends on queues and jobs, so their ages stay longest.
        let priority = if matches!(collector.name, Collector::Queues | Collector::Jobs) { 6 } else { 7 };
        Part { spans: vec![name, (age, theme.dim)], priority }
    }
}

/// A screen's tab: its key, its title and its count.
struct Tab {
    screen: Command,
    key: String,
    title: String,
    is_here: bool,
}

/// The tabs.
pub(super) fn tabs(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let here = state.screen().tab();
    let all = |has_count: fn(&dyn Screen) -> bool| -> Vec<Tab> {
        let tab = |screen: &dyn Screen| {
            let count = if has_count(screen) { screen.count(state) } else { 0 };
            let count = if count == 0 { String::new() } else { format!(" {}", text::count(count)) };
            let command = screen.tab();
            Tab {
                screen: command,
                key: state.keymap.hint(command).unwrap_or_default(),
                title: format!("{}{count}", screen.title()),
                is_here: command == here,
            }
        };
        state.tabs().map(tab).collect()
    };
    let fits = |tabs: &[Tab]| {
        let columns: usize = tabs.iter().map(|tab| text::width(&tab.key) + text::width(&tab.title) + 3).sum();
        // The first starts one column in; the last needs no gap after it.
        columns < usize::from(canvas.width()) + 2
    };
    // When space is short, counts that should be 0 stay longest; then the titles go.
    let versions = [all(|_| true), all(|screen| screen.counts_trouble()), all(|_| false)];
    let fitting = versions.into_iter().find(|tabs| fits(tabs));
    let is_narrow = fitting.is_none();
    let mut x = 1;
    for tab in fitting.unwrap_or_else(|| all(|_| true)) {
        let from = x;
        x = canvas.text(x, 0, &tab.key, if tab.is_here { theme.title } else { theme.accent });
        if !is_narrow || tab.is_here {
            let style = if tab.is_here { theme.title.add_modifier(Modifier::UNDERLINED) } else { theme.dim };
            x = canvas.text(x + 1, 0, &tab.title, style);
        }
        state.hits.put(canvas, (from, 0, x - from), Target::Tab(tab.screen));
        x += if is_narrow { 1 } else { 2 };
    }
    let filter = state.filter();
    if !filter.is_empty() && !matches!(state.overlay, Overlay::Filter { .. }) {
        canvas.text_right(canvas.width().saturating_sub(1), 0, &format!("/{filter}"), theme.accent);
    }
}

/// The line being typed, a message, or key hints.
pub(super) fn footer(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    if let Overlay::Filter { typed, .. } = &state.overlay {
        let x = canvas.text(1, 0, "/", theme.accent);
        let x = canvas.text(x, 0, typed, theme.text);
        let x = canvas.text(x, 0, "█", theme.accent);
        let matching = state.screen().matching(&state.model);
        canvas.text(x + 2, 0, &format!("{matching}   enter keep   esc cancel   ! inverts"), theme.dim);
        return;
    }
    if let Some(note) = &state.note {
        let style = if note.is_error { theme.warn } else { theme.accent };
        canvas.text(1, 0, &note.text, style);
        return;
    }
    if let Link::Lost { reason, .. } = &state.model.link
        && matches!(state.overlay, Overlay::None)
    {
        canvas.text(1, 0, reason, theme.warn);
        return;
    }
    let has_own_hints = matches!(
        state.overlay,
        Overlay::Plan(_) | Overlay::Palette { .. } | Overlay::Scale { .. } | Overlay::Leave { .. }
    );
    if !has_own_hints {
        hints(state, canvas);
    }
}

/// Available keys, then blocked ones with the reason; as many as fit.
fn hints(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let mut x = 1;
    let mut blocked = Vec::new();
    let mut put = |canvas: &mut Canvas<'_>, key: &str, words: &str, key_style: Style, style: Style| {
        let columns = (text::width(key) + text::width(words) + 1) as u16;
        if x + columns > canvas.width() {
            return false;
        }
        x = canvas.text(x, 0, key, key_style);
        x = canvas.text(x + 1, 0, words, style) + 2;
        true
    };
    for (command, words) in state.screen().hints(state) {
        let Some(key) = state.keymap.hint(command) else { continue };
        if write::WRITES.contains(&command)
            && let Err(why) = write::action(state, command)
        {
            blocked.push((key, format!("{words}: {why}")));
        } else if !put(canvas, &key, words, theme.accent, theme.dim) {
            return;
        }
    }
    for (command, words) in [(Command::Palette, "go"), (Command::Help, "help"), (Command::Quit, "quit")] {
        if let Some(key) = state.keymap.hint(command)
            && !put(canvas, &key, words, theme.accent, theme.dim)
        {
            return;
        }
    }
    for (key, words) in blocked {
        if !put(canvas, &key, &words, theme.faint, theme.faint) {
            return;
        }
    }
}
