//! A job's log lines, and the selected one in full.

mod search;
mod view;

use std::time::Duration;

use stereospot_domain::{JobId, Timestamp};

use search::LogSearch;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::cursor::next;
use crate::dashboard::effect::{Answer, Effect};
use crate::dashboard::export::Content;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::{About, Pattern, Place};
use crate::dashboard::screen::{Reply, Screen};
use crate::dashboard::state::State;
use crate::text;

/// The logs' screen.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    pub(crate) search: Option<LogSearch>,
}

/// Starts or stops following. Returns a message for the operator.
fn toggle_following(logs: &mut LogSearch, is_paid: bool) -> &'static str {
    if logs.follows {
        logs.follows = false;
        return "no longer searching by itself";
    }
    if !logs.is_whole {
        return "there are more lines than one search brings: what is new is not among them";
    }
    logs.follows = true;
    logs.seek_end();
    logs.ask();
    match is_paid {
        true => "searching every 30 s: each search is paid for by the bytes it scans",
        false => "searching every 2 s",
    }
}

impl Screen for Logs {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Logs, text: "job/ID/logs" }
    }

    fn title(&self) -> &'static str {
        "Logs"
    }

    fn tab(&self) -> Command {
        Command::Job
    }

    fn offers(&self, _model: &Model) -> Vec<String> {
        Vec::new()
    }

    fn place(&self, model: &Model) -> Place {
        Place::new(Command::Logs, self.job(model).map_or(About::Nothing, About::Job))
    }

    fn key_leads_to(&self, state: &State) -> Result<Place, String> {
        let job = state.job_under_cursor().ok_or("no job under the cursor")?;
        Ok(Place::new(Command::Logs, About::Job(job)))
    }

    fn enter(&mut self, place: &Place, _model: &mut Model) {
        if let Some(id) = place.job_id()
            && self.search.as_ref().is_none_or(|logs| logs.id != id)
        {
            self.search = Some(LogSearch::new(id));
        }
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        if let Some(logs) = &self.search {
            view::draw(logs, state, canvas);
        }
    }

    fn hints(&self, _state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        let is_searching = self.search.as_ref().is_some_and(LogSearch::is_searching);
        let follows = self.search.as_ref().is_some_and(|logs| logs.follows);
        vec![
            if is_searching { (Back, "stop") } else { (Open, "search again") },
            (Filter, "filter"),
            (NextError, "next error"),
            (Live, if follows { "stop following" } else { "follow" }),
            (Wrap, "wrap"),
            (Export, "write to a file"),
            (Copy, "copy line"),
        ]
    }

    fn job(&self, _model: &Model) -> Option<JobId> {
        self.search.as_ref().map(|logs| logs.id)
    }

    fn copied(&self, _state: &State) -> Option<String> {
        self.search.as_ref()?.under_cursor().map(|entry| entry.line.text.clone())
    }

    fn export(&self, _state: &State) -> Result<Option<Content>, String> {
        let Some(logs) = self.search.as_ref().filter(|logs| logs.shown_len() > 0) else { return Ok(None) };
        let lines = (0..logs.shown_len()).map(|at| logs.shown(at));
        let text = lines
            .map(|entry| format!("{}\n", text::shown(&format!("{} {}", entry.writer(), entry.line.text))))
            .collect();
        Ok(Some(Content { what: text::plural(logs.shown_len(), "line"), extension: "log", text }))
    }

    fn run(&mut self, command: Command, model: &mut Model, now: Duration) -> Reply {
        let Some(logs) = &mut self.search else { return Reply::NotMine };
        match command {
            Command::Open => logs.ask(),
            Command::Back if logs.stop(now) => return Reply::Ask(Effect::StopSearch, "the search was stopped"),
            Command::Back if !logs.filter().is_empty() => logs.set_filter(""),
            Command::Live => return Reply::Say(toggle_following(logs, model.is_paid()).into()),
            Command::Wrap => logs.wraps = !logs.wraps,
            _ => return Reply::NotMine,
        }
        Reply::Done
    }

    fn step(&mut self, _model: &mut Model, rows: isize, _columns: isize) {
        if let Some(logs) = &mut self.search {
            logs.step(rows);
        }
    }

    fn page(&self, _model: &Model) -> isize {
        self.search.as_ref().map_or(10, |logs| logs.cursor.page())
    }

    fn seek_error(&mut self, _model: &mut Model, by: isize) -> bool {
        let Some(logs) = &mut self.search else { return false };
        let found = next(logs.index(), logs.shown_len(), by, |at| logs.shown(at).is_bad());
        if let Some(at) = found {
            logs.select(at);
        }
        found.is_some()
    }

    fn click(&mut self, _model: &mut Model, _section: usize, at: usize) -> bool {
        if let Some(logs) = self.search.as_mut().filter(|logs| at < logs.shown_len()) {
            logs.select(at);
        }
        // Opening would start another search, which may cost money.
        false
    }

    fn filter<'s>(&'s self, _model: &'s Model) -> Option<&'s str> {
        Some(self.search.as_ref().map_or("", LogSearch::filter))
    }

    fn set_filter(&mut self, _model: &mut Model, filter: &str) {
        if let Some(logs) = &mut self.search {
            logs.set_filter(filter);
        }
    }

    fn matching(&self, _model: &Model) -> String {
        text::plural(self.search.as_ref().map_or(0, LogSearch::shown_len), "line")
    }

    fn due(&mut self, model: &mut Model, is_open: bool, now: Duration) -> Option<Effect> {
        self.search.as_mut().filter(|_| is_open)?.due(model.is_paid(), now)
    }

    fn take(&mut self, answer: Answer, server_now: Timestamp, now: Duration) -> Option<Answer> {
        match (answer, &mut self.search) {
            (Answer::Logs { job_id, page }, Some(logs)) if logs.id == job_id => {
                logs.fill(page, server_now, now);
                None
            }
            (other, _) => Some(other),
        }
    }
}
