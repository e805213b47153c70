//! All writes of this process go through one task that owns the one writing connection.
//!
//! What waits in its channel goes into one transaction, and every caller is answered after the commit: the cost of making a
//! commit durable is shared by all that came together.
//!
//! Invariant: an answer `Ok` means committed. A failure inside a shared transaction rolls all of it back, and each write is
//! then tried alone, so that nobody suffers from a neighbour's failure.

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::{mpsc, oneshot};

use crate::error::from_sqlx;
use crate::file::OpenFile;

/// Writes that may wait for the writer before callers have to.
const QUEUED: usize = 1024;
/// Most writes in one transaction: it bounds how long other processes wait.
const GROUP: usize = 512;

/// One write. It may be run more than once before it counts, so it must not remember an earlier run.
#[async_trait]
pub(crate) trait Write: Send + Sync + 'static {
    /// What the caller learns.
    type Out: Send + 'static;

    /// Does it, inside a transaction that somebody else commits. A refusal is a value of `Out`, not an error: an error rolls
    /// the transaction back.
    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<Self::Out>;
}

/// The callers' end. Cheap to clone; when the last is dropped the task ends.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    to_task: mpsc::Sender<Box<dyn Step>>,
}

impl Writer {
    /// Starts the task on its connection to a file.
    pub(crate) fn start(connection: SqliteConnection, file: OpenFile) -> Self {
        let (to_task, from_callers) = mpsc::channel(QUEUED);
        tokio::spawn(serve(connection, file, from_callers));
        Self { to_task }
    }

    /// Has a write done and committed. A caller that goes away before its turn takes its write with it.
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

/// A write of any kind, with its caller.
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
        // A caller that has gone away meanwhile needs no answer.
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

/// Runs all steps in one transaction; on an error none of them counts.
///
/// The file is looked at before and after: one that went away between the two took the transaction with it, which is then done,
/// though not acknowledged, wherever it is put back.
async fn commit(connection: &mut SqliteConnection, file: &OpenFile, steps: &mut [Box<dyn Step>]) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    file.check()?;
    transact(connection, steps).await.map_err(from_sqlx)?;
    file.check()
}

async fn transact(connection: &mut SqliteConnection, steps: &mut [Box<dyn Step>]) -> sqlx::Result<()> {
    // Immediate: a transaction that begins by reading can't be promoted while another process writes.
    execute(connection, "BEGIN IMMEDIATE").await?;
    let outcome = async {
        for step in steps {
            step.run(connection).await?;
        }
        execute(connection, "COMMIT").await
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        // On a full disk SQLite has rolled back by itself, and there is no transaction left to end: sqlx's own transactions
        // would be confused by that.
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
