//! What is known, and what follows from it. Pure: events and polled facts go in with their times, views come out.
//!
//! Invariant: nothing here asks a backend, a clock or chance; the same inputs give the same views.

pub(crate) mod attention;
pub(crate) mod facts;
pub(crate) mod failures;
pub(crate) mod flow;
pub(crate) mod known;
pub(crate) mod latest;
pub(crate) mod observed;
mod own_database;
pub(crate) mod progress;
mod readings;
pub(crate) mod views;
pub(crate) mod worker;
pub(crate) mod world;

pub(crate) use world::World;
