//! Checks the metrics, labels and label values in a PromQL expression. promtool checks the syntax.

use std::collections::BTreeSet;

use regex::Regex;
use stereospot_telemetry::catalogue::{self, Kind, Metric, Values};

/// Labels added by Prometheus and by the exporter.
const ADDED: &[&str] = &["job", "instance", "worker", "le"];

/// Checks an expression against the catalogue and returns the metrics it uses. `recorded` are the names of recording
/// rules.
pub(crate) fn check(expression: &str, recorded: &BTreeSet<String>) -> Result<BTreeSet<&'static str>, String> {
    let name = Regex::new(r"\b(?:stereospot[_:][a-z0-9_:]*)").unwrap();
    let outside = without_strings(expression);
    let mut used = BTreeSet::new();
    let mut labels: BTreeSet<&str> = ADDED.iter().copied().collect();
    for found in name.find_iter(&outside) {
        let selector = outside[found.end()..].trim_start().starts_with('{').then(|| {
            let open = found.end() + outside[found.end()..].find('{').expect("it starts with one");
            let close = open + outside[open..].find('}').expect("promtool saw that it is closed");
            &expression[open + 1..close]
        });
        if found.as_str().contains(':') {
            if !recorded.contains(found.as_str()) {
                return Err(format!("no rule records {}", found.as_str()));
            }
            labels.insert("stage");
            continue;
        }
        let metric = metric(found.as_str()).ok_or_else(|| format!("{} is not in the catalogue", found.as_str()))?;
        used.insert(metric.name);
        labels.extend(metric.labels.iter().map(|label| label.name));
        if let Some(selector) = selector {
            check_selector(metric, selector)?;
        }
    }
    // label_replace creates the label named by its third argument.
    let replaced = Regex::new(r#"label_replace\([\s\S]*?\}\s*,\s*"([a-z_]+)""#).unwrap();
    labels.extend(replaced.captures_iter(expression).map(|found| found.get(1).expect("it is not optional").as_str()));
    for label in grouped_by(&outside) {
        if !labels.contains(label.as_str()) {
            return Err(format!("nothing here has a label {label}"));
        }
    }
    Ok(used)
}

/// The labels of the expression's result, as far as its aggregations determine them.
pub(crate) fn result_labels(expression: &str) -> BTreeSet<String> {
    let outside = without_strings(expression);
    let grouped = grouped_by(&outside);
    if !grouped.is_empty() {
        return grouped;
    }
    if Regex::new(r"\b(sum|max|min|avg|count)\s*\(").unwrap().is_match(&outside) {
        return BTreeSet::new();
    }
    let name = Regex::new(r"\bstereospot_[a-z0-9_]+").unwrap();
    let metrics = name.find_iter(&outside).filter_map(|found| metric(found.as_str()));
    metrics
        .flat_map(|metric| metric.labels.iter().map(|label| label.name))
        .chain(ADDED.iter().copied())
        .map(str::to_owned)
        .collect()
}

/// Finds the metric of an exported name; a histogram is exported under three names.
fn metric(name: &str) -> Option<&'static Metric> {
    catalogue::find(name).filter(|metric| metric.kind != Kind::Histogram).or_else(|| {
        ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
            catalogue::find(name.strip_suffix(suffix)?).filter(|metric| metric.kind == Kind::Histogram)
        })
    })
}

fn check_selector(metric: &Metric, selector: &str) -> Result<(), String> {
    let matcher = Regex::new(r#"\s*([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*,?\s*"#).unwrap();
    let rest = matcher.replace_all(selector, "");
    if !rest.is_empty() {
        return Err(format!("`{rest}` is not understood in the selector of {}", metric.name));
    }
    for found in matcher.captures_iter(selector) {
        let (label, operator, value) = (&found[1], &found[2], &found[3]);
        if ADDED.contains(&label) {
            continue;
        }
        let label = metric
            .labels
            .iter()
            .find(|known| known.name == label)
            .ok_or_else(|| format!("{} has no label {label}", metric.name))?;
        let Values::Closed(values) = label.values else { continue };
        if operator.ends_with('~') {
            // Every alternative must match some value, so that a renamed value is detected.
            for alternative in split_alternatives(value) {
                let pattern = Regex::new(&format!("^(?:{alternative})$")).map_err(|error| error.to_string())?;
                if !values.iter().any(|known| pattern.is_match(known)) {
                    return Err(format!("{alternative} matches no {} of {}", label.name, metric.name));
                }
            }
        } else if !values.contains(&value) {
            return Err(format!("{value} is no {} of {}", label.name, metric.name));
        }
    }
    Ok(())
}

/// Splits `a|b[.](c|d)` into `a` and `b[.](c|d)`.
fn split_alternatives(pattern: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let mut parts = vec![String::new()];
    for c in pattern.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == '|' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is always one").push(c);
        }
    }
    parts
}

/// Every label in a `by (…)`, `on (…)`, `group_left (…)` and so on.
fn grouped_by(outside: &str) -> BTreeSet<String> {
    let group = Regex::new(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)").unwrap();
    group
        .captures_iter(outside)
        .flat_map(|found| found[1].split(',').map(|label| label.trim().to_owned()).collect::<Vec<_>>())
        .filter(|label| !label.is_empty())
        .collect()
}

/// Replaces each character inside quotes by a blank, which keeps positions unchanged.
fn without_strings(expression: &str) -> String {
    let mut inside = false;
    expression
        .chars()
        .map(|c| {
            let blank = inside && c != '"';
            inside ^= c == '"';
            if blank { if c.is_ascii() { ' ' } else { panic!("`{c}`: only ASCII in expressions") } } else { c }
        })
        .collect()
}

#[test]
fn mistakes_are_found() {
    let recorded = BTreeSet::from(["stereospot:ready:sum".to_owned()]);
    let refused = |expression: &str| check(expression, &recorded).unwrap_err();
    assert_eq!(refused("stereospot_jobz"), "stereospot_jobz is not in the catalogue");
    assert!(
        refused("stereospot_step_duration_seconds").contains("catalogue"),
        "a histogram has no series of its own name"
    );
    assert!(refused("stereospot_jobs_bucket").contains("catalogue"));
    assert_eq!(refused("stereospot_jobs{state=\"failed\"}"), "stereospot_jobs has no label state");
    assert_eq!(refused("stereospot_jobs{status=\"faild\"}"), "faild is no status of stereospot_jobs");
    assert_eq!(refused("stereospot_jobs{status=~\"failed|delete\"}"), "delete matches no status of stereospot_jobs");
    assert_eq!(refused("sum by (queue) (stereospot_jobs)"), "nothing here has a label queue");
    assert_eq!(refused("stereospot:read:sum"), "no rule records stereospot:read:sum");
    for right in [
        "sum by (le, stage) (rate(stereospot_step_duration_seconds_bucket{outcome!=\"failed\"}[5m]))",
        "stereospot:ready:sum > 0 and on (stage) sum by (stage) (stereospot_worker_busy{instance=\"x\"})",
        "stereospot_queue_messages{queue=~\".+-dlq\", state!~\"ready|in_flight\"}",
        "stereospot_events_ingested_total{type=~\"reassembly[.](started|failed)|job[.].+\"}",
    ] {
        check(right, &recorded).unwrap();
    }
    assert_eq!(
        result_labels("sum by (queue, state) (stereospot_queue_messages)"),
        ["queue", "state"].map(str::to_owned).into()
    );
    assert!(result_labels("sum(stereospot_queue_messages)").is_empty());
    assert!(result_labels("stereospot_spool_events").contains("worker"));
}
