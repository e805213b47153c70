//! Leaving a dashboard that started the stack: stop the stack, or leave it running?

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::dashboard::effect::Effect;
use crate::dashboard::state::{Overlay, State};

/// What must be typed to stop a stack that is at work.
pub(crate) const STOP: &str = "stop";

/// Leaves at once, unless that would stop a stack: then it asks.
pub(super) fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    if state.stack.is_none() {
        effects.push(Effect::Quit);
    } else if !matches!(state.overlay, Overlay::Leave { .. }) {
        let before = Box::new(std::mem::replace(&mut state.overlay, Overlay::None));
        state.overlay = Overlay::Leave { typed: String::new(), before };
    }
}

pub(super) fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let must_type = state.stop_interrupts_work();
    let Overlay::Leave { typed, before } = &mut state.overlay else { return };
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return;
    }
    match key.code {
        KeyCode::Esc => state.overlay = std::mem::replace(before, Overlay::None),
        KeyCode::Enter if must_type && typed == STOP => effects.push(Effect::Quit),
        KeyCode::Backspace => {
            typed.pop();
        }
        KeyCode::Char('d') if typed.is_empty() => effects.push(Effect::Detach),
        KeyCode::Char('s') if !must_type => effects.push(Effect::Quit),
        // Other letters, such as a held `q`, are ignored.
        KeyCode::Char(letter) if must_type => {
            typed.push(letter);
            if !STOP.starts_with(typed.as_str()) {
                typed.pop();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
