//! What a control plane waits for while it opens its deployment, in `run/starting.json` for the commands: nothing else of it answers yet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

/// Pause between two looks at what hinders.
const PAUSE: Duration = Duration::from_millis(500);

/// The file. Dropping this removes it.
#[derive(Debug)]
pub(super) struct Starting {
    path: PathBuf,
    said: Option<String>,
}

impl Starting {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join("run").join("starting.json"), said: None }
    }

    /// Waits for the work. Meanwhile the file says what hinders it.
    pub(super) async fn during<T>(
        mut self,
        work: impl Future<Output = T>,
        hindrance: impl Fn() -> Option<String>,
    ) -> T {
        tokio::pin!(work);
        let mut looks = tokio::time::interval(PAUSE);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = looks.tick() => self.say(hindrance()),
            }
        }
    }

    fn say(&mut self, why: Option<String>) {
        if why.is_none() || why == self.said {
            return;
        }
        if let Some(why) = &why {
            tracing::warn!("waiting for AWS: {why}");
            // Only a hint for commands: without it they say that the control plane is being started.
            let _ = std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")));
            let _ = std::fs::write(&self.path, json!({ "why": why }).to_string());
        }
        self.said = why;
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
