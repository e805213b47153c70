//! The control plane's HTTP interface: its types, its problem details, and a typed client.
//!
//! Server, dashboard, commands and workers all use these types, so a change of the interface is a change here.

#[cfg(feature = "client")]
pub mod client;
pub mod problem;
pub mod view;
pub mod wire;

#[cfg(feature = "client")]
pub use client::Client;
pub use problem::Problem;
pub use stereospot_domain as domain;
