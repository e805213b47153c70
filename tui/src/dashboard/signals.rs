//! The signals that a dashboard on a terminal handles, and how it suspends itself.
//!
//! Invariant: before any catchable signal stops or ends the process, the terminal is restored.

use std::io;

use futures::FutureExt;
use rustix::process;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means to the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A request to end.
    Leave,
    /// A request to suspend (SIGTSTP).
    Sleep,
    /// Resumed (SIGCONT): another program may have changed the terminal.
    Woken,
}

/// What is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleepers {
    /// Only this process, which received the signal.
    This,
    /// The whole foreground group, as the terminal does on Ctrl-Z: a shell sees its job stopped only when a script around us
    /// stops too.
    Foreground,
}

/// Listens for the signals that end it: SIGTERM, SIGHUP, SIGINT, SIGQUIT.
#[derive(Debug)]
pub(crate) struct Endings([Signal; 4]);

impl Endings {
    /// Starts listening.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::quit())?,
        ]))
    }

    /// Returns when one arrives. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        let [terminate, hang_up, interrupt, quit] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

/// Listens for every signal that a dashboard on a terminal handles.
#[derive(Debug)]
pub(crate) struct Signals {
    endings: Endings,
    sleep: Signal,
    woken: Signal,
}

impl Signals {
    /// Starts listening.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn catch() -> io::Result<Self> {
        let raw = |signal: process::Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self {
            endings: Endings::catch()?,
            sleep: signal(raw(process::Signal::TSTP))?,
            woken: signal(raw(process::Signal::CONT))?,
        })
    }

    /// The next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            () = self.endings.next() => Heard::Leave,
            _ = self.sleep.recv() => Heard::Sleep,
            _ = self.woken.recv() => Heard::Woken,
        }
    }

    /// Suspends the process; returns when it is resumed.
    pub(crate) async fn sleep(&mut self, who: Sleepers) {
        // An earlier SIGCONT ended an earlier sleep.
        let _earlier = self.woken.recv().now_or_never();
        // Not SIGTSTP, which is caught.
        let stopped = match who {
            Sleepers::This => process::kill_process(process::getpid(), process::Signal::STOP),
            Sleepers::Foreground => process::kill_current_process_group(process::Signal::STOP),
        };
        if stopped.is_ok() {
            self.woken.recv().await;
        }
    }
}

/// Whether a shell can resume a suspended process, that is, whether it gave us a process group of our own. A terminal's first
/// process, and children in its group, would sleep for ever; the kernel ignores Ctrl-Z for them too.
pub(crate) fn has_shell() -> bool {
    std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| has_own_group(&stat))
}

/// Whether a process, by its `stat` (see proc_pid_stat(5)), is in another process group than its session's leader.
///
/// Read from there rather than from getpgrp(2) and getsid(2): in a container, a session that began outside has the id 0, which
/// `rustix` rejects. A group with the id 0 could be anyone's.
fn has_own_group(stat: &str) -> bool {
    // The name, in brackets, may contain spaces and brackets.
    let after_name = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut fields = after_name.split_ascii_whitespace().skip(2);
    match (fields.next(), fields.next()) {
        (Some(group), Some(session)) => group != "0" && group != session,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_its_own_is_recognised_in_and_outside_a_container() {
        let started =
            |group: &str, session: &str| has_own_group(&format!("7 (a ) b) R 1 {group} {session} 0 -1 4194304"));
        assert!(started("7", "2"), "by a shell");
        assert!(started("7", "0"), "by a shell in a container whose session began outside");
        assert!(!started("7", "7"), "as a terminal's first process");
        assert!(!started("2", "2"), "beside it");
        assert!(!started("0", "0"), "in a container without a shell");
        assert!(!has_own_group(""));
    }
}
