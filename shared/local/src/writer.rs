//! All writes of this process go through one task, which owns the only connection for writing.
//!
//! The task runs all waiting writes in one transaction and answers their callers after the commit, so that they share the cost of a
//! durable commit.
//!
//! Invariant: an answer `Ok` means committed. If a write fails inside a shared transaction, all of it is rolled back and each write
//! runs again alone, so that only the failing one fails.

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::{mpsc, oneshot};

use crate::error::from_sqlx;
use crate::file::OpenFile;

/// Number of writes that may wait before callers have to wait.
const QUEUED: usize = 1024;
/// Most writes in one transaction. Limits how long other processes wait.
const GROUP: usize = 512;

/// A write. It may run more than once until it is committed, so it must not keep state from an earlier run.
#[async_trait]
pub(crate) trait Write: Send + Sync + 'static {
    /// The result for the caller.
    type Out: Send + 'static;

    /// Runs the write inside a transaction, which the writer commits. A refusal is a value of `Out`, not an error: an error rolls
    /// the transaction back.
    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<Self::Out>;
}

/// The handle for callers. Cheap to clone; the task ends when the last is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    to_task: mpsc::Sender<Box<dyn Step>>,
}

impl Writer {
    /// Starts the task.
    pub(crate) fn start(connection: SqliteConnection, file: OpenFile) -> Self {
        let (to_task, from_callers) = mpsc::channel(QUEUED);
        tokio::spawn(serve(connection, file, from_callers));
        Self { to_task }
    }

    /// Runs a write and waits for its commit. If the caller drops the future before the write's turn, the write does not run.
    pub(crate) async fn run<W: Write>(&self, write: W) -> Result<W::Out> {
        let (reply, answer) = oneshot::channel();
        let step = Box::new(Asked { write, out: None, reply });
        self.to_task.send(step).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn stopped() -> Error {
    Error::new(ErrorCode::Unavailable, "the database's writer has stopped")
}

/// A write of any type, with its waiting caller.
#[async_trait]
trait Step: std::fmt::Debug + Send {
    fn is_wanted(&self) -> bool;
    async fn run(&mut self, on: &mut SqliteConnection) -> sqlx::Result<()>;
    fn succeed(self: Box<Self>);
    fn fail(self: Box<Self>, error: Error);
}

struct Asked<W: Write> {
    write: W,
    out: Option<W::Out>,
    reply: oneshot::Sender<Result<W::Out>>,
}

impl<W: Write> std::fmt::Debug for Asked<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<W>())
    }
}

#[async_trait]
impl<W: Write> Step for Asked<W> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    async fn run(&mut self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        self.out = Some(self.write.run(on).await?);
        Ok(())
    }

    fn succeed(self: Box<Self>) {
        let out = self.out.expect("a write that is answered has run");
        // The caller may have dropped its future meanwhile.
        drop(self.reply.send(Ok(out)));
    }

    fn fail(self: Box<Self>, error: Error) {
        drop(self.reply.send(Err(error)));
    }
}

async fn serve(mut connection: SqliteConnection, file: OpenFile, mut from_callers: mpsc::Receiver<Box<dyn Step>>) {
    let mut group: Vec<Box<dyn Step>> = Vec::with_capacity(GROUP);
    while from_callers.recv_many(&mut group, GROUP).await > 0 {
        group.retain(|step| step.is_wanted());
        if group.len() > 1 {
            match commit(&mut connection, &file, &mut group).await {
                Ok(()) => {
                    group.drain(..).for_each(|step| step.succeed());
                    continue;
                }
                Err(error) => {
                    let writes = group.len();
                    tracing::debug!(%error, writes, "a shared transaction failed; each write is tried alone");
                }
            }
        }
        for step in group.drain(..) {
            let mut alone = [step];
            let outcome = commit(&mut connection, &file, &mut alone).await;
            let [step] = alone;
            match outcome {
                Ok(()) => step.succeed(),
                Err(error) => step.fail(error),
            }
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database did not close cleanly; nothing committed is lost");
    }
}

/// Runs all steps in one transaction. On an error none of them is acknowledged.
///
/// Checks the file before and after. If it was moved in between, the transaction is in the moved file: not acknowledged, but there
/// once the file is put back.
async fn commit(connection: &mut SqliteConnection, file: &OpenFile, steps: &mut [Box<dyn Step>]) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    file.check()?;
    transact(connection, steps).await.map_err(from_sqlx)?;
    file.check()
}

async fn transact(connection: &mut SqliteConnection, steps: &mut [Box<dyn Step>]) -> sqlx::Result<()> {
    // Immediate: a transaction that begins with a read fails on its first write if another process has written since.
    execute(connection, "BEGIN IMMEDIATE").await?;
    let outcome = async {
        for step in steps {
            step.run(connection).await?;
        }
        execute(connection, "COMMIT").await
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        // On a full disk SQLite rolls back automatically, and this ROLLBACK fails. Statements are used here because sqlx's own
        // transactions can't handle that.
        if let Err(error) = execute(connection, "ROLLBACK").await {
            tracing::debug!(%error, "nothing was left to roll back");
        }
    }
    outcome
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(statement).execute(connection).await?;
    Ok(())
}
