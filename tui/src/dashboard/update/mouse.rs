//! Clicks and the wheel.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::command::{go, place_of, run};
use super::press;
use crate::dashboard::effect::Effect;
use crate::dashboard::keys::Command;
use crate::dashboard::mouse::{List, Target};
use crate::dashboard::state::{Overlay, PulseItem, State};
use crate::dashboard::triage::Pane;

/// Rows that one notch of the wheel moves by.
const NOTCH: usize = 3;

pub(super) fn mouse(state: &mut State, event: MouseEvent, effects: &mut Vec<Effect>) {
    match event.kind {
        MouseEventKind::ScrollUp => wheel(state, KeyCode::Up, Command::Up, effects),
        MouseEventKind::ScrollDown => wheel(state, KeyCode::Down, Command::Down, effects),
        MouseEventKind::Down(MouseButton::Left) if matches!(state.overlay, Overlay::None) => {
            match state.hits.at(event.column, event.row) {
                Some(Target::Screen(screen)) => {
                    if let Some(place) = place_of(state, screen) {
                        go(state, place);
                    }
                }
                // A second click on the same opens it, as Enter does: it writes nothing.
                Some(Target::Row(list, at)) if select(state, list, at) => {
                    run(state, Command::Open, KeyCode::Enter, effects);
                }
                _ => {}
            }
        }
        _ => {}
    }
}

fn wheel(state: &mut State, key: KeyCode, command: Command, effects: &mut Vec<Effect>) {
    for _ in 0..NOTCH {
        match state.overlay {
            Overlay::None => run(state, command, key, effects),
            // The number of tasks is typed, not turned.
            Overlay::Scale { .. } => {}
            _ => press(state, KeyEvent::new(key, KeyModifiers::NONE), effects),
        }
    }
}

/// Puts the cursor there. True when it was there already.
fn select(state: &mut State, list: List, at: usize) -> bool {
    match list {
        List::Attention | List::Stages | List::ActiveJobs => {
            let items = state.pulse_items();
            let before = match list {
                List::Attention => 0,
                List::Stages => items.iter().take_while(|item| matches!(item, PulseItem::Attention(_))).count(),
                _ => items.iter().take_while(|item| !matches!(item, PulseItem::Job(_))).count(),
            };
            let Some(item) = items.get(before + at) else { return false };
            let was = state.pulse_item().as_ref() == Some(item);
            state.pulse.select(before + at, item.clone());
            was
        }
        List::Queues => {
            let Some(name) = state.model.queues.get(at).map(|queue| queue.name) else { return false };
            let was = state.queue_index() == Some(at);
            state.queue.select(at, name);
            was
        }
        List::Groups | List::Messages => {
            let pane = if list == List::Groups { Pane::Groups } else { Pane::Messages };
            let was = state.triage.pane == pane && state.triage.place() == Some(at);
            state.triage.pane = pane;
            state.triage.select(at);
            // A group opens into its messages; a message stands open already.
            was && pane == Pane::Groups
        }
        List::Jobs => {
            if at >= state.model.jobs.shown_len() {
                return false;
            }
            let was = state.job_index() == Some(at);
            let id = state.model.jobs.shown(at).id;
            state.job.select(at, id);
            was
        }
        List::Services | List::Workers => {
            let at = if list == List::Services { at } else { at + state.model.services.len() };
            let Some(item) = state.fleet_items().get(at).cloned() else { return false };
            let was = list == List::Workers && state.fleet_index() == Some(at);
            state.fleet.select(at, item);
            was
        }
        List::Events => {
            let was = state.model.log.index() == Some(at);
            state.model.log.select(at);
            was
        }
        List::Logs => {
            if let Some(logs) = state.open_logs_mut().filter(|logs| at < logs.shown_len()) {
                logs.select(at);
            }
            // Opening would be another search, which may cost.
            false
        }
    }
}
