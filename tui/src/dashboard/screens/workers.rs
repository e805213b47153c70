//! The platform's services, if any, then every worker.

mod view;

use std::time::Duration;

use stereospot_api::view::{ServiceView, WorkerState, WorkerView};
use stereospot_domain::JobId;

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
pub(crate) enum Item {
    Service(String),
    Worker(String),
}

// Sections for clicks.
const SERVICES: usize = 0;
const WORKERS: usize = 1;

/// The workers' screen.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    cursor: Cursor<Item>,
}

/// What the cursor can select, in screen order.
fn items(model: &Model) -> Vec<Item> {
    let services = model.services.iter().map(|service| Item::Service(service.name.clone()));
    services.chain(model.workers.keys().cloned().map(Item::Worker)).collect()
}

impl Workers {
    fn index(&self, model: &Model) -> Option<usize> {
        let items = items(model);
        self.cursor.index(items.len(), |at| items[at].clone())
    }

    /// The selected entry.
    #[cfg(test)]
    pub(crate) fn item(&self, model: &Model) -> Option<Item> {
        items(model).into_iter().nth(self.index(model)?)
    }

    /// The selected worker.
    pub(crate) fn worker<'m>(&self, model: &'m Model) -> Option<&'m WorkerView> {
        model.workers.values().nth(self.index(model)?.checked_sub(model.services.len())?)
    }
}

impl Screen for Workers {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Workers, text: "workers" }
    }

    fn title(&self) -> &'static str {
        "Workers"
    }

    fn count(&self, state: &State) -> u64 {
        state.model.workers.len() as u64
    }

    fn enter(&mut self, place: &Place, model: &mut Model) {
        let wanted = match &place.about {
            About::Service(name) => Item::Service(name.clone()),
            About::Worker(name) => Item::Worker(name.clone()),
            _ => return,
        };
        if let Some(at) = items(model).iter().position(|item| *item == wanted) {
            self.cursor.select(at, wanted);
        }
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        view::draw(self, state, canvas);
    }

    fn hints(&self, state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        match self.service(&state.model) {
            Some(_) => vec![(Scale, "scale"), (NextPane, "section")],
            None if state.model.services.is_empty() => vec![(Open, "its job"), (Logs, "its logs")],
            None => vec![(Open, "its job"), (Logs, "its logs"), (NextPane, "section")],
        }
    }

    fn job(&self, model: &Model) -> Option<JobId> {
        self.worker(model).and_then(|worker| worker.job_id)
    }

    fn service<'m>(&self, model: &'m Model) -> Option<&'m ServiceView> {
        model.services.get(self.index(model)?)
    }

    fn export(&self, state: &State) -> Result<Option<Content>, String> {
        let (services, workers) = (&state.model.services, state.model.workers.values().collect::<Vec<_>>());
        if services.is_empty() && workers.is_empty() {
            return Ok(None);
        }
        let what = format!("{}, {}", text::plural(services.len(), "service"), text::plural(workers.len(), "worker"));
        Ok(Content::json(what, &serde_json::json!({ "services": services, "workers": workers })))
    }

    fn run(&mut self, command: Command, model: &mut Model, _now: Duration) -> Reply {
        if command != Command::NextPane {
            return Reply::NotMine;
        }
        // To the first worker, or back to the services.
        let (services, items) = (model.services.len(), items(model));
        let next = if self.index(model).is_some_and(|at| at < services) { services } else { 0 };
        if let Some(item) = items.get(next) {
            self.cursor.select(next, item.clone());
        }
        Reply::Done
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
        let is_short = |service: &ServiceView| service.running < service.desired || service.note.is_some();
        let has_failed = |worker: &WorkerView| worker.state == WorkerState::Silent || worker.failed > 0;
        let is_wrong = |at: usize| match &items[at] {
            Item::Service(_) => is_short(&model.services[at]),
            Item::Worker(name) => model.workers.get(name).is_some_and(has_failed),
        };
        let found = next(self.index(model), items.len(), by, is_wrong);
        if let Some(at) = found {
            self.cursor.select(at, items[at].clone());
        }
        found.is_some()
    }

    fn click(&mut self, model: &mut Model, section: usize, at: usize) -> bool {
        let at = if section == SERVICES { at } else { at + model.services.len() };
        let Some(item) = items(model).get(at).cloned() else { return false };
        // A service has no screen of its own.
        let opens = section == WORKERS && self.index(model) == Some(at);
        self.cursor.select(at, item);
        opens
    }

    fn choose(&mut self) {
        self.cursor.choose();
    }

    fn settle(&mut self, model: &Model) {
        let items = items(model);
        self.cursor.settle(items.len(), |at| items[at].clone());
    }
}
