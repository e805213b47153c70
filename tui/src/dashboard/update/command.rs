//! What each command does.

use crossterm::event::KeyCode;
use stereospot_domain::{QueueName, QueueRole};

use super::settle;
use super::typing::set_filter;
use crate::dashboard::detail::Detail;
use crate::dashboard::dialog::Dialog;
use crate::dashboard::effect::Effect;
use crate::dashboard::keys::Command;
use crate::dashboard::place::{Place, Screen};
use crate::dashboard::state::{Overlay, PulseItem, State};
use crate::dashboard::triage::Pane;
use crate::dashboard::write;

pub(super) fn run(state: &mut State, command: Command, code: KeyCode, effects: &mut Vec<Effect>) {
    if let Some(screen) = Screen::of(command) {
        if let Some(place) = place_of(state, screen) {
            go(state, place);
        }
        return;
    }
    if write::WRITES.contains(&command) {
        match write::action(state, command) {
            Ok(action) => {
                state.serial += 1;
                let serial = state.serial;
                state.overlay = Overlay::Plan(Box::new(Dialog::new(serial, action.clone(), code)));
                effects.push(Effect::Plan { serial, action });
            }
            Err(why) => {
                let key = state.keymap.hint(command).unwrap_or_default();
                state.say(format!("{key} ({}) is blocked: {why}", command.name()), true);
            }
        }
        return;
    }
    match command {
        Command::Up => step(state, -1, 0),
        Command::Down => step(state, 1, 0),
        Command::Left => sideways(state, -1),
        Command::Right => sideways(state, 1),
        Command::PageUp => step(state, -page(state), 0),
        Command::PageDown => step(state, page(state), 0),
        Command::Home => step(state, -(isize::MAX / 1_000_000), 0),
        Command::End => match state.place {
            Place::Events { .. } => state.model.log.seek_end(),
            _ => step(state, isize::MAX / 1_000_000, 0),
        },
        Command::Open => open(state),
        Command::Back => back(state),
        Command::NextPane => next_pane(state),
        Command::Older => {
            if let Some(place) = state.back.pop_back() {
                state.forward.push(state.place.clone());
                enter(state, place);
            }
        }
        Command::Newer => {
            if let Some(place) = state.forward.pop() {
                state.remember();
                enter(state, place);
            }
        }
        Command::Filter => match state.place {
            Place::Jobs { .. } | Place::Events { .. } | Place::DeadLetters(_) => {
                let before = state.filter().to_owned();
                state.overlay = Overlay::Filter { typed: before.clone(), before };
            }
            _ => state.say("nothing to filter here: jobs, events and dead letters can be", false),
        },
        Command::Palette => state.overlay = Overlay::Palette { typed: String::new(), error: None },
        Command::Help => state.overlay = Overlay::Help { scroll: 0 },
        Command::Log => state.overlay = Overlay::Log { scroll: 0 },
        Command::Debug => state.overlay = Overlay::Debug,
        Command::Freeze => {
            state.is_frozen = !state.is_frozen;
            state.model.log.hold(state.is_frozen);
        }
        Command::Sort if !matches!(state.place, Place::Jobs { .. }) => {
            state.say("nothing to put in another order here: jobs can be", false);
        }
        Command::Sort => {
            let order = state.model.jobs.order().next();
            state.model.jobs.set_order(order);
            settle(state);
            state.say(format!("jobs: {}", order.name()), false);
        }
        Command::Copy => {
            let text = copied(state);
            state.say(format!("copied {text}"), false);
            effects.push(Effect::Copy(text));
        }
        Command::NextError => to_error(state, 1),
        Command::PreviousError => to_error(state, -1),
        Command::SameJob => {
            let only = match (state.model.log.only_job(), state.job_under_cursor()) {
                (None, Some(job)) => Some(job),
                _ => None,
            };
            state.model.log.set_only_job(only);
            if !matches!(state.place, Place::Events { .. }) && only.is_some() {
                go(state, Place::Events { filter: state.model.log.filter().to_owned() });
            }
        }
        Command::Mark | Command::MarkAll if !matches!(state.place, Place::DeadLetters(_)) => {
            state.say("nothing to mark here: dead letters can be", false);
        }
        Command::Mark => {
            state.triage.mark();
            step(state, 1, 0);
        }
        Command::MarkAll => state.triage.mark_all(),
        Command::Redraw => effects.push(Effect::Redraw),
        Command::Quit => effects.push(Effect::Quit),
        _ => {}
    }
}

