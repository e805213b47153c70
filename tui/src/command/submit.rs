//! `submit`: checks files, creates jobs, uploads the files, and on request waits and downloads the results.
//!
//! Invariant: every mistake that can be found locally is found for all files before the first byte is sent.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use serde::Serialize;
use stereospot_api::view::{JobDetail, JobWarning};
use stereospot_api::wire::NewJob;
use stereospot_api::{Client, client};
use stereospot_domain::{Format, Job, JobId, JobStatus};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::error::{Error, Result};
use super::fetch::{self, Destination};
use super::patience::{answered, answered_after};
use super::print::{json, json_line, line, named, note};
use super::session::unless_interrupted;
use crate::cli::Submit;
use crate::text::duration;

mod away;
mod follow;
mod meter;
mod progress;
mod source;

use away::Away;
use meter::{Meter, UploadMeter};
use source::Source;

/// The outcome of one file, printed by `--json`. Every field is always present; `null` means unknown or none.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Outcome {
    /// None when the job could not be created.
    job_id: Option<JobId>,
    title: Option<String>,
    source: PathBuf,
    mode: Format,
    status: Option<JobStatus>,
    output: Option<PathBuf>,
    bytes: Option<u64>,
    segments: Option<u32>,
    frames: Option<u64>,
    /// From just before the job was created until its outcome is printed. With several files this includes the wait for the files
    /// before it.
    wall_secs: f64,
    error: Option<String>,
    /// What was changed or left out of the video.
    warnings: Vec<JobWarning>,
}

pub(super) async fn run(client: &Client, options: Submit) -> Result {
    options.options().check().map_err(|error| Error::Usage(error.to_string()))?;
    let sources = options.files.iter().map(|path| Source::check(path)).collect::<Result<Vec<_>>>()?;
    let destinations = source::destinations(&options, &sources)?;
    if options.title.is_some() && sources.len() > 1 {
        return Err(Error::Usage("--title names one job: leave it out with several files".into()));
    }
    let is_waiting = options.wait || options.output.is_some() || options.timeout.is_some();
    let is_single = sources.len() == 1;
    let (mut begun, mut failures) = (Vec::new(), 0_usize);
    for (source, destination) in sources.into_iter().zip(destinations) {
        let mut job = Submission::new(&source, destination, &options);
        match job.begin(client, &source, &options).await {
            Ok(job_id) if !options.json && !is_waiting => line(format!("{job_id}  {}", named(&source.path)))?,
            Ok(_) => {}
            Err(error) if is_single => return Err(error),
            // One failed file doesn't stop the others.
            Err(error) => {
                job.failed(&error);
                failures += 1;
            }
        }
        begun.push(job);
    }
    for mut job in begun {
        let end = if job.is_sent && is_waiting { job.finish(client, &options).await } else { Ok(()) };
        job.outcome.wall_secs = job.begun_at.elapsed().as_secs_f64();
        if options.json {
            if is_single { json(&job.outcome)? } else { json_line(&job.outcome)? }
        } else if end.is_ok() && job.is_sent && is_waiting {
            line(job.summary())?;
        }
        match end {
            Ok(()) => {}
            Err(error) if is_single => return Err(error),
            Err(error) => {
                job.failed(&error);
                failures += 1;
            }
        }
    }
    if failures == 0 { Ok(()) } else { Err(Error::Failed(format!("{failures} of the files failed"))) }
}

/// A file in progress.
struct Submission {
    outcome: Outcome,
    destination: Option<Destination>,
    begun_at: Instant,
    /// True once the source is uploaded.
    is_sent: bool,
}

impl Submission {
    fn new(source: &Source, destination: Option<Destination>, options: &Submit) -> Self {
        let outcome = Outcome {
            job_id: None,
            title: None,
            source: source.path.clone(),
            mode: options.mode,
            status: None,
            output: None,
            bytes: None,
            segments: None,
            frames: None,
            wall_secs: 0.0,
            error: None,
            warnings: Vec::new(),
        };
        Self { outcome, destination, begun_at: Instant::now(), is_sent: false }
    }

    /// Creates the job and uploads the source.
    async fn begin(&mut self, client: &Client, source: &Source, options: &Submit) -> Result<JobId> {
        let title = options.title.clone().unwrap_or_else(|| source.title());
        let new = NewJob { title: Some(title), options: options.options() };
        let mut away = Away::default();
        let job = create(client, &new, source, &mut away).await?;
        (self.outcome.job_id, self.outcome.title, self.outcome.status) =
            (Some(job.job_id), job.title, Some(job.status));
        upload(client, job.job_id, source, &mut away).await?;
        self.is_sent = true;
        Ok(job.job_id)
    }

    /// Prints the reason and keeps it.
    fn failed(&mut self, error: &Error) {
        let sentence = error.sentence().unwrap_or_default();
        note(format!("{}: {sentence}", named(&self.outcome.source)));
        self.outcome.error.get_or_insert(sentence);
    }

