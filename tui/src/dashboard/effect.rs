//! What the dashboard asks of the outside: decided by [`super::update`], carried out here by tasks, answered as inputs.

use std::sync::Arc;

use stereospot_api::Client;
use stereospot_api::client;
use stereospot_api::view::{JobDetail, MessageView};
use stereospot_api::wire::{Applied, Apply};
use stereospot_domain::plan::{Action, Plan};
use stereospot_domain::{Event, JobId, QueueName};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::input::Input;
use super::triage::MAX_MESSAGES;

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
    /// Put a text on the clipboard.
    Copy(String),
    /// Draw every cell again.
    Redraw,
    /// Leave.
    Quit,
}

/// What came of an effect. Errors are told in words already.
#[derive(Debug)]
pub(crate) enum Answer {
    Plan { serial: u64, plan: Result<Box<Plan>, String> },
    Applied { serial: u64, applied: Result<Applied, String> },
    Job { job_id: JobId, detail: Result<Box<JobDetail>, String>, events: Option<Vec<Event>> },
    Messages { queue: QueueName, messages: Result<Vec<MessageView>, String> },
}

/// Carries effects out. Tasks end with it.
pub(crate) struct Runner {
    client: Client,
    who: Option<String>,
    answers: mpsc::Sender<Input>,
    tasks: JoinSet<()>,
    /// Calls under way at once; the others wait.
    slots: Arc<Semaphore>,
}

impl Runner {
    pub(crate) fn new(client: Client, who: Option<String>, answers: mpsc::Sender<Input>) -> Self {
        Self { client, who, answers, tasks: JoinSet::new(), slots: Arc::new(Semaphore::new(4)) }
    }

    /// Starts a call to the server. Effects that concern the terminal are the loop's own and are not known here.
    pub(crate) fn start(&mut self, effect: Effect) {
        while self.tasks.try_join_next().is_some() {}
        let (client, who, answers, slots) =
            (self.client.clone(), self.who.clone(), self.answers.clone(), Arc::clone(&self.slots));
        self.tasks.spawn(async move {
            let Ok(_slot) = slots.acquire_owned().await else { return };
            if let Some(answer) = call(&client, who, effect).await {
                // The loop has ended when nobody listens; then nobody misses the answer either.
                let _ended = answers.send(Input::Answer(answer)).await;
            }
        });
    }
}

async fn call(client: &Client, who: Option<String>, effect: Effect) -> Option<Answer> {
    Some(match effect {
        Effect::Plan { serial, action } => {
            let plan = client.plan(action, who).await.map(Box::new).map_err(words);
            Answer::Plan { serial, plan }
        }
        Effect::Apply { serial, plan_id, confirm } => {
            let applied = client.apply(plan_id, &Apply { confirm, who }).await.map_err(words);
            Answer::Applied { serial, applied }
        }
        Effect::FetchJob { job_id, with_events } => {
            let events = if with_events { client.job_events(job_id, JOB_EVENTS).await.ok() } else { None };
            Answer::Job { job_id, detail: client.job(job_id).await.map(Box::new).map_err(words), events }
        }
        Effect::Peek(queue) => {
            Answer::Messages { queue, messages: client.peek(queue, MAX_MESSAGES).await.map_err(words) }
        }
        Effect::Copy(_) | Effect::Redraw | Effect::Quit => return None,
    })
}

fn words(error: client::Error) -> String {
    error.to_string()
}
