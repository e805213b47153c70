//! The control plane: takes in events, reads the backend, shows both, repairs what is lost.
//!
//! ```text
//! http ── ingest ──► store (SQLite)          collect ──► backend (queues, jobs, objects)
//!   │        └──────────► core ◄────────────────┘            ▲
//!   └── live (the state, stream of its changes)   actions, reconcile
//! ```
//!
//! Invariant: the backend's stores hold the truth, events explain it. Nothing that a job needs to finish is kept only here: this
//! process may die at any moment, and the next one continues from what it reads.

mod actions;
mod app;
mod collect;
mod config;
mod connections;
mod http;
mod ingest;
mod live;
mod measure;
mod nudge;
mod platform;
mod polls;
mod reconcile;
mod retain;
mod retention;
mod server;
mod store;
mod truth;
mod upkeep;
mod verify;

pub use server::{Error, Server};
pub use stereospot_core::watch::spending::Counts;

pub use config::{Config, Policy};
pub use platform::{CallCounts, Platform, PlatformFacts, Redrive, Redrives, StuckJobsAlarm};
pub use store::{Error as StoreError, Retention};

/// This build's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
