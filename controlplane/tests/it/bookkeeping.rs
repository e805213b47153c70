//! What was done is reported as done, even if it can't be stored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use stereospot_api::wire::Apply;
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::{QueueName, QueueRole};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::{Outgoing, Receipt};
use stereospot_ports::wrapped::WrappedQueue;
use stereospot_ports::{Error, ErrorCode, Result, WorkQueue};

use crate::harness::Plane;

const INFERENCE: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: false };

/// A queue whose first deletion finds its lease lost, and whose second loses its answer.
#[derive(Debug)]
struct Stubborn {
    inner: Arc<dyn WorkQueue>,
    deletions: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl WrappedQueue for Stubborn {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn delete(&self, receipt: &Receipt) -> Result<()> {
        match self.deletions.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Err(Error::new(ErrorCode::LeaseLost, "somebody else has it")),
            1 => {
                self.inner.delete(receipt).await?;
                Err(Error::new(ErrorCode::Unavailable, "no answer"))
            }
            _ => self.inner.delete(receipt).await,
        }
    }
}

async fn plane_with_messages(count: usize) -> Plane {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let inner = backend.queues[&INFERENCE].clone();
    backend.queues.insert(INFERENCE, Arc::new(Stubborn { inner, deletions: Default::default() }));
    for index in 0..count {
        backend.queues[&INFERENCE].send(&[Outgoing::now(format!("body {index}"))]).await.unwrap();
    }
    Plane::over(backend, clock, |config| config.reconcile = Duration::from_secs(3600)).await
}

/// From now on the control plane's database refuses to do this to its copies.
async fn refuse(plane: &Plane, what: &str) {
    let options = SqliteConnectOptions::new().filename(plane.config.data_dir.join("controlplane.db"));
    let mut connection = options.connect().await.unwrap();
    let trigger = format!("CREATE TRIGGER refused BEFORE {what} ON copies BEGIN SELECT RAISE(ABORT, 'refused'); END");
    sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn outcomes(plane: &Plane, action: Action) -> (uuid::Uuid, Vec<Outcome>) {
    let (plan, applied) = plane.act(action).await;
    (plan.id, applied.results.into_iter().map(|result| result.outcome).collect())
}

#[tokio::test]
async fn a_purge_keeps_the_copy_of_what_may_be_gone() {
    let plane = plane_with_messages(4).await;
    let (purge, ended) = outcomes(&plane, Action::Purge { queue: INFERENCE, message_ids: None }).await;
    assert_eq!(ended, [Outcome::Failed, Outcome::Failed, Outcome::Done, Outcome::Done]);
    let restore = plane.client.plan(Action::Restore { plan_id: purge }, None).await.unwrap();
    assert_eq!(restore.items.len(), 3, "all but the one that surely stayed: {restore:#?}");
}

#[tokio::test]
async fn a_purge_whose_end_cannot_be_stored_is_reported_correctly() {
    let plane = plane_with_messages(4).await;
    refuse(&plane, "DELETE").await;
    let (_, ended) = outcomes(&plane, Action::Purge { queue: INFERENCE, message_ids: None }).await;
    assert_eq!(ended, [Outcome::Failed, Outcome::Failed, Outcome::Done, Outcome::Done]);
}

#[tokio::test]
async fn a_restore_that_cannot_be_written_down_is_not_done_twice() {
    let plane = plane_with_messages(4).await;
    let (plan_id, _) = outcomes(&plane, Action::Purge { queue: INFERENCE, message_ids: None }).await;
    refuse(&plane, "UPDATE").await;
    let before = plane.backend.queues[&INFERENCE].peek(10).await.unwrap().len();
    let late = plane.client.plan(Action::Restore { plan_id }, None).await.unwrap();
    let (_, ended) = outcomes(&plane, Action::Restore { plan_id }).await;
    assert_eq!(ended, [Outcome::Done; 3]);
    let applied = plane.client.apply(late.id, &Apply::default()).await.unwrap();
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Skipped), "{applied:#?}");
    let again = plane.client.plan(Action::Restore { plan_id }, None).await.unwrap();
    assert_eq!(again.refused.as_ref().map(|refused| refused.why.as_str()), Some("there is nothing left to put back"));
    assert_eq!(plane.backend.queues[&INFERENCE].peek(10).await.unwrap().len(), before + 3);
}
