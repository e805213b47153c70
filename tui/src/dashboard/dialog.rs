//! A write in progress: requested, shown as a plan, applied, reported.
//!
//! Invariant: the key that opens the dialog never applies the plan, and anything that removes messages is confirmed by typing.

use std::cell::Cell;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use stereospot_domain::Timestamp;
use stereospot_domain::plan::{Action, ItemResult, Plan, PlanItem, Target};

use super::effect::Effect;

/// A key pressed sooner than this after the plan appeared was meant for the screen before it.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);

/// The state of the write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// The server is making the plan.
    Asking,
    /// The plan is shown; nothing has been sent.
    Shown(Box<Plan>),
    /// The server is applying the plan.
    Applying(Box<Plan>),
    Done(Box<Plan>, Vec<ItemResult>),
    /// The server refused, or could not be reached.
    Failed(String),
    /// It was sent, but no answer came.
    Unknown(String),
}

/// What the lower half shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Face {
    #[default]
    Items,
    Json,
}

/// The size of the text area, as last drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// Rows of the scrolling part.
    pub rows: usize,
    /// How far it scrolls.
    pub reach: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dialog {
    /// Ties answers to this dialog, not to an earlier one.
    pub serial: u64,
    pub action: Action,
    pub step: Step,
    pub typed: String,
    pub note: Option<String>,
    pub face: Face,
    pub scroll: usize,
    pub drawn: Cell<Drawn>,
    shown_at: Duration,
    /// True once the dialog has said that leaving stops nothing.
    is_leaving: bool,
    /// The key that opened it, which never applies the plan.
    opened_by: KeyCode,
}

/// True if the operator may choose whether the dead letters of a job that is given up go with it.
pub(crate) fn has_choice(plan: &Plan) -> bool {
    let is_letter = |item: &PlanItem| matches!(item.target, Target::Message { .. });
    let is_job = |item: &PlanItem| matches!(item.target, Target::Job { .. });
    matches!(plan.action, Action::Fail { .. })
        && plan.items.iter().any(is_job)
        && plan.items.iter().chain(&plan.skips).any(is_letter)
}

/// The result of a key in the dialog.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Stay,
    Close,
    Do(Effect),
}

impl Dialog {
    pub(crate) fn new(serial: u64, action: Action, opened_by: KeyCode) -> Self {
        Self {
            serial,
            action,
            step: Step::Asking,
            typed: String::new(),
            note: None,
            face: Face::Items,
            scroll: 0,
            drawn: Cell::new(Drawn { rows: 10, reach: usize::MAX }),
            shown_at: Duration::ZERO,
            is_leaving: false,
            opened_by,
        }
    }

    /// The word to type. A purge always needs one, whatever the server asks for.
    pub(crate) fn confirm(plan: &Plan) -> Option<String> {
        let purge = matches!(plan.action, Action::Purge { .. }).then(|| format!("purge {}", plan.items.len()));
        plan.confirm.clone().or(purge)
    }

    /// The key that applies a plan without a typed word. Not Enter, which is easily pressed twice, unless `a` opened the dialog.
    pub(crate) fn apply_key(&self) -> KeyCode {
        if self.opened_by == KeyCode::Char('a') { KeyCode::Enter } else { KeyCode::Char('a') }
    }

