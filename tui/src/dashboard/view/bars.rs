//! What stands on every screen: header, tabs, footer.

use ratatui::style::{Modifier, Style};
use stereospot_api::view::CollectorView;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::keys::Command;
use crate::dashboard::logs::Logs;
use crate::dashboard::model::Link;
use crate::dashboard::mouse::Target;
use crate::dashboard::place::{Place, Screen};
use crate::dashboard::state::{Overlay, State};
use crate::dashboard::{triage, write};
use crate::text;
use crate::text::whereabouts;

/// A part of the header: its spans and how much it matters (0 stays longest).
struct Part {
    spans: Vec<(String, Style)>,
    priority: u8,
}

/// Environment, connection, collectors, read-only, who.
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

/// Where the deployment is: region, prefix, topology, as far as there are such.
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
        // What everything rests on keeps its age longest.
        let priority = if matches!(collector.name.as_str(), "queues" | "jobs") { 6 } else { 7 };
        Part { spans: vec![name, (age, theme.dim)], priority }
    }
}

/// The screens, with what there is to see on each.
pub(super) fn tabs(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let here = state.place.screen();
    let titles = |has_count: fn(Screen) -> bool| -> Vec<(String, Style, String, Style)> {
        let title = |screen: &Screen| {
            let key = state.keymap.hint(screen.command()).unwrap_or_default();
            let count = if has_count(*screen) { tab_count(state, *screen) } else { String::new() };
            let is_here = *screen == here;
            let style = if is_here { theme.title.add_modifier(Modifier::UNDERLINED) } else { theme.dim };
            (key, theme.accent, format!("{}{count}", screen.title()), style)
        };
        Screen::ALL.iter().map(title).collect()
    };
    let fits = |titles: &[(String, Style, String, Style)]| {
        let columns: usize = titles.iter().map(|(key, _, title, _)| text::width(key) + text::width(title) + 3).sum();
        // The first stands one column in; the last needs no gap after it.
        columns < usize::from(canvas.width()) + 2
    };
    // What should be 0 keeps its number longest; then the titles go.
    let of_trouble = |screen| matches!(screen, Screen::Pulse | Screen::DeadLetters);
    let full = [titles(|_| true), titles(of_trouble), titles(|_| false)];
    let is_narrow = !full.iter().any(|titles| fits(titles));
    let full = full.into_iter().find(|titles| fits(titles)).unwrap_or_else(|| titles(|_| true));
    let mut x = 1;
    for (at, (key, key_style, title, style)) in full.iter().enumerate() {
        let is_here = Screen::ALL[at] == here;
        let from = x;
        x = canvas.text(x, 0, key, if is_here { theme.title } else { *key_style });
        if !is_narrow || is_here {
            x = canvas.text(x + 1, 0, title, *style);
        }
        state.hits.put(canvas, (from, 0, x - from), Target::Screen(Screen::ALL[at]));
        x += if is_narrow { 1 } else { 2 };
    }
    let filter = state.filter();
    if !filter.is_empty() && !matches!(state.overlay, Overlay::Filter { .. }) {
        canvas.text_right(canvas.width().saturating_sub(1), 0, &format!("/{filter}"), theme.accent);
    }
}

fn tab_count(state: &State, screen: Screen) -> String {
    let count = match screen {
        Screen::Pulse => state.model.attention.len() as u64 + u64::from(state.disconnected().is_some()),
        Screen::DeadLetters => {
            let letters = state.model.queues.iter().filter(|queue| queue.name.is_dead_letter);
            letters.filter_map(|queue| queue.ready).map(|ready| ready.value).sum()
        }
        Screen::Jobs => state.model.jobs_total,
        Screen::Workers => state.model.workers.len() as u64,
        _ => 0,
    };
    if count == 0 { String::new() } else { format!(" {}", text::count(count)) }
}

