//! SQS's own redrive of a whole dead-letter queue. It moves everything, unedited, at most 500 messages a second, one task per
//! queue; messages get new ids and new times of sending.
//!
//! SQS knows where to move only what it dead-lettered itself: one message that was put on the dead-letter queue, as by a restore,
//! ends the whole move. So the queue to move to is named wherever there is but one.

use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use stereospot_domain::Timestamp;
use stereospot_ports::{Error, ErrorCode, Result};

use super::SqsQueue;
use crate::error::from_sdk;

/// Fastest that SQS moves.
pub const MAX_MOVES_PER_SECOND: u32 = 500;

/// Where a move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveState {
    /// At work.
    Running,
    /// All is moved.
    Completed,
    /// It is being stopped.
    Cancelling,
    /// It was stopped; what was moved stays moved.
    Cancelled,
    /// It ended before its time.
    Failed,
}

/// One move of a dead-letter queue's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveTask {
    /// Names it while it runs; absent afterwards.
    pub handle: Option<String>,
    /// Where it stands.
    pub state: MoveState,
    /// Moved so far, about.
    pub moved: u64,
    /// To be moved in all, about; absent where SQS doesn't say.
    pub total: Option<u64>,
    /// The rate it was given; absent means as fast as SQS finds good.
    pub per_second: Option<u32>,
    /// When it began.
    pub started_at: Timestamp,
    /// Why it failed.
    pub failure: Option<String>,
}

impl SqsQueue {
    /// Moves all messages of this dead-letter queue back to where they came from, at most so many a second. Returns the
    /// task's handle; follow it with [`SqsQueue::moves`].
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] for a rate out of range, and where SQS refuses: a task runs already, or the queue is nobody's
    /// dead-letter queue.
    pub async fn start_move(&self, per_second: Option<u32>) -> Result<String> {
        if per_second.is_some_and(|rate| !(1..=MAX_MOVES_PER_SECOND).contains(&rate)) {
            return Err(Error::new(
                ErrorCode::Invalid,
                format!("SQS moves 1 to {MAX_MOVES_PER_SECOND} messages a second"),
            ));
        }
        let source = self.known().await?.arn;
        let destination = self.only_source(&source).await;
        // What a look of ours holds at this moment would neither be counted nor, at first, be moved.
        let _alone = self.sweeping.lock().await;
        let answer = self
            .client
            .start_message_move_task()
            .source_arn(source)
            .set_destination_arn(destination)
            .set_max_number_of_messages_per_second(per_second.and_then(|rate| i32::try_from(rate).ok()))
            .send()
            .await
            .map_err(|error| from_sdk(self.call("sqs:StartMessageMoveTask"), error))?;
        answer.task_handle.ok_or_else(|| Error::new(ErrorCode::Internal, "SQS started a move without naming it"))
    }

    /// The last moves of this dead-letter queue, at most ten, newest first.
    ///
    /// # Errors
    /// When SQS can't be asked.
    pub async fn moves(&self) -> Result<Vec<MoveTask>> {
        let source = self.known().await?.arn;
        let answer = self
            .client
            .list_message_move_tasks()
            .source_arn(source)
            .max_results(10)
            .send()
            .await
            .map_err(|error| from_sdk(self.call("sqs:ListMessageMoveTasks"), error))?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let tasks = answer.results.unwrap_or_default().into_iter().map(|task| MoveTask {
            handle: task.task_handle,
            state: match task.status.as_deref() {
                Some("RUNNING") => MoveState::Running,
                Some("COMPLETED") => MoveState::Completed,
                Some("CANCELLING") => MoveState::Cancelling,
                Some("CANCELLED") => MoveState::Cancelled,
                _ => MoveState::Failed,
            },
            moved: count(task.approximate_number_of_messages_moved),
            total: task.approximate_number_of_messages_to_move.map(count),
            per_second: task.max_number_of_messages_per_second.and_then(|rate| u32::try_from(rate).ok()),
            started_at: Timestamp(task.started_timestamp),
            failure: task.failure_reason.map(explained),
        });
        Ok(tasks.collect())
    }

    /// Stops a move, and returns how many messages it had moved, about.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it runs no longer.
    pub async fn cancel_move(&self, handle: &str) -> Result<u64> {
        let answer = self.client.cancel_message_move_task().task_handle(handle).send().await.map_err(|error| {
            match error.code() {
                // Only what runs can be stopped.
                Some("UnsupportedOperation" | "ResourceNotFoundException") => {
                    Error::with(ErrorCode::NotFound, "no such move runs", error)
                }
                _ => from_sdk(self.call("sqs:CancelMessageMoveTask"), error),
            }
        })?;
        Ok(u64::try_from(answer.approximate_number_of_messages_moved).unwrap_or(0))
    }

    /// The only queue that dead-letters to this one. None where there are several, or SQS may not be asked: SQS then moves each
    /// message to where it came from.
    async fn only_source(&self, arn: &str) -> Option<String> {
        let answer = self.client.list_dead_letter_source_queues().queue_url(&self.url).send().await;
        let urls = match answer {
            Ok(answer) => answer.queue_urls,
            Err(error) => {
                let error = from_sdk(self.call("sqs:ListDeadLetterSourceQueues"), error);
                tracing::info!(queue = %self.name, %error, "SQS is left to find out where each message came from");
                return None;
            }
        };
        let [url] = &urls[..] else { return None };
        // A queue and its dead-letter queue are of one account and region.
        Some(format!("{}:{}", arn.rsplit_once(':')?.0, url.rsplit_once('/')?.1))
    }
}

/// SQS's one word for why a move failed, with what it means.
fn explained(reason: String) -> String {
    match reason.as_str() {
        "CouldNotDetermineMessageSource" => format!(
            "a message was put on the dead-letter queue directly, and SQS knows no queue to move it to: replay it by its id \
             ({reason})"
        ),
        "AWS.SimpleQueueService.NonExistentQueue" => {
            format!("the queue to move to does not exist: was it deleted? ({reason})")
        }
        _ => reason,
    }
}
