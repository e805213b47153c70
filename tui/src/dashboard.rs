//! The dashboard: the live state of the pipeline, and the writes that repair it.
//!
//! One loop owns all state. It drains its inputs (keys, changes from the control plane, answers, ticks), then draws one frame if
//! something changed. `update` and `view` are pure; tasks carry out effects and report back as inputs.
//!
//! Invariant: the network never ends or blocks this loop, so the keyboard always answers.

mod canvas;
mod cursor;
mod deployment_reading;
mod dialog;
mod effect;
mod export;
#[cfg(test)]
mod fixture;
mod harness;
mod input;
mod job_reading;
mod jobs;
mod keys;
mod linear;
mod log;
mod model;
mod mouse;
mod network;
mod own_stack;
mod palette;
mod place;
mod ring;
mod runner;
mod screen;
mod screens;
mod signals;
mod state;
mod terminal;
pub(crate) mod theme;
mod update;
mod view;
mod words;
mod write;

pub use own_stack::OwnStack;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossterm::event::{Event, EventStream, MouseEventKind};
use futures::StreamExt;
use stereospot_api::Client;
use tokio::sync::mpsc;

pub use harness::Harness;
pub use keys::{Error as KeysError, NotAKey};

use effect::Effect;
use input::Input;
use keys::Keymap;
use runner::Runner;
use signals::{Heard, Signals, Sleepers};
use state::State;
use terminal::Screen;
use theme::{Theme, ThemeName};

/// How the dashboard looks, and which control plane it talks to.
#[derive(Debug, Clone)]
pub struct Options {
    pub client: Client,
    pub theme: ThemeName,
    /// No colours at all, as `NO_COLOR` asks.
    pub no_color: bool,
    /// The operator's name: shown, and written into the action log.
    pub who: String,
    /// A TOML file that changes keys.
    pub keys: Option<PathBuf>,
    /// Plain lines instead of a screen, for screen readers and logs.
    pub is_linear: bool,
    /// The stack that this program started, if any.
    pub stack: Option<OwnStack>,
}

/// How the dashboard was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Left, or ended by a signal: a stack that it started stops.
    Left,
    /// The stack that it started goes on without it.
    Detached,
}

/// Most queued inputs; beyond that the network waits.
const WAITING: usize = 1024;

/// Most inputs handled before a frame is drawn.
const DRAIN: usize = 4096;

const TICK: Duration = Duration::from_millis(250);

/// Shortest time between two frames that no key asked for.
const FRAME: Duration = Duration::from_millis(50);

/// Runs the dashboard until the operator leaves it or a signal ends it (SIGTERM, SIGHUP, SIGINT, SIGQUIT). The terminal is
/// restored then, and while the process is suspended (Ctrl-Z, SIGTSTP).
///
/// # Errors
/// The key file is invalid, or there is no terminal. A control plane that doesn't answer is no error.
pub async fn run(options: Options) -> anyhow::Result<Closed> {
    let keymap = match &options.keys {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| KeysError::Read { path: path.display().to_string(), source })?;
            Keymap::from_toml(&text).with_context(|| format!("the key file {} was refused", path.display()))?
        }
        None => Keymap::default(),
    };
    let theme = Theme::new(options.theme, options.no_color);
    let server = options.client.server().to_owned();
    let mut state = State::new(screens::all(), theme, keymap, options.who.clone(), server);
    state.stack = options.stack;
    let (sender, inputs) = mpsc::channel(WAITING);
    let follower = tokio::spawn(network::follow(options.client.clone(), sender.clone()));
    let ended = if options.is_linear {
        linear::run(&mut state, inputs).await.map(|()| Closed::Left)
    } else {
        let runner = Runner::new(options.client, Some(options.who), sender);
        on_screen(&mut state, inputs, runner).await
    };
    follower.abort();
    ended
}

async fn on_screen(state: &mut State, mut inputs: mpsc::Receiver<Input>, mut runner: Runner) -> anyhow::Result<Closed> {
    let mut screen = Screen::enter().context("the dashboard needs a terminal; `stereospot status` does without")?;
    let start = Instant::now();
    let mut terminal_events = EventStream::new();
    let mut signals = Signals::catch().context("could not listen for signals")?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    draw(state, &mut screen)?;
    let mut drawn_at = Instant::now();
    loop {
        let mut is_urgent = false;
        let wait = FRAME.saturating_sub(drawn_at.elapsed());
        let first = tokio::select! {
            biased;
            heard = signals.next() => {
                match heard {
                    Heard::Leave => return Ok(Closed::Left),
                    Heard::Sleep => sleep(state, &mut screen, &mut signals, Sleepers::This).await?,
                    Heard::Woken => {
                        screen.resume(state.has_mouse)?;
                        state.is_dirty = true;
                    }
                }
                None
            }
            event = terminal_events.next() => match event {
                Some(Ok(event)) => { is_urgent = true; read(event) }
                // The terminal is gone, so there is nothing to draw on.
                Some(Err(_)) | None => return Ok(Closed::Left),
            },
            input = inputs.recv(), if !inputs.is_closed() => input,
            _ = tick.tick() => Some(Input::Tick),
            () = tokio::time::sleep(wait), if state.is_dirty => None,
        };
        let mut next = first;
        let mut drained = 0;
        while let Some(input) = next.take() {
            for effect in update::update(state, input, start.elapsed()) {
                match effect {
                    Effect::Quit => return Ok(Closed::Left),
                    Effect::Detach => return Ok(Closed::Detached),
                    Effect::Redraw => screen.redraw()?,
                    Effect::Sleep => sleep(state, &mut screen, &mut signals, Sleepers::Foreground).await?,
                    Effect::Copy(text) => screen.copy(&text)?,
                    Effect::Mouse(is_ours) => screen.mouse(is_ours)?,
                    other => runner.start(other),
                }
            }
            drained += 1;
            if drained < DRAIN {
                next = inputs.try_recv().ok();
            }
        }
        state.meter.waiting = inputs.len();
        if state.is_dirty && (is_urgent || drawn_at.elapsed() >= FRAME) {
            draw(state, &mut screen)?;
            drawn_at = Instant::now();
        }
    }
}

/// Translates a terminal event into an input.
fn read(event: Event) -> Option<Input> {
    match event {
        Event::Key(key) => Some(Input::Key(key)),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Mouse(event) if !matches!(event.kind, MouseEventKind::Moved | MouseEventKind::Drag(_)) => {
            Some(Input::Mouse(event))
        }
        Event::Resize(..) => Some(Input::Resize),
        _ => None,
    }
}

fn draw(state: &mut State, screen: &mut Screen) -> anyhow::Result<()> {
    let began = Instant::now();
    screen.terminal.draw(|frame| view::view(state, frame))?;
    state.is_dirty = false;
    state.meter.last_draw = began.elapsed();
    state.meter.longest_draw = state.meter.longest_draw.max(state.meter.last_draw);
    state.meter.frames += 1;
    state.meter.bytes = screen.bytes();
    Ok(())
}

/// Restores the terminal, suspends the process, and takes the terminal back.
async fn sleep(state: &mut State, screen: &mut Screen, signals: &mut Signals, who: Sleepers) -> anyhow::Result<()> {
    if !signals::has_shell() {
        state.say("no shell started this that could wake it again: it stays awake", true);
        return Ok(());
    }
    screen.leave();
    signals.sleep(who).await;
    screen.resume(state.has_mouse)?;
    state.is_dirty = true;
    Ok(())
}
