//! `endpoint`: shows and changes what a deployment's SageMaker endpoint runs.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use stereospot_aws::sagemaker::endpoint::{Change, EndpointState, Endpoints};
use stereospot_aws::{Connections, Deployment};
use stereospot_ports::{Clock as _, SystemClock};
use tokio::sync::watch;

use crate::program::args;
use crate::program::output::print;

/// Shows the endpoint, or changes its image or variables; true when it is in service afterwards.
pub(crate) async fn endpoint(args: &args::Endpoint) -> anyhow::Result<bool> {
    let deployment = Deployment::read(&args.env_file)?;
    let name = deployment.sagemaker.endpoint_name.clone().with_context(|| {
        format!("{} names no SAGEMAKER_ENDPOINT_NAME: this deployment has no endpoint", args.env_file.display())
    })?;
    let Connections { config, calls, .. } = Connections::open(deployment).await;
    let endpoints = Endpoints::new(&config, &calls);
    let set = args.set.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
    let unset = args.unset.iter().map(|key| (key.clone(), None));
    let change = Change { image: args.image.clone(), environment: set.chain(unset).collect() };
    if change == Change::default() {
        let state = endpoints.state(&name).await?;
        show(&name, &state, args.json)?;
        return Ok(state.status == "InService");
    }
    let plan = endpoints.plan(&name, &change, SystemClock.now()).await?;
    for line in &plan.changes {
        eprintln!("{name}: {line}");
    }
    if plan.changes.is_empty() {
        eprintln!("{name} is so already: nothing to do");
        return Ok(true);
    }
    eprintln!("the new configuration is {}; the old one, {}, stays to go back to", plan.new_config, plan.old_config);
    if args.dry_run {
        if args.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&plan)?))?;
        }
        return Ok(true);
    }
    if !args.yes && !is_agreed()? {
        eprintln!("nothing was changed");
        return Ok(false);
    }
    endpoints.apply(&plan).await?;
    let (progress, mut seen) = watch::channel(EndpointState::default());
    let reporting = async {
        let mut last = String::new();
        while seen.changed().await.is_ok() {
            let line = words(&seen.borrow_and_update().clone());
            if line != last {
                eprintln!("{name}: {line}");
                last = line;
            }
        }
    };
    // AWS goes on if this process is stopped; `endpoint` without a change then shows how far it is.
    let (state, ()) = tokio::join!(
        async {
            let state = endpoints.settled(&name, &progress).await;
            drop(progress);
            state
        },
        reporting
    );
    let state = state?;
    show(&name, &state, args.json)?;
    Ok(state.status == "InService" && state.config == plan.new_config)
}

fn is_agreed() -> anyhow::Result<bool> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "there is no terminal to ask on: agree with --yes, or look with --dry-run"
    );
    eprint!("Do it? It goes on answering meanwhile. [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("standard input can't be read")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn show(name: &str, state: &EndpointState, is_json: bool) -> anyhow::Result<()> {
    let text = match is_json {
        true => serde_json::to_string_pretty(state)?,
        false => format!("{name}: {}", words(state)),
    };
    Ok(print(&format!("{text}\n"))?)
}

fn words(state: &EndpointState) -> String {
    let (running, wanted) = state.instances;
    let images = if state.images.is_empty() { "no image".to_owned() } else { state.images.join(", ") };
    let failure = state.failure.as_ref().map_or(String::new(), |failure| format!(": {failure}"));
    format!("{}, {running} of {wanted} instances, {images}, configuration {}{failure}", state.status, state.config)
}
