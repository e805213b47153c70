//! Every screen. Another one is a file here and a line in [`all`]; its key is a line in [`super::keys`].

mod dead_letters;
mod deployment;
mod events;
mod job;
mod jobs;
mod logs;
mod pulse;
mod queues;
mod workers;

#[cfg(test)]
pub(crate) use {
    dead_letters::DeadLetters, deployment::Deployment, job::Job, jobs::Jobs, logs::Logs, workers::Item as FleetItem,
    workers::Workers,
};

use super::screen::Screen;

/// The screens in tab order; the dashboard opens on the first.
pub(crate) fn all() -> Vec<Box<dyn Screen>> {
    vec![
        Box::new(pulse::Pulse::default()),
        Box::new(queues::Queues::default()),
        Box::new(dead_letters::DeadLetters::default()),
        Box::new(jobs::Jobs::default()),
        Box::new(job::Job::default()),
        Box::new(logs::Logs::default()),
        Box::new(workers::Workers::default()),
        Box::new(events::Events),
        Box::new(deployment::Deployment::default()),
    ]
}
