//! No import cycle is longer than three files, so that every part of the code can be read after the parts that it rests on.
//!
//! A file is a module. Declaring a child (`mod x;`) imports nothing, and neither does passing a name on (`pub use`): who uses the
//! name imports the file that it comes from. Code of unit tests doesn't count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use stereospot_tests::root;

#[path = "cycles/tokens.rs"]
mod tokens;

use tokens::tokens;

/// A module and its parent may know each other, and a pair of children too; more is a knot.
const LONGEST_CYCLE: usize = 3;

/// A module's name: the path from the crate's root.
type Name = Vec<String>;

/// A path as it is written, cut at `::`.
type Segments = Vec<String>;

#[derive(Debug, Default)]
struct Module {
    /// The names that `use` brings in, each with its full path.
    aliases: BTreeMap<String, Segments>,
    /// Modules whose names all come in (`use x::*`).
    globs: Vec<Segments>,
    /// Paths that make this module depend on another: those of `use`, and those within the code.
    paths: Vec<Segments>,
    /// The items that stand in the file itself.
    items: BTreeSet<String>,
}

/// One entry of a `use` declaration: `a::b as c`, or `a::*` without a name.
struct Import {
    path: Segments,
    name: Option<String>,
}

impl Module {
    fn parse(text: &str) -> Self {
        let tokens = without_tests(tokens(text));
        let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let (mut module, mut body, mut passed_on) = (Self::default(), Vec::new(), Vec::new());
        let mut at = 0;
        while at < words.len() {
            if words[at] != "use" {
                body.push(words[at]);
                at += 1;
                continue;
            }
            let end = at + words[at..].iter().position(|word| *word == ";").unwrap_or(words.len() - at);
            let is_public = at > 0 && (words[at - 1] == "pub" || words[at - 1] == ")");
            for import in imports(&words[at + 1..end]) {
                match (import.name, is_public) {
                    (None, _) => module.globs.push(import.path),
                    (Some(name), is_public) => {
                        if is_public {
                            passed_on.push(name.clone());
                        } else {
                            module.paths.push(import.path.clone());
                        }
                        module.aliases.insert(name, import.path);
                    }
                }
            }
            at = end + 1;
        }
        // A name that is passed on and used here too is an import after all.
        for name in passed_on.iter().filter(|name| body.contains(&name.as_str())) {
            module.paths.extend(module.aliases.get(name).cloned());
        }
        module.paths.extend(module.globs.iter().cloned());
        module.scan(&body);
        module
    }

