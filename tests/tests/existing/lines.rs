//! The stand-ins log in the words of the real services, which the control plane derives events from.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use regex::Regex;
use stereospot_domain::{EventKind, Timestamp};
use stereospot_ports::log_source::{Line, derive};
use stereospot_tests::root;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

/// The lines that stand-ins log about jobs, with values in place of the placeholders.
fn lines() -> Result<Vec<String>> {
    let call = Regex::new(r#"log\.info\("([^"]*job_id=%s[^"]*)""#)?;
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/existing"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            for found in call.captures_iter(&text) {
                let line = found[1].replace("job_id=%s", &format!("job_id={JOB}")).replace("%d", "3");
                // The outputs are handled by either of two services.
                lines.push(line.replacen("%s:", "output-events:", 1).replace("%s", "x"));
            }
        }
    }
    Ok(lines)
}

#[test]
fn each_line_of_a_stand_in_about_a_change_yields_its_event() -> Result<()> {
    let mut kinds = BTreeSet::new();
    for text in lines()? {
        let line = Line {
            time: Timestamp(5),
            source: "/ecs/stereo-spot/worker".into(),
            stream: "ecs/worker/1".into(),
            text: format!("2026-11-21T19:49:57Z [INFO] worker: {text}"),
        };
        let kind = derive::event(&line).map(|derived| derived.payload.kind());
        let is_without_change = [" skip (", " lock not acquired"].iter().any(|words| text.contains(words));
        assert_eq!(kind.is_none(), is_without_change, "{text}: {kind:?}");
        kinds.extend(kind.map(EventKind::as_str));
    }
    let expected = [
        "chunking.completed",
        "chunking.started",
        "job.completed",
        "job.submitted",
        "reassembly.completed",
        "reassembly.started",
        "reassembly.triggered",
        "segment.completed",
        "segment.started",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    Ok(())
}
