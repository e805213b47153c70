//! Checks the runbook pages: one for each finding code and each alert, all with the same sections, naming only
//! commands, queues and codes that exist.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use stereospot_domain::QueueName;
use stereospot_domain::diagnosis::FindingCode;

use super::{dashboards, rules};

/// Name and text of every page.
fn pages() -> BTreeMap<String, String> {
    std::fs::read_dir(dashboards("runbooks"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            assert_eq!(path.extension().and_then(|extension| extension.to_str()), Some("md"), "{}", path.display());
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn code(name: &str) -> Option<FindingCode> {
    FindingCode::ALL.iter().copied().find(|code| code.as_str() == name)
}

#[test]
fn there_is_a_page_for_each_diagnosis_and_each_alert_and_no_other() {
    let of_alerts = rules::alerts()
        .into_iter()
        .filter(|(_, rule)| !rule.expr.contains("stereospot_stuck_jobs"))
        .map(|(name, _)| rules::page(&name));
    let expected: BTreeSet<String> =
        FindingCode::ALL.iter().map(|code| code.as_str().to_owned()).chain(of_alerts).collect();
    assert_eq!(pages().into_keys().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_page_has_the_same_parts_in_the_same_order() {
    let parts = [
        "What it means",
        "How it shows",
        "Likely causes",
        "What to do",
        "Check that it worked",
        "So that it does not come back",
    ];
    for (name, text) in pages() {
        let title = text.lines().next().unwrap();
        let what = title.strip_prefix(&format!("# {name}: ")).unwrap_or_else(|| panic!("{name}: its title is {title}"));
        if let Some(code) = code(&name) {
            assert_eq!(what, code.title(), "{name}");
        }
        let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(found, parts, "{name}");
        assert!(
            text.split("\n## ").skip(1).all(|part| part.lines().skip(1).any(|line| !line.is_empty())),
            "{name}: an empty part"
        );
        assert!(text.lines().count() < 60, "{name}: too long for three in the morning");
        assert!(text.contains("\n| dashboard | command |\n"), "{name}: no table of key and command");
    }
}

#[test]
fn pages_lead_to_pages_that_exist() {
    let link = Regex::new(r"\]\(([^)]+)\)").unwrap();
    let pages = pages();
    for (name, text) in &pages {
        for found in link.captures_iter(text) {
            let to = found[1].strip_suffix(".md").unwrap_or_else(|| panic!("{name}: {}", &found[1]));
            assert!(pages.contains_key(to) && to != name, "{name} leads to {to}");
        }
    }
}

/// Every `stereospot` command in backquotes, as words without the program's name.
fn commands(text: &str) -> Vec<Vec<String>> {
    let command = Regex::new(r"`stereospot ([^`]+)`").unwrap();
    command.captures_iter(text).map(|found| found[1].split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn every_command_is_one_that_the_program_knows() {
    let (mut count, mut unknown) = (0, Vec::new());
    for (name, text) in pages() {
        for words in commands(&text) {
            // The program parses plan ids and finding codes; it accepts any text for the other placeholders.
            let given = words.iter().map(|word| match word.as_str() {
                "PLAN" => "01890a5d-ac96-774b-bcce-b302099a8057",
                "CODE" => "trigger-missed",
                word => word,
            });
            if let Err(error) = stereospot::check_command_line(["stereospot"].into_iter().chain(given)) {
                unknown.push(format!("{name}: stereospot {}: {error}", words.join(" ")));
            }
            count += 1;
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    assert!(count > 60, "only {count} commands were found");
}

#[test]
fn writes_are_the_right_ones_for_the_page() {
    let mut repairs = BTreeSet::new();
    for (name, text) in pages() {
        for words in commands(&text) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                ["queues", "replay" | "purge", queue, ..] => {
                    let queue = queue.parse::<QueueName>().unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert!(queue.is_dead_letter, "{name}: {queue} is no dead-letter queue");
                }
                ["jobs", "repair", "JOB", "CODE"] => {}
                ["jobs", "repair", "JOB", repaired] => {
                    assert_eq!(repaired, name, "a page repairs its own finding");
                    assert!(code(repaired).is_some(), "{name}: {repaired}");
                    repairs.insert(name.clone());
                }
                _ => {}
            }
        }
    }
    // These findings have no repair, so their pages must not offer one.
    let without = [
        FindingCode::SourceMissing,
        FindingCode::TooManyCompletions,
        FindingCode::SegmentSilent,
        FindingCode::StepFailing,
    ];
    let expected: BTreeSet<String> =
        FindingCode::ALL.iter().filter(|code| !without.contains(code)).map(|code| code.as_str().to_owned()).collect();
    assert_eq!(repairs, expected);
}
