//! Commands, their keys, and the file that changes the keys.
//!
//! Invariant: a chord runs at most one command, and hints, help and error texts come from the live bindings.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;

macro_rules! commands {
    ($($variant:ident $name:literal $chords:expr, $about:literal;)+) => {
        /// What a key can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Command { $($variant),+ }

        impl Command {
            pub(crate) const ALL: &'static [Command] = &[$(Command::$variant),+];

            /// Its name in the key file.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Command::$variant => $name),+ }
            }

            /// What it does, in a few words, for help.
            pub(crate) fn about(self) -> &'static str {
                match self { $(Command::$variant => $about),+ }
            }

            fn default_chords(self) -> &'static [&'static str] {
                match self { $(Command::$variant => &$chords),+ }
            }
        }
    };
}

commands! {
    Pulse "pulse" ["1"], "what is wrong, stages, active jobs";
    Queues "queues" ["2"], "every queue and its dead-letter queue";
    DeadLetters "dlq" ["3"], "dead letters by cause";
    Jobs "jobs" ["4"], "every job";
    Job "job" ["5"], "the job under the cursor in full";
    Workers "workers" ["6"], "services and workers";
    Events "events" ["7"], "events as they come";
    Deployment "deployment" ["8"], "what was found, what is missing, what watching costs";
    Logs "logs" ["v"], "log lines of the job under the cursor";
    Up "up" ["up", "k"], "up";
    Down "down" ["down", "j"], "down";
    Left "left" ["left", "h"], "left; previous queue";
    Right "right" ["right", "l"], "right; next queue";
    PageUp "page-up" ["pgup", "ctrl-b"], "a page up";
    PageDown "page-down" ["pgdn", "ctrl-f"], "a page down";
    Home "home" ["home", "g"], "to the start";
    End "end" ["end", "G"], "to the end; follow new events";
    Open "open" ["enter"], "open what is under the cursor; search or read again";
    Back "back" ["esc"], "close, stop a search, clear the filter, go back";
    NextPane "pane" ["tab"], "next pane";
    Older "older" ["["], "the place before";
    Newer "newer" ["]"], "the place after";
    Filter "filter" ["/"], "show only what contains a text; ! inverts";
    Palette "palette" [":"], "go to a place by its locator";
    Help "help" ["?"], "this help";
    Freeze "freeze" ["p"], "hold order and tail still; again to go on";
    Live "live" ["L"], "search logs again and again; again to stop";
    Wrap "wrap" ["W"], "wrap long log lines, or cut them";
    Sort "sort" ["S"], "next order of jobs";
    Copy "copy" ["y"], "copy id or locator to the clipboard";
    Export "export" ["w"], "write what is shown into a file";
    NextError "next-error" ["e"], "next error or finding";
    PreviousError "previous-error" ["E"], "previous error or finding";
    SameJob "same-job" ["o"], "only events of this event's job; again for all";
    Log "log" ["a"], "action log: who did what, with which results";
    Debug "debug" ["D"], "frames, bytes, times of the dashboard itself";
    Mark "mark" ["space"], "mark a message";
    MarkAll "mark-all" ["*"], "mark all that match, or none";
    Replay "replay" ["r"], "plan: send dead letters back to their queue";
    Purge "purge" ["x"], "plan: discard dead letters, empty a queue";
    StopMove "stop-move" ["X"], "plan: stop the platform's own move out of a dead-letter queue";
    Trigger "trigger" ["t"], "plan: have a job's segments joined now";
    Repair "repair" ["f"], "plan: carry out what the top finding proposes";
    Fail "fail" ["F"], "plan: give the job up, so that nothing waits for it";
    Delete "delete" ["delete"], "plan: delete what an ended job has";
    Scale "scale" ["s"], "plan: set how many tasks a service should have";
    Undo "undo" ["u"], "plan: put back what the last purge took away";
    Mouse "mouse" ["M"], "click and wheel; the terminal then selects no text; again to give it back";
    Redraw "redraw" ["ctrl-l"], "draw the whole screen again";
    Sleep "sleep" ["ctrl-z"], "back to the shell; fg there wakes it";
    Quit "quit" ["q", "ctrl-c"], "leave; asks before it stops a stack";
}

/// One key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// The text names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no key: write one character, or one of enter, esc, tab, space, up, down, left, right, home, end, pgup, pgdn, insert, delete, backspace, f1 to f12; with ctrl- or alt- before it"
)]
pub struct NotAKey(pub String);

const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("insert", KeyCode::Insert),
    ("delete", KeyCode::Delete),
    ("backspace", KeyCode::Backspace),
];

