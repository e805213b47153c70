//! Checks the Prometheus configuration and the alert rules.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Deserialize;
use stereospot_domain::diagnosis::FindingCode;

use super::{dashboards, expression, promtool, read};

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
pub(crate) struct Rule {
    pub(crate) alert: Option<String>,
    record: Option<String>,
    pub(crate) expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

pub(crate) fn all() -> Vec<Rule> {
    let file: File = serde_yaml_ng::from_str(&read("alerts.yml")).unwrap();
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

pub(crate) fn recorded() -> BTreeSet<String> {
    all().into_iter().filter_map(|rule| rule.record).collect()
}

/// Name and rule of every alert.
pub(crate) fn alerts() -> Vec<(String, Rule)> {
    all().into_iter().filter_map(|rule| Some((rule.alert.clone()?, rule))).collect()
}

/// The alert's page in `runbooks/`: `dlq-not-empty` for `StereospotDlqNotEmpty`. Alerts about jobs use the page of the
/// finding.
pub(crate) fn page(alert: &str) -> String {
    let name = alert.strip_prefix("Stereospot").unwrap_or_else(|| panic!("{alert} lacks the prefix"));
    let mut page = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !page.is_empty() {
            page.push('-');
        }
        page.push(c.to_ascii_lowercase());
    }
    page
}

#[test]
fn promtool_takes_configuration_and_rules() {
    for arguments in
        [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]]
    {
        let (is_content, said) = promtool(&dashboards(""), &arguments);
        assert!(is_content, "promtool {}: {said}", arguments.join(" "));
    }
}

#[test]
fn every_alert_is_tested_firing_and_not_firing() {
    #[derive(Deserialize)]
    struct Tests {
        tests: Vec<Test>,
    }
    #[derive(Deserialize)]
    struct Test {
        alert_rule_test: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        alertname: String,
        exp_alerts: Vec<serde_yaml_ng::Value>,
    }
    let file: Tests = serde_yaml_ng::from_str(&read("alerts_test.yml")).unwrap();
    let mut seen: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for case in file.tests.into_iter().flat_map(|test| test.alert_rule_test) {
        let (fires, rests) = seen.entry(case.alertname).or_default();
        *fires |= !case.exp_alerts.is_empty();
        *rests |= case.exp_alerts.is_empty();
    }
    let expected: BTreeMap<String, (bool, bool)> = alerts().into_iter().map(|(name, _)| (name, (true, true))).collect();
    assert_eq!(seen, expected);
}

#[test]
fn rules_name_only_what_the_catalogue_has() {
    let recorded = recorded();
    for rule in all() {
        let name = rule.alert.or(rule.record).unwrap();
        expression::check(&rule.expr, &recorded).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_alert_says_how_grave_it_is_what_it_means_and_where_to_read_on() {
    let placeholder = Regex::new(r"\$labels\.([a-z_]+)").unwrap();
    for (name, rule) in alerts() {
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(matches!(severity, Some("critical" | "warning" | "info")), "{name}: {severity:?}");
        let annotations: Vec<&str> = rule.annotations.keys().map(String::as_str).collect();
        assert_eq!(annotations, ["description", "runbook", "summary"], "{name}");
        let is_about_jobs = rule.expr.contains("stereospot_stuck_jobs");
        let page = if is_about_jobs { "{{ $labels.code }}".to_owned() } else { page(&name) };
        assert_eq!(rule.annotations["runbook"], format!("runbooks/{page}.md"), "{name}");
        if !is_about_jobs {
            assert!(dashboards(&rule.annotations["runbook"]).is_file(), "{name} has no page");
        }
        // A label that the result lacks would leave a gap in the text.
        let mut labels = expression::result_labels(&rule.expr);
        if rule.expr.contains("stereospot:stage_") {
            labels.insert("stage".into());
        }
        for text in rule.annotations.values() {
            for found in placeholder.captures_iter(text) {
                assert!(labels.contains(&found[1]), "{name}: its result has no label {}", &found[1]);
            }
        }
    }
}

#[test]
fn every_diagnosis_has_exactly_one_alert() {
    let matcher = Regex::new(r#"code(=~|!~|=)"([^"]+)""#).unwrap();
    let job_alerts: Vec<(String, Rule)> =
        alerts().into_iter().filter(|(_, rule)| rule.expr.contains("stereospot_stuck_jobs")).collect();
    for code in FindingCode::ALL {
        let firing: Vec<&str> = job_alerts
            .iter()
            .filter(|(name, rule)| {
                let found = matcher.captures(&rule.expr).unwrap_or_else(|| panic!("{name} does not say which codes"));
                let is_match = Regex::new(&format!("^(?:{})$", &found[2])).unwrap().is_match(code.as_str());
                is_match != (&found[1] == "!~")
            })
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(firing.len(), 1, "{code}: {firing:?}");
    }
}

#[test]
fn prometheus_scrapes_control_plane_and_workers() {
    let config: serde_yaml_ng::Value = serde_yaml_ng::from_str(&read("prometheus.yml")).unwrap();
    let jobs: Vec<&str> =
        config["scrape_configs"].as_sequence().unwrap().iter().map(|job| job["job_name"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["stereospot-controlplane", "stereospot-workers"]);
    // Rules and dashboard distinguish processes by these names.
    let job = Regex::new(r#"job="([^"]+)""#).unwrap();
    let texts = [read("alerts.yml"), read("grafana/stereospot.json").replace("\\\"", "\"")];
    let used: BTreeSet<&str> =
        texts.iter().flat_map(|text| job.captures_iter(text)).map(|found| found.get(1).unwrap().as_str()).collect();
    assert_eq!(used, jobs.iter().copied().collect());
}
