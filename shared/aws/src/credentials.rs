//! The credentials of this process, kept current.
//!
//! The SDK's chain reads the shared files once, and keeps what it found until a restart. This provider looks at the files at most
//! once a second, and loads again when one has changed: `aws sso login` in another terminal is enough.
//!
//! Invariant: a load has a time limit. Its error says where it looked, or how to renew the credentials (`credentials::source`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::imds;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use stereospot_ports::ErrorCode;
use tokio::sync::Mutex;

pub(crate) mod source;

use source::{Source, Surroundings};

/// The files are looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// Credentials are loaded again this long before they expire.
const AHEAD: Duration = Duration::from_secs(300);
/// Credentials are loaded again at least this often: not every source says when they expire.
const LONGEST: Duration = Duration::from_secs(900);
/// Shortest time between two loads, so that many calls that start together load once, also when loading fails.
const AGAIN: Duration = Duration::from_secs(5);
/// Longest wait for an instance's metadata service, which answers at once where there is one.
const INSTANCE_PATIENCE: Duration = Duration::from_secs(4);
/// Longest wait for other sources: a program may have to be run, or two services to be asked.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for one answer of the metadata service.
const ANSWER: Duration = Duration::from_secs(1);

/// Provides the credentials that every AWS tool would find, and follows their renewal. Clones share what they loaded.
#[derive(Debug, Clone)]
pub struct Renewed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    region: String,
    files: std::sync::Mutex<Files>,
    /// See [`Renewed::renewals`].
    renewals: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of renewals when this was loaded.
    seen: u64,
    /// The last credentials, and until when they are used without another load.
    loaded: Option<(Credentials, SystemTime)>,
    failed: Option<(Unloaded, Instant)>,
}

#[derive(Debug, Default)]
struct Files {
    looked_at: Option<Instant>,
    stamps: BTreeMap<PathBuf, Option<(SystemTime, u64)>>,
}

/// Why no credentials could be loaded, as a sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Unloaded {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Renewed {
    /// For calls in this region. Looks at nothing yet.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self(Arc::new(Inner {
            region: region.into(),
            files: std::sync::Mutex::default(),
            renewals: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// How often the files with credentials changed since the first look. What failed for lack of credentials may work after it.
    #[must_use]
    pub fn renewals(&self) -> u64 {
        let mut files = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.looked_at.is_none_or(|at| at.elapsed() >= LOOK) {
            let stamps = stamps(&Surroundings::of_process().files());
            // The first look has nothing to compare with, so it is no change.
            if files.looked_at.replace(Instant::now()).is_some() && stamps != files.stamps {
                self.0.renewals.fetch_add(1, Ordering::Relaxed);
            }
            files.stamps = stamps;
        }
        self.0.renewals.load(Ordering::Relaxed)
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let renewals = self.renewals();
        // Locked while loading, so that calls that start together load once.
        let mut state = self.0.state.lock().await;
        if state.seen != renewals {
            *state = State { seen: renewals, ..State::default() };
        }
        let now = SystemTime::now();
        if let Some((credentials, until)) = &state.loaded
            && now < *until
        {
            return Ok(credentials.clone());
        }
        if state.failed.as_ref().is_none_or(|(_, at)| at.elapsed() >= AGAIN) {
            match load(&self.0.region).await {
                Ok(found) => {
                    let until = found.expiry().and_then(|end| end.checked_sub(AHEAD)).unwrap_or(now + LONGEST);
                    let until = until.clamp(now + AGAIN, now + LONGEST);
                    (state.loaded, state.failed) = (Some((found.clone(), until)), None);
                    return Ok(found);
                }
                Err(failure) => state.failed = Some((failure, Instant::now())),
            }
        }
        let is_valid = |credentials: &&Credentials| credentials.expiry().is_some_and(|end| now < end);
        match (state.loaded.as_ref().map(|(credentials, _)| credentials).filter(is_valid), &state.failed) {
            (Some(credentials), _) => Ok(credentials.clone()),
            (None, Some((failure, _))) => Err(CredentialsError::provider_error(failure.clone())),
            (None, None) => Err(CredentialsError::not_loaded_no_source()),
        }
    }
}

impl ProvideCredentials for Renewed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// Loads with a new chain, because a chain never reads its files again.
async fn load(region: &str) -> Result<Credentials, Unloaded> {
    let source = Source::of_process();
    // Outside EC2 no metadata service answers, and the load waits for one. So allow a single retry.
    let client = imds::Client::builder().connect_timeout(ANSWER).read_timeout(ANSWER).max_attempts(2).build();
    let chain = DefaultCredentialsChain::builder().region(Region::new(region.to_owned())).imds_client(client);
    let patience = if source == Source::Instance { INSTANCE_PATIENCE } else { PATIENCE };
    let found = async { chain.build().await.provide_credentials().await };
    let began = Instant::now();
    match tokio::time::timeout(patience, found).await {
        Ok(Ok(credentials)) => Ok(credentials),
        // The SDK treats a metadata service that doesn't answer as one that doesn't exist.
        Ok(Err(_)) if source == Source::Instance && began.elapsed() >= ANSWER => {
            Err(source.unloaded(&CredentialsError::provider_timed_out(ANSWER)))
        }
        Ok(Err(error)) => {
            tracing::debug!(error = %aws_smithy_types::error::display::DisplayErrorContext(&error), "no credentials");
            Err(source.unloaded(&error))
        }
        Err(_) => Err(source.unloaded(&CredentialsError::provider_timed_out(patience))),
    }
}

/// Time and size of each file that credentials come from. A folder stands for its files.
fn stamps(paths: &[PathBuf]) -> BTreeMap<PathBuf, Option<(SystemTime, u64)>> {
    let stamp = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    let mut stamps = BTreeMap::new();
    for path in paths {
        let inside = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        stamps.extend(inside.map(|path| (path.clone(), stamp(&path))));
        stamps.insert(path.clone(), stamp(path));
    }
    stamps
}

#[cfg(test)]
mod tests;
