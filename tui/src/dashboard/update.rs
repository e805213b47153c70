//! What each input does to the state, and what it asks of the outside. Pure: no clock, no terminal, no network.

mod command;
mod errors;
mod mouse;
mod moves;
mod typing;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use stereospot_api::view::Change;
use stereospot_domain::plan;

use super::dialog::{Outcome, Step};
use super::effect::{Answer, Effect, Unapplied};
use super::input::{Input, Net};
use super::keys::Command;
use super::model::Link;
use super::place::{Place, Screen};
use super::state::{ACTIVE_JOBS, Overlay, State};

pub(crate) use typing::completions;

/// Lists are brought into order this often at most.
const ARRANGE_EVERY: Duration = Duration::from_millis(250);

/// Takes in one input. `now` is the time since the start.
pub(crate) fn update(state: &mut State, input: Input, now: Duration) -> Vec<Effect> {
    state.now = now;
    let mut effects = Vec::new();
    match input {
        Input::Key(key) if key.kind == KeyEventKind::Release => return effects,
        Input::Key(key) => {
            state.last_key = Some(now);
            state.is_dirty = true;
            choose(state);
            press(state, key, &mut effects);
        }
        Input::Mouse(event) => {
            state.last_key = Some(now);
            state.is_dirty = true;
            choose(state);
            mouse::mouse(state, event, &mut effects);
        }
        Input::Paste(text) => typing::paste(state, &text),
        Input::Resize => state.is_dirty = true,
        Input::Tick => tick(state),
        Input::Net(net) => net_input(state, net),
        Input::Answer(answer) => take_answer(state, answer),
    }
    arrange(state);
    if state.is_live() {
        let is_paid = state.is_paid();
        match (&state.place, &mut state.detail) {
            (Place::Job(_), Some(detail)) => effects.extend(detail.due(is_paid, now)),
            (Place::DeadLetters(_), _) => effects.extend(state.triage.due(is_paid, now)),
            (Place::Logs(_), _) => {
                effects.extend(state.open_logs_mut().and_then(|logs| logs.due(is_paid, now)));
            }
            _ => {}
        }
        let is_open = state.place == Place::Deployment;
        effects.extend(state.deployment.due(is_open, is_paid, now));
    }
    effects
}

fn tick(state: &mut State) {
    state.forget_note();
    // Ages are shown in whole seconds for the most part: once a second is enough.
    let second = state.now.as_secs();
    if second != state.ticked_at {
        state.ticked_at = second;
        state.is_dirty = true;
    }
}

fn net_input(state: &mut State, net: Net) {
    state.is_dirty |= !matches!(net, Net::Change(_));
    match net {
        Net::Connecting { attempt } => state.model.link = Link::Connecting { attempt },
        Net::Lost { attempt, retry_in, reason } => {
            state.model.link = Link::Lost { attempt, retry_at: state.now + retry_in, reason };
        }
        Net::Snapshot(snapshot) => {
            state.model.take(*snapshot, state.now);
            state.model.jobs.rearrange();
            state.active_is_old = true;
            state.arranged_at = Duration::ZERO;
            state.triage.restart();
            state.deployment.restart();
            if let Some(detail) = &mut state.detail {
                detail.restart();
            }
            settle(state);
        }
        Net::Jobs(page) => {
            for job in page {
                state.model.jobs.upsert_older(job);
            }
        }
        Net::Events(events) => state.model.log.recall(events),
        Net::Actions(actions) => state.model.actions = actions.into(),
        Net::Change(change) => {
            match &change {
                Change::Job(view) => {
                    state.active_is_old = true;
                    if let Some(detail) = state.detail.as_mut().filter(|detail| detail.id == view.job.job_id) {
                        detail.outdate();
                    }
                }
                Change::Queue(view) if state.triage.queue == Some(view.name) => {
                    let known = state.model.queue(view.name).and_then(|queue| queue.ready);
                    if known.map(|ready| ready.value) != view.ready.map(|ready| ready.value) {
                        state.triage.outdate();
                    }
                }
                Change::Event(event) => {
                    if let Some(detail) = state.detail.as_mut().filter(|detail| Some(detail.id) == event.job_id) {
                        detail.push(event);
                    }
                }
                _ => {}
            }
            let keeps_order = state.keeps_order();
            let moves_rows = matches!(change, Change::Attention { .. } | Change::Worker(_) | Change::Services { .. });
            state.is_dirty |= state.model.change(change, state.now, keeps_order);
            if moves_rows {
                settle(state);
            }
        }
    }
}

/// Brings lists into order, when that is due and nobody's eye rests on them.
fn arrange(state: &mut State) {
    let is_due = state.now.saturating_sub(state.arranged_at) >= ARRANGE_EVERY || state.arranged_at == Duration::ZERO;
    if !is_due || state.keeps_order() || !(state.active_is_old || state.model.jobs.needs_rearranging()) {
        return;
    }
    state.arranged_at = state.now.max(Duration::from_millis(1));
    state.model.jobs.rearrange();
    if state.active_is_old {
        state.active = state.model.jobs.active(ACTIVE_JOBS);
        state.active_is_old = false;
    }
    settle(state);
    state.is_dirty = true;
}

