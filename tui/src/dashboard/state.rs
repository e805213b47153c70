//! The dashboard's whole state. Changed by [`super::update`] only, drawn by [`super::view`] only.

use std::collections::VecDeque;
use std::time::Duration;

use stereospot_api::view::{QueueView, WorkerView};
use stereospot_domain::{JobId, QueueName, Stage, Timestamp};

use super::cursor::Cursor;
use super::detail::Detail;
use super::dialog::Dialog;
use super::keys::Keymap;
use super::model::{Link, Model};
use super::place::Place;
use super::theme::Theme;
use super::triage::Triage;

/// Rows stay where they are for this long after a key.
pub(crate) const CALM: Duration = Duration::from_secs(2);

/// How long a message at the bottom stays.
const NOTE_FOR: Duration = Duration::from_secs(6);

/// Active jobs on the landing screen.
pub(crate) const ACTIVE_JOBS: usize = 40;

/// Places that can be gone back to.
const MAX_HISTORY: usize = 50;

/// What the landing screen's cursor can stand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PulseItem {
    Attention(String),
    Stage(Stage),
    Job(JobId),
}

/// What lies over the screen.
#[derive(Debug)]
pub(crate) enum Overlay {
    None,
    Help {
        scroll: usize,
    },
    Log {
        scroll: usize,
    },
    Debug,
    /// The palette with what was typed.
    Palette {
        typed: String,
        error: Option<String>,
    },
    /// The filter being typed, and the one before, which Esc brings back.
    Filter {
        typed: String,
        before: String,
    },
    Plan(Box<Dialog>),
}

/// A message at the bottom of the screen.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub text: String,
    pub is_error: bool,
    until: Duration,
}

/// What the loop measures of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    pub frames: u64,
    pub last_draw: Duration,
    pub longest_draw: Duration,
    pub bytes: u64,
    pub waiting: usize,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct State {
    pub model: Model,
    pub theme: Theme,
    pub keymap: Keymap,
    pub who: String,
    pub server: String,
    /// Time since the start.
    pub now: Duration,
    pub place: Place,
    pub back: VecDeque<Place>,
    pub forward: Vec<Place>,
    pub overlay: Overlay,
    pub note: Option<Note>,
    pub meter: Meter,
    pub pulse: Cursor<PulseItem>,
    pub queue: Cursor<QueueName>,
    pub job: Cursor<JobId>,
    pub worker: Cursor<String>,
    pub triage: Triage,
    pub detail: Option<Detail>,
    /// Jobs not ended, as the landing screen shows them.
    pub active: Vec<JobId>,
    /// True while the operator holds order and tail still.
    pub is_frozen: bool,
    /// True when the screen is no longer what it should be.
    pub is_dirty: bool,
    /// Tells dialogs apart.
    pub serial: u64,
    pub(super) last_key: Option<Duration>,
    pub(super) arranged_at: Duration,
    pub(super) active_is_old: bool,
    pub(super) ticked_at: u64,
}

impl State {
    /// The state before anything was heard.
    pub(crate) fn new(theme: Theme, keymap: Keymap, who: String, server: String) -> Self {
        Self {
            model: Model::new(),
            theme,
            keymap,
            who,
            server,
            now: Duration::ZERO,
            place: Place::Pulse,
            back: VecDeque::new(),
            forward: Vec::new(),
            overlay: Overlay::None,
            note: None,
            meter: Meter::default(),
            pulse: Cursor::default(),
            queue: Cursor::default(),
            job: Cursor::default(),
            worker: Cursor::default(),
            triage: Triage::default(),
            detail: None,
            active: Vec::new(),
            is_frozen: false,
            is_dirty: true,
            serial: 0,
            last_key: None,
            arranged_at: Duration::ZERO,
            active_is_old: false,
            ticked_at: 0,
        }
    }

    /// The server's time now.
    pub(crate) fn server_now(&self) -> Timestamp {
        self.model.server_now(self.now)
    }

    /// How long ago that was, by the server's clock.
    pub(crate) fn ago(&self, at: Timestamp) -> Duration {
        self.server_now().since(at)
    }

    /// True when nothing on the screen may be taken for the present.
    pub(crate) fn is_stale(&self) -> bool {
        self.model.is_stale(self.now)
    }

    pub(crate) fn is_live(&self) -> bool {
        self.model.link == Link::Live
    }