    /// How long the plan has been in progress.
    pub(crate) fn applying_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.shown_at)
    }

    pub(crate) fn show(&mut self, plan: Plan, now: Duration) {
        self.step = Step::Shown(Box::new(plan));
        self.shown_at = now;
    }

    pub(crate) fn finish(&mut self, results: Vec<ItemResult>) {
        if let Step::Applying(plan) = &self.step {
            self.step = Step::Done(plan.clone(), results);
            (self.scroll, self.face) = (0, Face::Items);
        }
    }

    /// Handles a key. `now` is the time since start, `server_now` the server's clock.
    pub(crate) fn key(&mut self, key: KeyEvent, now: Duration, server_now: Timestamp) -> Outcome {
        self.note = None;
        match (key.code, &self.step) {
            // Thousands of messages take minutes: let the operator leave.
            (KeyCode::Esc, Step::Applying(_)) if !self.is_leaving => {
                self.is_leaving = true;
                self.note =
                    Some("it is being applied and goes on: esc again leaves it, a message says how it ended".into());
                return Outcome::Stay;
            }
            (KeyCode::Esc, _) => return Outcome::Close,
            (KeyCode::Down, _) => self.scroll_by(1),
            (KeyCode::Up, _) => self.scroll_by(-1),
            // A page keeps one line of the last one visible.
            (KeyCode::PageDown, _) => self.scroll_by(self.page()),
            (KeyCode::PageUp, _) => self.scroll_by(-self.page()),
            (_, Step::Shown(plan)) => {
                let plan = plan.clone();
                return self.key_on_plan(key, &plan, now, server_now);
            }
            (KeyCode::Enter, Step::Done(..) | Step::Failed(_) | Step::Unknown(_)) if now >= self.shown_at + SETTLE => {
                return Outcome::Close;
            }
            _ => {}
        }
        Outcome::Stay
    }

    fn page(&self) -> isize {
        self.drawn.get().rows.saturating_sub(1).max(1) as isize
    }

    fn scroll_by(&mut self, lines: isize) {
        // The area may have grown: scroll from what is visible, not from an older position.
        let reach = self.drawn.get().reach;
        self.scroll = self.scroll.min(reach).saturating_add_signed(lines).min(reach);
    }

    fn key_on_plan(&mut self, key: KeyEvent, plan: &Plan, now: Duration, server_now: Timestamp) -> Outcome {
        let confirm = Self::confirm(plan);
        let wanted = confirm.as_deref().unwrap_or_default();
        match key.code {
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => self.typed.clear(),
            KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::CONTROL) => {}
            KeyCode::Char('J') if !wanted.contains('J') => {
                self.face = if self.face == Face::Json { Face::Items } else { Face::Json };
                self.scroll = 0;
            }
            KeyCode::Tab if has_choice(plan) => {
                if let Action::Fail { discard, .. } = &mut self.action {
                    *discard = !*discard;
                }
                self.step = Step::Asking;
                return Outcome::Do(Effect::Plan { serial: self.serial, action: self.action.clone() });
            }
            KeyCode::Char('C') if !wanted.contains('C') => {
                self.note = Some("the command is on the clipboard".into());
                return Outcome::Do(Effect::Copy(plan.command.clone()));
            }
            // A key that is held down or pressed twice must not type into the dialog that it just opened.
            KeyCode::Char(_) | KeyCode::Enter if now < self.shown_at + SETTLE => {}
            KeyCode::Char(_) if confirm.is_some() && self.typed.len() >= 200 => {}
            KeyCode::Char(letter) if confirm.is_some() => self.typed.push(letter),
            KeyCode::Backspace => {
                self.typed.pop();
            }
            KeyCode::Char('a') | KeyCode::Enter
                if confirm.is_some() || plan.refused.is_some() || key.code == self.apply_key() =>
            {
                return self.apply(plan, confirm, now, server_now);
            }
            KeyCode::Enter => self.note = Some("Enter does not apply this plan: a does, esc leaves it".into()),
            KeyCode::Char('a') => self.note = Some("a opened this: press Enter to apply".into()),
            _ => {}
        }
        Outcome::Stay
    }

    fn apply(&mut self, plan: &Plan, confirm: Option<String>, now: Duration, server_now: Timestamp) -> Outcome {
        if plan.refused.is_some() {
            self.note = Some("this plan can't be applied: Esc closes it".into());
        } else if plan.items.is_empty() {
            self.note = Some("there is nothing to do: Esc closes it".into());
        } else if server_now >= plan.valid_until {
            self.note = Some("this plan has run out: Esc, then ask again".into());
        } else if let Some(wanted) = confirm.as_ref().filter(|wanted| **wanted != self.typed) {
            self.note = Some(format!("type  {wanted}  and then Enter"));
        } else {
            self.step = Step::Applying(Box::new(plan.clone()));
            self.shown_at = now;
            return Outcome::Do(Effect::Apply { serial: self.serial, plan_id: plan.id, confirm });
        }
        Outcome::Stay
    }
}

#[cfg(test)]
mod tests;
