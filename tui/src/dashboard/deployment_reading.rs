//! The control plane's last report on its platform.

use std::time::Duration;

use stereospot_api::view::DeploymentView;
use stereospot_domain::{QueueName, Timestamp};

use super::effect::Effect;

/// Pause between two reads while the screen is open, where a read is free.
const FREE_REST: Duration = Duration::from_secs(5);

/// The same pause where each read is billed, because it queries every queue.
const PAID_REST: Duration = Duration::from_secs(60);

/// The last read.
#[derive(Debug, Default)]
pub(crate) struct DeploymentReading {
    pub view: Option<Box<DeploymentView>>,
    /// By the server's clock.
    pub read_at: Option<Timestamp>,
    pub error: Option<String>,
    is_wanted: bool,
    is_reading: bool,
    asked_at: Option<Duration>,
}

impl DeploymentReading {
    /// Requests a read now.
    pub(crate) fn ask(&mut self) {
        self.is_wanted = true;
    }

    /// After a reconnect the deployment may have changed, and the pending read will not be answered.
    pub(crate) fn restart(&mut self) {
        (self.is_wanted, self.is_reading) = (true, false);
    }

    /// The read that is due now, if any: one after each connection, because other screens show what is not deployed; more while
    /// the deployment's screen is open.
    pub(crate) fn due(&mut self, is_open: bool, is_paid: bool, now: Duration) -> Option<Effect> {
        let rest = if is_paid { PAID_REST } else { FREE_REST };
        let has_rested = self.asked_at.is_none_or(|at| now.saturating_sub(at) >= rest);
        if self.is_reading || !(self.is_wanted || (is_open && has_rested)) {
            return None;
        }
        (self.is_wanted, self.is_reading, self.asked_at) = (false, true, Some(now));
        Some(Effect::FetchDeployment)
    }

    /// Stores the answer.
    pub(crate) fn fill(&mut self, view: Result<Box<DeploymentView>, String>, at: Timestamp) {
        self.is_reading = false;
        match view {
            Ok(view) => (self.view, self.read_at, self.error) = (Some(view), Some(at), None),
            Err(why) => self.error = Some(why),
        }
    }

    /// Why a queue is missing, in words; none where it exists or nothing is known.
    pub(crate) fn absent(&self, name: QueueName) -> Option<String> {
        let not_deployed = || "not deployed".to_owned();
        match self.view.as_ref()?.queues.iter().find(|queue| queue.name == name) {
            Some(queue) if queue.exists => None,
            Some(queue) => Some(queue.note.clone().unwrap_or_else(not_deployed)),
            None => Some(not_deployed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_once_after_a_connection_and_again_while_it_is_shown() {
        let mut deployment = DeploymentReading::default();
        let at = Duration::from_secs;
        assert_eq!(deployment.due(false, false, at(1)), None);
        deployment.restart();
        assert_eq!(deployment.due(false, false, at(1)), Some(Effect::FetchDeployment));
        assert_eq!(deployment.due(true, false, at(100)), None, "one reading at a time");
        deployment.fill(Err("no answer".into()), Timestamp(0));
        assert_eq!(deployment.due(false, false, at(100)), None);
        assert_eq!(deployment.due(true, false, at(100)), Some(Effect::FetchDeployment));
        deployment.fill(Err("no answer".into()), Timestamp(0));
        assert_eq!(deployment.due(true, false, at(104)), None);
        assert!(deployment.due(true, false, at(105)).is_some());
        deployment.fill(Err("no answer".into()), Timestamp(0));
        assert_eq!(deployment.due(true, true, at(164)), None, "less often where it costs");
        assert!(deployment.due(true, true, at(165)).is_some());
    }
}
