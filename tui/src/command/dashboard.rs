//! Opens the dashboard.

use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use stereospot_api::Client;

use super::error::{Error, Result};
use super::print::is_dumb;
use super::session::who;
use crate::cli::Look;
use crate::dashboard::{self, Closed, OwnStack};

pub(super) async fn open(client: Client, look: &Look) -> Result {
    if !look.linear && !is_at_terminal() {
        let what = if is_dumb() { "a terminal that can place its cursor, and TERM is dumb" } else { "a terminal" };
        let sentence =
            format!("the dashboard needs {what}: `stereospot status` prints the same once, --linear as it happens");
        return Err(Error::Usage(sentence));
    }
    show(client, look, None).await.map(|_| ())
}

/// Shows the dashboard until the operator closes it. `stack` is the one that this program started.
pub(super) async fn show(client: Client, look: &Look, stack: Option<OwnStack>) -> Result<Closed> {
    let options = dashboard::Options {
        client,
        theme: look.theme,
        no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        who: who(),
        keys: look.keys.clone().or_else(usual_keys),
        is_linear: look.linear,
        stack,
    };
    Ok(dashboard::run(options).await?)
}

/// Whether the dashboard can be drawn where this program runs.
pub(super) fn is_at_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb()
}

/// The key file in the user's configuration folder, if there is one.
fn usual_keys() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("stereospot").join("keys.toml")).filter(|path| path.is_file())
}
