//! One dead-letter queue: causes, messages, body.

mod triage;
mod view;

use std::time::Duration;

use stereospot_api::view::{Change, MessageView};
use stereospot_domain::{JobId, QueueName, QueueRole, Timestamp};

use triage::{Pane, Triage};

use crate::dashboard::canvas::Canvas;
use crate::dashboard::cursor::next;
use crate::dashboard::effect::{Answer, Effect};
use crate::dashboard::export::Content;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::{About, Pattern, Place};
use crate::dashboard::screen::{Chosen, Reply, Screen};
use crate::dashboard::state::State;
use crate::text;

// Sections for clicks.
const GROUPS: usize = 0;
const MESSAGES: usize = 1;

/// The screen of dead letters.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    pub(crate) triage: Triage,
}

fn ready(model: &Model, queue: QueueName) -> Option<u64> {
    model.queue(queue)?.ready.map(|ready| ready.value)
}

impl DeadLetters {
    fn queue(&self) -> QueueName {
        self.triage.queue.unwrap_or(QueueName::dead_letter(QueueRole::Inference))
    }

    fn turn_to(&mut self, role: QueueRole) {
        self.triage.turn_to(QueueName::dead_letter(role));
        self.triage.outdate();
    }

    /// The marked messages, or all that pass the filter.
    fn exported(&self) -> Vec<&MessageView> {
        let is_marked =
            |message: &&MessageView| self.triage.marked.is_empty() || self.triage.marked.contains(&message.id);
        self.triage.shown().filter(is_marked).collect()
    }
}

