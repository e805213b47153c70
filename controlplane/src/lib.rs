//! The control plane: takes in events, reads the truth from the backend, shows both, repairs what is lost.
//!
//! ```text
//! http ── ingest ──► store (SQLite)          collect ──► backend (queues, jobs, objects)
//!   │        └──────────► core ◄────────────────┘            ▲
//!   └── live (what is known, stream of changes)   actions, reconcile
//! ```
//!
//! Invariant: the backend's stores are the truth, events explain it. Nothing that a job needs to finish is kept only here: this
//! process may die at any moment, and the next one goes on by looking.

mod actions;
mod app;
mod collect;
mod config;
mod http;
mod ingest;
mod live;
mod measure;
mod nudge;
mod platform;
mod polls;
mod reconcile;
mod server;
mod store;
mod truth;
mod upkeep;

pub use server::{Error, Server};
pub use stereospot_core::watch::spending::Counts;

pub use config::Config;
pub use platform::{CallCounts, Move, Moves, Platform, PlatformFacts, StuckJobsAlarm};
pub use store::{Error as StoreError, Retention};

/// This build's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
