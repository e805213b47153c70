//! Checks the Grafana dashboard.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use regex::Regex;
use serde_json::Value;
use stereospot_telemetry::catalogue;

use super::{expression, promtool, read, rules};

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/stereospot.json")).unwrap()
}

/// Panel title and target of every query.
fn targets(dashboard: &Value) -> Vec<(&str, &Value)> {
    panels(dashboard)
        .iter()
        .flat_map(|panel| {
            let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
            targets.iter().map(|target| (panel["title"].as_str().unwrap(), target))
        })
        .collect()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

/// Every expression, with Grafana's variables replaced.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    targets(dashboard)
        .into_iter()
        .chain(annotations.iter().map(|annotation| (annotation["name"].as_str().unwrap(), annotation)))
        .map(|(title, target)| {
            let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            assert!(!expression.contains('$'), "{title}: an unknown variable in {expression}");
            (title.to_owned(), expression)
        })
        .collect()
}

#[test]
fn every_expression_parses() {
    let mut file = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let dashboard = dashboard();
    let expressions = expressions(&dashboard);
    for (index, (_, expression)) in expressions.iter().enumerate() {
        // A JSON string is also a YAML string.
        writeln!(file, "      - record: panel:{index}\n        expr: {}", Value::from(expression.as_str())).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), file).unwrap();
    let (is_content, said) = promtool(folder.path(), &["check", "rules", "rules.yml"]);
    assert!(is_content, "{said}");
    assert!(said.contains(&format!("{} rules found", expressions.len())), "{said}");
    assert!(expressions.len() > 40);
}

#[test]
fn every_expression_names_only_what_the_catalogue_has() {
    let recorded = rules::recorded();
    let dashboard = dashboard();
    for (title, expression) in expressions(&dashboard) {
        expression::check(&expression, &recorded).unwrap_or_else(|error| panic!("{title}: {error}"));
    }
}

#[test]
fn every_metric_is_shown_or_watched() {
    let dashboard = dashboard();
    let recorded = rules::recorded();
    let used: BTreeSet<&str> = expressions(&dashboard)
        .into_iter()
        .map(|(_, expression)| expression)
        .chain(rules::all().into_iter().map(|rule| rule.expr))
        .flat_map(|expression| expression::check(&expression, &recorded).unwrap())
        .collect();
    let all: BTreeSet<&str> = catalogue::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(all.difference(&used).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn legends_name_labels_that_the_result_has() {
    let placeholder = Regex::new(r"\{\{\s*([a-z_]+)\s*\}\}").unwrap();
    let dashboard = dashboard();
    for (title, target) in targets(&dashboard) {
        let labels = expression::result_labels(target["expr"].as_str().unwrap());
        for found in placeholder.captures_iter(target["legendFormat"].as_str().unwrap()) {
            assert!(labels.contains(&found[1]), "{title}: its result has no label {}", &found[1]);
        }
    }
}

#[test]
fn the_data_source_is_the_variable() {
    fn check(value: &Value) -> usize {
        match value {
            Value::Object(map) => {
                let here = map.get("datasource").filter(|source| source.is_object()).map_or(0, |source| {
                    assert_eq!(*source, serde_json::json!({"type": "prometheus", "uid": "${datasource}"}));
                    1
                });
                here + map.values().map(check).sum::<usize>()
            }
            Value::Array(list) => list.iter().map(check).sum(),
            _ => 0,
        }
    }
    let dashboard = dashboard();
    let with_source = panels(&dashboard).iter().filter(|panel| panel["type"] != "row").count();
    assert_eq!(
        check(&dashboard),
        with_source + targets(&dashboard).len() + 1,
        "each panel, each query, the annotation"
    );
    let variable = &dashboard["templating"]["list"][0];
    assert_eq!((variable["name"].as_str(), variable["type"].as_str()), (Some("datasource"), Some("datasource")));
    assert!(dashboard.get("id").is_none_or(Value::is_null), "an id would clash with the importing Grafana's");
}

#[test]
fn panels_have_their_own_ids_and_places() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}: outside the 24 columns");
        for column in x..x + w {
            for line in y..y + h {
                assert!(taken.insert((column, line)), "{title}: overlaps at column {column}, line {line}");
            }
        }
        let mut references = BTreeSet::new();
        for target in panel["targets"].as_array().map_or(&[][..], Vec::as_slice) {
            assert!(references.insert(target["refId"].as_str().unwrap()), "{title}: two queries of the same refId");
        }
    }
}

#[test]
fn panels_say_what_they_show_in_which_unit() {
    let dashboard = dashboard();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(titles.insert(title), "{title} stands twice");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 15), "{title}: no description");
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().or(panel["options"]["yAxis"]["unit"].as_str());
        assert!(unit.is_some(), "{title}: no unit");
    }
    for row in [
        "Queues and dead-letter queues",
        "Stages",
        "Jobs",
        "Workers",
        "Collectors and control plane",
        "Deployment on AWS",
    ] {
        assert!(titles.contains(row), "no row {row}");
    }
}
