//! A dashboard without terminal and network, for benchmarks and tests.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use stereospot_api::view::{Change, Snapshot};

use super::effect::Effect;
use super::input::{Input, Net};
use super::keys::Keymap;
use super::state::State;
use super::theme::{Theme, ThemeName};
use super::{screens, update, view};

/// A dashboard that is fed by hand and draws into memory. Its clock only moves on request.
#[derive(Debug)]
pub struct Harness {
    pub(crate) state: State,
    terminal: Terminal<TestBackend>,
    now: Duration,
}

impl Harness {
    /// A dashboard of this size, in columns and rows.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        let theme = Theme::new(ThemeName::Dark, false);
        let state =
            State::new(screens::all(), theme, Keymap::default(), "alice".into(), "http://127.0.0.1:7847".into());
        let Ok(terminal) = Terminal::new(TestBackend::new(columns, rows));
        Self { state, terminal, now: Duration::from_secs(1) }
    }

    /// Feeds a snapshot.
    pub fn snapshot(&mut self, snapshot: Snapshot) {
        self.input(Input::Net(Net::Snapshot(Box::new(snapshot))));
    }

    /// Feeds a change.
    pub fn change(&mut self, change: Change) {
        self.input(Input::Net(Net::Change(change)));
    }

    /// Presses a key: one character.
    pub fn key(&mut self, letter: char) {
        self.code(KeyCode::Char(letter));
    }

    /// Presses a key.
    pub fn code(&mut self, code: KeyCode) {
        self.input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    /// Advances the clock.
    pub fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.input(Input::Tick);
    }

    /// Draws as the loop does: only if something changed, and only the changed cells. Returns whether it drew.
    pub fn draw(&mut self) -> bool {
        if !self.state.is_dirty {
            return false;
        }
        let state = &self.state;
        let Ok(_) = self.terminal.draw(|frame| view::view(state, frame));
        self.state.is_dirty = false;
        true
    }

    /// The screen's content.
    #[must_use]
    pub fn screen(&self) -> &Buffer {
        self.terminal.backend().buffer()
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Effect> {
        update::update(&mut self.state, input, self.now)
    }
}
