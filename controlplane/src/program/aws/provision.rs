//! `provision`: makes and removes deployments. Progress goes to standard error; standard output holds the `.env`, or with `--json` the
//! plan.

use anyhow::Context as _;
use stereospot_aws::provision::{Kind, Plan, Provisioner, State, Step, profile_region};
use stereospot_aws::{Connections, Deployment};

use crate::program::args;
use crate::program::output::print;

/// Makes or removes a deployment; true when nothing is left to do.
pub(crate) async fn provision(args: &args::Provision) -> anyhow::Result<bool> {
    let given = args.region.clone().or_else(|| std::env::var("AWS_DEFAULT_REGION").ok());
    let region = match given.filter(|region| !region.trim().is_empty()) {
        Some(region) => Some(region),
        None => profile_region().await,
    };
    let region = region.context("no region is given: say --region, such as us-east-1, or set AWS_REGION")?;
    let deployment = Deployment {
        endpoint_url: args.endpoint_url.clone(),
        name_prefix: args.name_prefix.clone(),
        ..Deployment::parse(&format!("REGION={}", region.trim()), &|_| None)?
    };
    let Connections { config, calls, .. } = Connections::open(deployment).await;
    let provisioner = Provisioner::new(&config, &calls, &args.name_prefix)?.taking(&args.take);
    match args.destroy {
        true => destroy(&provisioner, args).await,
        false => make(&provisioner, args).await,
    }
}

async fn make(provisioner: &Provisioner, args: &args::Provision) -> anyhow::Result<bool> {
    let plan = provisioner.plan().await?;
    eprintln!("account {} in {}, as {}", plan.account.id, plan.account.region, plan.account.caller);
    let is_open = |step: &&Step| step.is_open();
    let open = plan.steps.iter().filter(is_open).count();
    say_left(&plan);
    if args.dry_run {
        plan.steps.iter().filter(is_open).for_each(|step| eprintln!("{}", step.line()));
        let (all, unchecked) = (plan.steps.len(), plan.unchecked());
        eprintln!("{} of {all} would be made or changed; nothing was", open - unchecked);
        if unchecked > 0 {
            eprintln!("{unchecked} of {all} could not be checked: what they need is not known");
        }
        if args.json {
            json(&plan)?;
        }
        return Ok(unchecked == 0);
    }
    let plan = if open == 0 {
        eprintln!("nothing to do: all that provision made is there");
        plan
    } else {
        let was_there: Vec<bool> = plan.steps.iter().map(|step| !is_open(&step)).collect();
        let mut number = 0;
        let mut report = |step: &Step| {
            if was_there.get(number) != Some(&true) || step.problem.is_some() {
                match &step.problem {
                    Some(problem) => eprintln!("{} {}: {problem}", step.kind, step.name),
                    None => eprintln!("{} {}: done", step.kind, step.name),
                }
            }
            number += 1;
        };
        provisioner.apply(&plan, &mut report).await?
    };
    let undone: Vec<&Step> = plan.steps.iter().filter(is_open).collect();
    let is_usable = undone.iter().all(|step| !is_needed(step.kind));
    if !undone.is_empty() {
        let worse = if is_usable { "the pipeline works without them" } else { "the pipeline does not work yet" };
        eprintln!(
            "{} of {} are not as they should be ({worse}): {}, then run it again",
            undone.len(),
            plan.steps.len(),
            if plan.is_refused() { "get the permissions" } else { "mend what is said above" }
        );
    }
    if args.json {
        json(&plan)?;
    } else if is_usable && !plan.is_shared() {
        print(&provisioner.env(&plan.account).await?)?;
    }
    Ok(is_usable)
}

/// Says what is left to others, and how to have it done all the same.
fn say_left(plan: &Plan) {
    let left: Vec<&Step> = plan.steps.iter().filter(|step| step.is_left).collect();
    let Some(first) = left.iter().find(|step| step.state != Some(State::Fits)).or(left.first()) else { return };
    let names = |is: &dyn Fn(&State) -> bool| {
        let of = left.iter().filter(|step| step.state.as_ref().is_some_and(is));
        of.map(|step| format!("{} {}", step.kind, step.name)).collect::<Vec<_>>().join(", ")
    };
    let missing = names(&|state| *state == State::Missing);
    let other = names(&|state| matches!(state, State::Differs(_)));
    for (what, names) in [("missing", missing), ("not as provision makes it", other)] {
        if !names.is_empty() {
            eprintln!("left as it is, {what}: {names}");
        }
    }
    eprintln!(
        "{} of {} belong to a deployment that provision did not make, and are left as they are: what made it (Terraform, \
         CloudFormation) makes and changes them; `--take {}` does it here, for that one",
        left.len(),
        plan.steps.len(),
        first.name
    );
    if let Some(why) = &plan.owners_unknown {
        eprintln!("who made some of them is not known: {why}");
    }
}

/// True for what the pipeline needs. The rest is for monitoring.
fn is_needed(kind: Kind) -> bool {
    match kind {
        Kind::Queue | Kind::Bucket | Kind::Notifications | Kind::Table => true,
        Kind::TimeToLive | Kind::LogGroup | Kind::FieldIndex | Kind::Alarm => false,
    }
}

async fn destroy(provisioner: &Provisioner, args: &args::Provision) -> anyhow::Result<bool> {
    let plan = provisioner.destroy_plan().await?;
    eprintln!("account {} in {}, as {}", plan.account.id, plan.account.region, plan.account.caller);
    plan.removals.iter().for_each(|removal| eprintln!("{}", removal.line()));
    if !plan.left.is_empty() {
        eprintln!("{} stay, because provision did not make them: {}", plan.left.len(), plan.left.join(", "));
    }
    if args.json {
        json(&plan)?;
    }
    if args.dry_run || plan.removals.is_empty() {
        eprintln!("{} would be removed; nothing was", plan.removals.len());
        return Ok(true);
    }
    let typed = match &args.yes {
        Some(typed) => typed.clone(),
        None => {
            eprint!("this can't be undone. To remove all {}, type {}: ", plan.removals.len(), plan.name_prefix);
            let mut typed = String::new();
            std::io::stdin().read_line(&mut typed).context("standard input can't be read")?;
            typed.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    let left = provisioner
        .destroy(&plan, &typed, &mut |removal| match &removal.problem {
            Some(problem) => eprintln!("{} {}: not removed: {problem}", removal.kind, removal.name),
            None => eprintln!("{} {}: removed", removal.kind, removal.name),
        })
        .await?;
    if !left.is_empty() {
        eprintln!("{} of {} are left: run it again", left.len(), plan.removals.len());
    }
    Ok(left.is_empty())
}

fn json(plan: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(print(&format!("{}\n", serde_json::to_string_pretty(plan)?))?)
}
