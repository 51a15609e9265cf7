//! The man pages and completions in the repository are those that the tree gives.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_man_pages_and_completions_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let made = proximityctl::pages::all();
    for (name, content) in &made {
        let there = std::fs::read(root.join(name)).unwrap_or_default();
        assert!(there == *content, "{name} is stale: run `cargo run -p proximityctl -- generate .`");
    }
    let names: BTreeSet<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
    for dir in ["man", "completions"] {
        for entry in std::fs::read_dir(root.join(dir)).unwrap() {
            let name = format!("{dir}/{}", entry.unwrap().file_name().to_string_lossy());
            assert!(
                !name.contains("proximityctl") || names.contains(name.as_str()),
                "{name} is of no command"
            );
        }
    }
}
