//! Where the operator is: a screen and what it is about, written as a locator that can be copied, shared and opened.

use std::fmt;

use stereospot_domain::{JobId, QueueName, QueueRole};

use super::keys::Command;

/// One of the screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Screen {
    Pulse,
    Queues,
    DeadLetters,
    Jobs,
    Job,
    Workers,
    Events,
    Deployment,
}

impl Screen {
    pub(crate) const ALL: [Screen; 8] = [
        Screen::Pulse,
        Screen::Queues,
        Screen::DeadLetters,
        Screen::Jobs,
        Screen::Job,
        Screen::Workers,
        Screen::Events,
        Screen::Deployment,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Screen::Pulse => "Pulse",
            Screen::Queues => "Queues",
            Screen::DeadLetters => "DLQ",
            Screen::Jobs => "Jobs",
            Screen::Job => "Job",
            Screen::Workers => "Workers",
            Screen::Events => "Events",
            Screen::Deployment => "Deployment",
        }
    }

    pub(crate) fn command(self) -> Command {
        match self {
            Screen::Pulse => Command::Pulse,
            Screen::Queues => Command::Queues,
            Screen::DeadLetters => Command::DeadLetters,
            Screen::Jobs => Command::Jobs,
            Screen::Job => Command::Job,
            Screen::Workers => Command::Workers,
            Screen::Events => Command::Events,
            Screen::Deployment => Command::Deployment,
        }
    }

    pub(crate) fn of(command: Command) -> Option<Screen> {
        Screen::ALL.into_iter().find(|screen| screen.command() == command)
    }
}

/// A screen and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Pulse,
    Queues,
    DeadLetters(QueueName),
    Jobs {
        filter: String,
    },
    Job(JobId),
    /// A job's log lines.
    Logs(JobId),
    Workers,
    Events {
        filter: String,
    },
    Deployment,
}

impl Place {
    pub(crate) fn screen(&self) -> Screen {
        match self {
            Place::Pulse => Screen::Pulse,
            Place::Queues => Screen::Queues,
            Place::DeadLetters(_) => Screen::DeadLetters,
            Place::Jobs { .. } => Screen::Jobs,
            Place::Job(_) | Place::Logs(_) => Screen::Job,
            Place::Workers => Screen::Workers,
            Place::Events { .. } => Screen::Events,
            Place::Deployment => Screen::Deployment,
        }
    }

    /// Reads a locator, with or without the environment's name before it. `find` gives the job whose id begins so.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str, find: impl Fn(&str) -> Option<JobId>) -> Result<Place, String> {
        let (path, filter) = text.trim().split_once('?').unwrap_or((text.trim(), ""));
        let filter = filter.strip_prefix("filter=").unwrap_or(filter).to_owned();
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        const SCREENS: [&str; 8] = ["pulse", "queues", "dlq", "jobs", "job", "workers", "events", "deployment"];
        let is_screen = |part: &&str| SCREENS.contains(part);
        if parts.len() > 1 && !parts.first().is_some_and(is_screen) && parts.get(1).is_some_and(is_screen) {
            parts.remove(0);
        }
        match parts.as_slice() {
            ["pulse"] => Ok(Place::Pulse),
            ["queues"] => Ok(Place::Queues),
            ["jobs"] => Ok(Place::Jobs { filter }),
            ["workers"] => Ok(Place::Workers),
            ["events"] => Ok(Place::Events { filter }),
            ["deployment"] => Ok(Place::Deployment),
            ["dlq", name] => {
                let role = name.trim_end_matches("-dlq");
                let role = QueueRole::ALL.iter().copied().find(|known| known.as_str() == role);
                role.map(|role| Place::DeadLetters(QueueName::dead_letter(role))).ok_or_else(|| {
                    let known: Vec<&str> = QueueRole::ALL.iter().map(|role| role.as_str()).collect();
                    format!("no queue `{name}`: {}", known.join(", "))
                })
            }
            ["job", prefix] => job(prefix, find).map(Place::Job),
            ["job", prefix, "logs"] => job(prefix, find).map(Place::Logs),
            _ => Err(format!(
                "no place `{}`: pulse, queues, dlq/QUEUE, jobs?TEXT, job/ID, job/ID/logs, workers, events?TEXT, deployment",
                text.trim()
            )),
        }
    }
}

fn job(prefix: &str, find: impl Fn(&str) -> Option<JobId>) -> Result<JobId, String> {
    let found = prefix.parse().ok().or_else(|| find(&prefix.to_ascii_lowercase()));
    found.ok_or_else(|| format!("no job's id begins with `{prefix}`"))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filtered = |f: &mut fmt::Formatter<'_>, name, filter: &str| match filter {
            "" => f.write_str(name),
            filter => write!(f, "{name}?{filter}"),
        };
        match self {
            Place::Pulse => f.write_str("pulse"),
            Place::Queues => f.write_str("queues"),
            Place::DeadLetters(queue) => write!(f, "dlq/{}", queue.role.as_str()),
            Place::Jobs { filter } => filtered(f, "jobs", filter),
            Place::Job(id) => write!(f, "job/{id}"),
            Place::Logs(id) => write!(f, "job/{id}/logs"),
            Place::Workers => f.write_str("workers"),
            Place::Events { filter } => filtered(f, "events", filter),
            Place::Deployment => f.write_str("deployment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locators_round_trip() {
        let id: JobId = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap();
        let find = |prefix: &str| id.to_string().starts_with(prefix).then_some(id);
        let check = |text: &str| assert_eq!(Place::parse(text, find).unwrap().to_string(), text);
        for text in
            ["pulse", "queues", "dlq/inference", "jobs", "jobs?failed", "workers", "events?!heartbeat", "deployment"]
        {
            check(text);
        }
        check("job/7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f");
        check("job/7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f/logs");
        assert_eq!(Place::parse("prod/job/7f3a/logs", find), Ok(Place::Logs(id)));
        assert_eq!(Place::parse("local/job/7F3A", find), Ok(Place::Job(id)));
        assert_eq!(Place::parse(" prod/dlq/inference-dlq ", find).unwrap().to_string(), "dlq/inference");
        assert_eq!(Place::parse("job/99", find), Err("no job's id begins with `99`".into()));
        assert!(Place::parse("nowhere", find).unwrap_err().contains("jobs?TEXT"));
    }
}
