//! The state of the deployment, and what follows from it. Pure: events and polled facts go in with their times, views come out.
//!
//! Invariant: nothing here reads a backend, a clock or random numbers; the same inputs give the same views.

pub mod attention;
pub mod database;
pub mod facts;
pub mod failures;
pub mod flow;
mod known;
pub mod latest;
pub mod observed;
pub mod progress;
mod readings;
pub mod results;
pub mod views;
pub mod watch;
pub mod worker;
pub mod world;

pub use world::World;
