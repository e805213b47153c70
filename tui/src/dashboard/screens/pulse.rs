//! The landing screen: what is wrong, the stages, the jobs at work.

mod view;

use std::mem::discriminant;
use std::time::Duration;

use stereospot_api::view::{Attention, ServiceView};
use stereospot_domain::attention::Subject;
use stereospot_domain::{JobId, QueueName, Stage};

use crate::dashboard::canvas::Canvas;
use crate::dashboard::cursor::{Cursor, next};
use crate::dashboard::export::Content;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::{About, Pattern, Place};
use crate::dashboard::screen::{Reply, Screen};
use crate::dashboard::state::State;
use crate::text;

/// What the cursor can select.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Attention(Subject),
    Stage(Stage),
    Job(JobId),
}

// Sections for clicks.
const ATTENTION: usize = 0;
const STAGES: usize = 1;
const JOBS: usize = 2;

/// The landing screen.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    cursor: Cursor<Item>,
}

/// What the cursor can select, in screen order.
fn items(model: &Model) -> Vec<Item> {
    let attention = model.attention.iter().map(|item| Item::Attention(item.about.clone()));
    let stages = Stage::ALL.iter().map(|stage| Item::Stage(*stage));
    let jobs = model.active.iter().map(|id| Item::Job(*id));
    attention.chain(stages).chain(jobs).collect()
}

/// What replaces an item that is gone: one about the same job, else the last item of its section.
fn successor(gone: &Item, items: &[Item]) -> Option<usize> {
    if items.contains(gone) {
        return None;
    }
    let job = match gone {
        Item::Attention(Subject::Job { job_id, .. }) => Some(*job_id),
        _ => None,
    };
    let is_same_job = |item: &Item| match item {
        Item::Attention(Subject::Job { job_id, .. }) | Item::Job(job_id) => Some(*job_id) == job,
        _ => false,
    };
    let in_section = || items.iter().rposition(|item| discriminant(item) == discriminant(gone));
    items.iter().position(is_same_job).or_else(in_section)
}

impl Pulse {
    /// The selected item.
    fn item(&self, model: &Model) -> Option<Item> {
        let items = items(model);
        self.cursor.index(items.len(), |at| items[at].clone()).map(|at| items[at].clone())
    }

    fn attention<'m>(&self, model: &'m Model) -> Option<&'m Attention> {
        match self.item(model)? {
            Item::Attention(about) => model.attention.iter().find(|item| item.about == about),
            _ => None,
        }
    }

    fn open(&self, model: &Model) -> Option<Place> {
        match self.item(model)? {
            Item::Attention(_) => attention_leads_to(self.attention(model)?, model),
            Item::Stage(stage) => Some(Place::new(Command::Queues, About::Queue(QueueName::main(stage.queue())))),
            Item::Job(id) => Some(Place::job(id)),
        }
    }

    /// To the first item of the next section.
    fn next_section(&mut self, model: &Model) {
        let items = items(model);
        let Some(here) = self.item(model) else { return };
        let after = items.iter().position(|item| *item == here).unwrap_or(0);
        let next = (after..items.len()).find(|at| discriminant(&items[*at]) != discriminant(&here)).unwrap_or(0);
        self.cursor.select(next, items[next].clone());
    }
}

/// Where an attention item's subject can be looked at.
fn attention_leads_to(item: &Attention, model: &Model) -> Option<Place> {
    match &item.about {
        Subject::Service { name, .. } if service_of(item, model).is_some() => {
            Some(Place::new(Command::Workers, About::Service(name.clone())))
        }
        Subject::Worker { name } if item.job_id.is_none() && model.workers.contains_key(name) => {
            Some(Place::new(Command::Workers, About::Worker(name.clone())))
        }
        Subject::Worker { .. } | Subject::Job { .. } => item.job_id.map(Place::job),
        // The deployment's screen shows how well the platform can be read.
        Subject::Collector { .. } | Subject::Polling => Some(Place::new(Command::Deployment, About::Nothing)),
        Subject::Backend | Subject::Clock => None,
        about => about.queue().map(|queue| match queue.is_dead_letter {
            true => Place::dead_letters(queue),
            false => Place::new(Command::Queues, About::Queue(queue)),
        }),
    }
}

