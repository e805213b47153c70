//! An operator's next steps in the words of the dashboard: with the keys as they are bound.

use stereospot_domain::Fingerprint;
use stereospot_domain::attention::Step;
use stereospot_domain::diagnosis::{FindingCode, Repair};

use super::keys::{Command, Keymap};
use crate::{text, words};

/// The next steps: `enter: triage, r: replay`.
pub(crate) fn next(keymap: &Keymap, steps: &[Step]) -> String {
    steps.iter().map(|step| step_by_key(keymap, step)).collect::<Vec<_>>().join(", ")
}

/// The common cause of dead letters.
pub(crate) fn cause(fingerprint: Option<&Fingerprint>) -> String {
    fingerprint.map_or_else(|| "no error was reported".into(), Fingerprint::to_string)
}

/// What a repair does, in words.
pub(crate) fn repair(code: FindingCode, repair: &Repair) -> String {
    match repair {
        Repair::SendReassembly => "send the reassembly message again".into(),
        Repair::Trigger => "make the lock and send the reassembly message".into(),
        Repair::ResetLockAndSend { .. } => "take the dead holder's mark off the lock, then send".into(),
        Repair::ResendSource if code == FindingCode::IngestLost => {
            "set the status to created, then send the source's notification".into()
        }
        Repair::ResendSource => "send the source's notification again".into(),
        Repair::ResendSegments { segments } => format!("send {} again", text::plural(segments.len(), "segment")),
        Repair::PutCompletions { segments } => format!("record {}", text::plural(segments.len(), "completion")),
        Repair::MarkCompleted => "set the status to completed".into(),
        Repair::AssembleAgain => "have the segments joined again".into(),
        Repair::PutRow => "write the row again, as it was last read".into(),
        Repair::DeleteAgain => "delete what the job has once more".into(),
        Repair::ReplayDeadLetters { queue, message_ids } => {
            format!("replay {} from {queue}", text::plural(message_ids.len(), "message"))
        }
    }
}

fn step_by_key(keymap: &Keymap, step: &Step) -> String {
    let words = words::plain(step);
    match command_of(step).and_then(|command| keymap.hint(command)) {
        Some(key) => format!("{key}: {words}"),
        None => words,
    }
}

fn command_of(step: &Step) -> Option<Command> {
    match step {
        Step::Triage { .. } | Step::ShowJob { .. } => Some(Command::Open),
        Step::Replay { .. } | Step::ReplayJob { .. } => Some(Command::Replay),
        Step::Discard { .. } => Some(Command::Purge),
        Step::Trigger { .. } => Some(Command::Trigger),
        Step::Repair { .. } => Some(Command::Repair),
        Step::GiveUp { .. } => Some(Command::Fail),
        Step::Scale { .. } => Some(Command::Scale),
        Step::ShowWorkers => Some(Command::Workers),
        Step::StartWorker { .. }
        | Step::RestartWorker { .. }
        | Step::ReadServiceEvents { .. }
        | Step::RestoreService { .. }
        | Step::Provision { .. }
        | Step::Doctor
        | Step::RaiseBudget
        | Step::SetClock
        | Step::RestartAll
        | Step::Wait { .. } => None,
    }
}

#[cfg(test)]
mod tests;
