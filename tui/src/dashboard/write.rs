//! Which writes the keys offer now: the action, bound to what is under the cursor, or why there is none.

use stereospot_api::view::Observed;
use stereospot_domain::attention::{self, Subject};
use stereospot_domain::diagnosis::{FindingCode, Repair};
use stereospot_domain::plan::Action;
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole};

use super::keys::Command;
use super::model::Link;
use super::screen::Chosen;
use super::state::State;

/// The commands that write.
pub(crate) const WRITES: [Command; 9] = [
    Command::Replay,
    Command::Purge,
    Command::StopMove,
    Command::Trigger,
    Command::Repair,
    Command::Fail,
    Command::Delete,
    Command::Scale,
    Command::Undo,
];

/// The action of `command` now.
///
/// # Errors
/// Why there is none; shown beside the key.
pub(crate) fn action(state: &State, command: Command) -> Result<Action, String> {
    // Before the first answer, the missing connection is the only known reason.
    if state.model.environment.is_none() {
        return Err(unheard(state).unwrap_or_else(|| "nothing is known yet".into()));
    }
    if let Some(why) = state.screen().blocks(command, &state.model) {
        return Err(why.into());
    }
    let action = match command {
        Command::Replay => replay(state)?,
        Command::Purge => purge(state)?,
        Command::Trigger => trigger(state)?,
        Command::Repair => repair(state)?,
        Command::Fail => fail(state)?,
        Command::Delete => delete(state)?,
        Command::Scale => scale(state)?,
        Command::StopMove => {
            let queue = state.queue_under_cursor().filter(|queue| queue.is_dead_letter);
            let queue = queue.ok_or("no dead-letter queue under the cursor")?;
            if !state.model.is_paid() {
                return Err("no platform moves queues here".into());
            }
            Action::StopMove { queue }
        }
        Command::Undo => {
            let purge = state.model.undoable(state.now).ok_or("no purge that could still be undone")?;
            Action::Restore { plan_id: purge.plan.id }
        }
        _ => return Err("it writes nothing".into()),
    };
    // Checked after the target's own reasons, which say more.
    if let Some(why) = unheard(state) {
        return Err(why);
    }
    if state.model.environment.as_ref().is_some_and(|environment| environment.is_read_only) {
        return Err("the server is read-only".into());
    }
    Ok(action)
}

/// Why no request can be sent now.
fn unheard(state: &State) -> Option<String> {
    let is_known = state.model.environment.is_some();
    match state.model.link {
        Link::Connecting { .. } if !is_known => Some(format!("no answer from {} yet", state.server)),
        Link::Lost { .. } if !is_known => Some(format!("nothing answers at {}", state.server)),
        Link::Connecting { .. } | Link::Lost { .. } => {
            Some(format!("nothing answers at {}: what is shown may no longer be so", state.server))
        }
        Link::Live if state.is_stale() => {
            Some("nothing was heard for a while: what is shown may no longer be so".into())
        }
        Link::Live => None,
    }
}

fn replay(state: &State) -> Result<Action, String> {
    if let Some(chosen) = state.screen().chosen() {
        return Ok(Action::Replay { queue: chosen.queue, message_ids: Some(messages(state, chosen)?) });
    }
    let name = match (state.queue_under_cursor(), state.job_under_cursor()) {
        (Some(name), _) => name,
        (None, Some(job_id)) => return replay_of_job(state, job_id),
        (None, None) => return Err("neither queue nor job under the cursor".into()),
    };
    let queue = QueueName::dead_letter(name.role);
    if depth(state, queue) == Some(0) {
        return Err(format!("{queue} is empty"));
    }
    let about = Subject::DeadLetterQueue { queue };
    let line = state.model.attention.iter().find(|item| item.about == about);
    let is_read_only = state.model.environment.as_ref().is_some_and(|environment| environment.is_read_only);
    if !is_read_only && line.is_some_and(|line| !line.next.contains(&attention::Step::Replay { queue })) {
        return Err(format!("no message of {queue} can be replayed: look into it"));
    }
    Ok(Action::Replay { queue, message_ids: None })
}

fn messages(state: &State, chosen: Chosen) -> Result<Vec<String>, String> {
    let queue = chosen.queue;
    match (chosen.ids.is_empty(), chosen.is_read) {
        (false, _) => Ok(chosen.ids),
        (true, false) => Err(unheard(state).unwrap_or_else(|| format!("{queue} is still being read"))),
        (true, true) => Err(format!("{queue} shows no message")),
    }
}

