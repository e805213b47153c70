//! SQS's own redrive of a whole dead-letter queue. It moves everything unedited, at most 500 messages a second, with one task per
//! queue. The messages get new ids and new times of sending.
//!
//! SQS knows the destination only of messages that it dead-lettered itself. A single message that was sent to the dead-letter queue,
//! for example by a restore, ends the whole move. So the request names the destination where there is only one.

use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use stereospot_domain::Timestamp;
use stereospot_ports::{Error, ErrorCode, Result};

use super::SqsQueue;
use crate::error::from_sdk;

/// The highest rate that SQS accepts.
pub const MAX_MOVES_PER_SECOND: u32 = 500;

/// The state of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveState {
    Running,
    /// Everything was moved.
    Completed,
    Cancelling,
    /// It was stopped; messages moved until then stay moved.
    Cancelled,
    /// It ended early, on an error.
    Failed,
}

/// A move of a dead-letter queue's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveTask {
    /// Identifies the task while it runs; absent afterwards.
    pub handle: Option<String>,
    pub state: MoveState,
    /// Messages moved so far, approximately.
    pub moved: u64,
    /// Messages to move in total, approximately; absent if SQS doesn't say.
    pub total: Option<u64>,
    /// The requested rate; absent leaves it to SQS.
    pub per_second: Option<u32>,
    pub started_at: Timestamp,
    pub failure: Option<String>,
}

impl SqsQueue {
    /// Starts to move all messages of this dead-letter queue back to where they came from, at most `per_second`. Returns the
    /// task's handle; [`SqsQueue::moves`] shows its progress.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] for a rate out of range, and when SQS refuses: a task runs already, or no queue dead-letters here.
    pub async fn start_move(&self, per_second: Option<u32>) -> Result<String> {
        if per_second.is_some_and(|rate| !(1..=MAX_MOVES_PER_SECOND).contains(&rate)) {
            return Err(Error::new(
                ErrorCode::Invalid,
                format!("SQS moves 1 to {MAX_MOVES_PER_SECOND} messages a second"),
            ));
        }
        let source = self.known().await?.arn;
        let destination = self.only_source(&source).await;
        // SQS would neither count nor, at first, move the messages that a peek of ours holds right now.
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

    /// The last moves of this dead-letter queue, newest first, at most ten.
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

    /// Stops a move, and returns approximately how many messages it moved.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it does not run any more.
    pub async fn cancel_move(&self, handle: &str) -> Result<u64> {
        let answer = self.client.cancel_message_move_task().task_handle(handle).send().await.map_err(|error| {
            match error.code() {
                // SQS can only stop a task that runs.
                Some("UnsupportedOperation" | "ResourceNotFoundException") => {
                    Error::with(ErrorCode::NotFound, "no such move runs", error)
                }
                _ => from_sdk(self.call("sqs:CancelMessageMoveTask"), error),
            }
        })?;
        Ok(u64::try_from(answer.approximate_number_of_messages_moved).unwrap_or(0))
    }

    /// The only queue that dead-letters to this one. None when there are several, or when the caller may not ask: SQS then moves
    /// each message to where it came from.
    async fn only_source(&self, arn: &str) -> Option<String> {
        let call = self.client.list_dead_letter_source_queues().queue_url(&self.url);
        let answer: std::result::Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
        let urls = match answer {
            Ok(urls) => urls,
            Err(error) => {
                let error = from_sdk(self.call("sqs:ListDeadLetterSourceQueues"), error);
                tracing::info!(queue = %self.name, %error, "SQS is left to find out where each message came from");
                return None;
            }
        };
        let [url] = &urls[..] else { return None };
        // A queue and its dead-letter queue are in one account and region.
        Some(format!("{}:{}", arn.rsplit_once(':')?.0, url.rsplit_once('/')?.1))
    }
}

/// SQS's one-word reason for a failed move, with an explanation.
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
