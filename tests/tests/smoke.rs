//! A deployment from nothing to nothing: provision, convert one clip, lose a message and repair the loss, destroy.
//!
//! `on_the_emulator` runs in every test run, so that `on_aws`, which does the same in a real account, can't rot.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use stereospot_tests::emulator::{Emulator, KEY, credentials};
use stereospot_tests::stack::{Stack, text};
use stereospot_tests::{clip, probe, program, root, streams, until};

/// Frames of the clip: two segments of a second each.
const FRAMES: u32 = 50;
/// More objects than the job needs would mean that something runs away, and costs money.
const MOST_OBJECTS: usize = 24;
/// The whole test, without removing what it made.
const TIME_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Where the deployment is made.
enum Account<'e> {
    Emulated(&'e Emulator),
    /// That of the test's own credentials, in this region.
    Real(String),
}

/// A deployment under a prefix of its own. Dropping it destroys it, also after a failure.
struct Deployment<'e> {
    account: Account<'e>,
    prefix: String,
    folder: tempfile::TempDir,
    began: Instant,
}

impl Deployment<'_> {
    /// Runs `stereospot provision` for this prefix.
    fn provision(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(program("stereospot"));
        command.args(["provision", "--name-prefix", &self.prefix]).args(args).current_dir(root()).stdin(Stdio::null());
        match &self.account {
            Account::Emulated(emulator) => {
                credentials(&mut command, KEY).env("AWS_ENDPOINT_URL", emulator.url()).args(["--region", "us-east-1"])
            }
            Account::Real(region) => command.args(["--region", region]),
        };
        Ok(command.output()?)
    }

    fn make(&self) -> Result<PathBuf> {
        let done = self.provision(&[])?;
        ensure!(done.status.success(), "provision: {}", String::from_utf8_lossy(&done.stderr));
        let env_file = self.folder.path().join("deployment.env");
        std::fs::write(&env_file, done.stdout)?;
        Ok(env_file)
    }

    fn stack(&self, env_file: &Path, workers: &str) -> Result<Stack> {
        match &self.account {
            Account::Emulated(_) => Stack::on(env_file, workers, KEY),
            Account::Real(_) => Stack::on_own_account(env_file, workers),
        }
    }

    /// Time left, so that nothing waits beyond the limit.
    fn patience(&self) -> Result<Duration> {
        TIME_LIMIT.checked_sub(self.began.elapsed()).context("the time limit is reached")
    }

    /// What would be destroyed now.
    fn content(&self) -> Result<Vec<Value>> {
        let done = self.provision(&["--destroy", "--dry-run", "--json"])?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let plan: Value = serde_json::from_slice(&done.stdout)?;
        assert_eq!(plan["left"], serde_json::json!([]), "all of it was made by provision");
        Ok(plan["removals"].as_array().cloned().unwrap_or_default())
    }

    fn destroy(&self) -> Result<()> {
        let mut said = String::new();
        // A bucket that was just written to may need a second try.
        for _ in 0..3 {
            let done = self.provision(&["--destroy", "--yes", &self.prefix])?;
            if done.status.success() {
                return Ok(());
            }
            said = String::from_utf8_lossy(&done.stderr).into_owned();
        }
        bail!("{} is still there: destroy it by hand: {said}", self.prefix)
    }
}

impl Drop for Deployment<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.destroy() {
            eprintln!("{error:#}");
        }
    }
}

