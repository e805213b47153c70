//! The env file of a deployment, as far as starting a stack needs it: checks that it can be read, and finds the deployment's name.
//! The control plane and the workers read the rest.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use stereospot_domain::env_file::Variables;

use crate::command::error::{Error, Result};

/// The environment variable with the path of the file.
const VARIABLE: &str = "STEREOSPOT_ENV_FILE";

/// The name of a deployment whose file has none.
const USUAL_PREFIX: &str = "stereo-spot";

/// An env file that can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EnvFile {
    /// Absolute, so that it stays valid in child processes.
    pub(super) path: PathBuf,
    prefix: String,
}

impl EnvFile {
    /// The given file, or else the one named by the environment.
    ///
    /// # Errors
    /// One sentence when there is none, or it can't be read.
    pub(super) fn check(given: Option<&Path>) -> Result<Self> {
        let of_environment = || env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let Some(path) = given.map(Path::to_owned).or_else(of_environment) else {
            return Err(Error::Usage(format!(
                "--backend aws needs --env-file FILE, or {VARIABLE}: the deployment's settings, as `stereospot provision` or \
                 Terraform writes them"
            )));
        };
        if !path.exists() {
            return Err(Error::Usage(format!("there is no env file {}: check --env-file", path.display())));
        }
        let text = fs::read(&path)
            .map_err(|error| Error::File(format!("the env file {} can't be read", path.display()), error))?;
        let prefix = prefix(&String::from_utf8_lossy(&text));
        Ok(Self { path: std::path::absolute(&path).unwrap_or(path), prefix })
    }

    /// Default data directory of the control plane. Each deployment has its own.
    pub(super) fn data_dir(&self) -> PathBuf {
        PathBuf::from(format!("./{}-data", self.prefix))
    }
}

/// The deployment's name prefix, if it can be part of a folder's name.
fn prefix(text: &str) -> String {
    let variables = Variables::parse(text);
    let is_name = |value: &&str| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        !value.starts_with('.') && value.chars().all(is_plain)
    };
    variables.get("NAME_PREFIX").filter(is_name).unwrap_or(USUAL_PREFIX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_has_a_folder_of_its_own() {
        let check = |text: &str, expected: &str| {
            let file = EnvFile { path: "x".into(), prefix: prefix(text) };
            assert_eq!(file.data_dir(), Path::new(expected), "{text}");
        };
        check("REGION=eu-west-1\nNAME_PREFIX=prod\n", "./prod-data");
        check("name_prefix = \"my-spot\" # ours", "./my-spot-data");
        check("export NAME_PREFIX='a.b'\r\n", "./a.b-data");
        check("NAME_PREFIX=old\nNAME_PREFIX=new", "./new-data");
        for text in ["", "NAME_PREFIX=", "NAME_PREFIX=null", "NAME_PREFIX=../../etc", "NAME_PREFIX=a/b"] {
            check(text, "./stereo-spot-data");
        }
    }
}
