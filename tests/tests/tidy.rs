//! House style that neither rustc nor clippy checks. rustc's `missing_docs` would also demand docs on every field, most of which
//! would only restate the field's name.

use std::path::{Path, PathBuf};

use anyhow::Result;
use regex::Regex;
use stereospot_tests::root;

/// Words that made the comments hard to read, and the number of times they may still occur.
const STIFF_WORDS: [&str; 5] = ["told", "tells", "nobody", "whoever", "anew"];
const STIFF_WORDS_ALLOWED: usize = 19;

/// Every Rust file of the workspace with its text; the path is relative to the project's root.
fn sources() -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let name = name.to_string_lossy();
            if path.is_symlink() || name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path)?;
                found.push((path.strip_prefix(root())?.to_owned(), text));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// True for files of a crate's library or programs, without their unit tests.
fn is_product(path: &Path) -> bool {
    let has = |part: &str| path.iter().any(|found| found == part);
    has("src") && !has("tests") && !path.ends_with("tests.rs") || path.starts_with("tests/src")
}

/// Line numbers of the public items without a doc comment.
fn undocumented(text: &str) -> Vec<usize> {
    let item = Regex::new(r"^\s*pub (async |const |unsafe )*(fn|struct|enum|union|trait|type|const|static|mod|macro) ")
        .expect("a valid pattern");
    let (mut found, mut is_documented, mut attribute_depth) = (Vec::new(), false, 0);
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim_start();
        if trimmed == "mod tests {" {
            break;
        }
        let brackets = |open: char, close: char| {
            trimmed.matches(open).count().cast_signed() - trimmed.matches(close).count().cast_signed()
        };
        if attribute_depth > 0 || trimmed.starts_with("#[") {
            attribute_depth += brackets('[', ']');
            is_documented |= trimmed.starts_with("#[doc");
            continue;
        }
        if trimmed.starts_with("//") {
            is_documented |= trimmed.starts_with("///");
            continue;
        }
        // A macro that passes its caller's doc comments on.
        if trimmed.starts_with("$(#[") {
            is_documented = true;
            continue;
        }
        // A module declared with `pub mod name;` has its docs at the top of its own file.
        let is_file_module = trimmed.starts_with("pub mod ") && trimmed.ends_with(';');
        if item.is_match(line) && !is_documented && !is_file_module {
            found.push(number);
        }
        is_documented = false;
    }
    found
}

#[test]
fn every_public_item_has_a_doc_comment() -> Result<()> {
    let mut missing = Vec::new();
    for (path, text) in sources()?.into_iter().filter(|(path, _)| is_product(path)) {
        missing.extend(undocumented(&text).into_iter().map(|line| format!("{}:{line}", path.display())));
    }
    assert!(missing.is_empty(), "public items without a doc comment:\n{}", missing.join("\n"));
    Ok(())
}

#[test]
fn every_file_says_what_it_is_for() -> Result<()> {
    let sources = sources()?;
    let missing: Vec<String> = sources
        .iter()
        .filter(|(path, text)| is_product(path) && !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(missing.is_empty(), "files that do not start with `//!`:\n{}", missing.join("\n"));
    Ok(())
}

#[test]
fn comments_avoid_stiff_words() -> Result<()> {
    let word = Regex::new(&format!(r"(?i)\b({})\b", STIFF_WORDS.join("|")))?;
    let comment = Regex::new(r"(?m)(?:^|\s)//.*$")?;
    let mut found = Vec::new();
    for (path, text) in sources()? {
        let comments: usize = comment.find_iter(&text).map(|comment| word.find_iter(comment.as_str()).count()).sum();
        if comments > 0 {
            found.push((comments, path));
        }
    }
    let total: usize = found.iter().map(|(count, _)| count).sum();
    found.sort_by(|a, b| b.cmp(a));
    let files: String = found.iter().map(|(count, path)| format!("{count:4} {}\n", path.display())).collect();
    assert!(total <= STIFF_WORDS_ALLOWED, "{STIFF_WORDS:?} occur {total} times in comments:\n{files}");
    Ok(())
}

#[test]
fn undocumented_items_are_found() {
    let text = "/// Has docs.\n#[derive(\n    Debug,\n)]\npub struct A {\n    pub field: u8,\n}\n\npub fn b() {}\n\
                // A plain comment.\npub(crate) fn c() {}\npub use d::E;\npub mod f;\npub const G: u8 = 0;\nmod tests {\n    pub fn h() {}\n}\n";
    assert_eq!(undocumented(text), [9, 14]);
}
