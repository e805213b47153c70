//! The control plane as its clients meet it: a listening server, the typed client, a backend whose state the test makes.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod bad_requests;
mod bookkeeping;
mod crowd;
mod deletions;
mod discards;
mod events;
mod foreign;
mod full_disk;
mod further;
mod harness;
mod ingests;
mod jobs;
mod messages;
mod platform;
mod process;
mod purges;
mod repairs;
mod results;
mod retained;
mod stale;
mod stream;
mod swept;
mod watching;
