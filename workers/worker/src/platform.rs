//! Opens the backend, and finds out what the stages must know about the deployment.

use std::fmt;
use std::sync::Arc;

use stereospot_domain::{Stage, Topology};
use stereospot_ports::fleet::TaskProtection;
use stereospot_ports::{Backend, Clock};
use stereospot_runtime::stage::Handler;
use stereospot_worker::outputs::Results;

use crate::{BackendKind, InferenceKind, Options};

#[cfg(feature = "aws")]
mod aws;

/// Wanted length of a segment in seconds, when neither the operator nor the deployment sets one.
const SEGMENT_SECS: f64 = 30.0;

/// The backend of a worker and the deployment's settings.
pub(crate) struct Platform {
    pub(crate) backend: Backend,
    pub(crate) topology: Topology,
    /// Keeps the platform from ending this process in the middle of its work.
    pub(crate) protection: Option<Arc<dyn TaskProtection>>,
    /// Wanted length of a segment.
    pub(crate) segment_secs: f64,
    /// Whether segments carry their sound.
    pub(crate) with_sound: bool,
    pub(crate) inference: InferenceKind,
    /// The inference stage, when a managed model converts.
    pub(crate) managed: Option<Box<dyn Handler>>,
    pub(crate) results: Option<Arc<dyn Results>>,
    /// Adds the counts of calls since the last time to the metrics.
    pub(crate) record_calls: Option<Box<dyn FnMut() + Send>>,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("backend", &self.backend.kind).finish_non_exhaustive()
    }
}

/// What a worker's times rest on: on one machine the clock of the data directory, on AWS the dates of AWS's answers.
#[derive(Debug, Clone)]
pub(crate) enum Time {
    Shared(Arc<stereospot_local::SteadyClock>),
    #[cfg(feature = "aws")]
    Aws(stereospot_aws::calls::Calls),
}

impl Time {
    pub(crate) fn of(options: &Options) -> Self {
        match options.backend {
            #[cfg(feature = "aws")]
            BackendKind::Aws => Time::Aws(stereospot_aws::calls::Calls::default()),
            _ => Time::Shared(Arc::new(stereospot_local::SteadyClock::of(&options.data_dir))),
        }
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        match self {
            Time::Shared(clock) => Arc::clone(clock) as _,
            #[cfg(feature = "aws")]
            Time::Aws(calls) => calls.clock(),
        }
    }
}

/// Opens the backend that the options name. On AWS, logs what was found.
///
/// # Errors
/// With one sentence that says what to do.
pub(crate) async fn open(options: &Options, stages: &[Stage], time: Time) -> anyhow::Result<Platform> {
    match time {
        #[cfg(feature = "aws")]
        Time::Aws(calls) => aws::open(options, stages, calls).await,
        Time::Shared(_) if options.backend == BackendKind::Aws => {
            let _ = stages;
            anyhow::bail!("this build has no AWS backend: build it with `make build AWS=1`")
        }
        Time::Shared(clock) => local(options, clock).await,
    }
}

async fn local(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<Platform> {
    let inference = options.inference.unwrap_or(InferenceKind::Onnx);
    anyhow::ensure!(
        matches!(inference, InferenceKind::Onnx | InferenceKind::Stub),
        "--inference {inference} belongs to a deployment: give --backend aws and its --env-file, or --inference onnx"
    );
    let settings = stereospot_local::Options { clock, ..stereospot_local::Options::default() };
    Ok(Platform {
        backend: stereospot_local::LocalBackend::open(&options.data_dir, settings).await?,
        topology: Topology::VideoWorker,
        protection: None,
        segment_secs: options.segment_secs.unwrap_or(SEGMENT_SECS),
        with_sound: false,
        inference,
        managed: None,
        results: None,
        record_calls: None,
    })
}
