//! Checks which crates may depend on which, from cargo's metadata.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;
use stereospot_tests::{output, root};

struct Workspace {
    /// Direct dependencies of each member, without those for tests and builds.
    direct: BTreeMap<String, BTreeSet<String>>,
    /// The same, including those for tests and builds.
    any: BTreeMap<String, BTreeSet<String>>,
}

fn workspace() -> Result<Workspace> {
    let text = output(env!("CARGO"), &["metadata", "--format-version", "1", "--no-deps", "--offline"])?;
    let metadata: Value = serde_json::from_str(&text)?;
    let (mut direct, mut any) = (BTreeMap::new(), BTreeMap::new());
    for package in metadata["packages"].as_array().context("packages")? {
        let name = package["name"].as_str().context("name")?.to_owned();
        let all = package["dependencies"].as_array().context("dependencies")?;
        let names = |only_normal: bool| -> BTreeSet<String> {
            all.iter()
                .filter(|dependency| !only_normal || dependency["kind"].is_null())
                .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                .collect()
        };
        direct.insert(name.clone(), names(true));
        any.insert(name, names(false));
    }
    Ok(Workspace { direct, any })
}

/// The members that a member depends on, directly or indirectly, without itself.
fn reached(workspace: &Workspace, member: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![member.to_owned()];
    while let Some(name) = open.pop() {
        for dependency in workspace.direct.get(&name).into_iter().flatten() {
            if reached.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    reached
}

fn members_of(names: &BTreeSet<String>) -> Vec<&str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("stereospot")).collect()
}

#[test]
fn every_room_is_there() -> Result<()> {
    let workspace = workspace()?;
    let rooms: Vec<&str> = workspace.direct.keys().map(String::as_str).collect();
    let expected = [
        "stereospot",
        "stereospot-api",
        "stereospot-aws",
        "stereospot-controlplane",
        "stereospot-core",
        "stereospot-domain",
        "stereospot-local",
        "stereospot-media",
        "stereospot-picture",
        "stereospot-ports",
        "stereospot-runtime",
        "stereospot-scene",
        "stereospot-stereo",
        "stereospot-telemetry",
        "stereospot-tests",
        "stereospot-worker",
    ];
    assert_eq!(rooms, expected);
    Ok(())
}

#[test]
fn the_domain_is_pure() -> Result<()> {
    let workspace = workspace()?;
    let allowed = ["percent-encoding", "serde", "serde_json", "thiserror", "utoipa", "uuid"];
    let found: Vec<&String> =
        workspace.direct["stereospot-domain"].iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(found.is_empty(), "the domain knows {found:?}");
    // No clock and no randomness through a uuid feature either.
    let manifest = std::fs::read_to_string(root().join("shared/domain/Cargo.toml"))?;
    assert!(!manifest.contains("\"v4\"") && !manifest.contains("\"v7\""));
    Ok(())
}

#[test]
fn the_control_planes_core_is_pure() -> Result<()> {
    let tree =
        output(env!("CARGO"), &["tree", "--offline", "--prefix", "none", "-p", "stereospot-core", "-e", "normal"])?;
    let built_of: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let impure = ["tokio", "sqlx", "axum", "reqwest", "object_store", "stereospot-ports", "stereospot-telemetry"];
    let found: Vec<&&str> = impure.iter().filter(|name| built_of.contains(**name)).collect();
    assert!(built_of.contains("stereospot-core") && found.is_empty(), "the core knows {found:?}");
    Ok(())
}

#[test]
fn the_dashboard_reaches_no_backend_and_no_native_library() -> Result<()> {
    let reached = reached(&workspace()?, "stereospot");
    assert_eq!(members_of(&reached), ["stereospot-api", "stereospot-domain", "stereospot-telemetry"]);
    Ok(())
}

#[test]
fn each_heavy_library_has_its_owner() -> Result<()> {
    let workspace = workspace()?;
    let owners = [
        ("sqlx", &["stereospot-controlplane", "stereospot-local"][..]),
        ("ffmpeg-next", &["stereospot-media"]),
        ("ort", &["stereospot-stereo"]),
        ("landlock", &["stereospot-worker"]),
        ("seccompiler", &["stereospot-worker"]),
        ("ratatui", &["stereospot"]),
        ("axum", &["stereospot-controlplane"]),
    ];
    for (library, owners) in owners {
        let users: Vec<&str> = workspace
            .direct
            .iter()
            .filter(|(_, dependencies)| dependencies.contains(library))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(users, owners, "{library}");
    }
    for (member, dependencies) in &workspace.any {
        let sdk: Vec<&String> = dependencies.iter().filter(|name| name.starts_with("aws-sdk-")).collect();
        assert!(sdk.is_empty() || member == "stereospot-aws", "{member} names {sdk:?}");
    }
    Ok(())
}

