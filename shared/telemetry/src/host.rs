//! Which requests are meant for a server on loopback.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::HOST;

/// True when the request names this machine's own loopback, as every client of ours does. A page on the web that lets its own
/// name point here (DNS rebinding) names that instead: without a token, this is what keeps it out.
#[must_use]
pub fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
