//! Carries out effects as tasks, and sends the answers as inputs.

use std::sync::Arc;

use stereospot_api::Client;
use stereospot_api::client;
use stereospot_api::wire::Apply;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::effect::{Answer, Effect, JOB_EVENTS, LOG_LINES, MESSAGES, Unapplied};
use super::input::Input;
use crate::text::unknown_end;

/// Carries out effects as tasks, which end when it is dropped.
pub(crate) struct Runner {
    client: Client,
    who: Option<String>,
    answers: mpsc::Sender<Input>,
    tasks: JoinSet<()>,
    /// Limits concurrent calls; further ones wait.
    slots: Arc<Semaphore>,
    /// The running search for log lines.
    search: Option<AbortHandle>,
}

impl Runner {
    pub(crate) fn new(client: Client, who: Option<String>, answers: mpsc::Sender<Input>) -> Self {
        Self { client, who, answers, tasks: JoinSet::new(), slots: Arc::new(Semaphore::new(4)), search: None }
    }

    /// Starts a call to the server. Effects on the terminal are carried out by the loop itself.
    pub(crate) fn start(&mut self, effect: Effect) {
        while self.tasks.try_join_next().is_some() {}
        let is_search = matches!(effect, Effect::SearchLogs { .. });
        if is_search || effect == Effect::StopSearch {
            // Dropping the request ends the search at the server and on the platform.
            if let Some(search) = self.search.take() {
                search.abort();
            }
        }
        let (client, who, answers) = (self.client.clone(), self.who.clone(), self.answers.clone());
        // A search may take minutes, so it takes no slot from other calls.
        let slots = (!is_search).then(|| Arc::clone(&self.slots));
        let task = self.tasks.spawn(async move {
            let _slot = match slots {
                Some(slots) => slots.acquire_owned().await.ok(),
                None => None,
            };
            if let Some(answer) = call(&client, who, effect).await {
                // A closed channel means that the loop has ended.
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
        Effect::Peek(queue) => Answer::Messages { queue, messages: client.peek(queue, MESSAGES).await.map_err(words) },
        Effect::SearchLogs { job_id } => {
            Answer::Logs { job_id, page: client.logs(job_id, LOG_LINES).await.map_err(words) }
        }
        Effect::FetchDeployment => Answer::Deployment(client.deployment().await.map(Box::new).map_err(words)),
        Effect::Export(export) => Answer::Exported(export.write().await),
        Effect::StopSearch
        | Effect::Copy(_)
        | Effect::Mouse(_)
        | Effect::Redraw
        | Effect::Sleep
        | Effect::Quit
        | Effect::Detach => {
            return None;
        }
    })
}

fn words(error: client::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