    /// True while rows must not move.
    pub(crate) fn keeps_order(&self) -> bool {
        self.is_frozen || self.last_key.is_some_and(|at| self.now.saturating_sub(at) < CALM)
    }

    /// Shows a message for some seconds.
    pub(crate) fn say(&mut self, text: impl Into<String>, is_error: bool) {
        self.note = Some(Note { text: text.into(), is_error, until: self.now + NOTE_FOR });
        self.is_dirty = true;
    }

    /// Takes the message away when its time is over.
    pub(super) fn forget_note(&mut self) {
        if self.note.as_ref().is_some_and(|note| note.until <= self.now) {
            self.note = None;
            self.is_dirty = true;
        }
    }

    /// What the landing screen's cursor can stand on, in the order of the screen.
    pub(crate) fn pulse_items(&self) -> Vec<PulseItem> {
        let attention = self.model.attention.iter().map(|item| PulseItem::Attention(item.id.clone()));
        let stages = Stage::ALL.iter().map(|stage| PulseItem::Stage(*stage));
        let jobs = self.active.iter().map(|id| PulseItem::Job(*id));
        attention.chain(stages).chain(jobs).collect()
    }

    /// What the landing screen's cursor stands on.
    pub(crate) fn pulse_item(&self) -> Option<PulseItem> {
        let items = self.pulse_items();
        self.pulse.index(items.len(), |at| items[at].clone()).map(|at| items[at].clone())
    }

    pub(crate) fn queue_index(&self) -> Option<usize> {
        self.queue.index(self.model.queues.len(), |at| self.model.queues[at].name)
    }

    /// The queue under the cursor of the queues' screen.
    pub(crate) fn queue_under_cursor(&self) -> Option<&QueueView> {
        self.model.queues.get(self.queue_index()?)
    }

    pub(crate) fn job_index(&self) -> Option<usize> {
        self.job.index(self.model.jobs.shown_len(), |at| self.model.jobs.shown(at).id)
    }

    pub(crate) fn worker_index(&self) -> Option<usize> {
        let names: Vec<&String> = self.model.workers.keys().collect();
        self.worker.index(names.len(), |at| names[at].clone())
    }

    /// The worker under the cursor.
    pub(crate) fn worker_under_cursor(&self) -> Option<&WorkerView> {
        self.model.workers.values().nth(self.worker_index()?)
    }

    /// The job that a key on this screen is about.
    pub(crate) fn job_under_cursor(&self) -> Option<JobId> {
        match &self.place {
            Place::Pulse => match self.pulse_item()? {
                PulseItem::Job(id) => Some(id),
                PulseItem::Attention(name) => {
                    self.model.attention.iter().find(|item| item.id == name).and_then(|item| item.job_id)
                }
                PulseItem::Stage(_) => None,
            },
            Place::Queues => None,
            Place::DeadLetters(_) => self.triage.message().and_then(|message| message.job_id),
            Place::Jobs { .. } => self.job_index().map(|at| self.model.jobs.shown(at).id),
            Place::Job(id) => Some(*id),
            Place::Workers => self.worker_under_cursor().and_then(|worker| worker.job_id),
            Place::Events { .. } => self.model.log.under_cursor().and_then(|entry| entry.event.job_id),
        }
    }

    /// The queue that a key on this screen is about.
    pub(crate) fn queue_of_cursor(&self) -> Option<QueueName> {
        match &self.place {
            Place::Pulse => match self.pulse_item()? {
                PulseItem::Attention(name) => {
                    self.model.attention.iter().find(|item| item.id == name).and_then(|item| item.queue)
                }
                PulseItem::Stage(stage) => Some(QueueName::main(stage.queue())),
                PulseItem::Job(_) => None,
            },
            Place::Queues => self.queue_under_cursor().map(|queue| queue.name),
            Place::DeadLetters(queue) => Some(*queue),
            _ => None,
        }
    }

    /// The filter of the screen that is shown.
    pub(crate) fn filter(&self) -> &str {
        match self.place {
            Place::Jobs { .. } => self.model.jobs.filter(),
            Place::Events { .. } => self.model.log.filter(),
            Place::DeadLetters(_) => &self.triage.filter,
            _ => "",
        }
    }

    /// Remembers where we were, before going elsewhere.
    pub(super) fn remember(&mut self) {
        self.back.push_back(self.place.clone());
        if self.back.len() > MAX_HISTORY {
            self.back.pop_front();
        }
    }
}
