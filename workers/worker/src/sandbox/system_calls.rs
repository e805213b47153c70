//! The system calls that a child may make. All others answer "not implemented", on which libraries fall back, or fail.
//!
//! An allowlist: a kernel gets new calls, and nothing here has to keep up with them.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// Calls that are harmless with any arguments, given what can be opened.
const ANY: &[libc::c_long] = &[
    // Files.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_ppoll,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_membarrier,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    // Signals to itself.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Time, chance, and facts about itself and the machine.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
];

/// The older forms of some of them, which other architectures never had.
#[cfg(target_arch = "x86_64")]
const OLD: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_poll,
    libc::SYS_time,
    libc::SYS_getrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[libc::c_long] = &[];

/// What of a 32-bit argument must equal a value: all of it, or the masked bits.
#[derive(Clone, Copy)]
enum Arg {
    Is(u64),
    Has { mask: u64, bits: u64 },
}

/// Applies the filter to this process, for good.
///
/// # Errors
/// When the kernel has no filters, or none for this architecture.
pub(super) fn confine() -> Result<(), seccompiler::Error> {
    let filter = SeccompFilter::new(
        rules()?,
        SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    apply_filter(&BpfProgram::try_from(filter)?)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ANY.iter().chain(OLD).map(|call| (*call, Vec::new())).collect();
    let thread = number(libc::CLONE_THREAD);
    for (call, place, arg) in [
        // Threads, but no processes. Of `clone3` a filter sees no flags; libraries fall back to `clone`.
        (libc::SYS_clone, 0, Arg::Has { mask: thread, bits: thread }),
        // The memory limit counts private memory only.
        (libc::SYS_mmap, 3, Arg::Has { mask: number(libc::MAP_TYPE), bits: number(libc::MAP_PRIVATE) }),
        (libc::SYS_prctl, 0, Arg::Is(number(libc::PR_SET_NAME))),
        (libc::SYS_fcntl, 1, Arg::Is(number(libc::F_GETFD))),
        (libc::SYS_fcntl, 1, Arg::Is(number(libc::F_SETFD))),
        (libc::SYS_fcntl, 1, Arg::Is(number(libc::F_GETFL))),
        (libc::SYS_tgkill, 0, Arg::Is(own_id())),
        (libc::SYS_prlimit64, 0, Arg::Is(0)),
    ] {
        let (operator, value) = match arg {
            Arg::Is(value) => (SeccompCmpOp::Eq, value),
            Arg::Has { mask, bits } => (SeccompCmpOp::MaskedEq(mask), bits),
        };
        let condition = SeccompCondition::new(place, SeccompCmpArgLen::Dword, operator, value)?;
        rules.entry(call).or_default().push(SeccompRule::new(vec![condition])?);
    }
    Ok(rules)
}

fn number(flags: libc::c_int) -> u64 {
    u64::from(flags.cast_unsigned())
}

/// This process's id, for system calls that it may only apply to itself.
fn own_id() -> u64 {
    u64::from(rustix::process::getpid().as_raw_nonzero().get().cast_unsigned())
}
