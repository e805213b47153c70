//! Routes a key: to the dialog, to a line being typed, to an overlay, or as a command.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{command, leave, places, typing};
use crate::dashboard::dialog::Outcome;
use crate::dashboard::effect::Effect;
use crate::dashboard::keys::Command;
use crate::dashboard::state::{Overlay, State};

pub(super) fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if is_ctrl_c {
        return leave::ask(state, effects);
    }
    // As in every terminal program, even while text is typed.
    let is_chord = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_chord && state.keymap.command(key) == Some(Command::Sleep) {
        effects.push(Effect::Sleep);
        return;
    }
    let server_now = state.server_now();
    match &mut state.overlay {
        Overlay::Plan(dialog) => match dialog.key(key, state.now, server_now) {
            Outcome::Stay => {}
            Outcome::Do(effect) => effects.push(effect),
            Outcome::Close => {
                state.overlay = Overlay::None;
                // The write may have changed what is shown.
                places::reread(state);
            }
        },
        Overlay::Palette { .. } => typing::type_in_palette(state, key, effects),
        Overlay::Filter { .. } => typing::type_in_filter(state, key),
        Overlay::Scale { .. } => typing::type_in_scale(state, key, effects),
        Overlay::Leave { .. } => leave::press(state, key, effects),
        Overlay::None | Overlay::Help { .. } | Overlay::Log { .. } | Overlay::Debug => {
            if let Some(command) = state.keymap.command(key)
                && !scroll_overlay(state, command)
            {
                command::run(state, command, key.code, effects);
            }
        }
    }
}

/// Scrolls or closes a read-only overlay. False when the key does something else.
fn scroll_overlay(state: &mut State, command: Command) -> bool {
    let scroll = match &mut state.overlay {
        Overlay::Help { scroll } | Overlay::Log { scroll } => Some(scroll),
        Overlay::Debug => None,
        _ => return false,
    };
    let by: isize = match command {
        Command::Up => -1,
        Command::Down => 1,
        Command::PageUp => -10,
        Command::PageDown => 10,
        Command::Home => isize::MIN,
        Command::End => isize::MAX,
        Command::Quit | Command::Redraw => return false,
        // Any other key closes it; keys that open a screen or an overlay also do that.
        other => {
            let is_same = matches!(
                (&state.overlay, other),
                (Overlay::Help { .. }, Command::Help)
                    | (Overlay::Log { .. }, Command::Log)
                    | (Overlay::Debug, Command::Debug)
            );
            state.overlay = Overlay::None;
            let goes_on = state.tabs().any(|screen| screen.tab() == other)
                || matches!(other, Command::Help | Command::Log | Command::Debug | Command::Palette);
            return is_same || !goes_on;
        }
    };
    if let Some(scroll) = scroll {
        *scroll = scroll.saturating_add_signed(by).min(state.overlay_end.get());
    }
    true
}
