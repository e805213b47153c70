//! The dashboard's whole state. Changed by [`super::update`] only, drawn by [`super::view`] only.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use stereospot_domain::{JobId, QueueName, Timestamp};

use super::dialog::Dialog;
use super::keys::{Command, Keymap};
use super::model::{Link, Model};
use super::mouse::Hits;
use super::own_stack::OwnStack;
use super::place::{Pattern, Place};
use super::screen::Screen;
use super::theme::Theme;
use crate::text;

/// Rows keep their place this long after a key press.
pub(crate) const CALM: Duration = Duration::from_secs(2);

/// How long a message at the bottom stays.
const NOTE_FOR: Duration = Duration::from_secs(6);

/// The length of the history.
const MAX_HISTORY: usize = 50;

/// The overlay on top of the screen.
#[derive(Debug)]
pub(crate) enum Overlay {
    None,
    Help {
        scroll: usize,
    },
    Log {
        scroll: usize,
    },
    Debug,
    /// The palette and the typed text.
    Palette {
        typed: String,
        error: Option<String>,
    },
    /// The filter being typed, and the previous one, which Esc restores.
    Filter {
        typed: String,
        before: String,
    },
    /// The desired number of tasks of a service, being typed; its plan comes next.
    Scale {
        service: String,
        typed: String,
        error: Option<String>,
    },
    /// Whether the dashboard's own stack is to stop; what lay over the screen before comes back with Esc.
    Leave {
        typed: String,
        before: Box<Overlay>,
    },
    Plan(Box<Dialog>),
}

/// A message at the bottom of the screen.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub text: String,
    pub is_error: bool,
    until: Duration,
}

/// The loop's measurements of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    pub frames: u64,
    pub last_draw: Duration,
    pub longest_draw: Duration,
    pub bytes: u64,
    pub waiting: usize,
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct State {
    pub model: Model,
    pub theme: Theme,
    pub keymap: Keymap,
    pub who: String,
    pub server: String,
    /// The stack that this program started, if any.
    pub stack: Option<OwnStack>,
    /// Time since the start.
    pub now: Duration,
    pub screens: Vec<Box<dyn Screen>>,
    /// The index of the visible one.
    here: usize,
    pub back: VecDeque<Place>,
    pub forward: Vec<Place>,
    pub overlay: Overlay,
    /// How far the overlay can scroll, as last drawn.
    pub overlay_end: Cell<usize>,
    pub note: Option<Note>,
    pub meter: Meter,
    /// True while the operator freezes order and tail.
    pub is_frozen: bool,
    /// True while the dashboard captures the mouse.
    pub has_mouse: bool,
    /// The click targets of the last frame.
    pub hits: Hits,
    /// True when the screen has to be drawn again.
    pub is_dirty: bool,
    /// Number of the last dialog, which ties answers to it.
    pub serial: u64,
    pub(super) last_key: Option<Duration>,
    pub(super) arranged_at: Duration,
    pub(super) ticked_at: u64,
}

impl State {
    /// The state before the first answer; the first screen is shown.
    pub(crate) fn new(
        screens: Vec<Box<dyn Screen>>,
        theme: Theme,
        keymap: Keymap,
        who: String,
        server: String,
    ) -> Self {
        Self {
            model: Model::new(),
            theme,
            keymap,
            who,
            server,
            stack: None,
            now: Duration::ZERO,
            screens,
            here: 0,
            back: VecDeque::new(),
            forward: Vec::new(),
            overlay: Overlay::None,
            overlay_end: Cell::new(0),
            note: None,
            meter: Meter::default(),
            is_frozen: false,
            has_mouse: false,
            hits: Hits::default(),
            is_dirty: true,
            serial: 0,
            last_key: None,
            arranged_at: Duration::ZERO,
            ticked_at: 0,
        }
    }

    /// The server's time now.
    pub(crate) fn server_now(&self) -> Timestamp {
        self.model.server_now(self.now)
    }

    /// The time passed since `at`, by the server's clock.
    pub(crate) fn ago(&self, at: Timestamp) -> Duration {
        self.server_now().since(at)
    }

    /// True when the screen may be out of date.
    pub(crate) fn is_stale(&self) -> bool {
        self.model.is_stale(self.now)
    }

