//! The control plane's HTTP interface: its types, its problem details, and a typed client.
//!
//! The server builds its answers from these types and the dashboard, the commands and the workers read them with the same: a
//! change of the interface is a change here.

#[cfg(feature = "client")]
pub mod client;
pub mod problem;
pub mod view;
pub mod wire;

#[cfg(feature = "client")]
pub use client::Client;
pub use problem::Problem;
pub use stereospot_domain as domain;
