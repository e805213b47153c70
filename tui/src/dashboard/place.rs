//! A place: a screen and its subject. Written as a locator, it can be copied, shared and opened.

use stereospot_domain::{JobId, QueueName, QueueRole};

use super::keys::Command;

/// What a screen shows, or what its cursor is put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    Nothing,
    Queue(QueueName),
    Job(JobId),
    Service(String),
    Worker(String),
}

/// A screen and its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub screen: Command,
    pub about: About,
    pub filter: String,
}

impl Place {
    pub(crate) fn new(screen: Command, about: About) -> Self {
        Self { screen, about, filter: String::new() }
    }

    pub(crate) fn filtered(screen: Command, filter: &str) -> Self {
        Self { screen, about: About::Nothing, filter: filter.to_owned() }
    }

    pub(crate) fn job(id: JobId) -> Self {
        Self::new(Command::Job, About::Job(id))
    }

    pub(crate) fn dead_letters(queue: QueueName) -> Self {
        Self::new(Command::DeadLetters, About::Queue(queue))
    }

    /// The job of the place.
    pub(crate) fn job_id(&self) -> Option<JobId> {
        match self.about {
            About::Job(id) => Some(id),
            _ => None,
        }
    }
}

/// How a screen writes its places: `job/ID/logs`, `dlq/QUEUE`, `jobs?TEXT`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    pub screen: Command,
    pub text: &'static str,
}

impl Pattern {
    fn path(&self) -> impl Iterator<Item = &'static str> {
        self.text.trim_end_matches("?TEXT").split('/')
    }

    fn has_filter(&self) -> bool {
        self.text.ends_with("?TEXT")
    }

    fn name(&self) -> &'static str {
        self.path().next().unwrap_or_default()
    }

    /// The fixed part of the path.
    pub(crate) fn fixed(&self) -> &'static str {
        let path = self.text.trim_end_matches("?TEXT");
        &path[..path.find(char::is_uppercase).unwrap_or(path.len())]
    }

    /// Writes a place of this screen.
    pub(crate) fn write(&self, place: &Place) -> String {
        let part = |part: &str| match (part, &place.about) {
            ("ID", About::Job(id)) => id.to_string(),
            ("QUEUE", About::Queue(queue)) => queue.role.as_str().to_owned(),
            _ => part.to_owned(),
        };
        let path = self.path().map(part).collect::<Vec<_>>().join("/");
        if self.has_filter() && !place.filter.is_empty() { format!("{path}?{}", place.filter) } else { path }
    }

    /// Parses a place of this screen; none where the path belongs to another.
    fn read(&self, path: &[&str], filter: &str, find: impl Fn(&str) -> Option<JobId>) -> Option<Result<Place, String>> {
        let is_named = |(wanted, given): (&str, &&str)| matches!(wanted, "ID" | "QUEUE") || wanted == *given;
        if self.path().count() != path.len() || !self.path().zip(path).all(is_named) {
            return None;
        }
        let mut place = Place::filtered(self.screen, if self.has_filter() { filter } else { "" });
        for (wanted, given) in self.path().zip(path) {
            let about = match wanted {
                "ID" => job(given, &find).map(About::Job),
                "QUEUE" => dead_letters(given).map(About::Queue),
                _ => continue,
            };
            match about {
                Ok(about) => place.about = about,
                Err(why) => return Some(Err(why)),
            }
        }
        Some(Ok(place))
    }
}

/// Parses a locator, with or without the environment's name in front. `find` returns the job whose id starts with a text.
///
/// # Errors
/// One sentence about what is wrong with the locator.
pub(crate) fn parse(text: &str, patterns: &[Pattern], find: impl Fn(&str) -> Option<JobId>) -> Result<Place, String> {
    let text = text.trim();
    let (path, filter) = text.split_once('?').unwrap_or((text, ""));
    let filter = filter.strip_prefix("filter=").unwrap_or(filter);
    let mut path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_screen = |part: &&str| patterns.iter().any(|pattern| pattern.name() == *part);
    if path.len() > 1 && !is_screen(&path[0]) && is_screen(&path[1]) {
        path.remove(0);
    }
    let place = patterns.iter().find_map(|pattern| pattern.read(&path, filter, &find));
    place.unwrap_or_else(|| {
        let known: Vec<&str> = patterns.iter().map(|pattern| pattern.text).collect();
        Err(format!("no place `{text}`: {}", known.join(", ")))
    })
}

fn dead_letters(name: &str) -> Result<QueueName, String> {
    let wanted = name.trim_end_matches("-dlq");
    let role = QueueRole::ALL.iter().find(|role| role.as_str() == wanted);
    role.map(|role| QueueName::dead_letter(*role)).ok_or_else(|| {
        let known: Vec<&str> = QueueRole::ALL.iter().map(|role| role.as_str()).collect();
        format!("no queue `{name}`: {}", known.join(", "))
    })
}

fn job(prefix: &str, find: impl Fn(&str) -> Option<JobId>) -> Result<JobId, String> {
    let found = prefix.parse().ok().or_else(|| find(&prefix.to_ascii_lowercase()));
    found.ok_or_else(|| format!("no job's id begins with `{prefix}`"))
}

#[cfg(test)]
mod tests {
    use super::super::screens;
    use super::*;

    #[test]
    fn locators_round_trip() {
        let patterns: Vec<Pattern> = screens::all().iter().map(|screen| screen.pattern()).collect();
        let id: JobId = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap();
        let find = |prefix: &str| id.to_string().starts_with(prefix).then_some(id);
        let read = |text: &str| parse(text, &patterns, find);
        let write =
            |place: Place| patterns.iter().find(|pattern| pattern.screen == place.screen).unwrap().write(&place);
        for text in [
            "pulse",
            "queues",
            "dlq/inference",
            "jobs",
            "jobs?failed",
            "workers",
            "events?!heartbeat",
            "deployment",
            "job/7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f",
            "job/7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f/logs",
        ] {
            assert_eq!(write(read(text).unwrap()), text);
        }
        assert_eq!(read("prod/job/7f3a/logs"), Ok(Place::new(Command::Logs, About::Job(id))));
        assert_eq!(read("local/job/7F3A"), Ok(Place::job(id)));
        assert_eq!(write(read(" prod/dlq/inference-dlq ").unwrap()), "dlq/inference");
        assert_eq!(read("job/99"), Err("no job's id begins with `99`".into()));
        assert!(read("nowhere").unwrap_err().contains("jobs?TEXT"));
    }
}
