//! Events as they arrive. The list with its filter and cursor is the model's log, which the landing screen shows too.

mod view;

use std::time::Duration;

use stereospot_domain::JobId;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::export::Content;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::{Pattern, Place};
use crate::dashboard::screen::{Reply, Screen};
use crate::dashboard::state::State;
use crate::text;

/// The events' screen.
#[derive(Debug)]
pub(super) struct Events;

impl Screen for Events {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Events, text: "events?TEXT" }
    }

    fn title(&self) -> &'static str {
        "Events"
    }

    fn place(&self, model: &Model) -> Place {
        Place::filtered(Command::Events, model.log.filter())
    }

    fn enter(&mut self, place: &Place, model: &mut Model) {
        if model.log.filter() != place.filter {
            model.log.set_filter(&place.filter);
        }
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        view::draw(state, canvas);
    }

    fn hints(&self, _state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        vec![(Filter, "filter"), (NextError, "next error"), (SameJob, "same job"), (End, "follow"), (Freeze, "freeze")]
    }

    fn job(&self, model: &Model) -> Option<JobId> {
        model.log.under_cursor().and_then(|entry| entry.event.job_id)
    }

    fn export(&self, state: &State) -> Result<Option<Content>, String> {
        let log = &state.model.log;
        let events = (0..log.shown_len()).filter_map(|at| log.shown(at));
        let lines = events.filter_map(|entry| serde_json::to_string(&entry.event).ok());
        let text: String = lines.map(|line| format!("{}\n", text::shown(&line))).collect();
        let what = text::plural(log.shown_len(), "event");
        Ok((!text.is_empty()).then_some(Content { what, extension: "jsonl", text }))
    }

    fn run(&mut self, command: Command, model: &mut Model, _now: Duration) -> Reply {
        match command {
            Command::End => model.log.seek_end(),
            Command::Back if !model.log.filter().is_empty() => model.log.set_filter(""),
            Command::Back if model.log.only_job().is_some() => model.log.set_only_job(None),
            _ => return Reply::NotMine,
        }
        Reply::Done
    }

    fn step(&mut self, model: &mut Model, rows: isize, _columns: isize) {
        model.log.step(rows);
    }

    fn page(&self, model: &Model) -> isize {
        model.log.cursor.page()
    }

    fn seek_error(&mut self, model: &mut Model, by: isize) -> bool {
        model.log.seek_error(by)
    }

    fn click(&mut self, model: &mut Model, _section: usize, at: usize) -> bool {
        let was_here = model.log.index() == Some(at);
        model.log.select(at);
        was_here
    }

    fn filter<'s>(&'s self, model: &'s Model) -> Option<&'s str> {
        Some(model.log.filter())
    }

    fn set_filter(&mut self, model: &mut Model, filter: &str) {
        model.log.set_filter(filter);
    }

    fn matching(&self, model: &Model) -> String {
        text::plural(model.log.shown_len(), "event")
    }
}
