//! The arrows of docs/ARCHITECTURE.md: who may use whom. Crate edges are held by Cargo.toml; the rest is held here.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("proximityd is in the workspace").into()
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// Lines of code that name something, with their places.
fn uses(place: &str, name: &str) -> Vec<String> {
    let path = root().join(place);
    let files =
        if path.is_dir() { sources(&path) } else { vec![(path.clone(), fs::read_to_string(&path).unwrap())] };
    assert!(!files.is_empty(), "{place} holds no source");
    files
        .iter()
        .flat_map(|(path, text)| {
            let code = |line: &&str| !line.trim_start().starts_with("//");
            text.lines()
                .filter(code)
                .filter(|line| line.contains(name))
                .map(|line| format!("{}: {line}", path.display()))
        })
        .collect()
}

fn forbid(place: &str, names: &[&str]) {
    for name in names {
        let found = uses(place, name);
        assert!(found.is_empty(), "{place} must not use {name}:\n{}", found.join("\n"));
    }
}

#[test]
fn modules_use_only_what_is_below_them() {
    let daemon = "proximityd/src";
    forbid(
        &format!("{daemon}/model"),
        &["crate::store", "crate::ops", "crate::apps", "crate::rpc", "crate::guest", "crate::hosts"],
    );
    forbid(
        &format!("{daemon}/store"),
        &["crate::ops", "crate::apps", "crate::rpc", "crate::guest", "crate::hosts", "proximity_pve"],
    );
    forbid(&format!("{daemon}/guest"), &["crate::ops", "crate::apps", "crate::rpc", "crate::store"]);
    forbid(&format!("{daemon}/ops"), &["crate::apps", "crate::rpc", "crate::watch"]);
    forbid(&format!("{daemon}/apps"), &["crate::rpc"]);
    forbid(
        &format!("{daemon}/rpc"),
        &["crate::ops", "crate::guest", "crate::hosts", "crate::vault", "proximity_pve"],
    );
    forbid(
        &format!("{daemon}/hosts.rs"),
        &["crate::store", "crate::ops", "crate::apps", "crate::rpc", "crate::guest"],
    );
}

#[test]
fn the_database_is_known_to_the_store_alone() {
    for (path, text) in sources(&root().join("proximityd/src")) {
        if !path.components().any(|part| part.as_os_str() == "store") {
            assert!(!text.contains("rusqlite"), "{} knows rusqlite", path.display());
        }
    }
}

#[test]
fn crates_have_only_the_edges_that_they_may_have() {
    let edges = |place: &str| {
        let text = fs::read_to_string(root().join(place).join("Cargo.toml")).unwrap();
        ["proto-json", "proximity-catalog", "proximity-pve", "proximity-sim", "proximityd", "proximityctl"]
            .into_iter()
            .filter(|name| {
                text.lines().any(|line| {
                    line.starts_with(&format!("{name}.")) || line.starts_with(&format!("{name} ="))
                })
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(edges("proto-json"), [""; 0]);
    assert_eq!(edges("catalog"), [""; 0]);
    assert_eq!(edges("proximityd/pve"), [""; 0]);
    assert_eq!(edges("proximityd/sim"), [""; 0]);
    assert_eq!(edges("proximityctl"), ["proto-json", "proximity-catalog"]);
    assert_eq!(edges("proximityd"), ["proto-json", "proximity-catalog", "proximity-pve"]);
}
