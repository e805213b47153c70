//! Where this process gets its credentials, as environment and shared files say, and what renews them.
//!
//! Follows the SDK's order: variables, profile, web identity, container, instance. Only used for sentences: the SDK itself finds the
//! credentials.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use stereospot_ports::ErrorCode;

use super::Unloaded;

/// Roles may rest on roles, but not on more than this.
const MOST_HOPS: usize = 8;

/// The first place that has credentials, or should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Variables,
    /// A profile of the shared files: the one that holds what the profile in use rests on.
    Profile {
        name: String,
        kind: Kind,
    },
    /// `AWS_PROFILE` names one that does not exist.
    NoSuchProfile {
        name: String,
        config: PathBuf,
        credentials: PathBuf,
    },
    WebIdentity,
    /// The role of an ECS task or a pod.
    Container,
    /// The role of an EC2 instance: also where nothing is set at all.
    Instance,
}

/// How a profile gets credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Sso,
    /// `aws login`.
    Login,
    Keys {
        file: PathBuf,
    },
    Process {
        command: String,
    },
}

/// What a process sees: variables and files.
pub(crate) struct Surroundings<'a> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) file: &'a dyn Fn(&Path) -> Option<String>,
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

impl Surroundings<'static> {
    pub(crate) fn of_process() -> Self {
        Self { variable: &|name| std::env::var(name).ok(), file: &|path| std::fs::read_to_string(path).ok() }
    }
}

impl Surroundings<'_> {
    fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.trim().is_empty())
    }

    fn in_home(&self, rest: &str) -> PathBuf {
        Path::new(&self.set("HOME").unwrap_or_else(|| "~".into())).join(rest)
    }

    fn config(&self) -> PathBuf {
        self.set("AWS_CONFIG_FILE").map_or_else(|| self.in_home(".aws/config"), PathBuf::from)
    }

    fn credentials(&self) -> PathBuf {
        self.set("AWS_SHARED_CREDENTIALS_FILE").map_or_else(|| self.in_home(".aws/credentials"), PathBuf::from)
    }

    /// The files and folders that a renewal writes to.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.config(), self.credentials()];
        files.extend([".aws/sso/cache", ".aws/login/cache"].map(|folder| self.in_home(folder)));
        files.extend(self.set("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from));
        files
    }
}

impl Source {
    pub(crate) fn of_process() -> Self {
        Self::of(&Surroundings::of_process())
    }

    pub(crate) fn of(around: &Surroundings<'_>) -> Self {
        if around.set("AWS_ACCESS_KEY_ID").is_some() && around.set("AWS_SECRET_ACCESS_KEY").is_some() {
            return Source::Variables;
        }
        let named = around.set("AWS_PROFILE");
        let (config, credentials) = (around.config(), around.credentials());
        let profiles = sections(&(around.file)(&config).unwrap_or_default(), true);
        let keys = sections(&(around.file)(&credentials).unwrap_or_default(), false);
        let name = named.clone().unwrap_or_else(|| "default".into());
        if let Some(source) = of_profile(&name, &profiles, &keys, &config, &credentials) {
            return source;
        }
        if around.set("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
            return Source::WebIdentity;
        }
        let is_container = |name: &&str| around.set(name).is_some();
        if ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"].iter().any(is_container) {
            return Source::Container;
        }
        match named {
            Some(name) if !profiles.contains_key(&name) && !keys.contains_key(&name) => {
                Source::NoSuchProfile { name, config, credentials }
            }
            _ => Source::Instance,
        }
    }

    /// What makes expired credentials valid again, and what happens then.
    pub(crate) fn renewal(&self) -> String {
        const NOTICED: &str = "it is noticed within seconds";
        match self {
            Source::Variables => "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new keys, and start it \
                                  again: a running program keeps its variables"
                .into(),
            Source::Profile { name, kind: Kind::Sso } => format!("run `aws sso login{}`; {NOTICED}", option(name)),
            Source::Profile { name, kind: Kind::Login } => format!("run `aws login{}`; {NOTICED}", option(name)),
            Source::Profile { name, kind: Kind::Keys { file } } => {
                format!("write new keys of the profile {name} to {}; {NOTICED}", file.display())
            }
            Source::Profile { name, kind: Kind::Process { command } } => {
                format!("renew what the credential_process of the profile {name} needs (`{command}`); {NOTICED}")
            }
            Source::WebIdentity => "renew the file that AWS_WEB_IDENTITY_TOKEN_FILE names; it is noticed within seconds".into(),
            Source::Container | Source::Instance => {
                "the role's are renewed automatically; if not, check the role of the task or instance, or run `aws sso login`"
                    .into()
            }
            Source::NoSuchProfile { .. } => "correct AWS_PROFILE".into(),
        }
    }

    /// Why the credentials could not be loaded, as a sentence.
    pub(super) fn unloaded(&self, error: &CredentialsError) -> Unloaded {
        let is_late = matches!(error, CredentialsError::ProviderTimedOut(_));
        let is_away = is_late || caused_by::<ConnectorError>(error);
        let denied = |message: String| Unloaded { code: ErrorCode::Denied, message };
        match self {
            Source::Instance => denied(format!(
                "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run \
                 `aws sso login`, or give the task or instance a role. Looked at: {}",
                looked_at(&Surroundings::of_process(), is_late)
            )),
            Source::NoSuchProfile { name, config, credentials } => denied(format!(
                "no AWS credentials were found: the profile {name} that AWS_PROFILE names is neither in {} nor in {}",
                config.display(),
                credentials.display()
            )),
            _ if is_away => Unloaded {
                code: ErrorCode::Unavailable,
                message: format!(
                    "the AWS credentials can't be loaded: {} does not answer; is the network up?",
                    self.giver()
                ),
            },
            Source::Profile { kind: Kind::Sso | Kind::Login, name } => denied(format!(
                "the AWS session of the profile {name} has expired, or was never begun: {}",
                self.renewal()
            )),
            _ if matches!(error, CredentialsError::InvalidConfiguration(_)) => denied(format!(
                "{} is set up wrongly, so there are no AWS credentials: {}",
                self.giver(),
                innermost(error)
            )),
            _ => denied(format!("{} gives no AWS credentials: {}; {}", self.giver(), innermost(error), self.renewal())),
        }
    }

    /// Who gives the credentials.
    fn giver(&self) -> String {
        match self {
            Source::Variables => "the environment (AWS_ACCESS_KEY_ID)".into(),
            Source::Profile { name, kind: Kind::Process { .. } } => {
                format!("the credential_process of the profile {name}")
            }
            Source::Profile { name, .. } | Source::NoSuchProfile { name, .. } => format!("the profile {name}"),
            Source::WebIdentity => "the web identity (AWS_WEB_IDENTITY_TOKEN_FILE)".into(),
            Source::Container => "the container's credentials service".into(),
            Source::Instance => "the instance's metadata service".into(),
        }
    }
}

