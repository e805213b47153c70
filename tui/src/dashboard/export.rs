//! Exports the screen's content to a file.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::io::AsyncWriteExt;

use crate::text;

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    /// Its name: environment, place and time.
    pub name: String,
    /// Its content for people: `14 messages`.
    pub what: String,
    pub text: String,
}

impl Export {
    /// Writes it into the folder that the dashboard was started in; returns a sentence for the operator.
    ///
    /// # Errors
    /// One sentence. An existing file is never overwritten.
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

/// What a screen exports.
#[derive(Debug)]
pub(crate) struct Content {
    /// Its content for people: `14 messages`.
    pub what: String,
    pub extension: &'static str,
    pub text: String,
}

impl Content {
    pub(crate) fn json<T: Serialize>(what: String, value: &T) -> Option<Self> {
        Some(Self { what, extension: "json", text: text::escaped(&serde_json::to_string_pretty(value).ok()?).into() })
    }
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
