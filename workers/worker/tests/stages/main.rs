//! The stages with real media, a real model and an in-memory backend.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop there")]

mod books;
mod budget;
mod conversion;
mod crash_points;
mod damaged;
mod dying;
mod fixture;
mod foreign;
mod lost;
mod objects;
mod scratch;