fn smoke(account: Account<'_>) -> Result<()> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let prefix = format!("stereospot-smoke-{}", &id[..8]);
    // In case the test is killed: then it can't destroy.
    eprintln!("making {prefix}; `stereospot provision --name-prefix {prefix} --destroy` removes it");
    let deployment = Deployment { account, prefix, folder: tempfile::tempdir()?, began: Instant::now() };
    let env_file = deployment.make()?;
    let source = deployment.folder.path().join("clip.mp4");
    clip(&source, 160, 96, FRAMES)?;

    // Without a worker of its stage, the reassembly message waits in its queue.
    let stack = deployment.stack(&env_file, "chunking=1,inference=1,reassembly=0")?;
    let done = stack.run(&["submit", text(&source), "--json"])?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let submitted: Value = serde_json::from_slice(&done.stdout)?;
    let job = submitted["job_id"].as_str().context("a job id")?.to_owned();
    until("the reassembly message", deployment.patience()?, || {
        let queues = stack.json(&["queues", "--json"])?;
        let waits = queues.as_array().into_iter().flatten().any(|queue| {
            queue["name"] == "reassembly" && queue["ready"]["value"].as_u64().is_some_and(|ready| ready > 0)
        });
        Ok(waits.then_some(()))
    })?;

    // The loss: the message goes, and the job waits for ever.
    let purged = stack.run(&["queues", "purge", "reassembly", "--yes"])?;
    ensure!(purged.status.success(), "{}", String::from_utf8_lossy(&purged.stderr));
    let code = until("the loss to be found", deployment.patience()?, || {
        let shown = stack.json(&["jobs", "show", &job, "--json"])?;
        let findings = shown["view"]["findings"].as_array().cloned().unwrap_or_default();
        let certain = findings.iter().find(|finding| finding["severity"] == "critical");
        Ok(certain.and_then(|finding| finding["code"].as_str().map(str::to_owned)))
    })?;
    let repaired = stack.json(&["jobs", "repair", &job, &code, "--yes", "--json"])?;
    let results = repaired["results"].as_array().context("results")?;
    ensure!(results.iter().all(|item| item["outcome"] == "done"), "{repaired:#}");
    stack.stop()?;

    let stack = deployment.stack(&env_file, "chunking=0,inference=0,reassembly=1")?;
    until("the job to be completed", deployment.patience()?, || {
        let shown = stack.json(&["jobs", "show", &job, "--json"])?;
        ensure!(shown["view"]["job"]["status"] != "failed", "the job failed: {shown:#}");
        Ok((shown["view"]["job"]["status"] == "completed").then_some(()))
    })?;
    let result = deployment.folder.path().join("final.mp4");
    let fetched = stack.run(&["jobs", "download", &job, text(&result)])?;
    ensure!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    stack.stop()?;
    let probed = probe(&result)?;
    let video = streams(&probed, "video")[0];
    assert_eq!((&video["width"], &video["nb_read_frames"]), (&320.into(), &FRAMES.to_string().into()));

    let objects: usize = deployment
        .content()?
        .iter()
        .filter_map(|removal| removal["content"].as_str()?.strip_suffix(" objects")?.parse::<usize>().ok())
        .sum();
    assert!((4..=MOST_OBJECTS).contains(&objects), "{objects} objects");
    deployment.destroy()?;
    assert_eq!(deployment.content()?, Vec::<Value>::new(), "nothing is left");
    Ok(())
}

#[test]
fn on_the_emulator() -> Result<()> {
    let emulator = Emulator::start()?;
    smoke(Account::Emulated(&emulator))
}

/// Costs a few cents at most: a clip of two seconds, at most 24 objects, 20 minutes. Needs credentials that may provision (`stereospot
/// doctor` lists the actions), in the environment or a profile. It destroys what it made also when it fails, and says so if it can't.
///
/// ```sh
/// cargo build --bins --all-features
/// STEREOSPOT_SMOKE_REGION=eu-west-1 AWS_PROFILE=sandbox \
///     cargo test -p stereospot-tests --all-features --test smoke -- --ignored on_aws --nocapture
/// ```
#[test]
#[ignore = "makes a deployment in a real AWS account, which costs money: see its doc comment"]
fn on_aws() -> Result<()> {
    let region =
        std::env::var("STEREOSPOT_SMOKE_REGION").context("set STEREOSPOT_SMOKE_REGION to the region to use")?;
    smoke(Account::Real(region))
}