#[test]
fn backends_do_not_know_each_other_and_only_programs_choose_one() -> Result<()> {
    let workspace = workspace()?;
    for (member, dependencies) in &workspace.direct {
        let is_program =
            ["stereospot-controlplane", "stereospot-worker", "stereospot-tests"].contains(&member.as_str());
        let backends: Vec<&String> = dependencies
            .iter()
            .filter(|name| ["stereospot-local", "stereospot-aws"].contains(&name.as_str()))
            .collect();
        assert!(is_program || backends.is_empty(), "{member} names {backends:?}");
        let has_aws = dependencies.contains("stereospot-aws");
        assert_eq!(has_aws, ["stereospot-controlplane", "stereospot-worker"].contains(&member.as_str()), "{member}");
    }
    let no_further = |member: &str, allowed: &[&str]| {
        let reached = reached(&workspace, member);
        assert_eq!(members_of(&reached), allowed, "{member}");
    };
    no_further("stereospot-domain", &[]);
    no_further("stereospot-ports", &["stereospot-domain"]);
    no_further("stereospot-local", &["stereospot-domain", "stereospot-ports"]);
    no_further("stereospot-aws", &["stereospot-domain", "stereospot-ports"]);
    no_further("stereospot-api", &["stereospot-domain"]);
    no_further("stereospot-core", &["stereospot-api", "stereospot-domain"]);
    no_further("stereospot-telemetry", &[]);
    no_further("stereospot-picture", &[]);
    no_further("stereospot-media", &["stereospot-domain", "stereospot-picture"]);
    no_further("stereospot-stereo", &["stereospot-picture"]);
    no_further("stereospot-scene", &["stereospot-picture"]);
    Ok(())
}

/// Names of all crates that the programs are built from with these features.
fn built_of(features: &[&str]) -> Result<BTreeSet<String>> {
    let programs = ["-p", "stereospot", "-p", "stereospot-controlplane", "-p", "stereospot-worker"];
    let args =
        [&["tree", "--offline", "--prefix", "none", "--edges", "normal,build"], &programs[..], features].concat();
    let tree = output(env!("CARGO"), &args)?;
    Ok(tree.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect())
}

#[test]
fn aws_is_asked_for_and_a_local_stack_is_built_without_it() -> Result<()> {
    for member in ["controlplane", "workers/worker"] {
        let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(root().join(member).join("Cargo.toml"))?)?;
        let dependency = manifest["dependencies"].get("stereospot-aws").with_context(|| member.to_owned())?;
        assert_eq!(dependency.get("optional").and_then(toml::Value::as_bool), Some(true), "{member}");
        let features = manifest["features"].as_table().context("features")?;
        let on_by_default = features.get("default").and_then(toml::Value::as_array).map_or(0, Vec::len);
        assert!(features.contains_key("aws") && on_by_default == 0, "{member}: {features:?}");
    }
    // The TLS library comes in through another crate's features and is just as slow to build.
    let is_aws = |name: &String| name.starts_with("aws-") || name == "stereospot-aws";
    let without = built_of(&[])?;
    let found: Vec<&String> = without.iter().filter(|name| is_aws(name)).collect();
    assert!(without.contains("stereospot-worker") && found.is_empty(), "a local stack is built of {found:?}");
    let with = built_of(&["--features", "stereospot-controlplane/aws,stereospot-worker/aws"])?;
    let sdk = ["stereospot-aws", "aws-sdk-sqs", "aws-sdk-dynamodb", "aws-lc-sys"];
    assert!(sdk.iter().all(|name| with.contains(*name)), "{with:?}");
    Ok(())
}

#[test]
fn every_member_takes_the_lints_and_the_versions_of_the_workspace() -> Result<()> {
    let workspace: toml::Table = toml::from_str(&std::fs::read_to_string(root().join("Cargo.toml"))?)?;
    let members = workspace["workspace"]["members"].as_array().context("members")?;
    for member in members {
        let path = root().join(member.as_str().context("text")?).join("Cargo.toml");
        let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(&path)?)?;
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{}", path.display());
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, wanted) in manifest.get(kind).and_then(|table| table.as_table()).into_iter().flatten() {
                let is_shared = wanted.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(is_shared, "{} names a version of {name} of its own", path.display());
            }
        }
    }
    Ok(())
}
