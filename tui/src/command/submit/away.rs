//! Waits for a control plane that is away: it restarts, or is being started.

use std::time::Duration;

use stereospot_api::client;
use tokio::time::{Instant, sleep};

use crate::command::print::note;

/// How long a control plane may be away that has not answered yet: `up` restarts one within seconds, and a wrong address never answers.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How often a call is repeated that was answered badly, or cut short.
const ATTEMPTS: u32 = 4;

/// What to do about failed calls of one submission.
#[derive(Debug, Default)]
pub(super) struct Away {
    is_known: bool,
    since: Option<Instant>,
    failures: u32,
    pause: Duration,
}

impl Away {
    /// A call was answered.
    pub(super) fn answered(&mut self) {
        if self.since.is_some() {
            note("the control plane answers again");
        }
        *self = Self { is_known: true, ..Self::default() };
    }

    /// Waits before the call is repeated. False when that is useless.
    pub(super) async fn outlasts(&mut self, what: &str, error: &client::Error) -> bool {
        let is_away = matches!(error, client::Error::Unreachable { .. });
        self.failures += u32::from(!is_away);
        let is_worth_it = error.retryable()
            && self.failures < ATTEMPTS
            && (!is_away || self.is_known || self.since.is_none_or(|since| since.elapsed() < FIRST_ANSWER));
        if is_worth_it {
            if self.since.is_none() {
                note(format!("{what}: {error}; trying again"));
            }
            self.since.get_or_insert_with(Instant::now);
            self.pause = (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            sleep(self.pause).await;
        }
        is_worth_it
    }
}
