//! A deployment on AWS, as its environment file describes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use stereospot_aws::calls::{Api, Calls, Count};
use stereospot_aws::deployment::{InferenceBackend, key, suffix};
use stereospot_aws::ecs::protection::EcsTask;
use stereospot_aws::http_inference::HttpInference;
use stereospot_aws::sagemaker::Sagemaker;
use stereospot_aws::{AwsBackend, Connections, Deployment};
use stereospot_domain::{JobId, QueueRole, Stage, Topology};
use stereospot_ports::fleet::TaskProtection;
use stereospot_ports::{Backend, ErrorCode};
use stereospot_runtime::stage::{Handler, chain};
use stereospot_telemetry::catalogue::CallOutcome;
use stereospot_telemetry::record;
use stereospot_worker::managed::{Endpoint, EndpointResults, HttpServer, InFlight};
use stereospot_worker::outputs::Results;

use super::Platform;
use crate::{InferenceKind, Options};

pub(super) async fn open(options: &Options, stages: &[Stage], calls: Calls) -> anyhow::Result<Platform> {
    let file =
        options.env_file.as_deref().context("--backend aws needs --env-file: the path of a deployment's .env")?;
    let deployment = read(file, stages)?;
    let inference = inference(options, &deployment)?;
    let connections = Connections::open_counting(deployment, calls).await;
    let clock = connections.calls.clock();
    let opened = AwsBackend::connect(connections, clock).await.map_err(sentence)?;
    let (backend, connections) = (opened.backend, opened.connections);
    check(&backend, stages).await?;
    let deployment = &connections.deployment;
    let (managed, results) = if stages.contains(&Stage::Inference) {
        managed(inference, &connections, &backend).await?
    } else {
        (None, None)
    };
    let protection = EcsTask::of_this_process(&connections)?;
    if protection.is_some() {
        tracing::info!("this is an ECS task: it is protected from scaling in while it holds a message");
    }
    Ok(Platform {
        topology: deployment.topology(),
        protection: protection.map(|task| Arc::new(task) as Arc<dyn TaskProtection>),
        segment_secs: options.segment_secs.unwrap_or(deployment.segment_length.as_secs_f64()),
        // The deployment's own media-worker may be the one that joins.
        with_sound: true,
        inference,
        managed,
        results,
        record_calls: Some(Box::new(recorder(connections.calls.clone()))),
        backend,
    })
}

/// The error in our words; what the SDK adds goes to the debug log.
fn sentence(error: stereospot_ports::Error) -> anyhow::Error {
    tracing::debug!("{}", chain(&error));
    anyhow::Error::msg(error.to_string())
}

/// Reads the environment file, and logs what it contains and what is missing.
fn read(file: &Path, stages: &[Stage]) -> anyhow::Result<Deployment> {
    let deployment = Deployment::read(file)?;
    for note in &deployment.notes {
        tracing::warn!("{}: {note}", file.display());
    }
    let Deployment { name_prefix, region, .. } = &deployment;
    tracing::info!("the deployment {name_prefix} in {region}: topology {}", deployment.topology());
    let mut missing = deployment.missing_stores();
    for role in QueueRole::PIPELINE.iter().filter(|role| !deployment.queues.contains_key(role)) {
        match stages.iter().any(|stage| stage.queue() == *role) {
            true => missing.push(key(*role)),
            false => tracing::info!("not deployed: the {} queue ({})", suffix(*role), key(*role)),
        }
    }
    ensure!(
        missing.is_empty(),
        "{} {} missing or null in {}, and this worker needs them: name what is deployed",
        missing.join(", "),
        if missing.len() == 1 { "is" } else { "are" },
        file.display()
    );
    if stages.contains(&Stage::Chunking) && deployment.queues.contains_key(&QueueRole::Ingest) {
        tracing::warn!(
            "the ingest queue ({}) is not served by this worker: leave a media-worker running if sources are fetched by address",
            key(QueueRole::Ingest)
        );
    }
    Ok(deployment)
}

/// What converts the segments: the operator's choice, the deployment's, or our model.
fn inference(options: &Options, deployment: &Deployment) -> anyhow::Result<InferenceKind> {
    Ok(match (options.inference, deployment.inference_backend) {
        (Some(asked), _) => asked,
        (None, Some(InferenceBackend::Sagemaker)) => InferenceKind::Sagemaker,
        (None, Some(InferenceBackend::Http)) => InferenceKind::Http,
        (None, Some(InferenceBackend::Stub)) => bail!(
            "INFERENCE_BACKEND is stub in the environment file, which copies segments without converting them: say --inference \
             onnx to convert them here, or --inference stub if copying is what you want"
        ),
        (None, Some(InferenceBackend::Onnx) | None) => InferenceKind::Onnx,
    })
}