/// From the first key on a screen its cursor stays on what it stands on: the key means that one.
fn choose(state: &mut State) {
    match state.place {
        Place::Pulse => state.pulse.choose(),
        Place::Queues => state.queue.choose(),
        Place::DeadLetters(_) => {
            state.triage.group_cursor.choose();
            state.triage.message_cursor.choose();
        }
        Place::Jobs { .. } => state.job.choose(),
        Place::Workers => state.fleet.choose(),
        Place::Job(_) | Place::Logs(_) | Place::Events { .. } | Place::Deployment => {}
    }
}

/// Puts each cursor on what is under it, so that it stays there.
fn settle(state: &mut State) {
    let items = state.pulse_items();
    state.pulse.settle(items.len(), |at| items[at].clone());
    let queues = &state.model.queues;
    state.queue.settle(queues.len(), |at| queues[at].name);
    let jobs = &state.model.jobs;
    state.job.settle(jobs.shown_len(), |at| jobs.shown(at).id);
    let items = state.fleet_items();
    state.fleet.settle(items.len(), |at| items[at].clone());
}

fn take_answer(state: &mut State, answer: Answer) {
    state.is_dirty = true;
    let (now, server_now) = (state.now, state.server_now());
    match answer {
        Answer::Plan { serial, plan } => {
            if let Overlay::Plan(dialog) = &mut state.overlay
                && dialog.serial == serial
            {
                match plan {
                    Ok(plan) => dialog.show(*plan, now),
                    Err(why) => dialog.step = Step::Failed(why),
                }
            }
        }
        Answer::Applied { serial, applied } => match &mut state.overlay {
            Overlay::Plan(dialog) if dialog.serial == serial => match applied {
                Ok(applied) => dialog.finish(applied.results),
                Err(Unapplied::Not(why)) => dialog.step = Step::Failed(why),
                Err(Unapplied::Perhaps(why)) => dialog.step = Step::Unknown(why),
            },
            // Its dialog was left: how it ended is told all the same.
            _ => match applied {
                Ok(applied) => {
                    let count = |outcome| applied.results.iter().filter(|result| result.outcome == outcome).count();
                    let failed = count(plan::Outcome::Failed);
                    let (done, skipped) = (count(plan::Outcome::Done), count(plan::Outcome::Skipped));
                    state.say(format!("applied: {done} done, {skipped} skipped, {failed} failed"), failed > 0);
                }
                Err(Unapplied::Not(why) | Unapplied::Perhaps(why)) => state.say(why, true),
            },
        },
        Answer::Job { job_id, detail, events } => {
            if let Some(open) = state.detail.as_mut().filter(|open| open.id == job_id) {
                open.fill(detail, events, server_now);
            }
        }
        Answer::Messages { queue, messages } => {
            if state.triage.queue == Some(queue) {
                state.triage.is_reading = false;
                match messages {
                    Ok(messages) => state.triage.fill(messages, server_now),
                    Err(why) => state.triage.error = Some(why),
                }
            }
        }
        Answer::Logs { job_id, page } => {
            if let Some(logs) = state.logs.as_mut().filter(|logs| logs.id == job_id) {
                logs.fill(page, server_now, now);
            }
        }
        Answer::Deployment(view) => state.deployment.fill(view, server_now),
        Answer::Exported(Ok(said)) => state.say(format!("wrote {said}"), false),
        Answer::Exported(Err(said)) => state.say(said, true),
    }
}

fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if is_ctrl_c {
        effects.push(Effect::Quit);
        return;
    }
    // As everywhere on a terminal, also where text is typed.
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
                // What was written has changed what is here.
                command::reread(state);
            }
        },
        Overlay::Palette { .. } => typing::type_in_palette(state, key, effects),
        Overlay::Filter { .. } => typing::type_in_filter(state, key),
        Overlay::Scale { .. } => typing::type_in_scale(state, key, effects),
        Overlay::None | Overlay::Help { .. } | Overlay::Log { .. } | Overlay::Debug => {
            if let Some(command) = state.keymap.command(key)
                && !scroll_overlay(state, command)
            {
                command::run(state, command, key.code, effects);
            }
        }
    }
}

/// Keys of the overlays that only show. False when the key is not theirs.
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
        Command::Quit | Command::Redraw => return false,
        // Another key closes it; those that open a place or an overlay go on to do so.
        other => {
            let is_same = matches!(
                (&state.overlay, other),
                (Overlay::Help { .. }, Command::Help)
                    | (Overlay::Log { .. }, Command::Log)
                    | (Overlay::Debug, Command::Debug)
            );
            state.overlay = Overlay::None;
            let goes_on = Screen::of(other).is_some()
                || matches!(other, Command::Help | Command::Log | Command::Debug | Command::Palette);
            return is_same || !goes_on;
        }
    };
    if let Some(scroll) = scroll {
        *scroll = scroll.saturating_add_signed(by);
    }
    true
}

#[cfg(test)]
mod tests;