impl FromStr for Chord {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-").filter(|after| !after.is_empty()) {
                (rest, modifiers) = (after, modifiers | KeyModifiers::CONTROL);
            } else if let Some(after) = rest.strip_prefix("alt-").filter(|after| !after.is_empty()) {
                (rest, modifiers) = (after, modifiers | KeyModifiers::ALT);
            } else {
                break;
            }
        }
        let not_a_key = || NotAKey(text.into());
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(letter), None) if !letter.is_control() => KeyCode::Char(letter),
            _ => match NAMED.iter().find(|(name, _)| *name == rest) {
                Some((_, code)) => *code,
                None => {
                    let number = rest.strip_prefix('f').and_then(|digits| digits.parse::<u8>().ok());
                    KeyCode::F(number.filter(|number| (1..=12).contains(number)).ok_or_else(not_a_key)?)
                }
            },
        };
        Ok(Self { code, modifiers })
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("alt-")?;
        }
        match self.code {
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::F(number) => write!(f, "f{number}"),
            code => match (NAMED.iter().find(|(_, named)| *named == code), code) {
                (Some((name, _)), _) => f.write_str(name),
                (None, KeyCode::Char(letter)) => write!(f, "{letter}"),
                (None, other) => write!(f, "{other}"),
            },
        }
    }
}

impl From<KeyEvent> for Chord {
    fn from(key: KeyEvent) -> Self {
        // Shift is part of the character itself.
        Self { code: key.code, modifiers: key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT) }
    }
}

/// Why a key file was rejected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the key file {path} can't be read")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML of the expected shape.
    #[error(
        "the key file is not as expected ({0}); it should look like `[keys]` and then lines such as `replay = \"R\"`"
    )]
    Shape(String),
    /// It names an unknown command.
    #[error("the key file binds `{name}`, which is no command; commands are {known}")]
    Unknown { name: String, known: String },
    /// It names an unknown key.
    #[error("the key file binds `{name}` to something else than a key")]
    Key {
        name: String,
        #[source]
        source: NotAKey,
    },
    /// Two commands on one key.
    #[error("`{chord}` would call both `{first}` and `{second}`: bind one of them to another key")]
    Clash { chord: String, first: &'static str, second: &'static str },
}

/// The live bindings.
#[derive(Debug, Clone)]
pub(crate) struct Keymap {
    by_chord: HashMap<Chord, Command>,
    by_command: HashMap<Command, Vec<Chord>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keys: HashMap<String, Keys>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

impl Default for Keymap {
    fn default() -> Self {
        Self::build(&HashMap::new()).expect("the default keys don't clash")
    }
}

impl Keymap {
    /// The defaults, changed by a file's text: `[keys]`, then `command = "key"` or `command = ["key", "key"]`.
    ///
    /// # Errors
    /// [`Error`] names the invalid line and the reason.
    pub(crate) fn from_toml(text: &str) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| Error::Shape(error.message().to_owned()))?;
        let mut changed = HashMap::new();
        for (name, keys) in file.keys {
            let Some(command) = Command::ALL.iter().copied().find(|command| command.name() == name) else {
                let known = Command::ALL.iter().map(|command| command.name()).collect::<Vec<_>>().join(", ");
                return Err(Error::Unknown { name, known });
            };
            let texts = match keys {
                Keys::One(text) => vec![text],
                Keys::Several(texts) => texts,
            };
            let chords: Result<Vec<Chord>, NotAKey> = texts.iter().map(|text| text.parse()).collect();
            changed.insert(command, chords.map_err(|source| Error::Key { name, source })?);
        }
        Self::build(&changed)
    }

    fn build(changed: &HashMap<Command, Vec<Chord>>) -> Result<Self, Error> {
        let mut map = Self { by_chord: HashMap::new(), by_command: HashMap::new() };
        for command in Command::ALL.iter().copied() {
            let chords = changed.get(&command).cloned().unwrap_or_else(|| {
                let parse = |text: &&str| text.parse().expect("the default keys are keys");
                command.default_chords().iter().map(parse).collect()
            });
            for chord in &chords {
                if let Some(first) = map.by_chord.insert(*chord, command).filter(|first| *first != command) {
                    let (first, second) = (first.name(), command.name());
                    return Err(Error::Clash { chord: chord.to_string(), first, second });
                }
            }
            map.by_command.insert(command, chords);
        }
        Ok(map)
    }

    /// The command of a key.
    pub(crate) fn command(&self, key: KeyEvent) -> Option<Command> {
        self.by_chord.get(&Chord::from(key)).copied()
    }

    /// The first key of a command, for hints; none where it has none.
    pub(crate) fn hint(&self, command: Command) -> Option<String> {
        self.by_command.get(&command)?.first().map(Chord::to_string)
    }

    /// All keys of a command, for help.
    pub(crate) fn chords(&self, command: Command) -> String {
        let chords = self.by_command.get(&command).map(Vec::as_slice).unwrap_or_default();
        chords.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests;
