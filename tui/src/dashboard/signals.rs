//! The signals that a dashboard on a terminal answers, and how it is put to sleep.
//!
//! Invariant: whatever stops or ends the process that it can hear of, the terminal is given back first.

use std::io;

use futures::FutureExt;
use rustix::process;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means to the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is told to end.
    Leave,
    /// It is told to sleep (SIGTSTP).
    Sleep,
    /// It was woken (SIGCONT): the terminal may be as others left it.
    Woken,
}

/// Who falls asleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleepers {
    /// This process alone: the signal was sent to it.
    This,
    /// All that the terminal would stop on Ctrl-Z: a shell sees its job stopped only when the script around us is, too.
    Foreground,
}

/// The signals that end it, caught: SIGTERM, SIGHUP, SIGINT, SIGQUIT.
#[derive(Debug)]
pub(crate) struct Endings([Signal; 4]);

impl Endings {
    /// Catches them.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::quit())?,
        ]))
    }

    /// Returns when one comes. Cancel-safe.
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

/// All signals that a screen answers, caught.
#[derive(Debug)]
pub(crate) struct Signals {
    endings: Endings,
    sleep: Signal,
    woken: Signal,
}

impl Signals {
    /// Catches them.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn catch() -> io::Result<Self> {
        let raw = |signal: process::Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self {
            endings: Endings::catch()?,
            sleep: signal(raw(process::Signal::TSTP))?,
            woken: signal(raw(process::Signal::CONT))?,
        })
    }

    /// The next one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            () = self.endings.next() => Heard::Leave,
            _ = self.sleep.recv() => Heard::Sleep,
            _ = self.woken.recv() => Heard::Woken,
        }
    }

    /// Stops the process; returns when it is woken.
    pub(crate) async fn sleep(&mut self, who: Sleepers) {
        // One that came earlier ended an earlier sleep.
        let _earlier = self.woken.recv().now_or_never();
        // Not SIGTSTP again, which is caught.
        let stopped = match who {
            Sleepers::This => process::kill_process(process::getpid(), process::Signal::STOP),
            Sleepers::Foreground => process::kill_current_process_group(process::Signal::STOP),
        };
        if stopped.is_ok() {
            self.woken.recv().await;
        }
    }
}

/// Whether somebody is there to wake a sleeper: a shell that gave us a process group of our own. The first process of a terminal,
/// and what it runs beside itself, would sleep for ever; the kernel spares them Ctrl-Z too.
pub(crate) fn has_shell() -> bool {
    std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| has_own_group(&stat))
}

/// Whether a process, by its `stat` as proc_pid_stat(5) describes it, is in another process group than its session's first.
///
/// Read there and not asked of getpgrp(2) and getsid(2): in a container a session that was begun outside is 0, which is no process
/// to `rustix`. A group of 0 may be anybody's.
fn has_own_group(stat: &str) -> bool {
    // The name, in brackets, may hold blanks and brackets.
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
    fn a_group_of_its_own_is_told_in_and_outside_a_container() {
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
