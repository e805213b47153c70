//! The interface between a screen and the rest of the dashboard.
//!
//! A screen is one value: it holds its cursor, scroll position and panes, and knows how it is opened, drawn and operated. Update,
//! frame, palette, mouse and export use only this trait, so another screen is one more file and one line in [`super::screens`].

use std::any::Any;
use std::fmt;
use std::time::Duration;

use stereospot_api::view::{Change, ServiceView};
use stereospot_domain::{JobId, QueueName, Timestamp};

use super::canvas::Canvas;
use super::effect::{Answer, Effect};
use super::export::Content;
use super::keys::Command;
use super::model::Model;
use super::place::{Pattern, Place};
use super::state::State;

/// How a screen answers a command.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    /// Not handled: the dashboard's default applies.
    NotMine,
    Done,
    /// Done, with a message for the operator.
    Say(String),
    /// Done, with something to carry out outside.
    Ask(Effect, &'static str),
    Go(Place),
}

/// Messages chosen on a dead-letter queue.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub queue: QueueName,
    pub ids: Vec<String>,
    /// False while the queue has not been read.
    pub is_read: bool,
}

/// One screen.
pub(crate) trait Screen: fmt::Debug + Any {
    /// How its places are written, and the command whose key opens it.
    fn pattern(&self) -> Pattern;

    fn title(&self) -> &'static str;

    /// The tab that is highlighted while it is shown.
    fn tab(&self) -> Command {
        self.pattern().screen
    }

    /// The count behind the title of its tab.
    fn count(&self, _state: &State) -> u64 {
        0
    }

    /// True where the count should be 0: such a count stays on a narrow terminal.
    fn counts_trouble(&self) -> bool {
        false
    }

    /// Its entries in the palette.
    fn offers(&self, _model: &Model) -> Vec<String> {
        vec![self.pattern().fixed().to_owned()]
    }

    /// The current place while it is shown.
    fn place(&self, _model: &Model) -> Place {
        Place::filtered(self.pattern().screen, "")
    }

    /// The place that its key opens from the current screen.
    ///
    /// # Errors
    /// Why it can't be opened from here.
    fn key_leads_to(&self, state: &State) -> Result<Place, String> {
        Ok(self.place(&state.model))
    }

    /// Opens a place of this screen.
    fn enter(&mut self, _place: &Place, _model: &mut Model) {}

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>);

    /// The commands worth a hint here.
    fn hints(&self, state: &State) -> Vec<(Command, &'static str)>;

    /// The job under the cursor.
    fn job(&self, _model: &Model) -> Option<JobId> {
        None
    }

    /// The queue under the cursor.
    fn queue(&self, _model: &Model) -> Option<QueueName> {
        None
    }

    /// The service under the cursor.
    fn service<'m>(&self, _model: &'m Model) -> Option<&'m ServiceView> {
        None
    }

    /// The single messages that a replay or a purge applies to, where the screen shows messages.
    fn chosen(&self) -> Option<Chosen> {
        None
    }

    /// Why a write command isn't available for what is under the cursor.
    fn blocks(&self, _command: Command, _model: &Model) -> Option<&'static str> {
        None
    }

    /// What `copy` copies; none means the locator.
    fn copied(&self, _state: &State) -> Option<String> {
        None
    }

    /// The content for an export.
    ///
    /// # Errors
    /// The command that prints it instead.
    fn export(&self, state: &State) -> Result<Option<Content>, String>;

    /// Runs a command of this screen.
    fn run(&mut self, _command: Command, _model: &mut Model, _now: Duration) -> Reply {
        Reply::NotMine
    }

    /// Moves by rows and columns.
    fn step(&mut self, model: &mut Model, rows: isize, columns: isize);

    /// Rows that one page moves by.
    fn page(&self, _model: &Model) -> isize {
        10
    }

    /// Moves to the next error in the direction of `by`; false where there is none.
    fn seek_error(&mut self, _model: &mut Model, _by: isize) -> bool {
        false
    }

    /// Handles a click on an entry of one of its lists. Returns true if the click opens the entry, because the cursor was on it
    /// already.
    fn click(&mut self, _model: &mut Model, _section: usize, _at: usize) -> bool {
        false
    }

    /// Its filter; none where nothing can be filtered.
    fn filter<'s>(&'s self, _model: &'s Model) -> Option<&'s str> {
        None
    }

    fn set_filter(&mut self, _model: &mut Model, _filter: &str) {}

    /// How much passes the filter: `12 jobs`.
    fn matching(&self, _model: &Model) -> String {
        String::new()
    }

    /// A key was pressed: from now on the cursor follows its entry.
    fn choose(&mut self) {}

    /// Lists have changed: keeps the cursor on its entry.
    fn settle(&mut self, _model: &Model) {}

    /// The data may have changed at its source: read it again.
    fn reread(&mut self, _model: &mut Model) {}

    /// After a reconnect, a pending read will not be answered.
    fn restart(&mut self) {}

    /// A change arrived that the model has not applied yet.
    fn before_change(&mut self, _change: &Change, _model: &Model) {}

    /// The read that is due now, if any.
    fn due(&mut self, _model: &mut Model, _is_open: bool, _now: Duration) -> Option<Effect> {
        None
    }

    /// Takes the answer to its own read; returns any other.
    fn take(&mut self, answer: Answer, _server_now: Timestamp, _now: Duration) -> Option<Answer> {
        Some(answer)
    }
}
