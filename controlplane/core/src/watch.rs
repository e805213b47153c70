//! When to read what from the backend, how the readings go, and what they cost. Pure: time is an argument, and nothing is read here.

pub mod budget;
mod job;
pub mod pace;
pub mod polls;
pub mod schedule;
#[cfg(test)]
mod simulation;
pub mod spending;
pub mod target;
