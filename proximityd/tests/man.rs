//! The man page in the repository is the one that the command line gives.

#[path = "../examples/man.rs"]
#[allow(dead_code, reason = "the example's `main` writes the page")]
mod man;

#[test]
fn the_man_page_is_fresh() {
    let there =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../man/proximityd.8")).unwrap_or_default();
    assert!(there == man::page(), "man/proximityd.8 is stale: run `cargo run -p proximityd --example man`");
}
