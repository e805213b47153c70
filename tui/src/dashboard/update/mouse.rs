//! Clicks and the wheel.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::command::run;
use super::keys::press;
use super::places::open_screen;
use crate::dashboard::effect::Effect;
use crate::dashboard::keys::Command;
use crate::dashboard::mouse::Target;
use crate::dashboard::state::{Overlay, State};

/// Rows per notch of the wheel.
const NOTCH: usize = 3;

pub(super) fn mouse(state: &mut State, event: MouseEvent, effects: &mut Vec<Effect>) {
    match event.kind {
        MouseEventKind::ScrollUp => wheel(state, KeyCode::Up, Command::Up, effects),
        MouseEventKind::ScrollDown => wheel(state, KeyCode::Down, Command::Down, effects),
        MouseEventKind::Down(MouseButton::Left) if matches!(state.overlay, Overlay::None) => {
            match state.hits.at(event.column, event.row) {
                Some(Target::Tab(command)) => open_screen(state, command),
                Some(Target::Row { section, at }) => {
                    let (screen, model) = state.screen_mut();
                    // A second click on an entry opens it, as Enter does; it never writes.
                    if screen.click(model, section, at) {
                        run(state, Command::Open, KeyCode::Enter, effects);
                    }
                }
                None => {}
            }
        }
        _ => {}
    }
}

fn wheel(state: &mut State, key: KeyCode, command: Command, effects: &mut Vec<Effect>) {
    for _ in 0..NOTCH {
        match state.overlay {
            Overlay::None => run(state, command, key, effects),
            // The number of tasks must be typed.
            Overlay::Scale { .. } => {}
            _ => press(state, KeyEvent::new(key, KeyModifiers::NONE), effects),
        }
    }
}