    /// What is wrong with the connection, once the first attempt has succeeded or failed. While it is down, nothing on the screen
    /// is certain.
    pub(crate) fn disconnected(&self) -> Option<String> {
        let seen = self.model.silence(self.now).map(text::age);
        match (&self.model.link, seen) {
            (Link::Lost { reason, .. }, None) => Some(reason.clone()),
            (Link::Lost { reason, .. }, Some(age)) => Some(format!("lost, all below is as it was {age} ago: {reason}")),
            (Link::Connecting { .. }, Some(age)) => Some(format!("asked again, all below is as it was {age} ago")),
            (Link::Live, Some(age)) if self.is_stale() => {
                Some(format!("silent for {age}, though connected: all below is as it was then"))
            }
            _ => None,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.model.link == Link::Live
    }

    /// True where stopping the dashboard's own stack interrupts work, or may: unknown is not empty.
    pub(crate) fn stop_interrupts_work(&self) -> bool {
        let has_workers = self.stack.is_some_and(|stack| stack.workers > 0);
        has_workers
            && (!self.is_live() || {
                let tally = self.model.jobs.tally();
                tally.running + tally.stuck > 0
            })
    }

    /// True while rows must not move.
    pub(crate) fn keeps_order(&self) -> bool {
        self.is_frozen || self.last_key.is_some_and(|at| self.now.saturating_sub(at) < CALM)
    }

    /// Shows a message for some seconds.
    pub(crate) fn say(&mut self, text: impl Into<String>, is_error: bool) {
        self.note = Some(Note { text: text.into(), is_error, until: self.now + NOTE_FOR });
        self.is_dirty = true;
    }

    /// Removes an expired message.
    pub(super) fn forget_note(&mut self) {
        if self.note.as_ref().is_some_and(|note| note.until <= self.now) {
            self.note = None;
            self.is_dirty = true;
        }
    }

    /// The visible screen.
    pub(crate) fn screen(&self) -> &dyn Screen {
        &*self.screens[self.here]
    }

    /// The visible screen, and the model that it works on.
    pub(crate) fn screen_mut(&mut self) -> (&mut dyn Screen, &mut Model) {
        (&mut *self.screens[self.here], &mut self.model)
    }

    /// The screen that a command opens.
    pub(crate) fn screen_of(&self, command: Command) -> Option<&dyn Screen> {
        self.index_of(command).map(|at| &*self.screens[at])
    }

    fn index_of(&self, command: Command) -> Option<usize> {
        self.screens.iter().position(|screen| screen.pattern().screen == command)
    }

    /// The screens that have a tab.
    pub(crate) fn tabs(&self) -> impl Iterator<Item = &dyn Screen> {
        self.screens.iter().map(|screen| &**screen).filter(|screen| screen.tab() == screen.pattern().screen)
    }

    /// Shows a place.
    pub(super) fn turn_to(&mut self, place: &Place) {
        if let Some(at) = self.index_of(place.screen) {
            self.here = at;
            let (screen, model) = self.screen_mut();
            screen.enter(place, model);
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.screen().place(&self.model)
    }

    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        self.screens.iter().map(|screen| screen.pattern()).collect()
    }

    /// A place as a locator, without the environment's name.
    pub(crate) fn path(&self, place: &Place) -> String {
        self.screen_of(place.screen).map(|screen| screen.pattern().write(place)).unwrap_or_default()
    }

    /// A place as a locator that can be opened elsewhere.
    pub(crate) fn locator(&self, place: &Place) -> String {
        format!("{}/{}", self.environment(), self.path(place))
    }

    /// The environment's name.
    pub(crate) fn environment(&self) -> &str {
        self.model.environment.as_ref().map_or("stereospot", |environment| environment.name.as_str())
    }

    /// The job that a key applies to.
    pub(crate) fn job_under_cursor(&self) -> Option<JobId> {
        self.screen().job(&self.model)
    }

    /// The queue that a key applies to.
    pub(crate) fn queue_under_cursor(&self) -> Option<QueueName> {
        self.screen().queue(&self.model)
    }

    /// The visible screen's filter.
    pub(crate) fn filter(&self) -> &str {
        self.screen().filter(&self.model).unwrap_or_default()
    }

    /// Stores the current place in the history, before leaving it.
    pub(super) fn remember(&mut self) {
        self.back.push_back(self.place());
        if self.back.len() > MAX_HISTORY {
            self.back.pop_front();
        }
    }

    /// A screen downcast to its type.
    #[cfg(test)]
    pub(crate) fn get<S: Screen>(&self) -> &S {
        let screens = self.screens.iter().map(|screen| &**screen as &dyn std::any::Any);
        screens.filter_map(|screen| screen.downcast_ref()).next().expect("every screen is there")
    }
}