    /// Waits for the job to end and downloads its result. Ctrl-C and `--timeout` end the wait.
    async fn finish(&mut self, client: &Client, options: &Submit) -> Result {
        let goes_on = format!("the job goes on, `stereospot jobs show {}` shows it", self.short());
        let limit = options.timeout.map_or(Duration::MAX, Duration::from_secs);
        let late = format!("not done after {} seconds: {goes_on}", limit.as_secs());
        unless_interrupted(self.wait_and_fetch(client, limit, late), &format!("no longer waiting: {goes_on}")).await
    }

    async fn wait_and_fetch(&mut self, client: &Client, limit: Duration, late: String) -> Result {
        let job_id = self.outcome.job_id.expect("it is awaited only after its job was made");
        let mut meter = Meter::new(&self.short());
        let end = tokio::time::timeout(limit, follow::to_the_end(client, job_id, &mut meter)).await;
        drop(meter);
        let (detail, frames) = end.map_err(|_| Error::Failed(late))??;
        self.note_end(&detail, frames);
        if detail.view.job.status != JobStatus::Completed {
            let reason = self.outcome.error.clone().unwrap_or_else(|| "no reason was given".into());
            return Err(Error::Failed(format!("job {} {}: {reason}", self.short(), detail.view.job.status)));
        }
        if let Some(destination) = &self.destination {
            let fetched = fetch_patiently(client, job_id, destination).await;
            let bytes = fetched.map_err(|error| {
                let (why, id) = (error.sentence().unwrap_or_default(), self.short());
                Error::Failed(format!(
                    "{why}; job {id} is completed all the same: fetch its result with `stereospot jobs download {id} OUT`"
                ))
            })?;
            self.outcome.bytes = Some(bytes);
            self.outcome.output = Some(destination.path().to_owned());
        }
        Ok(())
    }

    fn short(&self) -> String {
        self.outcome.job_id.map_or_else(String::new, JobId::short)
    }

    fn note_end(&mut self, detail: &JobDetail, frames: Option<u64>) {
        let job = &detail.view.job;
        self.outcome.status = Some(job.status);
        self.outcome.segments = job.total_segments;
        self.outcome.frames = frames;
        self.outcome.bytes = detail.result_bytes;
        self.outcome.error = job.error.clone();
        self.outcome.warnings = detail.warnings.clone();
        for warning in &self.outcome.warnings {
            note(format!("{}: {}", named(&self.outcome.source), warning.text));
        }
    }

    fn summary(&self) -> String {
        let took = duration(self.begun_at.elapsed());
        let id = self.short();
        match &self.outcome.output {
            Some(output) => named(output),
            None => format!("job {id} completed in {took}; fetch it with: stereospot jobs download {id} OUT"),
        }
    }
}

async fn create(client: &Client, new: &NewJob, source: &Source, away: &mut Away) -> Result<Job> {
    // A control plane that stops may have made the job without answering.
    let key = Uuid::new_v4();
    loop {
        match answered(client, client.create_job_once(new, key)).await {
            Ok(job) => {
                away.answered();
                return Ok(job);
            }
            Err(error) if away.outlasts(&named(&source.path), &error).await => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn upload(client: &Client, job_id: JobId, source: &Source, away: &mut Away) -> Result {
    loop {
        let file = tokio::fs::File::open(&source.path).await.map_err(|error| source.unreadable(error))?;
        let mut meter = UploadMeter::new(&source.path, source.bytes);
        let (moved, mut is_moving) = watch::channel(());
        // If the file is still growing, send only the length that was measured.
        let stream = ReaderStream::with_capacity(file.take(source.bytes), 256 * 1024).inspect_ok(move |part| {
            meter.add(part.len() as u64);
            moved.send_replace(());
        });
        match answered_after(client, client.upload_source(job_id, source.bytes, stream), &mut is_moving).await {
            Ok(_) => {
                away.answered();
                return Ok(());
            }
            Err(error) if away.outlasts(&format!("the upload of {} broke off", named(&source.path)), &error).await => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The job is done and paid for, so a control plane restart now must not lose the result.
async fn fetch_patiently(client: &Client, job_id: JobId, destination: &Destination) -> Result<u64> {
    let is_passing = |error: &Error| matches!(error, Error::Api(error) if client::Error::retryable(error));
    let mut pauses = [1, 2, 4, 8].into_iter();
    loop {
        match fetch::result(client, job_id, destination).await {
            Err(error) if is_passing(&error) => match pauses.next() {
                Some(secs) => {
                    note(format!("the download broke off, trying again: {error}"));
                    tokio::time::sleep(Duration::from_secs(secs)).await;
                }
                None => return Err(error),
            },
            end => return end,
        }
    }
}
