//! The dashboard on a real terminal: how signals leave it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::program::stereospot;

const ENTERED: &str = "\x1b[?1049h";
const LEFT: [&str; 3] = ["\x1b[?1000l", "\x1b[?1049l", "\x1b[?25h"];

/// A terminal with a dashboard on it. There is no control plane: only the terminal matters.
pub(crate) struct Terminal {
    pub(crate) dashboard: Child,
    master: File,
    /// The program's end, to read its settings.
    slave: File,
    shown: String,
}

impl Terminal {
    /// Opens one; `with_shell` starts the program as a job-control shell would.
    fn open(with_shell: bool) -> Self {
        let mut command = if with_shell { stereospot(&[]) } else { std::process::Command::new("setsid") };
        if with_shell {
            command.process_group(0);
        } else {
            command.arg(stereospot(&[]).get_program()).args(["--server", "http://127.0.0.1:9"]);
        }
        let mut terminal = Self::start(command);
        terminal.until("ATTENTION");
        assert!(terminal.is_raw());
        terminal
    }

    /// Starts a program on one.
    pub(crate) fn start(mut command: std::process::Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        // Not on the controlling terminal of the tests: there it would stop whatever isn't in the foreground.
        let without_control = OpenptFlags::NOCTTY.bits() as i32;
        let slave =
            File::options().read(true).write(true).custom_flags(without_control).open(name.to_str().unwrap()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let dashboard = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { dashboard, master: File::from(master), slave, shown: String::new() }
    }

    /// Reads until the terminal has received `text`; returns what came before.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            let read = self.master.read(&mut buffer).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.dashboard.id() as i32).unwrap()
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        std::io::Write::write_all(&mut self.master, text.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    fn is_as_it_was(&mut self) {
        for sequence in LEFT {
            self.until(sequence);
        }
    }

    fn has_stopped(&mut self) {
        let (_, status) = waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        if !status.stopped() {
            let mut buffer = [0; 4096];
            let read = self.master.read(&mut buffer).unwrap_or_default();
            panic!("{status:?}: {}{}", self.shown, String::from_utf8_lossy(&buffer[..read]));
        }
        assert!(!self.is_raw(), "the shell has a usable terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A failed test must leave no running or stopped process behind.
        let _ = self.dashboard.kill();
        let _ = self.dashboard.wait();
    }
}

#[test]
fn every_signal_that_ends_it_gives_the_terminal_back() {
    for signal in [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP] {
        let mut terminal = Terminal::open(true);
        terminal.type_in("M");
        terminal.until("\x1b[?1000h");
        terminal.signal(signal);
        terminal.is_as_it_was();
        assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(0), "{signal:?}");
        assert!(!terminal.is_raw(), "{signal:?}");
    }
}

#[test]
fn it_sleeps_with_the_terminal_given_back_and_wakes_whole() {
    let mut terminal = Terminal::open(true);
    let stops: [fn(&mut Terminal); 2] = [|terminal| terminal.signal(Signal::TSTP), |terminal| terminal.type_in("\x1a")];
    for stop in stops {
        stop(&mut terminal);
        terminal.is_as_it_was();
        terminal.has_stopped();
        terminal.signal(Signal::CONT);
        terminal.until(ENTERED);
        terminal.until("ATTENTION");
        assert!(terminal.is_raw());
    }
    // SIGSTOP can't be caught: the next frame must overwrite what the shell left on the screen.
    terminal.signal(Signal::STOP);
    let (_, status) = waitpid(Some(terminal.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
    terminal.signal(Signal::CONT);
    terminal.until(ENTERED);
    terminal.until("ATTENTION");
    terminal.type_in("\x0c");
    terminal.until("ATTENTION");
    terminal.type_in("q");
    terminal.is_as_it_was();
    assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_would_wake_one_without_a_shell() {
    let mut terminal = Terminal::open(false);
    terminal.type_in("\x1a");
    terminal.until("it stays awake");
    terminal.signal(Signal::TSTP);
    terminal.type_in("?");
    terminal.until("KEYS");
    terminal.type_in("q");
    assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(0));
}

#[test]
fn a_terminal_that_places_no_cursor_gets_a_sentence_and_no_sequences() {
    let mut command = stereospot(&[]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::start(command);
    let before = terminal.until("TERM is dumb");
    assert!(!before.contains('\x1b'), "{before:?}");
    assert_eq!(terminal.dashboard.wait().unwrap().code(), Some(2));
}