/// What a screen's key leads to from here: what is under the cursor where that fits, otherwise what was there last.
fn place_of(state: &mut State, screen: Screen) -> Option<Place> {
    Some(match screen {
        Screen::Pulse => Place::Pulse,
        Screen::Queues => Place::Queues,
        Screen::Jobs => Place::Jobs { filter: state.model.jobs.filter().to_owned() },
        Screen::Workers => Place::Workers,
        Screen::Events => Place::Events { filter: state.model.log.filter().to_owned() },
        Screen::DeadLetters => {
            // A main queue under the cursor means its dead letters only where it has some.
            let has_letters = |queue: &QueueName| {
                let ready = state.model.queue(*queue).and_then(|queue| queue.ready);
                ready.is_none_or(|ready| ready.value > 0)
            };
            let under_cursor = state.queue_of_cursor().and_then(|queue| {
                let letters = QueueName::dead_letter(queue.role);
                (queue.is_dead_letter || has_letters(&letters)).then_some(letters)
            });
            let fullest = state.model.queues.iter().filter(|queue| queue.name.is_dead_letter);
            let fullest =
                fullest.max_by_key(|queue| queue.ready.map_or(0, |ready| ready.value)).map(|queue| queue.name);
            let chosen = match state.place {
                Place::Queues | Place::Pulse => under_cursor.or(fullest),
                _ => state.triage.queue.or(fullest),
            };
            Place::DeadLetters(chosen.unwrap_or(QueueName::dead_letter(QueueRole::Inference)))
        }
        Screen::Job => {
            let last = state.detail.as_ref().map(|detail| detail.id);
            let first = state.active.first().copied();
            let newest = (state.model.jobs.shown_len() > 0).then(|| state.model.jobs.shown(0).id);
            match state.job_under_cursor().or(last).or(first).or(newest) {
                Some(id) => Place::Job(id),
                None => {
                    state.say("there is no job yet", false);
                    return None;
                }
            }
        }
    })
}

pub(super) fn go(state: &mut State, place: Place) {
    if place != state.place {
        state.remember();
        state.forward.clear();
    }
    enter(state, place);
}

fn enter(state: &mut State, place: Place) {
    state.overlay = Overlay::None;
    match &place {
        Place::DeadLetters(queue) => state.triage.turn_to(*queue),
        Place::Job(id) => {
            if state.detail.as_ref().is_none_or(|detail| detail.id != *id) {
                state.detail = Some(Detail::new(*id));
            }
        }
        Place::Jobs { filter } => state.model.jobs.set_filter(filter),
        Place::Events { filter } => {
            if state.model.log.filter() != filter {
                state.model.log.set_filter(filter);
            }
        }
        Place::Pulse | Place::Queues | Place::Workers => {}
    }
    state.place = place;
    settle(state);
    reread(state);
}

/// Reads again what the screen shows and the stream doesn't tell.
pub(super) fn reread(state: &mut State) {
    match state.place {
        Place::DeadLetters(_) => state.triage.outdate(),
        Place::Job(_) => {
            if let Some(detail) = &mut state.detail {
                detail.outdate();
            }
        }
        _ => {}
    }
}

fn back(state: &mut State) {
    if !state.filter().is_empty() {
        set_filter(state, "");
    } else if state.model.log.only_job().is_some() && matches!(state.place, Place::Events { .. }) {
        state.model.log.set_only_job(None);
    } else if let (Place::DeadLetters(_), Pane::Messages) = (&state.place, state.triage.pane) {
        state.triage.pane = Pane::Groups;
    } else if let Some(place) = state.back.pop_back() {
        state.forward.push(state.place.clone());
        enter(state, place);
    } else if state.place == Place::Pulse {
        let quit = state.keymap.hint(Command::Quit).unwrap_or_else(|| "ctrl-c".into());
        state.say(format!("{quit} leaves"), false);
    } else {
        enter(state, Place::Pulse);
    }
}

fn open(state: &mut State) {
    let target = match &state.place {
        Place::Pulse => match state.pulse_item() {
            Some(PulseItem::Attention(name)) => {
                let item = state.model.attention.iter().find(|item| item.id == name);
                item.and_then(|item| match (item.queue, item.job_id) {
                    (Some(queue), _) if queue.is_dead_letter => Some(Place::DeadLetters(queue)),
                    (_, Some(job)) => Some(Place::Job(job)),
                    (Some(queue), _) => {
                        let at = state.model.queues.iter().position(|known| known.name == queue);
                        state.queue.select(at.unwrap_or(0), queue);
                        Some(Place::Queues)
                    }
                    _ => None,
                })
            }
            Some(PulseItem::Stage(stage)) => {
                let queue = QueueName::main(stage.queue());
                let at = state.model.queues.iter().position(|known| known.name == queue);
                state.queue.select(at.unwrap_or(0), queue);
                Some(Place::Queues)
            }
            Some(PulseItem::Job(id)) => Some(Place::Job(id)),
            None => None,
        },
        Place::Queues => {
            state.queue_under_cursor().map(|queue| Place::DeadLetters(QueueName::dead_letter(queue.name.role)))
        }
        Place::DeadLetters(_) if state.triage.pane == Pane::Groups => {
            state.triage.pane = Pane::Messages;
            return;
        }
        _ => state.job_under_cursor().map(Place::Job),
    };
    match target {
        Some(place) if place != state.place => go(state, place),
        Some(_) => {}
        None => state.say("nothing to open here", false),
    }
}

