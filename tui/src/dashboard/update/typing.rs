//! Lines being typed: the filter, the palette, and what is pasted into them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use stereospot_domain::plan::Action;
use stereospot_domain::{QueueName, QueueRole};

use super::command::{go, plan, run};
use crate::dashboard::cursor::Cursor;
use crate::dashboard::effect::Effect;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::Place;
use crate::dashboard::state::{Overlay, State};

pub(super) fn paste(state: &mut State, text: &str) {
    state.is_dirty = true;
    let clean: String = text.chars().filter(|letter| !letter.is_control()).take(200).collect();
    match &mut state.overlay {
        Overlay::Palette { typed, .. } => typed.push_str(&clean),
        Overlay::Filter { typed, .. } => {
            typed.push_str(&clean);
            let typed = typed.clone();
            set_filter(state, &typed);
        }
        // What is to be typed by hand is not pasted.
        _ => {}
    }
}

pub(super) fn set_filter(state: &mut State, filter: &str) {
    match &mut state.place {
        Place::Jobs { filter: known } => {
            *known = filter.to_owned();
            state.model.jobs.set_filter(filter);
            let jobs = &state.model.jobs;
            state.job.settle(jobs.shown_len(), |at| jobs.shown(at).id);
        }
        Place::Events { filter: known } => {
            *known = filter.to_owned();
            state.model.log.set_filter(filter);
        }
        Place::Logs(_) => {
            if let Some(logs) = state.open_logs_mut() {
                logs.set_filter(filter);
            }
        }
        Place::DeadLetters(_) => {
            state.triage.filter = filter.to_owned();
            state.triage.group_cursor = Cursor::default();
            state.triage.regroup();
        }
        _ => {}
    }
}

pub(super) fn type_in_filter(state: &mut State, key: KeyEvent) {
    let Overlay::Filter { typed, before } = &mut state.overlay else { return };
    match key.code {
        KeyCode::Enter => state.overlay = Overlay::None,
        KeyCode::Esc => {
            let before = std::mem::take(before);
            state.overlay = Overlay::None;
            set_filter(state, &before);
        }
        _ => {
            if edit(typed, key) {
                let typed = typed.clone();
                set_filter(state, &typed);
            }
        }
    }
}

/// Most tasks that can be typed: a slip of the finger is not to start thousands.
const MOST_TASKS: u32 = 999;

pub(super) fn type_in_scale(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Overlay::Scale { service, typed, error } = &mut state.overlay else { return };
    let present = state.model.services.iter().find(|known| known.name == *service).map_or(0, |service| service.desired);
    *error = None;
    match key.code {
        KeyCode::Esc => state.overlay = Overlay::None,
        KeyCode::Up | KeyCode::Down => {
            let by = if key.code == KeyCode::Up { 1 } else { -1 };
            let number = typed.parse().unwrap_or(present).saturating_add_signed(by);
            *typed = number.min(MOST_TASKS).to_string();
        }
        KeyCode::Enter => match typed.parse() {
            Ok(desired) => {
                let action = Action::Scale { service: service.clone(), desired };
                plan(state, action, KeyCode::Enter, effects);
            }
            Err(_) => *error = Some("type a number, or choose one with ↑ ↓".into()),
        },
        KeyCode::Char(letter) if !letter.is_ascii_digit() => *error = Some("digits only".into()),
        KeyCode::Char(_) if typed.len() >= 3 => *error = Some(format!("at most {MOST_TASKS}")),
        _ => {
            edit(typed, key);
        }
    }
}

pub(super) fn type_in_palette(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Overlay::Palette { typed, error } = &mut state.overlay else { return };
    match key.code {
        KeyCode::Esc => state.overlay = Overlay::None,
        KeyCode::Tab => {
            if let Some(first) = completions(&state.model, typed).first() {
                *typed = (*first).to_owned();
            }
        }
        KeyCode::Enter => {
            let text = typed.trim().to_owned();
            let named = Command::ALL.iter().copied().find(|command| command.name() == text);
            // A screen's name is also a locator's: the locator has the last word, since it needs no cursor.
            match Place::parse(&text, |prefix| state.model.jobs.by_prefix(prefix)) {
                Ok(place) => {
                    state.overlay = Overlay::None;
                    go(state, place);
                }
                Err(why) => match named {
                    Some(command) => {
                        state.overlay = Overlay::None;
                        run(state, command, KeyCode::Enter, effects);
                    }
                    None => *error = Some(why),
                },
            }
        }
        _ => {
            *error = None;
            edit(typed, key);
        }
    }
}

/// What the palette offers for what was typed. Queues that only some deployments have are offered where there are any.
pub(crate) fn completions(model: &Model, typed: &str) -> Vec<&'static str> {
    const PLACES: [&str; 17] = [
        "pulse",
        "queues",
        "dlq/inference",
        "dlq/chunking",
        "dlq/reassembly",
        "dlq/output-events",
        "dlq/job-status-events",
        "dlq/deletion",
        "dlq/ingest",
        "dlq/job-events",
        "jobs",
        "jobs?stuck",
        "jobs?failed",
        "job/",
        "workers",
        "events",
        "deployment",
    ];
    let is_there = |place: &&str| {
        let role = place.strip_prefix("dlq/").and_then(|name| QueueRole::ALL.iter().find(|role| role.as_str() == name));
        role.is_none_or(|role| {
            QueueRole::PIPELINE.contains(role) || model.queue(QueueName::dead_letter(*role)).is_some()
        })
    };
    let commands = Command::ALL.iter().map(|command| command.name());
    let offered = PLACES.into_iter().filter(is_there).chain(commands);
    let mut found: Vec<&str> = offered.filter(|name| name.starts_with(typed)).collect();
    found.dedup();
    let mut seen = std::collections::HashSet::new();
    found.retain(|name| seen.insert(*name));
    found
}

/// Changes a line that is being typed. False when the key is none of its keys.
fn edit(typed: &mut String, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => typed.clear(),
        KeyCode::Char(letter) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            if typed.len() < 200 {
                typed.push(letter);
            }
        }
        KeyCode::Backspace => {
            typed.pop();
        }
        _ => return false,
    }
    true
}
