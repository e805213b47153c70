//! The dashboard as plain lines: changes in words, for screen readers and logs.
//!
//! Nothing is overdrawn; each notable change is one line.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use stereospot_api::view::{Attention, Change};
use stereospot_domain::JobId;
use stereospot_domain::attention::Subject;
use tokio::sync::mpsc;

use super::input::{Input, Net};
use super::jobs::status_word;
use super::model::Link;
use super::signals::Endings;
use super::state::State;
use super::update;
use crate::{text, words};

/// Time between two summaries.
const SUMMARY: Duration = Duration::from_secs(30);

/// What the lines have reported so far.
#[derive(Debug, Default)]
pub(super) struct Reported {
    jobs: BTreeMap<JobId, (&'static str, u32)>,
    /// What needs attention, with its title.
    attention: Vec<(Subject, String)>,
    /// By service: tasks running, and tasks desired.
    services: BTreeMap<String, (u32, u32)>,
    is_connected: Option<bool>,
}

/// Writes lines until a signal or a closed output ends it.
///
/// # Errors
/// Standard output can't be written.
pub(super) async fn run(state: &mut State, mut inputs: mpsc::Receiver<Input>) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut reported = Reported::default();
    let mut summary = tokio::time::interval(SUMMARY);
    let mut endings = Endings::catch().context("could not listen for signals")?;
    loop {
        let lines = tokio::select! {
            () = endings.next() => return Ok(()),
            input = inputs.recv() => match input {
                Some(input) => take(state, &mut reported, input, start.elapsed()),
                None => return Ok(()),
            },
            _ = summary.tick() => {
                state.now = start.elapsed();
                summary_line(state).into_iter().collect()
            }
        };
        let mut out = io::stdout().lock();
        for line in lines {
            if let Err(error) = writeln!(out, "{}", text::shown(&line)) {
                let is_closed = error.kind() == io::ErrorKind::BrokenPipe;
                return if is_closed { Ok(()) } else { Err(error.into()) };
            }
        }
    }
}

/// Applies one input and returns the lines about it.
pub(super) fn take(state: &mut State, reported: &mut Reported, input: Input, now: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    let changed_job = match &input {
        Input::Net(Net::Change(Change::Job(view))) => Some(view.job.job_id),
        _ => None,
    };
    let is_snapshot = matches!(input, Input::Net(Net::Snapshot(_)));
    // Effects belong to a screen: no key is pressed here.
    drop(update::update(state, input, now));
    let is_connected = state.model.link == Link::Live;
    if reported.is_connected != Some(is_connected) {
        match &state.model.link {
            Link::Live => lines.push(format!("connected to {}", state.server)),
            Link::Lost { reason, .. } => lines.push(format!("connection lost: {reason}; trying again")),
            Link::Connecting { .. } => {}
        }
        if !matches!(state.model.link, Link::Connecting { .. }) {
            reported.is_connected = Some(is_connected);
        }
    }
    if is_snapshot {
        lines.extend(summary_line(state));
    }
    if let Some(row) = changed_job.and_then(|id| state.model.jobs.get(id)) {
        let word = (status_word(row.status), row.done);
        if reported.jobs.get(&row.id) != Some(&word) {
            reported.jobs.insert(row.id, word);
            if !row.is_active() {
                reported.jobs.remove(&row.id);
            }
            let total = row.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
            let title = text::title(row.title.as_deref());
            let error = row.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            let id = row.id.short();
            lines.push(format!("job {id} {title}: {}, segment {} of {total}{error}", word.0, row.done));
        }
    }
    for service in &state.model.services {
        let tasks = (service.running, service.desired);
        let before = reported.services.insert(service.name.clone(), tasks);
        // At first only a service with missing tasks is worth a line.
        if before != Some(tasks) && (before.is_some() || tasks.0 < tasks.1) {
            let note = service.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            lines.push(format!("service {}: {} of {} tasks running{note}", service.name, tasks.0, tasks.1));
        }
    }
    let attention = &state.model.attention;
    let is_new = |item: &&Attention| !reported.attention.iter().any(|(about, _)| *about == item.about);
    lines.extend(attention.iter().filter(is_new).map(attention_line));
    let is_over = |(about, _): &&(Subject, String)| !attention.iter().any(|item| item.about == *about);
    lines.extend(reported.attention.iter().filter(is_over).map(|(_, title)| format!("over: {title}")));
    reported.attention = attention.iter().map(|item| (item.about.clone(), item.title.clone())).collect();
    lines
}

fn attention_line(item: &Attention) -> String {
    let severity = format!("{:?}", item.severity).to_lowercase();
    format!("{severity}: {}: {}; {}", item.title, item.evidence, words::next(&item.next))
}

fn summary_line(state: &State) -> Option<String> {
    let environment = state.model.environment.as_ref()?;
    let tally = state.model.jobs.tally();
    let stale = if state.is_stale() { " (stale)" } else { "" };
    Some(format!(
        "{}{stale}: {} needing attention; jobs {} running, {} waiting, {} stuck, {} failed, {} completed",
        environment.name,
        state.model.attention.len(),
        tally.running,
        tally.waiting,
        tally.stuck,
        tally.failed,
        tally.completed,
    ))
}

#[cfg(test)]
mod tests;
