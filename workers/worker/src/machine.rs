//! The memory that this process may use: the machine's, or what its cgroups allow.

use std::fs;
use std::path::{Path, PathBuf};

use stereospot_domain::amount::Bytes;
use stereospot_domain::memory::Memory;

/// The part of it that the workers may use, in per cent. The rest is for the control plane, the page cache and all others.
const WORKERS_PERCENT: u64 = 80;

/// A worker's share in bytes.
#[must_use]
pub fn share(memory: Memory) -> u64 {
    match memory {
        Memory::Bytes(Bytes(bytes)) => bytes,
        Memory::Part(part) => available(Path::new("/")) * WORKERS_PERCENT / 100 / u64::from(part.max(1)),
    }
}

/// What this process takes now, in bytes; 0 if the system doesn't say.
#[must_use]
pub fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kibibytes(&status, "VmRSS:").unwrap_or(0)
}

/// The least of the machine's memory and the limits of the cgroups that this process is in, under the given root.
fn available(root: &Path) -> u64 {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let machine = kibibytes(&meminfo, "MemTotal:");
    let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mount = root.join("sys/fs/cgroup");
    let limits = cgroups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (folder, file) = match controllers {
            "" => (mount.clone(), "memory.max"),
            names if names.split(',').any(|name| name == "memory") => (mount.join("memory"), "memory.limit_in_bytes"),
            _ => return None,
        };
        limit_along(&folder, path, file)
    });
    // Without any of them, a size that every machine has.
    limits.chain(machine).min().unwrap_or(2 << 30)
}

/// The least limit of a cgroup and those around it. In a container the path may be the host's, and only the top is there.
fn limit_along(top: &Path, path: &str, file: &str) -> Option<u64> {
    let mut folder: PathBuf = top.join(path.trim_start_matches('/'));
    let mut least: Option<u64> = None;
    while folder.starts_with(top) {
        // `max` is no number.
        let limit = fs::read_to_string(folder.join(file)).ok().and_then(|text| text.trim().parse().ok());
        least = least.into_iter().chain(limit).min();
        if !folder.pop() {
            break;
        }
    }
    least
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

#[cfg(test)]
mod tests;