    /// Finds the items and the paths of code without its `use` declarations.
    fn scan(&mut self, body: &[&str]) {
        let mut at = 0;
        while at < body.len() {
            let is_item =
                matches!(body[at], "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "macro_rules");
            if is_item && let Some(name) = body[at + 1..].iter().find(|word| **word != "!") {
                self.items.insert((*name).to_owned());
            }
            let mut path = vec![body[at].to_owned()];
            while body.get(at + path.len() * 2 - 1) == Some(&"::")
                && let Some(next) = body.get(at + path.len() * 2).filter(|word| is_name(word))
            {
                path.push((*next).to_owned());
            }
            let length = path.len() * 2 - 1;
            // `pub(in crate::a)` says who may see an item, and imports nothing.
            let is_visibility = at > 2 && body[at - 3..at] == ["pub", "(", "in"];
            let is_inner = at > 0 && body[at - 1] == "::";
            if path.len() > 1 && is_name(body[at]) && !is_inner && !is_visibility {
                self.paths.push(path);
            }
            at += length;
        }
    }
}

/// The entries of what stands between `use` and `;`.
fn imports(words: &[&str]) -> Vec<Import> {
    let (mut found, mut path) = (Vec::new(), Segments::new());
    let mut at = 0;
    while at < words.len() {
        match words[at] {
            "::" => {}
            "*" => {
                found.push(Import { path, name: None });
                return found;
            }
            "as" => {
                found.push(Import { path, name: words.get(at + 1).map(|name| (*name).to_owned()) });
                return found;
            }
            "{" => {
                for part in parts(&words[at + 1..words.len() - 1]) {
                    found.extend(imports(part).into_iter().map(|import| Import {
                        path: path.iter().cloned().chain(import.path).collect(),
                        name: import.name,
                    }));
                }
                return found;
            }
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    let name = path.last().cloned();
    if name.is_some() {
        found.push(Import { path, name });
    }
    found
}

/// The parts of a list in braces, cut at the commas that stand in no inner list.
fn parts<'a>(words: &'a [&'a str]) -> Vec<&'a [&'a str]> {
    let mut depth = 0;
    words
        .split(|word| {
            match *word {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            depth == 0 && *word == ","
        })
        .collect()
}

/// Leaves out each item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::with_capacity(tokens.len()), 0);
    while at < tokens.len() {
        if !tokens[at..].iter().take(MARK.len()).eq(MARK.iter()) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += MARK.len();
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let is_end = depth == 0 && (tokens[at] == ";" || tokens[at] == "}");
            at += 1;
            if is_end {
                break;
            }
        }
    }
    kept
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The modules of one crate.
#[derive(Debug, Default)]
struct Crate(BTreeMap<Name, Module>);

impl Crate {
    fn add(&mut self, path: &Path, text: &str) {
        let mut name: Name =
            path.iter().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned()).collect();
        if name == ["lib"] || name == ["main"] {
            name.clear();
        }
        self.0.insert(name, Module::parse(text));
    }

    /// The module that a path leads to from another; none when it leads out of the crate.
    fn resolve(&self, from: &Name, path: &[String], depth: u32) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return self.descend(Name::new(), rest, depth),
            "self" => return self.descend(from.clone(), rest, depth),
            "super" => return self.descend(from.split_last()?.1.to_vec(), rest, depth),
            _ => {}
        }
        let module = self.0.get(from)?;
        let child: Name = from.iter().chain([first]).cloned().collect();
        if self.0.contains_key(&child) {
            return self.descend(child, rest, depth);
        }
        // A name that stands for itself (`use regex;`) is another crate's.
        let alias = module.aliases.get(first).filter(|alias| alias.first() != Some(first))?;
        let whole: Segments = alias.iter().chain(rest).cloned().collect();
        if depth == 0 { None } else { self.resolve(from, &whole, depth - 1) }
    }

    /// Follows a path downwards from a module; it ends where a name is no module's and is not passed on from elsewhere.
    fn descend(&self, mut at: Name, path: &[String], depth: u32) -> Option<Name> {
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            if first == "super" {
                at.pop()?;
                rest = others;
                continue;
            }
            let child: Name = at.iter().chain([first]).cloned().collect();
            if self.0.contains_key(&child) {
                at = child;
                rest = others;
                continue;
            }
            let module = self.0.get(&at)?;
            if depth > 0 && !module.items.contains(first) {
                if let Some(alias) = module.aliases.get(first) {
                    let whole: Segments = alias.iter().chain(others).cloned().collect();
                    return self.resolve(&at, &whole, depth - 1);
                }
                let mut globs = module.globs.iter().filter_map(|glob| self.resolve(&at, glob, depth - 1));
                let has_it = |name: &Name| self.0.get(name).is_some_and(|other| other.items.contains(first));
                return Some(globs.find(has_it).unwrap_or(at));
            }
            break;
        }
        self.0.contains_key(&at).then_some(at)
    }

    /// For each module the others that it imports, with one of the paths by which it does.
    fn imports(&self) -> BTreeMap<&Name, BTreeMap<Name, String>> {
        let of = |(name, module): (&'_ Name, &Module)| {
            let found = module.paths.iter().filter_map(|path| Some((self.resolve(name, path, 8)?, path.join("::"))));
            found.filter(|(other, _)| other != name).collect()
        };
        self.0.iter().map(|(name, module)| (name, of((name, module)))).collect()
    }

