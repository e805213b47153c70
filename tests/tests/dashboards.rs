//! Checks that the Prometheus configuration, alert rules, Grafana dashboard and runbooks agree with the metric
//! catalogue, and the catalogue with the domain, so that everything they mention exists.

#[cfg(test)]
#[path = "dashboards/domain.rs"]
mod domain;
#[cfg(test)]
#[path = "dashboards/expression.rs"]
mod expression;
#[cfg(test)]
#[path = "dashboards/grafana.rs"]
mod grafana;
#[cfg(test)]
#[path = "dashboards/metrics_page.rs"]
mod metrics_page;
#[cfg(test)]
#[path = "dashboards/rules.rs"]
mod rules;
#[cfg(test)]
#[path = "dashboards/runbooks.rs"]
mod runbooks;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A path in the project's `dashboards` folder.
fn dashboards(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(dashboards(path)).unwrap_or_else(|error| panic!("dashboards/{path}: {error}"))
}

/// Runs promtool in `folder`; returns whether it succeeded, and its output.
fn promtool(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("promtool must be installed: apt-get install prometheus");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}
