//! Reads the text of a `.env` file: `KEY=value` lines, as people and tools really write them.
//!
//! Accepted: bare, `"double"` and `'single'` quoted values, spaces around `=`, keys in any case, `export `, comments, CRLF, a
//! byte order mark. In a bare value a comment starts at a `#` after a blank: without the blank the `#` belongs to the value, as in
//! a URL. Empty and `null` mean "not deployed". Of two lines with one key the last counts. A line of another shape is left out and
//! noted, so that it does not hide the rest.

use std::collections::BTreeMap;

/// The variables of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variables {
    /// By upper-cased key; `None` for empty and `null`.
    values: BTreeMap<String, Option<String>>,
    /// One sentence for each line left out and each key that occurs twice.
    pub notes: Vec<String>,
}

impl Variables {
    /// Reads a file's text. Never fails: see [`Variables::notes`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut variables = Variables::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            match parse_line(line) {
                Line::Nothing => {}
                Line::Strange(why) => variables.notes.push(format!("line {number} was left out: {why}")),
                Line::Pair(key, value) => {
                    if variables.values.insert(key.clone(), value).is_some() {
                        variables.notes.push(format!("{key} stands twice: line {number} counts"));
                    }
                }
            }
        }
        variables
    }

    /// A key's value; none when it is absent, empty or `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.as_deref()
    }

    /// True when the file has the key, even with an empty value or `null`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }
}

enum Line {
    Nothing,
    Strange(&'static str),
    Pair(String, Option<String>),
}

fn parse_line(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Line::Nothing;
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => line,
    };
    let Some((key, value)) = line.split_once('=') else { return Line::Strange("it has no `=`") };
    let key = key.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty() || !key.chars().all(is_name) || key.starts_with(|c: char| c.is_ascii_digit()) {
        return Line::Strange("what stands before `=` is no name");
    }
    let Some(value) = parse_value(value.trim()) else { return Line::Strange("its quotes don't close at the end") };
    let value = value.trim();
    // `terraform output` prints a typed null as the last of these.
    let is_none = value.is_empty() || value.eq_ignore_ascii_case("null") || value == "tostring(null)";
    Line::Pair(key.to_ascii_uppercase(), (!is_none).then(|| value.to_owned()))
}

/// None when quotes don't close, or anything but a comment follows them.
fn parse_value(value: &str) -> Option<String> {
    match value.chars().next() {
        Some('"') => double_quoted(&value[1..]),
        Some('\'') => {
            let (inside, rest) = value[1..].split_once('\'')?;
            is_end(rest).then(|| inside.to_owned())
        }
        _ if value.starts_with('#') => Some(String::new()),
        _ => Some(value.find(" #").or(value.find("\t#")).map_or(value, |at| &value[..at]).to_owned()),
    }
}

fn double_quoted(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return is_end(&text[at + 1..]).then_some(out),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                escaped @ ('"' | '\\' | '$') => out.push(escaped),
                other => out.extend(['\\', other]),
            },
            _ => out.push(c),
        }
    }
    None
}

fn is_end(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

#[cfg(test)]
mod tests;
