//! Every job, one line each.

mod view;

use std::time::Duration;

use stereospot_domain::JobId;

pub(super) use view::{SHORT_COLUMNS, status_style};

use crate::dashboard::canvas::Canvas;
use crate::dashboard::cursor::{Cursor, next};
use crate::dashboard::export::Content;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::{Pattern, Place};
use crate::dashboard::screen::{Reply, Screen};
use crate::dashboard::state::State;
use crate::text;

/// The jobs' screen.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    cursor: Cursor<JobId>,
}

impl Jobs {
    pub(crate) fn index(&self, model: &Model) -> Option<usize> {
        self.cursor.index(model.jobs.shown_len(), |at| model.jobs.shown(at).id)
    }
}

impl Screen for Jobs {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Jobs, text: "jobs?TEXT" }
    }

    fn title(&self) -> &'static str {
        "Jobs"
    }

    fn count(&self, state: &State) -> u64 {
        state.model.jobs_total
    }

    fn offers(&self, _model: &Model) -> Vec<String> {
        ["jobs", "jobs?stuck", "jobs?failed"].map(str::to_owned).into()
    }

    fn place(&self, model: &Model) -> Place {
        Place::filtered(Command::Jobs, model.jobs.filter())
    }

    fn enter(&mut self, place: &Place, model: &mut Model) {
        model.jobs.set_filter(&place.filter);
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        view::draw(self, state, canvas);
    }

    fn hints(&self, _state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        vec![
            (Open, "open"),
            (Filter, "filter"),
            (Sort, "order"),
            (Trigger, "trigger"),
            (Repair, "repair"),
            (Replay, "replay its dead letters"),
        ]
    }

    fn job(&self, model: &Model) -> Option<JobId> {
        self.index(model).map(|at| model.jobs.shown(at).id)
    }

    fn copied(&self, state: &State) -> Option<String> {
        self.job(&state.model).map(|id| state.locator(&Place::job(id)))
    }

    fn export(&self, _state: &State) -> Result<Option<Content>, String> {
        Err("`stereospot jobs --json` prints the jobs".into())
    }

    fn run(&mut self, command: Command, model: &mut Model, _now: Duration) -> Reply {
        match command {
            Command::Sort => {
                let order = model.jobs.order().next();
                model.jobs.set_order(order);
                self.settle(model);
                Reply::Say(format!("jobs: {}", order.name))
            }
            Command::Back if !model.jobs.filter().is_empty() => {
                self.set_filter(model, "");
                Reply::Done
            }
            _ => Reply::NotMine,
        }
    }

    fn step(&mut self, model: &mut Model, rows: isize, _columns: isize) {
        self.cursor.step(rows, model.jobs.shown_len(), |at| model.jobs.shown(at).id);
    }

    fn page(&self, _model: &Model) -> isize {
        self.cursor.page()
    }

    fn seek_error(&mut self, model: &mut Model, by: isize) -> bool {
        let jobs = &model.jobs;
        let found = next(self.index(model), jobs.shown_len(), by, |at| jobs.shown(at).severity().is_some());
        if let Some(at) = found {
            self.cursor.select(at, jobs.shown(at).id);
        }
        found.is_some()
    }

    fn click(&mut self, model: &mut Model, _section: usize, at: usize) -> bool {
        if at >= model.jobs.shown_len() {
            return false;
        }
        let was_here = self.index(model) == Some(at);
        self.cursor.select(at, model.jobs.shown(at).id);
        was_here
    }

    fn filter<'s>(&'s self, model: &'s Model) -> Option<&'s str> {
        Some(model.jobs.filter())
    }

    fn set_filter(&mut self, model: &mut Model, filter: &str) {
        model.jobs.set_filter(filter);
        self.settle(model);
    }

    fn matching(&self, model: &Model) -> String {
        text::plural(model.jobs.shown_len(), "job")
    }

    fn choose(&mut self) {
        self.cursor.choose();
    }

    fn settle(&mut self, model: &Model) {
        self.cursor.settle(model.jobs.shown_len(), |at| model.jobs.shown(at).id);
    }
}
