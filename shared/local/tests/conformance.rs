//! The conformance suite on the embedded backend.

use std::sync::Arc;

use async_trait::async_trait;
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::Error;
use stereospot_ports::conformance::{Subject, World, number_of_cases, run_all};
use stereospot_ports::memory::ManualClock;

struct Local;

#[async_trait]
impl Subject for Local {
    async fn fresh(&self) -> Result<World, Error> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let clock = ManualClock::default();
        let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        let backend = LocalBackend::open(folder.path(), options.clone()).await?;
        // Like another process, a second opening shares only the files with the first.
        let peer = LocalBackend::open(folder.path(), options).await?;
        Ok(World { backend, peer, time: Box::new(clock), keep: Box::new(folder) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_backend_passes_every_case() {
    let report = run_all(&Local).await;
    assert_eq!(report.failed, []);
    assert_eq!(report.skipped, []);
    assert_eq!(report.passed.len(), number_of_cases());
}