impl Screen for DeadLetters {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::DeadLetters, text: "dlq/QUEUE" }
    }

    fn title(&self) -> &'static str {
        "DLQ"
    }

    fn count(&self, state: &State) -> u64 {
        let letters = state.model.queues.iter().filter(|queue| queue.name.is_dead_letter);
        letters.filter_map(|queue| queue.ready).map(|ready| ready.value).sum()
    }

    fn counts_trouble(&self) -> bool {
        true
    }

    fn offers(&self, model: &Model) -> Vec<String> {
        model.roles().iter().map(|role| format!("dlq/{}", role.as_str())).collect()
    }

    fn place(&self, _model: &Model) -> Place {
        Place::dead_letters(self.queue())
    }

    /// Opens the queue under the cursor, else the last one, else the fullest.
    fn key_leads_to(&self, state: &State) -> Result<Place, String> {
        let model = &state.model;
        // A main queue under the cursor stands for its dead-letter queue, if it has one.
        let under_cursor = state.queue_under_cursor().and_then(|queue| {
            let letters = QueueName::dead_letter(queue.role);
            (queue.is_dead_letter || ready(model, letters) != Some(0)).then_some(letters)
        });
        let letters = model.queues.iter().filter(|queue| queue.name.is_dead_letter);
        let fullest = letters.max_by_key(|queue| queue.ready.map_or(0, |ready| ready.value)).map(|queue| queue.name);
        let chosen = match state.place().screen {
            Command::Queues | Command::Pulse => under_cursor,
            _ => self.triage.queue,
        };
        Ok(Place::dead_letters(chosen.or(fullest).unwrap_or(QueueName::dead_letter(QueueRole::Inference))))
    }

    fn enter(&mut self, place: &Place, _model: &mut Model) {
        if let About::Queue(queue) = place.about {
            self.triage.turn_to(queue);
        }
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        view::draw(&self.triage, self.queue(), state, canvas);
    }

    fn hints(&self, state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        let (replay, discard) = match (self.triage.marked.is_empty(), self.triage.pane) {
            (false, _) => ("replay marked", "discard marked"),
            (true, Pane::Groups) => ("replay group", "discard group"),
            (true, Pane::Messages) => ("replay message", "discard message"),
        };
        let mut commands = vec![(Mark, "mark"), (MarkAll, "all"), (Replay, replay), (Purge, discard)];
        // Shown only when there is something to undo: this screen has many hints.
        commands.extend(state.model.undoable(state.now).map(|_| (Undo, "undo")));
        commands.extend([(NextPane, "pane"), (Right, "queue"), (Export, "write to a file")]);
        // Only a platform moves whole queues. The plan shows whether a move is running.
        commands.extend(state.model.is_paid().then_some((StopMove, "stop its move, if one runs")));
        commands
    }

    fn job(&self, _model: &Model) -> Option<JobId> {
        self.triage.message().and_then(|message| message.job_id)
    }

    fn queue(&self, _model: &Model) -> Option<QueueName> {
        Some(self.queue())
    }

    fn chosen(&self) -> Option<Chosen> {
        let is_read = self.triage.read_at.is_some();
        Some(Chosen { queue: self.queue(), ids: self.triage.targets(), is_read })
    }

    fn copied(&self, _state: &State) -> Option<String> {
        let message = self.triage.message().filter(|_| self.triage.pane == Pane::Messages);
        message.map(|message| message.id.clone())
    }

    fn export(&self, _state: &State) -> Result<Option<Content>, String> {
        let messages = self.exported();
        let content = || Content::json(text::plural(messages.len(), "message"), &messages);
        Ok((!messages.is_empty()).then(content).flatten())
    }

    fn run(&mut self, command: Command, model: &mut Model, _now: Duration) -> Reply {
        let triage = &mut self.triage;
        match command {
            Command::Open if triage.pane == Pane::Groups => triage.pane = Pane::Messages,
            Command::Back if !triage.filter.is_empty() => self.set_filter(model, ""),
            Command::Back if triage.pane == Pane::Messages => triage.pane = Pane::Groups,
            Command::NextPane => triage.pane = triage.pane.next(),
            Command::Left | Command::Right => {
                let roles = model.roles();
                let at = roles.iter().position(|role| *role == self.queue().role).unwrap_or(0);
                let by = if command == Command::Left { roles.len() - 1 } else { 1 };
                self.turn_to(roles[(at + by) % roles.len()]);
            }
            Command::Mark => {
                triage.mark();
                triage.step(1);
            }
            Command::MarkAll => triage.mark_all(),
            _ => return Reply::NotMine,
        }
        Reply::Done
    }

    fn step(&mut self, _model: &mut Model, rows: isize, _columns: isize) {
        self.triage.step(rows);
    }

    fn seek_error(&mut self, model: &mut Model, by: isize) -> bool {
        let from = QueueRole::ALL.iter().position(|role| *role == self.queue().role);
        let has_letters =
            |at: usize| ready(model, QueueName::dead_letter(QueueRole::ALL[at])).is_some_and(|ready| ready > 0);
        let found = next(from, QueueRole::ALL.len(), by, has_letters);
        if let Some(at) = found {
            self.turn_to(QueueRole::ALL[at]);
        }
        found.is_some()
    }

    fn click(&mut self, _model: &mut Model, section: usize, at: usize) -> bool {
        let pane = if section == GROUPS { Pane::Groups } else { Pane::Messages };
        let was_here = self.triage.pane == pane && self.triage.place() == Some(at);
        self.triage.pane = pane;
        self.triage.select(at);
        // Opening a group goes to its messages; a message is always open.
        was_here && pane == Pane::Groups
    }

    fn filter<'s>(&'s self, _model: &'s Model) -> Option<&'s str> {
        Some(&self.triage.filter)
    }

    fn set_filter(&mut self, _model: &mut Model, filter: &str) {
        self.triage.set_filter(filter);
    }

    fn matching(&self, _model: &Model) -> String {
        text::plural(self.triage.shown().count(), "message")
    }

    fn choose(&mut self) {
        self.triage.choose();
    }

    fn reread(&mut self, _model: &mut Model) {
        self.triage.outdate();
    }

    fn restart(&mut self) {
        self.triage.restart();
    }

    fn before_change(&mut self, change: &Change, model: &Model) {
        if let Change::Queue(view) = change
            && self.triage.queue == Some(view.name)
            && ready(model, view.name) != view.ready.map(|ready| ready.value)
        {
            self.triage.outdate();
        }
    }

    fn due(&mut self, model: &mut Model, is_open: bool, now: Duration) -> Option<Effect> {
        if is_open { self.triage.due(model.is_paid(), now) } else { None }
    }

    fn take(&mut self, answer: Answer, server_now: Timestamp, _now: Duration) -> Option<Answer> {
        match answer {
            Answer::Messages { queue, messages } if self.triage.queue == Some(queue) => {
                self.triage.fill(messages, server_now);
                None
            }
            other => Some(other),
        }
    }
}
