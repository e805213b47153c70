use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::*;
use crate::catalogue::{
    ActionOutcome, CallOutcome, ConnectionEnd, FramePart, JobOutcome, Metric, Provider, QueueState, RejectReason,
    StepOutcome, TaskState, WorkerState,
};

const BOTH: [Process; 2] = [Process::ControlPlane, Process::Worker];

/// The complaints of `promtool check metrics`; empty without any.
fn promtool(text: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool must be installed: apt-get install prometheus");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}

/// All samples, by series.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series, value.parse().unwrap())
        })
        .collect()
}

fn series(metric: &Metric, suffix: &str, values: &[&str], more: &str) -> String {
    let mut labels: Vec<String> =
        metric.labels.iter().zip(values).map(|(label, value)| format!("{}=\"{value}\"", label.name)).collect();
    labels.extend((!more.is_empty()).then(|| more.to_owned()));
    let labels = labels.join(",");
    format!("{}{suffix}{}", metric.name, if labels.is_empty() { labels } else { format!("{{{labels}}}") })
}

/// Calls every recording function of a process at least once.
fn record_everything(process: Process) {
    use crate::record::*;
    let took = Duration::from_millis(30);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    started("0.1.0");
    backend_error("throttled");
    backend_calls("sqs.GetQueueAttributes", CallOutcome::Answered, 8);
    backend_calls("never.Heard", CallOutcome::Throttled, 1);
    clock_ahead(-960);
    match process {
        Process::ControlPlane => {
            events_ingested("segment.completed", 4);
            events_duplicate(1);
            events_lost(2);
            events_rejected(RejectReason::Invalid, 1);
            ingest_batch(took);
            queue_messages("inference-dlq", QueueState::Ready, 14);
            queue_oldest("inference", Some(at));
            jobs("reassembling", 3);
            segments("dead_lettered", 2);
            stuck_jobs("trigger-missed", 1);
            job_finished(JobOutcome::Completed, took);
            job_finished(JobOutcome::Failed, took);
            job_warning("deinterlaced");
            collector_known("queues");
            collector_succeeded("queues", took, at);
            collector_failed("jobs", took, "unavailable");
            collector_read("queues", took);
            collector_fresh("queues", at);
            polls_deferred(2);
            connections(3);
            connection_ended(ConnectionEnd::Slow);
            poll_budget(300);
            log_bytes_scanned(1_000_000);
            service_tasks("video-worker", TaskState::Running, 2);
            workers("all", WorkerState::Idle, 2);
            action("replay", ActionOutcome::Partial);
            action_items("replay", "skipped", 2);
            reconciler_act("send_again");
            reconciler_ran(at);
            http_request("/v1/jobs/{id}", "GET", 200, took);
            http_request("/v1/events", "BREW", 418, took);
            stream_reset();
            store_bytes(4096);
            std::mem::forget(stream_client());
        }
        Process::Worker => {
            messages_received("inference", 1);
            message_deleted("inference");
            message_released("chunking");
            message_dead("reassembly");
            step("inference", StepOutcome::Completed, took);
            frames("inference", 132);
            frame_part(FramePart::Warp, took);
            lease_extended("inference");
            lease_lost("inference");
            std::mem::forget(busy("inference"));
            execution_provider(Provider::Cpu);
            spool(3, 900, 1_000_000);
            spool_dropped(1);
        }
    }
}

#[test]
fn promtool_finds_nothing_wrong_before_and_after_recording() {
    for process in BOTH {
        with_local(process, |recorder| {
            assert_eq!(promtool(&recorder.render()), "", "{process:?} before");
            record_everything(process);
            assert_eq!(promtool(&recorder.render()), "", "{process:?} after");
        });
    }
    // The check itself works: this counter's name is wrong.
    assert!(promtool("# TYPE a counter\na 1\n").contains("_total"));
}

#[test]
fn every_series_known_in_advance_is_exported_as_zero() {
    for process in BOTH {
        with_local(process, |recorder| {
            let text = recorder.render();
            let samples = samples(&text);
            assert!(samples.values().all(|value| *value == 0.0));
            let mut expected = BTreeSet::new();
            for metric in catalogue::ALL.iter().filter(|metric| metric.exported_by.contains(&process)) {
                for values in metric.known_series() {
                    if metric.kind == Kind::Histogram {
                        expected.extend(
                            metric.buckets.iter().map(|le| series(metric, "_bucket", &values, &format!("le=\"{le}\""))),
                        );
                        expected.insert(series(metric, "_bucket", &values, "le=\"+Inf\""));
                        expected.insert(series(metric, "_sum", &values, ""));
                        expected.insert(series(metric, "_count", &values, ""));
                    } else {
                        expected.insert(series(metric, "", &values, ""));
                    }
                }
            }
            let found: BTreeSet<String> = samples.keys().map(|series| (*series).to_owned()).collect();
            assert_eq!(found, expected, "{process:?}");
            assert!(
                !text.contains("queue=\"deletion"),
                "series of queues that only some deployments have begin when recorded"
            );
        });
    }
}

#[test]
fn every_metric_is_recorded_by_some_function_with_its_help_and_kind() {
    for process in BOTH {
        with_local(process, |recorder| {
            record_everything(process);
            let text = recorder.render();
            for metric in catalogue::ALL.iter().filter(|metric| metric.exported_by.contains(&process)) {
                assert!(
                    text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind.as_str())),
                    "{}",
                    metric.name
                );
                assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
                let is_moved = samples(&text).iter().any(|(series, value)| {
                    let name = series.split('{').next().unwrap();
                    let name = name.strip_suffix("_count").filter(|base| *base == metric.name).unwrap_or(name);
                    name == metric.name && *value != 0.0
                });
                assert!(is_moved, "nothing records {}", metric.name);
            }
            assert!(!text.contains(" summary\n"));
        });
    }
}

#[test]
fn recorded_values_are_rendered() {
    with_local(Process::ControlPlane, |recorder| {
        record_everything(Process::ControlPlane);
        let text = recorder.render();
        let samples = samples(&text);
        for (series, value) in [
            ("stereospot_queue_messages{queue=\"inference-dlq\",state=\"ready\"}", 14.0),
            ("stereospot_queue_oldest_message_timestamp_seconds{queue=\"inference\"}", 1_700_000_000.0),
            ("stereospot_ingest_batch_seconds_bucket{le=\"0.025\"}", 0.0),
            ("stereospot_ingest_batch_seconds_bucket{le=\"0.05\"}", 1.0),
            ("stereospot_ingest_batch_seconds_count", 1.0),
            ("stereospot_collector_up{collector=\"queues\"}", 1.0),
            ("stereospot_collector_up{collector=\"jobs\"}", 0.0),
            ("stereospot_collector_errors_total{collector=\"queues\",code=\"denied\"}", 0.0),
            ("stereospot_collector_errors_total{collector=\"jobs\",code=\"unavailable\"}", 1.0),
            ("stereospot_http_requests_total{route=\"/v1/events\",method=\"other\",status=\"4xx\"}", 1.0),
            ("stereospot_stream_clients", 1.0),
            ("stereospot_clock_ahead_seconds", -960.0),
            ("stereospot_job_duration_seconds_count", 1.0),
        ] {
            assert_eq!(samples.get(series), Some(&value), "{series}");
        }
    });
}

#[test]
fn one_process_does_not_export_the_other_s_metrics() {
    with_local(Process::Worker, |recorder| {
        let text = recorder.render();
        assert!(!text.contains("stereospot_jobs{") && text.contains("stereospot_frames_total{"));
    });
}
