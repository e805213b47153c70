//! One job in full: segments as a grid, findings, timeline, events.

mod diagnosis;
mod grid;
mod heading;
mod panes;
mod timeline;
mod view;

use std::time::Duration;

use stereospot_api::view::{SegmentState, SegmentView};
use stereospot_domain::JobId;

use panes::{Pane, Panes};

use crate::dashboard::canvas::Canvas;
use crate::dashboard::cursor::next;
use crate::dashboard::effect::Effect;
use crate::dashboard::export::Content;
use crate::dashboard::job_reading::JobReading;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::{About, Pattern, Place};
use crate::dashboard::screen::{Reply, Screen};
use crate::dashboard::state::State;

/// The screen of the job that [`Model::job_reading`] reads.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) panes: Panes,
}

fn segments(model: &Model) -> &[SegmentView] {
    model.job_reading.as_ref().map(JobReading::segments).unwrap_or_default()
}

impl Screen for Job {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Job, text: "job/ID" }
    }

    fn title(&self) -> &'static str {
        "Job"
    }

    fn place(&self, model: &Model) -> Place {
        Place::new(Command::Job, self.job(model).map_or(About::Nothing, About::Job))
    }

    /// Opens the job under the cursor, else the last open one, else the first unfinished one, else the first in the list.
    fn key_leads_to(&self, state: &State) -> Result<Place, String> {
        let model = &state.model;
        let last = model.job_reading.as_ref().map(|reading| reading.id);
        let at_work = model.active.first().copied();
        let listed = (model.jobs.shown_len() > 0).then(|| model.jobs.shown(0).id);
        let job = state.job_under_cursor().or(last).or(at_work).or(listed);
        job.map(Place::job).ok_or_else(|| "there is no job yet".into())
    }

    fn enter(&mut self, place: &Place, model: &mut Model) {
        if let Some(id) = place.job_id()
            && model.job_reading.as_ref().is_none_or(|reading| reading.id != id)
        {
            model.job_reading = Some(JobReading::new(id));
            *self = Self::default();
        }
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        if let Some(reading) = &state.model.job_reading {
            view::draw(&self.panes, reading, state, canvas);
        }
    }

    fn hints(&self, _state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        vec![
            (NextPane, "pane"),
            (Logs, "logs"),
            (Trigger, "trigger"),
            (Repair, "repair"),
            (SameJob, "its events"),
            (Back, "back"),
        ]
    }

    fn job(&self, model: &Model) -> Option<JobId> {
        model.job_reading.as_ref().map(|reading| reading.id)
    }

    fn export(&self, state: &State) -> Result<Option<Content>, String> {
        let id = self.job(&state.model);
        let detail = id.and_then(|id| Some((id, state.model.detail(id)?)));
        Ok(detail.and_then(|(id, detail)| Content::json(format!("job {}", id.short()), detail)))
    }

    fn run(&mut self, command: Command, _model: &mut Model, _now: Duration) -> Reply {
        match command {
            Command::NextPane => self.panes.next(),
            // It is open already.
            Command::Open => {}
            _ => return Reply::NotMine,
        }
        Reply::Done
    }

    fn step(&mut self, model: &mut Model, rows: isize, columns: isize) {
        self.panes.step(rows, columns, segments(model).len());
    }

    fn seek_error(&mut self, model: &mut Model, by: isize) -> bool {
        let segments = segments(model);
        let is_wrong = |segment: &SegmentView| {
            matches!(segment.state, SegmentState::Missing | SegmentState::DeadLettered) || segment.error.is_some()
        };
        let found = next(Some(self.panes.segment), segments.len(), by, |at| is_wrong(&segments[at]));
        if let Some(at) = found {
            (self.panes.segment, self.panes.pane) = (at, Pane::Segments);
        }
        found.is_some()
    }

    fn reread(&mut self, model: &mut Model) {
        if let Some(reading) = &mut model.job_reading {
            reading.renew();
        }
    }

    fn due(&mut self, model: &mut Model, is_open: bool, now: Duration) -> Option<Effect> {
        let is_paid = model.is_paid();
        model.job_reading.as_mut().filter(|_| is_open)?.due(is_paid, now)
    }
}
