//! Loads a job's stored events into the state in memory.

use stereospot_domain::JobId;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::app::App;

/// Loads a job's earlier events, once. If this fails, or is dropped half-way because a client went away, the next call starts
/// over.
pub(crate) async fn load(app: &App, job_id: JobId) -> Result<()> {
    let Some(mut loading) = Loading::begin(app, job_id) else { return Ok(()) };
    let history = app.store.job_history(job_id).await;
    if let Ok(history) = &history {
        loading.is_joined = true;
        app.live.with(|world| world.join_progress(job_id, Some(history)));
    }
    drop(loading);
    history.map(drop).map_err(|error| Error::with(ErrorCode::Internal, "the stored events can't be read", error))
}

/// A job whose earlier events are being read. Dropped before they are joined, it undoes the beginning.
struct Loading<'a> {
    app: &'a App,
    job_id: JobId,
    is_joined: bool,
}

impl<'a> Loading<'a> {
    /// None when the events are loaded or being loaded, or there is no such job.
    fn begin(app: &'a App, job_id: JobId) -> Option<Self> {
        let has_begun = app.live.with(|world| world.begin_progress(job_id));
        // Built only then: dropping one that did not begin would undo another's beginning.
        has_begun.then(|| Self { app, job_id, is_joined: false })
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if !self.is_joined {
            self.app.live.with(|world| world.join_progress(self.job_id, None));
        }
    }
}

#[cfg(test)]
mod tests;
