use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::memory::{self, ManualClock};

struct Memory;

#[async_trait]
impl Subject for Memory {
    async fn fresh(&self) -> Result<World, Error> {
        let clock = ManualClock::default();
        let backend = memory::backend(&clock);
        Ok(World { peer: backend.clone(), backend, time: Box::new(clock), keep: Box::new(()) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_passes_every_case() {
    let report = run_all(&Memory).await;
    assert_eq!(report.failed, []);
    assert_eq!(report.skipped, []);
    assert_eq!(report.passed.len(), number_of_cases());
}

/// The suite must be able to fail: here time can't pass, which a backend either admits (the case is skipped) or not (it fails).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_skipped_without_time_and_fails_on_wrong_behaviour() {
    struct Still(Result<(), String>);
    #[async_trait]
    impl Passing for Still {
        async fn pass(&self, _: Duration) -> Result<(), String> {
            self.0.clone()
        }
    }
    struct StillMemory(Result<(), String>);
    #[async_trait]
    impl Subject for StillMemory {
        async fn fresh(&self) -> Result<World, Error> {
            let world = Memory.fresh().await?;
            Ok(World { time: Box::new(Still(self.0.clone())), ..world })
        }
    }
    let case = leases::CASES.iter().find(|case| case.name == "a_lease_that_ran_out_is_received_again").unwrap();
    let skipped = run(&StillMemory(Err("no clock".into())), case).await;
    assert_eq!(skipped, Err(Stop::Skipped("no clock".into())));
    let failed = run(&StillMemory(Ok(())), case).await;
    assert!(matches!(failed, Err(Stop::Failed(how)) if how.contains("number of messages")));
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<&str> = CASES.iter().copied().flatten().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), number_of_cases());
}

#[tokio::test]
async fn a_panicking_case_fails() {
    let panics = Case { name: "panics", run: |_| Box::pin(async { panic!("on purpose") }) };
    assert_eq!(run(&Memory, &panics).await, Err(Stop::Failed("panicked".into())));
}