/// The service of an attention item.
fn service_of<'m>(item: &Attention, model: &'m Model) -> Option<&'m ServiceView> {
    let Subject::Service { name, .. } = &item.about else { return None };
    model.services.iter().find(|service| service.name == *name)
}

impl Screen for Pulse {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Pulse, text: "pulse" }
    }

    fn title(&self) -> &'static str {
        "Pulse"
    }

    fn count(&self, state: &State) -> u64 {
        state.model.attention.len() as u64 + u64::from(state.disconnected().is_some())
    }

    fn counts_trouble(&self) -> bool {
        true
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        view::draw(self, state, canvas);
    }

    fn hints(&self, state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        if self.service(&state.model).is_some() {
            return vec![(Open, "open"), (Scale, "scale"), (NextPane, "section")];
        }
        vec![(Open, "open"), (Replay, "replay"), (Trigger, "trigger"), (Repair, "repair"), (NextPane, "section")]
    }

    fn job(&self, model: &Model) -> Option<JobId> {
        match self.item(model)? {
            Item::Job(id) => Some(id),
            Item::Attention(_) => self.attention(model)?.job_id,
            Item::Stage(_) => None,
        }
    }

    fn queue(&self, model: &Model) -> Option<QueueName> {
        match self.item(model)? {
            Item::Attention(_) => self.attention(model)?.about.queue(),
            Item::Stage(stage) => Some(QueueName::main(stage.queue())),
            Item::Job(_) => None,
        }
    }

    fn service<'m>(&self, model: &'m Model) -> Option<&'m ServiceView> {
        service_of(self.attention(model)?, model)
    }

    fn blocks(&self, command: Command, model: &Model) -> Option<&'static str> {
        let is_stage = matches!(self.item(model), Some(Item::Stage(_)));
        (command == Command::Purge && is_stage).then_some("a stage has two queues: choose one among the queues")
    }

    fn copied(&self, state: &State) -> Option<String> {
        self.job(&state.model).map(|id| state.locator(&Place::job(id)))
    }

    fn export(&self, state: &State) -> Result<Option<Content>, String> {
        let attention = &state.model.attention;
        let content = || Content::json(text::plural(attention.len(), "finding"), attention);
        Ok((!attention.is_empty()).then(content).flatten())
    }

    fn run(&mut self, command: Command, model: &mut Model, _now: Duration) -> Reply {
        match command {
            Command::Open => self.open(model).map_or(Reply::NotMine, Reply::Go),
            Command::NextPane => {
                self.next_section(model);
                Reply::Done
            }
            _ => Reply::NotMine,
        }
    }

    fn step(&mut self, model: &mut Model, rows: isize, _columns: isize) {
        let items = items(model);
        self.cursor.step(rows, items.len(), |at| items[at].clone());
    }

    fn page(&self, _model: &Model) -> isize {
        self.cursor.page()
    }

    fn seek_error(&mut self, model: &mut Model, by: isize) -> bool {
        let items = items(model);
        let is_wrong = |at: usize| match &items[at] {
            Item::Attention(_) => true,
            Item::Stage(stage) => {
                model.stage(*stage).1.is_some_and(|queue| queue.ready.is_some_and(|ready| ready.value > 0))
            }
            Item::Job(id) => model.jobs.get(*id).is_some_and(|row| row.severity().is_some()),
        };
        let from = self.cursor.index(items.len(), |at| items[at].clone());
        let found = next(from, items.len(), by, is_wrong);
        if let Some(at) = found {
            self.cursor.select(at, items[at].clone());
        }
        found.is_some()
    }

    fn click(&mut self, model: &mut Model, section: usize, at: usize) -> bool {
        let items = items(model);
        let before = match section {
            ATTENTION => 0,
            STAGES => model.attention.len(),
            _ => model.attention.len() + Stage::ALL.len(),
        };
        let Some(item) = items.get(before + at) else { return false };
        let was_here = self.item(model).as_ref() == Some(item);
        self.cursor.select(before + at, item.clone());
        was_here
    }

    fn choose(&mut self) {
        self.cursor.choose();
    }

    fn settle(&mut self, model: &Model) {
        let items = items(model);
        if let Some(at) = self.cursor.chosen().and_then(|gone| successor(gone, &items)) {
            self.cursor.select(at, items[at].clone());
        }
        self.cursor.settle(items.len(), |at| items[at].clone());
    }
}