/// The message of the moment, the line being typed, or what keys do here.
pub(super) fn footer(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    if let Overlay::Filter { typed, .. } = &state.overlay {
        let x = canvas.text(1, 0, "/", theme.accent);
        let x = canvas.text(x, 0, typed, theme.text);
        let x = canvas.text(x, 0, "█", theme.accent);
        let matching = match state.place {
            Place::Jobs { .. } => text::plural(state.model.jobs.shown_len(), "job"),
            Place::Events { .. } => text::plural(state.model.log.shown_len(), "event"),
            Place::Logs(_) => text::plural(state.open_logs().map_or(0, Logs::shown_len), "line"),
            _ => text::plural(state.triage.groups.iter().map(|group| group.messages.len()).sum(), "message"),
        };
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
    // A dialog and the palette say themselves what keys do in them.
    if !matches!(state.overlay, Overlay::Plan(_) | Overlay::Palette { .. } | Overlay::Scale { .. }) {
        hints(state, canvas);
    }
}

/// Keys that work here, then those that would but are blocked, with the reason; as many as fit.
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
    for (command, words) in commands_of(state) {
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

/// The commands worth a hint here.
fn commands_of(state: &State) -> Vec<(Command, &'static str)> {
    use Command::*;
    match &state.place {
        Place::Pulse if state.service_of_cursor().is_some() => {
            vec![(Open, "open"), (Scale, "scale"), (NextPane, "section")]
        }
        Place::Pulse => {
            vec![(Open, "open"), (Replay, "replay"), (Trigger, "trigger"), (Repair, "repair"), (NextPane, "section")]
        }
        Place::Queues => vec![(Open, "triage"), (Replay, "replay"), (Purge, "purge"), (Undo, "undo purge")],
        Place::DeadLetters(_) => {
            let (replay, discard) = match (state.triage.marked.is_empty(), state.triage.pane) {
                (false, _) => ("replay marked", "discard marked"),
                (true, triage::Pane::Groups) => ("replay group", "discard group"),
                (true, triage::Pane::Messages) => ("replay message", "discard message"),
            };
            let mut commands = vec![(Mark, "mark"), (MarkAll, "all"), (Replay, replay), (Purge, discard)];
            // Only where there is one: the hints are many here.
            commands.extend(state.model.undoable(state.now).map(|_| (Undo, "undo")));
            commands.extend([(NextPane, "pane"), (Right, "queue"), (Export, "write to a file")]);
            // Only there does a platform move whole queues; whether it does is asked by the plan.
            commands.extend(state.is_paid().then_some((StopMove, "stop its move, if one runs")));
            commands
        }
        Place::Jobs { .. } => {
            vec![
                (Open, "open"),
                (Filter, "filter"),
                (Sort, "order"),
                (Trigger, "trigger"),
                (Repair, "repair"),
                (Replay, "replay its dead letters"),
            ]
        }
        Place::Job(_) => {
            vec![
                (NextPane, "pane"),
                (Command::Logs, "logs"),
                (Trigger, "trigger"),
                (Repair, "repair"),
                (SameJob, "its events"),
                (Back, "back"),
            ]
        }
        Place::Logs(_) => logs_commands(state),
        Place::Workers if state.model.services.is_empty() => vec![(Open, "its job"), (Command::Logs, "its logs")],
        Place::Workers if state.service_under_cursor().is_some() => vec![(Scale, "scale"), (NextPane, "section")],
        Place::Workers => vec![(Open, "its job"), (Command::Logs, "its logs"), (NextPane, "section")],
        Place::Deployment => vec![(Open, "read again"), (Export, "write to a file"), (Back, "back")],
        Place::Events { .. } => {
            vec![
                (Filter, "filter"),
                (NextError, "next error"),
                (SameJob, "same job"),
                (End, "follow"),
                (Freeze, "freeze"),
            ]
        }
    }
}

fn logs_commands(state: &State) -> Vec<(Command, &'static str)> {
    use Command::*;
    let logs = state.open_logs();
    let is_searching = logs.is_some_and(crate::dashboard::logs::Logs::is_searching);
    let follows = logs.is_some_and(|logs| logs.follows);
    let first = if is_searching { (Back, "stop") } else { (Open, "search again") };
    vec![
        first,
        (Filter, "filter"),
        (NextError, "next error"),
        (Live, if follows { "stop following" } else { "follow" }),
        (Wrap, "wrap"),
        (Export, "write to a file"),
        (Copy, "copy line"),
    ]
}