fn next_pane(state: &mut State) {
    match state.place {
        Place::DeadLetters(_) => {
            state.triage.pane = if state.triage.pane == Pane::Groups { Pane::Messages } else { Pane::Groups };
        }
        Place::Job(_) => {
            if let Some(detail) = &mut state.detail {
                detail.pane = detail.pane.next();
                detail.scroll = 0;
            }
        }
        Place::Pulse => {
            // The first item of the next section.
            let items = state.pulse_items();
            let section = |item: &PulseItem| std::mem::discriminant(item);
            if let Some(here) = state.pulse_item() {
                let after = items.iter().position(|item| *item == here).unwrap_or(0);
                let next = (after..items.len()).find(|at| section(&items[*at]) != section(&here)).unwrap_or(0);
                state.pulse.select(next, items[next].clone());
            }
        }
        _ => {}
    }
}

fn page(state: &State) -> isize {
    match state.place {
        Place::Pulse => state.pulse.page(),
        Place::Queues => state.queue.page(),
        Place::Jobs { .. } => state.job.page(),
        Place::Workers => state.worker.page(),
        Place::Events { .. } => state.model.log.cursor.page(),
        Place::DeadLetters(_) | Place::Job(_) => 10,
    }
}

fn step(state: &mut State, rows: isize, columns: isize) {
    match state.place {
        Place::Pulse => {
            let items = state.pulse_items();
            state.pulse.step(rows, items.len(), |at| items[at].clone());
        }
        Place::Queues => {
            let queues = &state.model.queues;
            state.queue.step(rows, queues.len(), |at| queues[at].name);
        }
        Place::DeadLetters(_) => state.triage.step(rows),
        Place::Jobs { .. } => {
            let jobs = &state.model.jobs;
            state.job.step(rows, jobs.shown_len(), |at| jobs.shown(at).id);
        }
        Place::Job(_) => {
            if let Some(detail) = &mut state.detail {
                detail.step(rows, columns);
            }
        }
        Place::Workers => {
            let names: Vec<String> = state.model.workers.keys().cloned().collect();
            state.worker.step(rows, names.len(), |at| names[at].clone());
        }
        Place::Events { .. } => state.model.log.step(rows),
    }
}

fn sideways(state: &mut State, by: isize) {
    match state.place {
        Place::DeadLetters(queue) => {
            let roles = QueueRole::ALL;
            let at = roles.iter().position(|role| *role == queue.role).unwrap_or(0);
            let next = roles[(at as isize + by).rem_euclid(roles.len() as isize) as usize];
            // Looking through the queues is one visit, not a history of its own.
            enter(state, Place::DeadLetters(QueueName::dead_letter(next)));
        }
        _ => step(state, 0, by),
    }
}

fn to_error(state: &mut State, by: isize) {
    let found = match state.place {
        Place::Events { .. } => state.model.log.seek_error(by),
        Place::Jobs { .. } => {
            let (jobs, from) = (&state.model.jobs, state.job_index());
            let has_finding = |at: &usize| jobs.shown(*at).severity().is_some();
            let found = from.and_then(|from| match by > 0 {
                true => (from + 1..jobs.shown_len()).find(has_finding),
                false => (0..from).rev().find(has_finding),
            });
            if let Some(at) = found {
                let id = jobs.shown(at).id;
                state.job.select(at, id);
            }
            found.is_some()
        }
        _ => false,
    };
    if !found {
        state.say("no further error in this direction", false);
    }
}

/// What `copy` takes: the id under the cursor where there is one, otherwise the locator.
fn copied(state: &State) -> String {
    let environment = state.model.environment.as_ref().map_or("stereospot", |environment| environment.name.as_str());
    let located = |place: &Place| format!("{environment}/{place}");
    match &state.place {
        Place::DeadLetters(_) if state.triage.pane == Pane::Messages => {
            state.triage.message().map_or_else(|| located(&state.place), |message| message.id.clone())
        }
        Place::Jobs { .. } | Place::Pulse => {
            state.job_under_cursor().map_or_else(|| located(&state.place), |id| located(&Place::Job(id)))
        }
        place => located(place),
    }
}
