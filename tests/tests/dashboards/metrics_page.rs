//! Generates METRICS.md from the metric catalogue, and checks that it is up to date.

use std::fmt::Write as _;

use stereospot_telemetry::Process;
use stereospot_telemetry::catalogue::{self, Metric, Unit, Values};

use super::{dashboards, read};

fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
        Written from the catalogue in `shared/telemetry/src/catalogue/`; a test holds them equal. After a change there:\n\
        `STEREOSPOT_WRITE_METRICS=1 cargo test -p stereospot-tests --test dashboards metrics_page`\n",
    );
    let parts = [("Every process", [true, true]), ("Control plane", [true, false]), ("Workers", [false, true])];
    for (title, exported_by) in parts {
        writeln!(page, "\n## {title}\n\n| metric | kind | labels | what it says |\n|---|---|---|---|").unwrap();
        for metric in catalogue::ALL {
            let by = [Process::ControlPlane, Process::Worker].map(|process| metric.exported_by.contains(&process));
            if by == exported_by {
                writeln!(page, "{}", line(metric)).unwrap();
            }
        }
    }
    let mut labels: Vec<_> = catalogue::ALL.iter().flat_map(|metric| metric.labels).collect();
    labels.sort_by_key(|label| (label.name, format!("{:?}", label.values)));
    labels.dedup();
    page.push_str("\n## Labels\n\n| label | of | values |\n|---|---|---|\n");
    for label in labels {
        let values = match label.values {
            Values::Closed(values) => {
                let (optional, always): (Vec<&str>, Vec<&str>) =
                    values.iter().partition(|value| label.optional.contains(value));
                let named =
                    |values: Vec<&str>| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" ");
                if optional.is_empty() {
                    named(always)
                } else {
                    format!("{}; where deployed {}", named(always), named(optional))
                }
            }
            Values::Bounded(why) => why.to_owned(),
        };
        let of = catalogue::ALL.iter().filter(|metric| metric.labels.contains(label));
        let of: Vec<_> = of.map(|metric| metric.name.trim_start_matches("stereospot_")).collect();
        writeln!(page, "| `{}` | {} | {values} |", label.name, of.join(", ")).unwrap();
    }
    page
}

fn line(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{}`", label.name)).collect();
    let unit = match metric.unit {
        Unit::Count => "",
        Unit::Flag => ", 0 or 1",
        Unit::Seconds => ", seconds",
        Unit::UnixSeconds => ", Unix seconds",
        Unit::Bytes => ", bytes",
    };
    format!("| `{}` | {}{unit} | {} | {} |", metric.name, metric.kind.as_str(), labels.join(" "), metric.help)
}

#[test]
fn the_page_says_what_the_catalogue_says() {
    if std::env::var_os("STEREOSPOT_WRITE_METRICS").is_some() {
        std::fs::write(dashboards("METRICS.md"), page()).unwrap();
    }
    assert!(read("METRICS.md") == page(), "METRICS.md is behind the catalogue; its second line says how to write it");
}
