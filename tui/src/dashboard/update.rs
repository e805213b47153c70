//! What each input does to the state, and the effects it asks for. Pure: no clock, no terminal, no network.

mod command;
mod keys;
pub(crate) mod leave;
mod mouse;
mod places;
mod typing;

use std::time::Duration;

use crossterm::event::KeyEventKind;
use stereospot_api::view::Change;
use stereospot_domain::plan;

use super::dialog::Step;
use super::effect::{Answer, Effect, Unapplied};
use super::input::{Input, Net};
use super::model::Link;
use super::state::{Overlay, State};

use places::settle;

/// Shortest pause between two sorts of the lists.
const ARRANGE_EVERY: Duration = Duration::from_millis(250);

/// Handles one input. `now` is the time since the start.
pub(crate) fn update(state: &mut State, input: Input, now: Duration) -> Vec<Effect> {
    state.now = now;
    let mut effects = Vec::new();
    match input {
        Input::Key(key) if key.kind == KeyEventKind::Release => return effects,
        Input::Key(key) => {
            state.last_key = Some(now);
            state.is_dirty = true;
            state.screen_mut().0.choose();
            keys::press(state, key, &mut effects);
        }
        Input::Mouse(event) => {
            state.last_key = Some(now);
            state.is_dirty = true;
            state.screen_mut().0.choose();
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
        effects.extend(readings_due(state));
    }
    effects
}

/// The reads that the screens need now.
fn readings_due(state: &mut State) -> Vec<Effect> {
    let (here, now) = (state.screen().pattern().screen, state.now);
    let model = &mut state.model;
    let due = state.screens.iter_mut().map(|screen| {
        let is_open = screen.pattern().screen == here;
        screen.due(model, is_open, now)
    });
    due.flatten().collect()
}

fn tick(state: &mut State) {
    state.forget_note();
    // Ages are shown in seconds, so once a second is enough.
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
            state.arranged_at = Duration::ZERO;
            state.screens.iter_mut().for_each(|screen| screen.restart());
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
            state.screens.iter_mut().for_each(|screen| screen.before_change(&change, &state.model));
            let keeps_order = state.keeps_order();
            let moves_rows = matches!(change, Change::Attention { .. } | Change::Worker(_) | Change::Services { .. });
            state.is_dirty |= state.model.change(change, state.now, keeps_order);
            if moves_rows {
                settle(state);
            }
        }
    }
}

/// Sorts the lists, when that is due and the operator isn't reading them.
fn arrange(state: &mut State) {
    let is_due = state.now.saturating_sub(state.arranged_at) >= ARRANGE_EVERY || state.arranged_at == Duration::ZERO;
    if !is_due || state.keeps_order() || !state.model.needs_arranging() {
        return;
    }
    state.arranged_at = state.now.max(Duration::from_millis(1));
    state.model.arrange();
    settle(state);
    state.is_dirty = true;
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
            // Its dialog is closed: a message at the bottom says how it ended.
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
            if let Some(reading) = state.model.job_reading.as_mut().filter(|reading| reading.id == job_id) {
                reading.fill(detail, events, server_now);
            }
        }
        Answer::Deployment(view) => state.model.deployment.fill(view, server_now),
        Answer::Exported(Ok(said)) => state.say(format!("wrote {said}"), false),
        Answer::Exported(Err(said)) => state.say(said, true),
        // Only the screen that asked takes these; it drops a late answer about another job or queue.
        Answer::Messages { .. } | Answer::Logs { .. } => {
            let _unclaimed =
                state.screens.iter_mut().try_fold(answer, |answer, screen| screen.take(answer, server_now, now));
        }
    }
}

#[cfg(test)]
mod tests;
