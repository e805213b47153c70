//! An operator's next steps, in the words of the command line. For the dashboard's, which name keys, see `dashboard::words`.

use stereospot_domain::attention::{Step, Wait};
use stereospot_domain::plan::Action;

/// The next steps: the repairing command if there is one, else all steps.
pub(crate) fn next(steps: &[Step]) -> String {
    match steps.iter().find(|step| repairs(step)) {
        Some(step) => say(step),
        None => steps.iter().map(say).collect::<Vec<_>>().join("; "),
    }
}

/// The command of the repairing step, else of the first step that has one.
pub(crate) fn command(steps: &[Step]) -> Option<String> {
    let repairing = steps.iter().find(|step| repairs(step)).and_then(command_of);
    repairing.or_else(|| steps.iter().find_map(command_of))
}

fn say(step: &Step) -> String {
    command_of(step).unwrap_or_else(|| plain(step))
}

/// True for a step that repairs.
fn repairs(step: &Step) -> bool {
    use Step::*;
    matches!(step, Replay { .. } | Discard { .. } | ReplayJob { .. } | Trigger { .. } | Repair { .. } | Scale { .. })
}

fn command_of(step: &Step) -> Option<String> {
    let action = |action: Action| Some(action.command());
    match step {
        Step::Triage { queue } => Some(format!("stereospot queues peek {queue}")),
        Step::Replay { queue } => action(Action::Replay { queue: *queue, message_ids: None }),
        Step::Discard { queue } => action(Action::Purge { queue: *queue, message_ids: None }),
        Step::ReplayJob { job_id, code } | Step::Repair { job_id, code } => {
            action(Action::Repair { job_id: *job_id, code: *code })
        }
        Step::Trigger { job_id } => action(Action::Trigger { job_id: *job_id }),
        Step::GiveUp { job_id } => action(Action::Fail { job_id: *job_id, reason: None, discard: false }),
        Step::ShowJob { job_id } => Some(format!("stereospot jobs show {job_id}")),
        Step::Scale { service, desired } => action(Action::Scale { service: service.clone(), desired: *desired }),
        Step::ShowWorkers => Some("stereospot workers".into()),
        Step::Doctor => Some("stereospot doctor --env-file FILE".into()),
        Step::StartWorker { .. }
        | Step::RestartWorker { .. }
        | Step::ReadServiceEvents { .. }
        | Step::RestoreService { .. }
        | Step::Provision { .. }
        | Step::RaiseBudget
        | Step::SetClock
        | Step::RestartAll
        | Step::Wait { .. } => None,
    }
}

/// A step in words, without key or command, except where only a command does it.
pub(crate) fn plain(step: &Step) -> String {
    match step {
        Step::Triage { .. } => "triage".into(),
        Step::Replay { .. } | Step::ReplayJob { .. } => "replay".into(),
        Step::Discard { .. } => "discard".into(),
        Step::Trigger { .. } => "trigger reassembly".into(),
        Step::Repair { .. } => "repair".into(),
        Step::GiveUp { .. } => "give up".into(),
        Step::ShowJob { .. } => "show".into(),
        Step::Scale { desired, .. } => format!("scale to {desired}"),
        Step::StartWorker { stage } => {
            format!("start a {stage} worker; if one died, logs/ says why, and `stereospot up` starts it again")
        }
        Step::RestartWorker { .. } => "put that right and start it; `stereospot up` tries again automatically".into(),
        Step::ShowWorkers => "workers".into(),
        Step::ReadServiceEvents { .. } => "its tasks don't start: see the service's own events".into(),
        Step::RestoreService { service } => format!("nothing else receives from this queue: bring {service} back"),
        Step::Provision { is_provisioned, .. } => {
            let maker = match is_provisioned {
                Some(true) => "stereospot provision makes it again",
                Some(false) => "what made the deployment (Terraform, CloudFormation) makes it again",
                None => "what made the deployment (stereospot provision, Terraform) makes it again",
            };
            format!("{maker}; a wrong name or region: correct the environment file")
        }
        Step::Doctor => "stereospot doctor checks all of it".into(),
        Step::RaiseBudget => "what is shown is older; --poll-budget allows more".into(),
        Step::RestartAll => {
            "ages and leases are right; times of day are off until the whole stack is started again".into()
        }
        Step::SetClock => "times shown are AWS's, but S3 refuses calls from 15 min off".into(),
        Step::Wait { until } => wait(*until).into(),
    }
}

fn wait(until: Wait) -> &'static str {
    match until {
        Wait::Repaired => "it is repaired automatically",
        Wait::LeaseEnds => "its message comes back when the lease ends",
        Wait::ScaledUp => "it is to be scaled up",
        Wait::QueueRead => "its numbers are unknown; the others go on",
        Wait::AllRead => "what is shown of it is old; writes that rest on it are refused",
        Wait::SomeRead => "what is shown of it may be old",
        Wait::BackendAnswers => "nothing newer is known until it answers; then all goes on automatically",
        Wait::DatabaseWritten => {
            "events wait with their senders: what workers do is not known, and no plan can be made"
        }
    }
}

#[cfg(test)]
mod tests;
