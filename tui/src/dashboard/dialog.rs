//! A write on its way: asked for, shown as a plan, applied, reported.
//!
//! Invariant: the key that opens the dialog never applies the plan, and what takes messages away is confirmed by typing.

use std::cell::Cell;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use stereospot_domain::Timestamp;
use stereospot_domain::plan::{Action, ItemResult, Plan};

use super::effect::Effect;

/// A key pressed sooner than this after the plan appeared was meant for what was there before.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);

/// Where the write stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// The server makes the plan.
    Asking,
    /// It is shown; nothing has been sent.
    Shown(Box<Plan>),
    /// The server carries it out.
    Applying(Box<Plan>),
    /// It ended.
    Done(Box<Plan>, Vec<ItemResult>),
    /// The server said no, or could not be asked.
    Failed(String),
    /// It was sent, and no answer came.
    Unknown(String),
}

/// What the lower half shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Face {
    #[default]
    Items,
    Json,
}

/// How much of the text there was room for, as last drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// Rows of what scrolls.
    pub rows: usize,
    /// How far it scrolls.
    pub reach: usize,
}

/// The dialog.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dialog {
    /// Tells its answers from those to an earlier dialog.
    pub serial: u64,
    pub action: Action,
    pub step: Step,
    pub typed: String,
    pub note: Option<String>,
    pub face: Face,
    pub scroll: usize,
    pub drawn: Cell<Drawn>,
    /// When the plan appeared.
    shown_at: Duration,
    /// True once it was said that leaving stops nothing.
    is_leaving: bool,
    /// The key that opened it, which never applies the plan.
    opened_by: KeyCode,
}

/// What a key in the dialog leads to.
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

    /// What must be typed. A purge is always typed, whatever the server asks for.
    pub(crate) fn confirm(plan: &Plan) -> Option<String> {
        let purge = matches!(plan.action, Action::Purge { .. }).then(|| format!("purge {}", plan.items.len()));
        plan.confirm.clone().or(purge)
    }

    /// The one key that applies a plan for which nothing is typed. Not Enter, of which a second one comes easily; Enter only
    /// where `a` opened it.
    pub(crate) fn apply_key(&self) -> KeyCode {
        if self.opened_by == KeyCode::Char('a') { KeyCode::Enter } else { KeyCode::Char('a') }
    }

    /// How long it has been being applied.
    pub(crate) fn applying_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.shown_at)
    }

    /// The plan has come.
    pub(crate) fn show(&mut self, plan: Plan, now: Duration) {
        self.step = Step::Shown(Box::new(plan));
        self.shown_at = now;
    }

    /// Applying ended.
    pub(crate) fn finish(&mut self, results: Vec<ItemResult>) {
        if let Step::Applying(plan) = &self.step {
            self.step = Step::Done(plan.clone(), results);
            (self.scroll, self.face) = (0, Face::Items);
        }
    }

    /// A key while the dialog is open. `now` is the time since start, `server_now` the server's clock.
    pub(crate) fn key(&mut self, key: KeyEvent, now: Duration, server_now: Timestamp) -> Outcome {
        self.note = None;
        match (key.code, &self.step) {
            // Thousands of messages take minutes: nobody is to be held here that long.
            (KeyCode::Esc, Step::Applying(_)) if !self.is_leaving => {
                self.is_leaving = true;
                self.note = Some("it is being applied and goes on: esc again leaves it, its end is told".into());
                return Outcome::Stay;
            }
            (KeyCode::Esc, _) => return Outcome::Close,
            (KeyCode::Down, _) => self.scroll_by(1),
            (KeyCode::Up, _) => self.scroll_by(-1),
            // A line of the last page stays in sight.
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
        // The room may have grown since: from what is seen, not from what was once scrolled to.
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
            KeyCode::Char('C') if !wanted.contains('C') => {
                self.note = Some("the command is on the clipboard".into());
                return Outcome::Do(Effect::Copy(plan.command.clone()));
            }
            // A key held down, or pressed twice, must not type into a dialog that it has just opened.
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
