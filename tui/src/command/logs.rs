//! `logs`: a job's log lines, once or continuously.
//!
//! Invariant: interrupting drops the request, which ends the search at the server too and stops its cost.

use std::collections::HashMap;
use std::time::Duration;

use stereospot_api::Client;
use stereospot_api::view::{LogLine, LogPage};
use stereospot_domain::JobId;
use tokio::time::{Instant, sleep};

use super::error::{Error, Result};
use super::job_id;
use super::print::{json, json_line, line, note};
use super::session::unless_interrupted;
use crate::cli::Logs;
use crate::text::{plural, size, truncate};

/// After this time a note says what the command is waiting for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two searches where a search is free.
const FREE_REST: Duration = Duration::from_secs(2);

/// Pause between two searches where each is billed by the bytes it reads.
const PAID_REST: Duration = Duration::from_secs(30);

pub(super) async fn run(client: &Client, options: Logs) -> Result {
    let job_id = job_id::resolve(client, &options.id).await?;
    if options.follow {
        return tokio::select! {
            end = follow(client, job_id, &options) => end,
            // Ctrl-C is the regular end of following.
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
    }
    let search = search(client, job_id, options.limit);
    let page = unless_interrupted(search, "interrupted: the search was stopped").await?;
    if options.json.json {
        return json(&page);
    }
    for found in &page.lines {
        line(words(found))?;
    }
    about(&page, options.limit);
    Ok(())
}

async fn search(client: &Client, job_id: JobId, limit: u32) -> Result<LogPage> {
    let began = Instant::now();
    let mut search = std::pin::pin!(client.logs(job_id, limit));
    tokio::select! {
        page = &mut search => return Ok(page?),
        () = sleep(PATIENCE) => note("searching the logs: this may take half a minute, Ctrl-C stops it"),
    }
    let page = search.await?;
    note(format!("searched for {:.0} s", began.elapsed().as_secs_f32()));
    Ok(page)
}

async fn follow(client: &Client, job_id: JobId, options: &Logs) -> Result {
    let is_paid = client.deployment().await.is_ok_and(|deployment| deployment.backend.is_metered());
    let rest = if is_paid { PAID_REST } else { FREE_REST };
    let mut printed = Printed::default();
    let mut is_first = true;
    loop {
        let page = match search(client, job_id, options.limit).await {
            // Following survives a server restart and a busy platform.
            Err(Error::Api(error)) if !is_first && error.retryable() => {
                note(format!("{error}; trying again"));
                sleep(rest).await;
                continue;
            }
            page => page?,
        };
        for found in printed.take_new(&page.lines) {
            if options.json.json { json_line(found)? } else { line(words(found))? }
        }
        if !page.is_whole {
            return Err(Error::Failed(format!(
                "there are more than {} lines, and only the oldest are shown: what is new can't be followed; raise --limit (at most 10000)",
                options.limit
            )));
        }
        if is_first {
            about(&page, options.limit);
            note(format!("searching again every {} s; Ctrl-C ends it", rest.as_secs()));
        }
        is_first = false;
        sleep(rest).await;
    }
}

/// Lines already printed, because each search finds them again.
#[derive(Debug, Default)]
struct Printed {
    lines: HashMap<LineKey, u32>,
}

type LineKey = (i64, String, String, String);

impl Printed {
    /// The lines that no earlier search found. Neither the newest time nor a count identifies new lines: a line written twice is
    /// two lines, and lines may arrive late.
    fn take_new<'l>(&mut self, lines: &'l [LogLine]) -> Vec<&'l LogLine> {
        let mut seen: HashMap<LineKey, u32> = HashMap::new();
        let mut new = Vec::new();
        for line in lines {
            let key = (line.time.0, line.source.clone(), line.stream.clone(), line.text.clone());
            let count = seen.entry(key.clone()).or_default();
            *count += 1;
            let printed = self.lines.entry(key).or_default();
            if *count > *printed {
                *printed += 1;
                new.push(line);
            }
        }
        new
    }
}

/// Formats a line, prefixed with its source and stream.
fn words(line: &LogLine) -> String {
    let stream = line.stream.rsplit('/').next().unwrap_or_default();
    let source = line.source.rsplit('/').next().unwrap_or_default();
    let stream = if stream.is_empty() { String::new() } else { format!("/{}", truncate(stream, 12)) };
    format!("{source}{stream}  {}", line.text.trim_end())
}

/// Notes about a search: what it could not search, how much it found, and whether there is more.
fn about(page: &LogPage, limit: u32) {
    for missing in &page.missing {
        note(format!("not searched: {missing}"));
    }
    note(found(page));
    if !page.is_whole {
        note(format!("these are the oldest {limit}; there are more: raise --limit (at most 10000)"));
    }
}

/// How many lines were found, and where.
fn found(page: &LogPage) -> String {
    let (lines, places) = (plural(page.lines.len(), "line"), plural(page.searched.len(), "place"));
    format!("{lines} in {places}, {} scanned", size(page.bytes_scanned))
}

#[cfg(test)]
mod tests {
    use stereospot_domain::Timestamp;

    use super::*;

    fn line(time: i64, text: &str) -> LogLine {
        LogLine {
            time: Timestamp(time),
            source: "/ecs/p/video-worker".into(),
            stream: "a/b/0123".into(),
            text: text.into(),
        }
    }

    #[test]
    fn each_line_is_printed_once_wherever_it_comes_in() {
        let mut printed = Printed::default();
        let first = [line(1, "a"), line(3, "same"), line(3, "same")];
        assert_eq!(printed.take_new(&first).len(), 3, "a line written twice is two lines");
        let second = [line(1, "a"), line(2, "late"), line(3, "same"), line(3, "same"), line(3, "same"), line(4, "new")];
        let texts: Vec<&str> = printed.take_new(&second).into_iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["late", "same", "new"]);
        assert!(printed.take_new(&second).is_empty());
    }

    #[test]
    fn one_line_is_one_line() {
        let searched: Vec<String> = vec!["a".into(), "b".into()];
        let page =
            LogPage { lines: vec![line(1, "x")], is_whole: true, searched, missing: Vec::new(), bytes_scanned: 0 };
        assert!(found(&page).starts_with("1 line in 2 places, "), "{}", found(&page));
    }

    #[test]
    fn a_line_says_where_it_stands() {
        assert_eq!(words(&line(1, "boom\n")), "video-worker/0123  boom");
    }
}