/// A job's own dead letters. Those of reassembly go through the finding's repair, which also resets the lock; otherwise the
/// message would be useless.
fn replay_of_job(state: &State, job_id: JobId) -> Result<Action, String> {
    let found = state.model.findings(job_id).iter().find_map(|finding| match &finding.repair {
        Some(Repair::ReplayDeadLetters { queue, message_ids }) => Some((finding.code, *queue, message_ids.clone())),
        _ => None,
    });
    let (code, queue, message_ids) = found.ok_or_else(|| format!("no dead letter of {} is known", job_id.short()))?;
    Ok(match queue.role {
        QueueRole::Reassembly => Action::Repair { job_id, code },
        _ => Action::Replay { queue, message_ids: Some(message_ids) },
    })
}

/// The chosen messages on a screen that shows messages, otherwise the whole queue.
fn purge(state: &State) -> Result<Action, String> {
    if let Some(chosen) = state.screen().chosen() {
        return Ok(Action::Purge { queue: chosen.queue, message_ids: Some(messages(state, chosen)?) });
    }
    let queue = state.queue_under_cursor().ok_or("no queue under the cursor")?;
    if depth(state, queue) == Some(0) {
        return Err(format!("{queue} is empty"));
    }
    Ok(Action::Purge { queue, message_ids: None })
}

fn trigger(state: &State) -> Result<Action, String> {
    let job_id = state.job_under_cursor().ok_or("no job under the cursor")?;
    let blocked = match (state.model.detail(job_id), state.model.jobs.get(job_id)) {
        (Some(detail), _) => (!detail.can_trigger).then(|| detail.trigger_note.clone()),
        (None, Some(row)) => row.why_no_trigger(),
        (None, None) => None,
    };
    match blocked {
        Some(why) => Err(why),
        None => Ok(Action::Trigger { job_id }),
    }
}

fn fail(state: &State) -> Result<Action, String> {
    let job_id = state.job_under_cursor().ok_or("no job under the cursor")?;
    match state.model.jobs.get(job_id) {
        // A failed job's dead letters can be discarded.
        Some(row) if row.status == JobStatus::Failed && has_dead_letter(state, job_id) => {
            Ok(Action::Fail { job_id, reason: None, discard: true })
        }
        Some(row) if row.status.is_final() => Err(format!("the job is {}", row.status)),
        _ => Ok(Action::Fail { job_id, reason: None, discard: false }),
    }
}

fn delete(state: &State) -> Result<Action, String> {
    let job_id = state.job_under_cursor().ok_or("no job under the cursor")?;
    match state.model.jobs.get(job_id) {
        Some(row) if !row.status.is_final() => Err(format!("the job is {}", row.status)),
        _ => Ok(Action::Delete { job_id }),
    }
}

fn has_dead_letter(state: &State, job_id: JobId) -> bool {
    use FindingCode::{IngestDeadLettered, ReassemblyDeadLettered, SegmentDeadLettered, SourceDeadLettered};
    state.model.findings(job_id).iter().any(|finding| {
        matches!(finding.code, IngestDeadLettered | SourceDeadLettered | SegmentDeadLettered | ReassemblyDeadLettered)
    })
}

fn repair(state: &State) -> Result<Action, String> {
    let job_id = state.job_under_cursor().ok_or("no job under the cursor")?;
    let findings = state.model.findings(job_id);
    let finding = findings.iter().find(|finding| finding.repair.is_some()).ok_or_else(|| {
        if findings.is_empty() {
            format!("{} has no finding to repair", job_id.short())
        } else {
            "no finding here has a safe repair: see its runbook page".into()
        }
    })?;
    Ok(Action::Repair { job_id, code: finding.code })
}

/// The number is typed next; this is the service's current one.
fn scale(state: &State) -> Result<Action, String> {
    if state.model.services.is_empty() {
        return Err("there is no service here: only workers".into());
    }
    let service =
        state.screen().service(&state.model).ok_or("no service under the cursor: choose one on the workers' screen")?;
    Ok(Action::Scale { service: service.name.clone(), desired: service.desired })
}

/// All messages on a queue, as last read; none while the ready count is unknown or approximate.
fn depth(state: &State, name: QueueName) -> Option<u64> {
    let queue = state.model.queue(name)?;
    let exact = |value: Option<Observed<u64>>| value.filter(|value| value.is_exact);
    Some(
        exact(queue.ready)?.value
            + queue.in_flight.map_or(0, |value| value.value)
            + queue.delayed.map_or(0, |value| value.value),
    )
}
