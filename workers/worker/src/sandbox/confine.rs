//! What the child takes from itself before it opens a file. What the kernel lacks is left out; `sandbox --check` shows it.
#![expect(unsafe_code, reason = "signals and descriptors have no safe wrapper; each call is explained beside it")]

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::limits::Limits;
use super::system_calls;
use super::work::Files;

/// The exit code of a child that aborts for lack of memory.
pub(super) const OUT_OF_MEMORY: i32 = 70;

/// A film that takes longer than this to split is no film.
const MOST_PROCESSOR_SECS: u64 = 48 * 3600;

/// FFmpeg seeds its random numbers from it.
const RANDOM: &str = "/dev/urandom";
/// Where a plan muxes what may be left out.
const NULL: &str = "/dev/null";

/// Closes every descriptor that a careless program left open for its children.
pub(super) fn close_others() {
    // SAFETY: nothing in this process has opened a descriptor yet besides the standard ones.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// Gives up everything that reading the files does not need.
///
/// # Errors
/// When the worker has gone, or the system refuses what it must grant.
pub(super) fn confine(parent: u32, limits: Limits, files: &Files<'_>) -> io::Result<()> {
    end_with(parent)?;
    // A service manager stops all processes of a service at once; the worker decides about its child.
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    for fault in [libc::SIGSEGV, libc::SIGBUS] {
        // Rust's own handler lets the first one pass that does not come from an instruction.
        // SAFETY: the default is to end the process.
        unsafe { libc::signal(fault, libc::SIG_DFL) };
    }
    // If the machine runs out of memory, the kernel ends this process before the worker. It may refuse the wish.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    set_limits(limits, files)?;
    rustix::thread::set_no_new_privs(true)?;
    // Each is one barrier of several: where the kernel lacks one, the others hold.
    let _ = confine_files(files);
    let _ = system_calls::confine();
    Ok(())
}

/// Has the kernel end this process with the worker's thread that started it.
fn end_with(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The worker may have ended before the kernel knew.
    let is_there = getppid().is_some_and(|pid| pid.as_raw_nonzero().get().cast_unsigned() == parent);
    if is_there { Ok(()) } else { Err(io::Error::other("the worker has gone")) }
}

fn set_limits(limits: Limits, files: &Files<'_>) -> io::Result<()> {
    let lower = |resource, to| set_limit(resource, to, to);
    lower(Resource::Core, 0)?;
    lower(Resource::Nofile, limits.open_files)?;
    if files.writes.is_none() {
        lower(Resource::Fsize, 0)?;
    }
    if let Some(bytes) = limits.memory_bytes {
        // The address space would be the wrong measure: each thread reserves some of it without using it.
        lower(Resource::Data, bytes)?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        stereospot_media::memory_is_limited_to(bytes);
        watch_aborts(bytes);
    }
    set_limit(Resource::Cpu, limits.processor_secs, MOST_PROCESSOR_SECS)
}

/// Never above what the system permits.
fn set_limit(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let permitted = getrlimit(resource).maximum;
    let least = |value: u64| Some(permitted.map_or(value, |permitted| permitted.min(value)));
    Ok(setrlimit(resource, Rlimit { current: least(current), maximum: least(maximum) })?)
}

/// Allows so much more processor time from now on.
pub(super) fn allot(secs: u64) {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec.cast_unsigned();
    let limit = getrlimit(Resource::Cpu);
    let current = limit.maximum.unwrap_or(u64::MAX).min(used + secs);
    // If it fails, the earlier allotment counts.
    let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(current), ..limit });
}

/// Half of the memory limit.
static MODEST: AtomicUsize = AtomicUsize::new(0);

/// Rust and C++ abort when an allocation fails. Then the exit code says so, where memory really is short.
fn watch_aborts(limit: usize) {
    MODEST.store(limit / 2, Ordering::Relaxed);
    // SAFETY: the handler only makes system calls, which may be made at any time.
    unsafe { libc::signal(libc::SIGABRT, on_abort as *const () as libc::sighandler_t) };
}

extern "C" fn on_abort(_: libc::c_int) {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, used by no one; if there is none, the process ends. `abort` goes on after this handler.
    unsafe {
        let size = MODEST.load(Ordering::Relaxed);
        let memory = libc::mmap(std::ptr::null_mut(), size, access, kind, -1, 0);
        if memory == libc::MAP_FAILED {
            libc::_exit(OUT_OF_MEMORY);
        }
        libc::munmap(memory, size);
    }
}

/// Leaves only the given files, and no network, no signals and no abstract sockets of others.
fn confine_files(files: &Files<'_>) -> Result<(), RulesetError> {
    let abi = ABI::V6;
    let in_folder: BitFlags<AccessFs> = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::ReadDir;
    let reads = files.reads.iter().copied().chain([Path::new(RANDOM)]);
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(reads, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules([NULL], AccessFs::WriteFile | AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(files.writes, in_folder))?
        .restrict_self()?;
    Ok(())
}

/// The worker's process id.
pub(super) fn worker() -> Option<Pid> {
    getppid()
}
