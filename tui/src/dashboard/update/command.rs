//! What each command does.

use crossterm::event::KeyCode;
use stereospot_domain::plan::Action;
use stereospot_domain::{QueueName, QueueRole};

use super::errors::to_error;
use super::moves::{next_pane, page, sideways, step};
use super::settle;
use super::typing::set_filter;
use crate::dashboard::detail::Detail;
use crate::dashboard::dialog::Dialog;
use crate::dashboard::effect::Effect;
use crate::dashboard::export::export;
use crate::dashboard::keys::Command;
use crate::dashboard::logs::Logs;
use crate::dashboard::place::{Place, Screen};
use crate::dashboard::state::{FleetItem, Overlay, PulseItem, State};
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
            // How many is asked first; the service is bound now.
            Ok(Action::Scale { service, .. }) => {
                state.overlay = Overlay::Scale { service, typed: String::new(), error: None };
            }
            Ok(action) => plan(state, action, code, effects),
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
        Command::Back => back(state, effects),
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
            Place::Jobs { .. } | Place::Events { .. } | Place::DeadLetters(_) | Place::Logs(_) => {
                let before = state.filter().to_owned();
                state.overlay = Overlay::Filter { typed: before.clone(), before };
            }
            _ => state.say("nothing to filter here: jobs, events, logs and dead letters can be", false),
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
        Command::Logs => match state.job_under_cursor() {
            Some(id) => go(state, Place::Logs(id)),
            None => state.say("no job under the cursor", false),
        },
        Command::Live => follow_logs(state),
        Command::Wrap => match state.open_logs_mut() {
            Some(logs) => logs.wraps = !logs.wraps,
            None => state.say("nothing to wrap here: log lines can be", false),
        },
        Command::Export => match export(state) {
            Ok(export) => effects.push(Effect::Export(export)),
            Err(why) => state.say(why, false),
        },
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
        Command::Mouse => {
            state.has_mouse = !state.has_mouse;
            effects.push(Effect::Mouse(state.has_mouse));
            let said = if state.has_mouse {
                "click selects, a second click opens, the wheel moves"
            } else {
                "the mouse is the terminal's"
            };
            state.say(said, false);
        }
        Command::Redraw => effects.push(Effect::Redraw),
        Command::Sleep => effects.push(Effect::Sleep),
        Command::Quit => effects.push(Effect::Quit),
        _ => {}
    }
}

/// Asks for the plan of a write.
pub(super) fn plan(state: &mut State, action: Action, opened_by: KeyCode, effects: &mut Vec<Effect>) {
    state.serial += 1;
    let serial = state.serial;
    state.overlay = Overlay::Plan(Box::new(Dialog::new(serial, action.clone(), opened_by)));
    effects.push(Effect::Plan { serial, action });
}

/// What a screen's key leads to from here: what is under the cursor where that fits, otherwise what was there last.
pub(super) fn place_of(state: &mut State, screen: Screen) -> Option<Place> {
    Some(match screen {
        Screen::Pulse => Place::Pulse,
        Screen::Queues => Place::Queues,
        Screen::Jobs => Place::Jobs { filter: state.model.jobs.filter().to_owned() },
        Screen::Workers => Place::Workers,
        Screen::Events => Place::Events { filter: state.model.log.filter().to_owned() },
        Screen::Deployment => Place::Deployment,
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

pub(super) fn enter(state: &mut State, place: Place) {
    state.overlay = Overlay::None;
    match &place {
        Place::DeadLetters(queue) => state.triage.turn_to(*queue),
        Place::Job(id) => {
            if state.detail.as_ref().is_none_or(|detail| detail.id != *id) {
                state.detail = Some(Detail::new(*id));
            }
        }
        Place::Logs(id) => {
            if state.logs.as_ref().is_none_or(|logs| logs.id != *id) {
                state.logs = Some(Logs::new(*id));
            }
        }
        Place::Jobs { filter } => state.model.jobs.set_filter(filter),
        Place::Events { filter } => {
            if state.model.log.filter() != filter {
                state.model.log.set_filter(filter);
            }
        }
        Place::Pulse | Place::Queues | Place::Workers | Place::Deployment => {}
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
                detail.renew();
            }
        }
        _ => {}
    }
}

/// Searches again and again, or no longer.
fn follow_logs(state: &mut State) {
    let is_paid = state.is_paid();
    let said = match state.open_logs_mut() {
        None => "nothing to follow here: logs can be, and events are".to_owned(),
        Some(logs) if logs.follows => {
            logs.follows = false;
            "no longer searching by itself".to_owned()
        }
        Some(logs) if !logs.is_whole => {
            "there are more lines than one search brings: what is new is not among them".to_owned()
        }
        Some(logs) => {
            logs.follows = true;
            logs.seek_end();
            logs.ask();
            match is_paid {
                true => "searching every 30 s: each search is paid for by the bytes it scans".to_owned(),
                false => "searching every 2 s".to_owned(),
            }
        }
    };
    state.say(said, false);
}

fn back(state: &mut State, effects: &mut Vec<Effect>) {
    let now = state.now;
    if state.open_logs_mut().is_some_and(|logs| logs.stop(now)) {
        effects.push(Effect::StopSearch);
        state.say("the search was stopped", false);
    } else if !state.filter().is_empty() {
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

/// Puts the workers' cursor on the service that a matter is named after, or on its worker where that has no job to look at.
fn select_in_fleet(state: &mut State, matter: &str) -> bool {
    let is_about_a_job = state.model.attention.iter().any(|item| item.id == matter && item.job_id.is_some());
    let wanted = match matter.split('/').collect::<Vec<_>>()[..] {
        ["service", name, ..] => FleetItem::Service(name.to_owned()),
        ["worker", ..] if !is_about_a_job => FleetItem::Worker(matter["worker/".len()..].to_owned()),
        _ => return false,
    };
    let at = state.fleet_items().iter().position(|item| *item == wanted);
    if let Some(at) = at {
        state.fleet.select(at, wanted);
    }
    at.is_some()
}

fn open(state: &mut State) {
    let target = match &state.place {
        Place::Pulse => match state.pulse_item() {
            Some(PulseItem::Attention(name)) if select_in_fleet(state, &name) => Some(Place::Workers),
            // How well the platform can be read stands there.
            Some(PulseItem::Attention(name)) if name.starts_with("collector/") => Some(Place::Deployment),
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
        Place::Logs(_) => {
            if let Some(logs) = state.open_logs_mut() {
                logs.ask();
            }
            return;
        }
        Place::Deployment => {
            state.deployment.ask();
            return;
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
        Place::Logs(_) => {
            let line = state.open_logs().and_then(Logs::under_cursor);
            line.map_or_else(|| located(&state.place), |entry| entry.line.text.clone())
        }
        place => located(place),
    }
}
