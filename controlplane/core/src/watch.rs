//! What is read from the backend when, how that goes, and what it costs. Pure: time is an argument, and nothing is read here.

pub mod budget;
mod job;
pub mod pace;
pub mod polls;
pub mod schedule;
#[cfg(test)]
mod simulation;
pub mod spending;