/// Checks once that what the stages need can be reached, and logs what was found.
async fn check(backend: &Backend, stages: &[Stage]) -> anyhow::Result<()> {
    for stage in stages {
        let queue = backend.queue(stage.queue())?;
        match queue.settings().await {
            Ok(settings) => {
                let receives =
                    settings.max_receives.map_or("no dead-letter queue".to_owned(), |most| format!("{most} receives"));
                tracing::info!("found the {stage} queue: visibility {} s, {receives}", settings.visibility.as_secs());
            }
            Err(error) if error.code() == ErrorCode::Denied => tracing::warn!("the {stage} queue: {error}"),
            Err(error) => return Err(sentence(error)),
        }
    }
    let nobody = JobId(uuid::Uuid::nil());
    // Nothing can be done without job rows. The other two tables are checked when they are first needed.
    backend.jobs.get(nobody).await.map_err(sentence)?;
    for (table, looked) in [
        ("segment completions", backend.jobs.count_completions(nobody).await.map(drop)),
        ("reassembly locks", backend.jobs.lock(nobody).await.map(drop)),
    ] {
        if let Err(error) = looked {
            tracing::warn!("the table of {table}: {error}");
        }
    }
    tracing::info!("found the tables; buckets {} and {}", backend.input.name, backend.output.name);
    Ok(())
}

type Managed = (Option<Box<dyn Handler>>, Option<Arc<dyn Results>>);

/// The inference stage when a managed model converts, and what takes an endpoint's results. Results of earlier invocations may
/// still come, whatever converts now.
async fn managed(inference: InferenceKind, connections: &Connections, backend: &Backend) -> anyhow::Result<Managed> {
    let deployment = &connections.deployment;
    let in_flight = Arc::new(InFlight::new(deployment.max_in_flight as usize, deployment.invoke_timeout));
    let endpoint = Sagemaker::of(connections, backend.output.clone());
    let results = endpoint.clone().map(|sagemaker| {
        Arc::new(EndpointResults { sagemaker, in_flight: Arc::clone(&in_flight) }) as Arc<dyn Results>
    });
    let managed: Option<Box<dyn Handler>> = match inference {
        InferenceKind::Onnx | InferenceKind::Stub => None,
        InferenceKind::Http => {
            let missing = "INFERENCE_HTTP_URL is missing in the environment file: it names the inference server";
            let server = HttpInference::of(connections)?.context(missing)?;
            match server.ping().await {
                Ok(()) => tracing::info!("the inference server is ready"),
                Err(error) => tracing::warn!("the inference server is not ready yet: {error}"),
            }
            Some(Box::new(HttpServer { server }))
        }
        InferenceKind::Sagemaker => {
            let sagemaker = endpoint.context(
                "SAGEMAKER_ENDPOINT_NAME or INFERENCE_INVOCATIONS_TABLE_NAME is missing in the environment file: --inference \
                 sagemaker needs both",
            )?;
            ensure!(
                deployment.topology() == Topology::JobWorker || backend.queue(QueueRole::OutputEvents).is_ok(),
                "OUTPUT_EVENTS_QUEUE_URL is missing in the environment file: the endpoint's results are announced there"
            );
            tracing::info!("at most {} segments at the endpoint at once", deployment.max_in_flight);
            Some(Box::new(Endpoint { sagemaker, in_flight }))
        }
    };
    Ok((managed, results))
}

/// Adds to the metrics the calls since the last time.
fn recorder(calls: Calls) -> impl FnMut() + Send {
    let mut told: BTreeMap<Api, Count> = BTreeMap::new();
    move || {
        record::clock_ahead(calls.clock_ahead_secs());
        for (api, count) in calls.snapshot() {
            let before = told.insert(api.clone(), count).unwrap_or_default();
            let name = format!("{}.{}", api.0.replace(' ', "-"), api.1);
            let since = |now: u64, before: u64| now.saturating_sub(before);
            let (throttled, failed) = (since(count.throttled, before.throttled), since(count.failed, before.failed));
            let answered = since(count.attempts, before.attempts).saturating_sub(throttled + failed);
            for (outcome, number) in
                [(CallOutcome::Answered, answered), (CallOutcome::Throttled, throttled), (CallOutcome::Failed, failed)]
            {
                if number > 0 {
                    record::backend_calls(&name, outcome, number);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
