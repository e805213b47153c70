//! What a screen is to the rest of the dashboard.
//!
//! A screen is one value: it holds its own cursor, scroll and panes, and knows how it is opened, drawn and operated. Update, frame,
//! palette, mouse and export use it through this trait only, so that another screen is one more file and one line in
//! [`super::screens`].

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
    /// The command means nothing to this screen: the dashboard does what it does everywhere.
    NotMine,
    Done,
    /// Done, with a message for the operator.
    Say(String),
    /// Done; something has to happen outside.
    Ask(Effect, &'static str),
    Go(Place),
}

/// Messages that were chosen on a dead-letter queue.
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

    /// The tab that is marked while it is shown.
    fn tab(&self) -> Command {
        self.pattern().screen
    }

    /// What stands behind the title of its tab.
    fn count(&self, _state: &State) -> u64 {
        0
    }

    /// True where the count should be 0: it stays on a narrow terminal.
    fn counts_trouble(&self) -> bool {
        false
    }

    /// What the palette offers for it.
    fn offers(&self, _model: &Model) -> Vec<String> {
        vec![self.pattern().fixed().to_owned()]
    }

    /// Where the operator is while it is shown.
    fn place(&self, _model: &Model) -> Place {
        Place::filtered(self.pattern().screen, "")
    }

    /// Where its key leads to from the screen that is shown.
    ///
    /// # Errors
    /// Why it can't be opened from here.
    fn key_leads_to(&self, state: &State) -> Result<Place, String> {
        Ok(self.place(&state.model))
    }

    /// Turns to a place of this screen.
    fn enter(&mut self, _place: &Place, _model: &mut Model) {}

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>);

    /// The commands worth a hint here.
    fn hints(&self, state: &State) -> Vec<(Command, &'static str)>;

    /// The job that a key is about.
    fn job(&self, _model: &Model) -> Option<JobId> {
        None
    }

    /// The queue that a key is about.
    fn queue(&self, _model: &Model) -> Option<QueueName> {
        None
    }

    /// The service that a key is about.
    fn service<'m>(&self, _model: &'m Model) -> Option<&'m ServiceView> {
        None
    }

    /// The messages that a replay or a purge is about, where it is about single ones.
    fn chosen(&self) -> Option<Chosen> {
        None
    }

    /// Why a command that writes is not offered for what is under the cursor.
    fn blocks(&self, _command: Command, _model: &Model) -> Option<&'static str> {
        None
    }

    /// What `copy` takes; none means the locator.
    fn copied(&self, _state: &State) -> Option<String> {
        None
    }

    /// What is shown, for a file.
    ///
    /// # Errors
    /// Which command prints it instead.
    fn export(&self, state: &State) -> Result<Option<Content>, String>;

    /// Carries out a command that is this screen's own.
    fn run(&mut self, _command: Command, _model: &mut Model, _now: Duration) -> Reply {
        Reply::NotMine
    }

    /// Moves by rows and columns.
    fn step(&mut self, model: &mut Model, rows: isize, columns: isize);

    /// Rows that one page moves by.
    fn page(&self, _model: &Model) -> isize {
        10
    }

    /// To the next error in the direction of `by`; false where there is none.
    fn seek_error(&mut self, _model: &mut Model, _by: isize) -> bool {
        false
    }

    /// A click on an entry of one of its lists. True when that opens the entry: it was under the cursor already.
    fn click(&mut self, _model: &mut Model, _section: usize, _at: usize) -> bool {
        false
    }

    /// Its filter; none where nothing can be filtered.
    fn filter<'s>(&'s self, _model: &'s Model) -> Option<&'s str> {
        None
    }

    fn set_filter(&mut self, _model: &mut Model, _filter: &str) {}

    /// How much the filter lets through: `12 jobs`.
    fn matching(&self, _model: &Model) -> String {
        String::new()
    }

    /// A key was pressed: from now on the cursor stays on what it stands on.
    fn choose(&mut self) {}

    /// Lists have changed: keeps the cursor on the entry that it stands on.
    fn settle(&mut self, _model: &Model) {}

    /// What is shown may have changed at the source: read it again.
    fn reread(&mut self, _model: &mut Model) {}

    /// The connection is new: a reading under way will not be answered.
    fn restart(&mut self) {}

    /// A change came, which the model has not taken in yet.
    fn heed(&mut self, _change: &Change, _model: &Model) {}

    /// The reading that is due now, if one is.
    fn due(&mut self, _model: &mut Model, _is_open: bool, _now: Duration) -> Option<Effect> {
        None
    }

    /// Takes the answer to its own reading; gives back any other.
    fn take(&mut self, answer: Answer, _server_now: Timestamp, _now: Duration) -> Option<Answer> {
        Some(answer)
    }
}
