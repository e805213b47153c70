use std::collections::BTreeSet;

use super::*;

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit() || c == '_')
        && !name.contains("__")
}

#[test]
fn names_are_legal_prefixed_and_unique() {
    let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
    for name in names {
        assert!(name.starts_with("stereospot_") && is_name(name), "{name}");
        assert_eq!(find(name).unwrap().name, name);
    }
}

#[test]
fn names_end_in_kind_and_unit() {
    for metric in ALL {
        let name = metric.name;
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        assert_eq!(
            name.ends_with("_info"),
            metric.unit == Unit::Flag && metric.name != "stereospot_collector_up",
            "{name}"
        );
        assert_eq!(name.ends_with("_timestamp_seconds"), metric.unit == Unit::UnixSeconds, "{name}");
        assert_eq!(name.ends_with("_seconds"), matches!(metric.unit, Unit::Seconds | Unit::UnixSeconds), "{name}");
        let unit = name.strip_suffix("_total").unwrap_or(name);
        assert_eq!(unit.ends_with("_bytes"), metric.unit == Unit::Bytes, "{name}");
        // The exporter adds these suffixes.
        assert!(!["_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix)), "{name}");
        assert!(metric.help.ends_with('.') && metric.help.len() > 10, "{name}: {}", metric.help);
        assert!(!metric.exported_by.is_empty(), "{name}");
    }
}

#[test]
fn labels_are_closed_or_bounded_for_a_reason() {
    let mut open = BTreeSet::new();
    for metric in ALL {
        for label in metric.labels {
            assert!(is_name(label.name), "{}", label.name);
            // These would grow without bound, or are set by the exporter or Prometheus.
            for never in [
                "job",
                "job_id",
                "segment",
                "segment_index",
                "worker",
                "source",
                "file",
                "error",
                "le",
                "quantile",
                "instance",
            ] {
                assert_ne!(label.name, never, "{}", metric.name);
            }
            match label.values {
                Values::Closed(values) => {
                    let distinct: BTreeSet<_> = values.iter().collect();
                    assert_eq!(distinct.len(), values.len(), "{}", label.name);
                    assert!(!values.is_empty() && !values.contains(&""), "{}", label.name);
                }
                Values::Bounded(why) => {
                    assert!(!why.is_empty());
                    open.insert(label.name);
                }
            }
        }
        let distinct: BTreeSet<_> = metric.labels.iter().map(|label| label.name).collect();
        assert_eq!(distinct.len(), metric.labels.len(), "{}", metric.name);
    }
    assert_eq!(open, BTreeSet::from(["collector", "route", "version"]), "every other label is a closed set");
}

#[test]
fn histograms_and_only_they_have_rising_buckets() {
    for metric in ALL {
        assert_eq!(metric.buckets.is_empty(), metric.kind != Kind::Histogram, "{}", metric.name);
        assert!(metric.buckets.is_sorted_by(|low, high| low < high), "{}", metric.name);
    }
}

#[test]
fn known_series_are_all_combinations_of_closed_labels() {
    let series = QUEUE_MESSAGES.known_series();
    assert_eq!(series.len(), 24);
    assert!(series.contains(&vec!["inference-dlq", "ready"]));
    assert_eq!(STREAM_CLIENTS.known_series(), [Vec::<&str>::new()]);
    assert!(COLLECTOR_ERRORS.known_series().is_empty(), "its collectors aren't known here");
}

#[test]
fn few_series_are_exported_at_zero() {
    let lines: usize = ALL
        .iter()
        .map(|metric| {
            metric.known_series().len() * if metric.kind == Kind::Histogram { metric.buckets.len() + 3 } else { 1 }
        })
        .sum();
    assert!(lines < 1000, "{lines} lines are 0 from the start: too many to scrape");
}
