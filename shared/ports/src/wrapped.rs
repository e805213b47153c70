//! Test doubles that wrap a queue or a job store and override single calls.
//!
//! A double implements `inner` and the calls that differ; it then is a [`WorkQueue`] or a [`JobStore`]. All other calls are passed
//! on, also those that a port gains later.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{Job, JobId, JobStatus, Lock, QueueName, SegmentCompletion, Timestamp};

use crate::job_store::{Acquired, Page, Transition, Transitioned};
use crate::work_queue::{Message, Outgoing, Peeked, Receipt, Receive, Settings, Stats};
use crate::{JobStore, Result, WorkQueue};

/// Defines the wrapping trait of a port, whose methods pass each call on to `inner`, and implements the port for its implementors.
macro_rules! wrapping {
    (
        $(#[$doc:meta])* $wrapped:ident of $port:ident
        $({ $(fn $plain:ident() -> $plain_out:ty;)+ })?
        $(fn $method:ident($($name:ident: $type:ty),*) -> $out:ty;)+
    ) => {
        $(#[$doc])*
        #[async_trait]
        pub trait $wrapped: fmt::Debug + Send + Sync + 'static {
            /// The wrapped implementation.
            fn inner(&self) -> &dyn $port;
            $($(
                #[doc = concat!("Like [`", stringify!($port), "::", stringify!($plain), "`].")]
                fn $plain(&self) -> $plain_out {
                    self.inner().$plain()
                }
            )+)?
            $(
                #[doc = concat!("Like [`", stringify!($port), "::", stringify!($method), "`].")]
                async fn $method(&self $(, $name: $type)*) -> Result<$out> {
                    self.inner().$method($($name),*).await
                }
            )+
        }

        #[async_trait]
        impl<T: $wrapped> $port for T {
            $($(
                fn $plain(&self) -> $plain_out {
                    $wrapped::$plain(self)
                }
            )+)?
            $(
                async fn $method(&self $(, $name: $type)*) -> Result<$out> {
                    $wrapped::$method(self $(, $name)*).await
                }
            )+
        }
    };
}

wrapping! {
    /// A queue that wraps another.
    WrappedQueue of WorkQueue
    { fn name() -> QueueName; fn lingers() -> Duration; }
    fn settings() -> Settings;
    fn send(messages: &[Outgoing]) -> Vec<String>;
    fn receive(how: Receive) -> Vec<Message>;
    fn extend(receipt: &Receipt, visibility: Duration) -> ();
    fn release(receipt: &Receipt, delay: Duration) -> ();
    fn delete(receipt: &Receipt) -> ();
    fn stats() -> Stats;
    fn peek(max: usize) -> Vec<Peeked>;
    fn lease(ids: &[String], visibility: Duration) -> Vec<Message>;
    fn purge() -> u64;
}

wrapping! {
    /// A job store that wraps another.
    WrappedJobStore of JobStore
    fn create(job: &Job) -> ();
    fn get(job_id: JobId) -> Option<Job>;
    fn list(status: JobStatus, cursor: Option<&str>, limit: usize) -> Page<Job>;
    fn transition(job_id: JobId, transition: &Transition) -> Transitioned;
    fn delete_row(job_id: JobId) -> bool;
    fn set_uploaded(job_id: JobId, at: Timestamp, bytes: u64) -> ();
    fn put_completion(completion: &SegmentCompletion) -> ();
    fn count_completions(job_id: JobId) -> u32;
    fn list_completions(job_id: JobId, cursor: Option<&str>, limit: usize) -> Page<SegmentCompletion>;
    fn delete_completions(job_id: JobId) -> u32;
    fn delete_completion(job_id: JobId, segment_index: u32) -> ();
    fn surplus_completions(job_id: JobId, total: u32) -> Vec<String>;
    fn delete_surplus(job_id: JobId, keys: &[String]) -> ();
    fn lock(job_id: JobId) -> Option<Lock>;
    fn create_lock(job_id: JobId, now: Timestamp) -> bool;
    fn retrigger_lock(job_id: JobId, observed: Timestamp, now: Timestamp) -> bool;
    fn acquire_lock(job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Acquired;
    fn renew_lock(job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> bool;
    fn release_lock(job_id: JobId, owner: &str) -> bool;
    fn reset_lock(job_id: JobId, observed: Timestamp) -> bool;
    fn delete_lock(job_id: JobId) -> bool;
}
