//! What each command does.

use crossterm::event::KeyCode;
use stereospot_domain::plan::Action;

use super::leave;
use super::places::{self, enter, go};
use crate::dashboard::dialog::Dialog;
use crate::dashboard::effect::Effect;
use crate::dashboard::export::Export;
use crate::dashboard::keys::Command;
use crate::dashboard::place::{About, Place};
use crate::dashboard::screen::Reply;
use crate::dashboard::state::{Overlay, State};
use crate::dashboard::write;

/// Means "to the end": more rows than any list has, and few enough to multiply by the columns of a grid.
const FAR: isize = isize::MAX / 1_000_000;

/// Runs a command: it opens a screen, starts a write, belongs to the visible screen, or does the same everywhere.
pub(super) fn run(state: &mut State, command: Command, code: KeyCode, effects: &mut Vec<Effect>) {
    if state.screen_of(command).is_some() {
        return places::open_screen(state, command);
    }
    if write::WRITES.contains(&command) {
        return ask_to_write(state, command, code, effects);
    }
    let now = state.now;
    let (screen, model) = state.screen_mut();
    match screen.run(command, model, now) {
        Reply::NotMine => run_anywhere(state, command, effects),
        Reply::Done => {}
        Reply::Say(words) => state.say(words, false),
        Reply::Ask(effect, words) => {
            effects.push(effect);
            state.say(words, false);
        }
        Reply::Go(place) => go(state, place),
    }
}

fn ask_to_write(state: &mut State, command: Command, code: KeyCode, effects: &mut Vec<Effect>) {
    match write::action(state, command) {
        // The number of tasks is typed first; the service is bound now.
        Ok(Action::Scale { service, .. }) => {
            state.overlay = Overlay::Scale { service, typed: String::new(), error: None };
        }
        Ok(action) => plan(state, action, code, effects),
        Err(why) => {
            let key = state.keymap.hint(command).unwrap_or_default();
            state.say(format!("{key} ({}) is blocked: {why}", command.name()), true);
        }
    }
}

/// Asks for the plan of a write.
pub(super) fn plan(state: &mut State, action: Action, opened_by: KeyCode, effects: &mut Vec<Effect>) {
    state.serial += 1;
    let serial = state.serial;
    state.overlay = Overlay::Plan(Box::new(Dialog::new(serial, action.clone(), opened_by)));
    effects.push(Effect::Plan { serial, action });
}

/// What a command does where the screen doesn't handle it.
fn run_anywhere(state: &mut State, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::Up => step(state, -1, 0),
        Command::Down => step(state, 1, 0),
        Command::Left => step(state, 0, -1),
        Command::Right => step(state, 0, 1),
        Command::PageUp => step(state, -page(state), 0),
        Command::PageDown => step(state, page(state), 0),
        Command::Home => step(state, -FAR, 0),
        Command::End => step(state, FAR, 0),
        Command::NextError => seek_error(state, 1),
        Command::PreviousError => seek_error(state, -1),
        Command::Open => open(state),
        Command::Back => back(state),
        Command::Older => {
            places::older(state);
        }
        Command::Newer => places::newer(state),
        Command::SameJob => only_same_job(state),
        Command::Palette => state.overlay = Overlay::Palette { typed: String::new(), error: None },
        Command::Help => state.overlay = Overlay::Help { scroll: 0 },
        Command::Log => state.overlay = Overlay::Log { scroll: 0 },
        Command::Debug => state.overlay = Overlay::Debug,
        Command::Filter => filter(state),
        Command::Freeze => {
            state.is_frozen = !state.is_frozen;
            state.model.log.hold(state.is_frozen);
        }
        Command::Export => match export(state) {
            Ok(export) => effects.push(Effect::Export(export)),
            Err(why) => state.say(why, false),
        },
        Command::Copy => {
            let text = state.screen().copied(state).unwrap_or_else(|| state.locator(&state.place()));
            state.say(format!("copied {text}"), false);
            effects.push(Effect::Copy(text));
        }
        Command::Mouse => {
            state.has_mouse = !state.has_mouse;
            effects.push(Effect::Mouse(state.has_mouse));
            let click = "click selects, a second click opens, the wheel moves";
            state.say(if state.has_mouse { click } else { "the mouse is the terminal's" }, false);
        }
        Command::Redraw => effects.push(Effect::Redraw),
        Command::Sleep => effects.push(Effect::Sleep),
        Command::Quit => leave::ask(state, effects),
        Command::Sort => state.say("nothing to put in another order here: jobs can be", false),
        Command::Live => state.say("nothing to follow here: logs can be, and events are", false),
        Command::Wrap => state.say("nothing to wrap here: log lines can be", false),
        Command::Mark | Command::MarkAll => state.say("nothing to mark here: dead letters can be", false),
        _ => {}
    }
}

fn step(state: &mut State, rows: isize, columns: isize) {
    let (screen, model) = state.screen_mut();
    screen.step(model, rows, columns);
}

fn page(state: &State) -> isize {
    state.screen().page(&state.model)
}

fn seek_error(state: &mut State, by: isize) {
    let (screen, model) = state.screen_mut();
    if !screen.seek_error(model, by) {
        state.say("nothing further is wrong in this direction", false);
    }
}

fn open(state: &mut State) {
    match state.job_under_cursor() {
        Some(job) => go(state, Place::job(job)),
        None => state.say("nothing to open here", false),
    }
}

fn back(state: &mut State) {
    if places::older(state) {
        return;
    }
    if state.place().screen == Command::Pulse {
        let quit = state.keymap.hint(Command::Quit).unwrap_or_else(|| "ctrl-c".into());
        state.say(format!("{quit} leaves"), false);
    } else {
        enter(state, Place::new(Command::Pulse, About::Nothing));
    }
}

fn filter(state: &mut State) {
    match state.screen().filter(&state.model).map(str::to_owned) {
        Some(before) => state.overlay = Overlay::Filter { typed: before.clone(), before },
        None => state.say("nothing to filter here: jobs, events, logs and dead letters can be", false),
    }
}

/// Toggles the log between the job under the cursor and all jobs.
fn only_same_job(state: &mut State) {
    let only = match (state.model.log.only_job(), state.job_under_cursor()) {
        (None, Some(job)) => Some(job),
        _ => None,
    };
    state.model.log.set_only_job(only);
    if state.place().screen != Command::Events && only.is_some() {
        let place = Place::filtered(Command::Events, state.model.log.filter());
        go(state, place);
    }
}

/// The screen's content as a file named after environment, place and time.
fn export(state: &State) -> Result<Export, String> {
    let content = state.screen().export(state)?.ok_or("there is nothing to write yet")?;
    let place = state.place();
    let path = match place.job_id() {
        Some(id) => format!("{}-{}", place.screen.name(), id.short()),
        None => state.path(&Place { filter: String::new(), ..place }),
    };
    let name = format!("{}-{path}-{}", state.environment(), state.server_now().as_secs());
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = name.replace(|letter| !is_plain(letter), "-");
    Ok(Export { name: format!("{name}.{}", content.extension), what: content.what, text: content.text })
}