/// Every place that was looked at in vain, and what was found there.
fn looked_at(around: &Surroundings<'_>, is_late: bool) -> String {
    let profile = around.set("AWS_PROFILE").unwrap_or_else(|| "default".into());
    let state = |path: &Path| match (around.file)(path) {
        Some(_) => format!("{} without such credentials", path.display()),
        None => format!("{} missing", path.display()),
    };
    let off = around.set("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let instance = match (off, is_late) {
        (true, _) => "switched off by AWS_EC2_METADATA_DISABLED",
        (false, true) => "does not answer",
        (false, false) => "not there, or gives no role",
    };
    format!(
        "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set), the profile {profile} ({}, {}), \
         AWS_WEB_IDENTITY_TOKEN_FILE (not set), the container's service (not set), the instance's metadata service ({instance})",
        state(&around.config()),
        state(&around.credentials())
    )
}

/// None when the profile is missing or has no credentials.
fn of_profile(name: &str, profiles: &Sections, keys: &Sections, config: &Path, credentials: &Path) -> Option<Source> {
    let mut name = name;
    for _ in 0..MOST_HOPS {
        let of = |key: &str| {
            let find = |sections: &Sections| sections.get(name)?.get(key).cloned();
            find(keys).or_else(|| find(profiles))
        };
        let kind = |kind| Some(Source::Profile { name: name.to_owned(), kind });
        let base = of("source_profile").filter(|_| of("role_arn").is_some());
        if let Some(base) = base.filter(|base| base != name) {
            // Its section lives as long as the map, unlike the copy.
            name = profiles.keys().chain(keys.keys()).find(|key| **key == base)?;
            continue;
        }
        if of("role_arn").is_some() {
            match of("credential_source").as_deref() {
                Some("Environment") => return Some(Source::Variables),
                Some("EcsContainer") => return Some(Source::Container),
                Some("Ec2InstanceMetadata") => return Some(Source::Instance),
                _ if of("web_identity_token_file").is_some() => return Some(Source::WebIdentity),
                _ => {}
            }
        }
        if of("sso_session").is_some() || of("sso_start_url").is_some() {
            return kind(Kind::Sso);
        }
        if of("login_session").is_some() {
            return kind(Kind::Login);
        }
        if of("aws_access_key_id").is_some() {
            let is_in_keys = keys.get(name).is_some_and(|keys| keys.contains_key("aws_access_key_id"));
            let file = if is_in_keys { credentials } else { config };
            return kind(Kind::Keys { file: file.to_owned() });
        }
        return kind(Kind::Process { command: of("credential_process")? });
    }
    None
}

/// The sections of a shared file. In the file of settings profiles are called `profile NAME`, and there are other sections.
fn sections(text: &str, is_config: bool) -> Sections {
    let mut sections = Sections::new();
    let mut current = None;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(head, _)| head.trim()) {
            let name = match head.strip_prefix("profile").filter(|rest| rest.starts_with(char::is_whitespace)) {
                Some(rest) if is_config => Some(rest.trim()),
                _ if is_config => Some(head).filter(|head| *head == "default"),
                _ => Some(head),
            };
            current = name.map(|name| name.trim_matches(['"', '\'']).to_owned());
            if let Some(name) = &current {
                sections.entry(name.clone()).or_default();
            }
        } else if let (Some(name), Some((key, value)), false) = (&current, line.split_once('='), is_nested) {
            let section = sections.entry(name.clone()).or_default();
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

/// The option that names a profile; the default one needs none.
fn option(name: &str) -> String {
    if name == "default" { String::new() } else { format!(" --profile {name}") }
}

fn caused_by<E: StdError + 'static>(error: &CredentialsError) -> bool {
    causes(error).any(|error| error.is::<E>())
}

/// The last cause says most: the others only name the providers.
fn innermost(error: &CredentialsError) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn causes(error: &CredentialsError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |error| (*error).source())
}

#[cfg(test)]
mod tests;
