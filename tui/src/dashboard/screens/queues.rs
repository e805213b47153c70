//! Every queue with its dead-letter queue, and the selected one in full.

mod view;

use std::time::Duration;

use stereospot_api::view::QueueView;
use stereospot_domain::QueueName;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::cursor::{Cursor, next};
use crate::dashboard::export::Content;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::{About, Pattern, Place};
use crate::dashboard::screen::{Reply, Screen};
use crate::dashboard::state::State;
use crate::text;

/// The queues' screen.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    cursor: Cursor<QueueName>,
}

impl Queues {
    fn index(&self, model: &Model) -> Option<usize> {
        self.cursor.index(model.queues.len(), |at| model.queues[at].name)
    }

    /// The selected queue.
    pub(crate) fn under_cursor<'m>(&self, model: &'m Model) -> Option<&'m QueueView> {
        model.queues.get(self.index(model)?)
    }
}

/// True for dead letters, and for a queue that waits while nothing leaves it.
fn is_wrong(queue: &QueueView) -> bool {
    let waits = queue.ready.is_some_and(|ready| ready.value > 0);
    waits && (queue.name.is_dead_letter || queue.out_per_minute.is_some_and(|rate| rate <= 0.0))
}

impl Screen for Queues {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Queues, text: "queues" }
    }

    fn title(&self) -> &'static str {
        "Queues"
    }

    fn enter(&mut self, place: &Place, model: &mut Model) {
        if let About::Queue(queue) = place.about {
            let at = model.queues.iter().position(|known| known.name == queue);
            self.cursor.select(at.unwrap_or(0), queue);
        }
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        view::draw(self, state, canvas);
    }

    fn hints(&self, _state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        vec![(Open, "triage"), (Replay, "replay"), (Purge, "purge"), (Undo, "undo purge")]
    }

    fn queue(&self, model: &Model) -> Option<QueueName> {
        self.under_cursor(model).map(|queue| queue.name)
    }

    fn export(&self, state: &State) -> Result<Option<Content>, String> {
        let queues = &state.model.queues;
        let content = || Content::json(text::plural(queues.len(), "queue"), queues);
        Ok((!queues.is_empty()).then(content).flatten())
    }

    fn run(&mut self, command: Command, model: &mut Model, _now: Duration) -> Reply {
        match (command, self.queue(model)) {
            (Command::Open, Some(queue)) => Reply::Go(Place::dead_letters(QueueName::dead_letter(queue.role))),
            _ => Reply::NotMine,
        }
    }

    fn step(&mut self, model: &mut Model, rows: isize, _columns: isize) {
        self.cursor.step(rows, model.queues.len(), |at| model.queues[at].name);
    }

    fn page(&self, _model: &Model) -> isize {
        self.cursor.page()
    }

    fn seek_error(&mut self, model: &mut Model, by: isize) -> bool {
        let queues = &model.queues;
        let found = next(self.index(model), queues.len(), by, |at| is_wrong(&queues[at]));
        if let Some(at) = found {
            self.cursor.select(at, queues[at].name);
        }
        found.is_some()
    }

    fn click(&mut self, model: &mut Model, _section: usize, at: usize) -> bool {
        let Some(name) = model.queues.get(at).map(|queue| queue.name) else { return false };
        let was_here = self.index(model) == Some(at);
        self.cursor.select(at, name);
        was_here
    }

    fn choose(&mut self) {
        self.cursor.choose();
    }

    fn settle(&mut self, model: &Model) {
        self.cursor.settle(model.queues.len(), |at| model.queues[at].name);
    }
}
