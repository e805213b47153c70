//! What is known, and what follows from it. Pure: events and polled facts go in with their times, views come out.
//!
//! Invariant: nothing here asks a backend, a clock or chance; the same inputs give the same views.

pub mod attention;
pub mod facts;
pub mod failures;
pub mod flow;
mod known;
pub mod latest;
pub mod observed;
pub mod own_database;
pub mod progress;
mod readings;
pub mod views;
pub mod watch;
pub mod worker;
pub mod world;

pub use world::World;
