//! What the dashboard asks of the outside: decided by [`super::update`], carried out here by tasks, answered as inputs.

use std::sync::Arc;

use stereospot_api::Client;
use stereospot_api::client;
use stereospot_api::view::{DeploymentView, JobDetail, LogPage, MessageView};
use stereospot_api::wire::{Applied, Apply};
use stereospot_domain::plan::{Action, Plan};
use stereospot_domain::{Event, JobId, QueueName};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use super::export::Export;
use super::input::Input;
use super::logs::MAX_LINES;
use super::triage::MAX_MESSAGES;
use crate::text::unknown_end;

/// Events of one job that are held.
pub(crate) const JOB_EVENTS: u32 = 500;

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Make a plan.
    Plan { serial: u64, action: Action },
    /// Apply one.
    Apply { serial: u64, plan_id: Uuid, confirm: Option<String> },
    /// Read a job in full; with its events where they are not known yet.
    FetchJob { job_id: JobId, with_events: bool },
    /// Look into a queue.
    Peek(QueueName),
    /// Search for a job's log lines, instead of the search under way, if there is one.
    SearchLogs { job_id: JobId },
    /// Drop the search under way.
    StopSearch,
    /// Read what was found of the platform.
    FetchDeployment,
    /// Write a new file.
    Export(Export),
    /// Put a text on the clipboard.
    Copy(String),
    /// Take the mouse, or give it back.
    Mouse(bool),
    /// Draw every cell again.
    Redraw,
    /// Stop the process until a shell wakes it.
    Sleep,
    /// Leave.
    Quit,
}

/// What came of an effect. Errors are told in words already.
#[derive(Debug)]
pub(crate) enum Answer {
    Plan {
        serial: u64,
        plan: Result<Box<Plan>, String>,
    },
    Applied {
        serial: u64,
        applied: Result<Applied, Unapplied>,
    },
    Job {
        job_id: JobId,
        detail: Result<Box<JobDetail>, String>,
        events: Option<Vec<Event>>,
    },
    Messages {
        queue: QueueName,
        messages: Result<Vec<MessageView>, String>,
    },
    Logs {
        job_id: JobId,
        page: Result<LogPage, String>,
    },
    Deployment(Result<Box<DeploymentView>, String>),
    /// What was said of an export.
    Exported(Result<String, String>),
}

/// Why there are no results of a plan.
#[derive(Debug)]
pub(crate) enum Unapplied {
    /// It was not applied.
    Not(String),
    /// It was sent and no answer came: it may have been applied.
    Perhaps(String),
}

/// Carries effects out. Tasks end with it.
pub(crate) struct Runner {
    client: Client,
    who: Option<String>,
    answers: mpsc::Sender<Input>,
    tasks: JoinSet<()>,
    /// Calls under way at once; the others wait.
    slots: Arc<Semaphore>,
    /// The search for log lines.
    search: Option<AbortHandle>,
}

impl Runner {
    pub(crate) fn new(client: Client, who: Option<String>, answers: mpsc::Sender<Input>) -> Self {
        Self { client, who, answers, tasks: JoinSet::new(), slots: Arc::new(Semaphore::new(4)), search: None }
    }

    /// Starts a call to the server. Effects that concern the terminal are the loop's own and are not known here.
    pub(crate) fn start(&mut self, effect: Effect) {
        while self.tasks.try_join_next().is_some() {}
        let is_search = matches!(effect, Effect::SearchLogs { .. });
        if is_search || effect == Effect::StopSearch {
            // Dropping the request is what ends the search at the server and at its platform.
            if let Some(search) = self.search.take() {
                search.abort();
            }
        }
        let (client, who, answers) = (self.client.clone(), self.who.clone(), self.answers.clone());
        // A search may take minutes: no other call is to wait for it.
        let slots = (!is_search).then(|| Arc::clone(&self.slots));
        let task = self.tasks.spawn(async move {
            let _slot = match slots {
                Some(slots) => slots.acquire_owned().await.ok(),
                None => None,
            };
            if let Some(answer) = call(&client, who, effect).await {
                // The loop has ended when nobody listens; then nobody misses the answer either.
                let _ended = answers.send(Input::Answer(answer)).await;
            }
        });
        if is_search {
            self.search = Some(task);
        }
    }
}

async fn call(client: &Client, who: Option<String>, effect: Effect) -> Option<Answer> {
    Some(match effect {
        Effect::Plan { serial, action } => {
            let plan = client.plan(action, who).await.map(Box::new).map_err(words);
            Answer::Plan { serial, plan }
        }
        Effect::Apply { serial, plan_id, confirm } => {
            let applied =
                client.apply(plan_id, &Apply { confirm, who }).await.map_err(|error| match unknown_end(&error) {
                    Some(meaning) => Unapplied::Perhaps(format!("{error}; {meaning}")),
                    None => Unapplied::Not(words(error)),
                });
            Answer::Applied { serial, applied }
        }
        Effect::FetchJob { job_id, with_events } => {
            let events = if with_events { client.job_events(job_id, JOB_EVENTS).await.ok() } else { None };
            Answer::Job { job_id, detail: client.job(job_id).await.map(Box::new).map_err(words), events }
        }
        Effect::Peek(queue) => {
            Answer::Messages { queue, messages: client.peek(queue, MAX_MESSAGES).await.map_err(words) }
        }
        Effect::SearchLogs { job_id } => {
            Answer::Logs { job_id, page: client.logs(job_id, MAX_LINES).await.map_err(words) }
        }
        Effect::FetchDeployment => Answer::Deployment(client.deployment().await.map(Box::new).map_err(words)),
        Effect::Export(export) => Answer::Exported(export.write().await),
        Effect::StopSearch | Effect::Copy(_) | Effect::Mouse(_) | Effect::Redraw | Effect::Sleep | Effect::Quit => {
            return None;
        }
    })
}

fn words(error: client::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
