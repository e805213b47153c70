//! The dashboard's whole state. Changed by [`super::update`] only, drawn by [`super::view`] only.

use std::collections::VecDeque;
use std::time::Duration;

use stereospot_api::view::{QueueView, ServiceView, WorkerView};
use stereospot_domain::{JobId, QueueName, Stage, Timestamp};

use super::cursor::Cursor;
use super::deployment::Deployment;
use super::detail::Detail;
use super::dialog::Dialog;
use super::keys::Keymap;
use super::logs::Logs;
use super::model::{Link, Model};
use super::mouse::Hits;
use super::place::Place;
use super::theme::Theme;
use super::triage::Triage;
use crate::text;

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

/// What the cursor of the workers' screen can stand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FleetItem {
    Service(String),
    Worker(String),
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
    /// How many tasks a service should have, being typed; its plan comes next.
    Scale {
        service: String,
        typed: String,
        error: Option<String>,
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
    pub fleet: Cursor<FleetItem>,
    pub triage: Triage,
    pub detail: Option<Detail>,
    pub logs: Option<Logs>,
    pub deployment: Deployment,
    /// Jobs not ended, as the landing screen shows them.
    pub active: Vec<JobId>,
    /// True while the operator holds order and tail still.
    pub is_frozen: bool,
    /// True while the dashboard has the mouse.
    pub has_mouse: bool,
    /// What a click would mean, as last drawn.
    pub hits: Hits,
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
            fleet: Cursor::default(),
            triage: Triage::default(),
            detail: None,
            logs: None,
            deployment: Deployment::default(),
            active: Vec::new(),
            is_frozen: false,
            has_mouse: false,
            hits: Hits::default(),
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

    /// What is wrong with the connection, once something was heard or the first attempt has failed: until it is mended nobody can
    /// say that nothing else is.
    pub(crate) fn disconnected(&self) -> Option<String> {
        let seen = self.model.silence(self.now).map(text::age);
        match (&self.model.link, seen) {
            (Link::Lost { reason, .. }, None) => Some(reason.clone()),
            (Link::Lost { reason, .. }, Some(age)) => Some(format!("lost, all below is as it was {age} ago: {reason}")),
            (Link::Connecting { .. }, Some(age)) => Some(format!("asked again, all below is as it was {age} ago")),
            (Link::Live, Some(age)) if self.is_stale() => {
                Some(format!("silent for {age}, though connected: all below is as it was then"))
            }
            _ => None,
        }
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

    /// What the cursor of the workers' screen can stand on, in the order of the screen.
    pub(crate) fn fleet_items(&self) -> Vec<FleetItem> {
        let services = self.model.services.iter().map(|service| FleetItem::Service(service.name.clone()));
        services.chain(self.model.workers.keys().cloned().map(FleetItem::Worker)).collect()
    }

    /// Where that cursor is.
    pub(crate) fn fleet_index(&self) -> Option<usize> {
        let items = self.fleet_items();
        self.fleet.index(items.len(), |at| items[at].clone())
    }

    /// The service under the cursor.
    pub(crate) fn service_under_cursor(&self) -> Option<&ServiceView> {
        self.model.services.get(self.fleet_index()?)
    }

    /// The service that a key on this screen is about: on the landing screen, the one that a matter is named after.
    pub(crate) fn service_of_cursor(&self) -> Option<&ServiceView> {
        match self.place {
            Place::Workers => self.service_under_cursor(),
            Place::Pulse => {
                let Some(PulseItem::Attention(id)) = self.pulse_item() else { return None };
                let name = id.strip_prefix("service/")?.split('/').next()?;
                self.model.services.iter().find(|service| service.name == name)
            }
            _ => None,
        }
    }

    /// The worker under the cursor.
    pub(crate) fn worker_under_cursor(&self) -> Option<&WorkerView> {
        self.model.workers.values().nth(self.fleet_index()?.checked_sub(self.model.services.len())?)
    }

    /// True where each search of logs is paid for.
    pub(crate) fn is_paid(&self) -> bool {
        self.model.environment.as_ref().is_some_and(|environment| environment.backend == "aws")
    }

    /// The logs that the screen shows.
    pub(crate) fn open_logs(&self) -> Option<&Logs> {
        self.logs.as_ref().filter(|logs| self.place == Place::Logs(logs.id))
    }

    /// The same, to be changed.
    pub(crate) fn open_logs_mut(&mut self) -> Option<&mut Logs> {
        self.logs.as_mut().filter(|logs| self.place == Place::Logs(logs.id))
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
            Place::Queues | Place::Deployment => None,
            Place::DeadLetters(_) => self.triage.message().and_then(|message| message.job_id),
            Place::Jobs { .. } => self.job_index().map(|at| self.model.jobs.shown(at).id),
            Place::Job(id) | Place::Logs(id) => Some(*id),
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
            Place::Logs(_) => self.open_logs().map_or("", Logs::filter),
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