    /// The groups of modules each of which reaches every other, largest first; only those of more than one.
    fn cycles(&self) -> Vec<BTreeSet<&Name>> {
        let imports = self.imports();
        let reached: BTreeMap<&Name, BTreeSet<&Name>> = self
            .0
            .keys()
            .map(|start| {
                let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
                while let Some(name) = open.pop() {
                    open.extend(
                        self.0.keys().filter(|other| imports[name].contains_key(*other) && reached.insert(*other)),
                    );
                }
                (start, reached)
            })
            .collect();
        let group = |name| reached[name].iter().copied().filter(|other| reached[other].contains(name)).collect();
        let groups: BTreeSet<BTreeSet<&Name>> = self.0.keys().map(group).collect();
        let mut groups: Vec<BTreeSet<&Name>> = groups.into_iter().filter(|group| group.len() > 1).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        groups
    }

    /// A cycle's files, each with what it imports of the others.
    fn describe(&self, cycle: &BTreeSet<&Name>) -> String {
        let imports = self.imports();
        let file = |name: &Name| if name.is_empty() { "lib".to_owned() } else { name.join("/") };
        let mut lines = String::new();
        for name in cycle {
            let others = imports[name].iter().filter(|(other, _)| cycle.contains(other));
            let others: Vec<String> = others.map(|(other, path)| format!("{} ({path})", file(other))).collect();
            lines.push_str(&format!("  {} imports {}\n", file(name), others.join(", ")));
        }
        lines
    }
}

/// Every crate's `src` folder, relative to the project's root.
fn crates() -> Result<Vec<PathBuf>> {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    let members = manifest["workspace"]["members"].as_array().context("members")?;
    members.iter().map(|member| Ok(Path::new(member.as_str().context("a member")?).join("src"))).collect()
}

/// Reads the files below a folder, without unit tests.
fn read(source: &Path) -> Result<Crate> {
    let (mut found, mut folders) = (Crate::default(), vec![source.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                // A program beside a library only starts it.
                let is_second_root = path.ends_with("src/main.rs") && source.join("lib.rs").exists();
                if !is_second_root {
                    found.add(path.strip_prefix(source)?, &std::fs::read_to_string(&path)?);
                }
            }
        }
    }
    Ok(found)
}

#[test]
fn no_import_cycle_is_long() -> Result<()> {
    let mut long = String::new();
    for source in crates()? {
        let found = read(&root().join(&source))?;
        for cycle in found.cycles().iter().filter(|cycle| cycle.len() > LONGEST_CYCLE) {
            long.push_str(&format!("{}: {} files\n{}", source.display(), cycle.len(), found.describe(cycle)));
        }
    }
    assert!(long.is_empty(), "import cycles of more than {LONGEST_CYCLE} files:\n{long}");
    Ok(())
}

#[test]
fn imports_are_found_in_every_form() {
    let mut found = Crate::default();
    let files = [
        ("lib.rs", "mod a; mod b; mod c; pub use c::{D as E, inner::F};"),
        ("a.rs", "use crate::E; // use crate::b::X;\nfn f() { let text = \"crate::b::X\"; super::F::new() }"),
        ("b.rs", "use super::{a::{self, f}, c}; #[cfg(test)] mod tests { use crate::E; } fn g() { c::inner::h() }"),
        ("c.rs", "pub(crate) mod inner; pub(in crate::b) struct D; #[cfg(test)] use crate::b::g;"),
        ("c/inner.rs", "use super::D; pub struct F; pub fn h() {} const X: &str = r#\"crate::b\"#;"),
    ];
    for (path, text) in files {
        found.add(Path::new(path), text);
    }
    let imports: Vec<String> = found
        .imports()
        .iter()
        .map(|(name, others)| {
            let others: Vec<String> = others.keys().map(|other| other.join("/")).collect();
            format!("{}: {}", name.join("/"), others.join(" "))
        })
        .collect();
    assert_eq!(imports, [": ", "a: c c/inner", "b: a c c/inner", "c: ", "c/inner: c"]);
}

#[test]
fn cycles_are_found() {
    let mut found = Crate::default();
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", "use crate::{c, d};"),
        ("c.rs", "fn f() { crate::a::g() }"),
        ("d.rs", ""),
    ];
    for (path, text) in files {
        found.add(Path::new(path), text);
    }
    let cycles = found.cycles();
    assert_eq!(cycles.len(), 1);
    assert_eq!(
        found.describe(&cycles[0]),
        "  a imports b (crate::b)\n  b imports c (crate::c)\n  c imports a (crate::a::g)\n"
    );
}
