//! Lines being typed: the filter, the palette, a number of tasks; and pasting into them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use stereospot_domain::plan::Action;

use super::command::{plan, run};
use super::places::go;
use crate::dashboard::effect::Effect;
use crate::dashboard::keys::Command;
use crate::dashboard::palette::completions;
use crate::dashboard::place;
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
        // A confirmation or a number must be typed by hand.
        _ => {}
    }
}

fn set_filter(state: &mut State, filter: &str) {
    let (screen, model) = state.screen_mut();
    screen.set_filter(model, filter);
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

/// The most tasks that can be typed, so that a typo can't start thousands.
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
    let text = typed.trim().to_owned();
    match key.code {
        KeyCode::Esc => state.overlay = Overlay::None,
        KeyCode::Tab => {
            let first = completions(state, &text).into_iter().next();
            if let (Some(first), Overlay::Palette { typed, .. }) = (first, &mut state.overlay) {
                *typed = first;
            }
        }
        KeyCode::Enter => go_to_typed(state, &text, effects),
        _ => {
            *error = None;
            edit(typed, key);
        }
    }
}

/// Goes to the typed place, or runs the command of that name.
fn go_to_typed(state: &mut State, text: &str, effects: &mut Vec<Effect>) {
    let named = Command::ALL.iter().copied().find(|command| command.name() == text);
    // A screen's name is also a locator. The locator comes first, because it doesn't depend on the cursor.
    match place::parse(text, &state.patterns(), |prefix| state.model.jobs.by_prefix(prefix)) {
        Ok(place) => {
            state.overlay = Overlay::None;
            go(state, place);
        }
        Err(why) => match named {
            Some(command) => {
                state.overlay = Overlay::None;
                run(state, command, KeyCode::Enter, effects);
            }
            None => {
                if let Overlay::Palette { error, .. } = &mut state.overlay {
                    *error = Some(why);
                }
            }
        },
    }
}

/// Edits the line being typed. False when the key doesn't edit.
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
