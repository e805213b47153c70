//! What is shown, as a file: for a ticket, for somebody else, for later.

use std::path::{Path, PathBuf};

use serde::Serialize;
use stereospot_api::view::MessageView;
use tokio::io::AsyncWriteExt;

use super::place::Place;
use super::state::State;
use crate::text;

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    /// Its name: environment, place and time.
    pub name: String,
    /// What is in it, for people: `14 messages`.
    pub what: String,
    pub text: String,
}

impl Export {
    /// Writes it into the folder that the dashboard was started in. Says what is where.
    ///
    /// # Errors
    /// Why not, in words; a file that is there already is left as it is.
    pub(crate) async fn write(self) -> Result<String, String> {
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        self.write_into(&folder).await
    }

    async fn write_into(self, folder: &Path) -> Result<String, String> {
        let path = folder.join(&self.name);
        let write = async {
            let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).open(&path).await?;
            file.write_all(self.text.as_bytes()).await?;
            file.flush().await
        };
        match write.await {
            Ok(()) => Ok(format!("{} in {}", self.what, path.display())),
            Err(error) => Err(format!("{} could not be written: {error}", path.display())),
        }
    }
}

/// What the screen shows, filtered as it is there.
///
/// # Errors
/// Why there is nothing to write, or which command prints it.
pub(crate) fn export(state: &State) -> Result<Export, String> {
    let json = |what: String, text: Option<String>| text.map(|text| (what, "json", text));
    let content = match &state.place {
        Place::DeadLetters(_) => {
            let messages = messages(state);
            json(text::plural(messages.len(), "message"), some(&messages, messages.is_empty()))
        }
        Place::Queues => {
            let queues = &state.model.queues;
            json(text::plural(queues.len(), "queue"), some(queues, queues.is_empty()))
        }
        Place::Workers => {
            let (services, workers) = (&state.model.services, state.model.workers.values().collect::<Vec<_>>());
            let what =
                format!("{}, {}", text::plural(services.len(), "service"), text::plural(workers.len(), "worker"));
            let is_empty = services.is_empty() && workers.is_empty();
            json(what, some(&serde_json::json!({ "services": services, "workers": workers }), is_empty))
        }
        Place::Pulse => {
            let attention = &state.model.attention;
            json(text::plural(attention.len(), "finding"), some(attention, attention.is_empty()))
        }
        Place::Job(id) => {
            let data = state.detail.as_ref().filter(|detail| detail.id == *id).and_then(|detail| detail.data.as_ref());
            json(format!("job {}", id.short()), data.and_then(|data| some(data, false)))
        }
        Place::Deployment => {
            let view = state.deployment.view.as_ref();
            json("the deployment".into(), view.and_then(|view| some(view, false)))
        }
        Place::Logs(_) => state.open_logs().filter(|logs| logs.shown_len() > 0).map(|logs| {
            let lines = (0..logs.shown_len()).map(|at| logs.shown(at));
            let text = lines.map(|entry| format!("{} {}\n", entry.writer(), entry.line.text)).collect();
            (text::plural(logs.shown_len(), "line"), "log", text)
        }),
        Place::Events { .. } => {
            let log = &state.model.log;
            let events = (0..log.shown_len()).filter_map(|at| log.shown(at));
            let lines = events.filter_map(|entry| serde_json::to_string(&entry.event).ok());
            let text: String = lines.map(|line| line + "\n").collect();
            (!text.is_empty()).then(|| (text::plural(log.shown_len(), "event"), "jsonl", text))
        }
        Place::Jobs { .. } => return Err("`stereospot jobs --json` prints the jobs".into()),
    };
    let (what, kind, text) = content.ok_or("there is nothing to write yet")?;
    let environment = state.model.environment.as_ref().map_or("stereospot", |environment| environment.name.as_str());
    let place = match &state.place {
        Place::Job(id) => format!("job-{}", id.short()),
        Place::Logs(id) => format!("logs-{}", id.short()),
        place => place.to_string().split('?').next().unwrap_or_default().to_owned(),
    };
    let name: String = format!("{environment}-{place}-{}", state.server_now().as_secs())
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' })
        .collect();
    Ok(Export { name: format!("{name}.{kind}"), what, text })
}

/// The marked messages, or all that the filter lets through.
fn messages(state: &State) -> Vec<&MessageView> {
    let triage = &state.triage;
    let places = triage.groups.iter().flat_map(|group| &group.messages);
    let shown = places.map(|at| &triage.messages[*at]);
    shown.filter(|message| triage.marked.is_empty() || triage.marked.contains(&message.id)).collect()
}

fn some<T: Serialize>(value: &T, is_empty: bool) -> Option<String> {
    (!is_empty).then(|| serde_json::to_string_pretty(value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_there_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let export = Export { name: "a.json".into(), what: "2 messages".into(), text: "[]\n".into() };
        let said = export.clone().write_into(folder.path()).await.unwrap();
        assert!(said.starts_with("2 messages in ") && said.ends_with("a.json"), "{said}");
        std::fs::write(folder.path().join("a.json"), "mine").unwrap();
        let said = export.write_into(folder.path()).await.unwrap_err();
        assert!(said.contains("could not be written"), "{said}");
        assert_eq!(std::fs::read_to_string(folder.path().join("a.json")).unwrap(), "mine");
    }
}
