//! What a person waits for, measured as whole processes: `cargo bench -p proximityd`, after
//! `cargo build --release --workspace`. With words (`listing`, `serving`, `watching`, `deploying`) only those parts.
//!
//! Each figure is a median of runs taken in turn with its floor (the least a program of this kind can do: connect, ask,
//! print) and a peer (curl), so that a noisy machine disturbs all alike. It prints; it judges nothing.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod daemon;
mod deploying;
mod listing;
mod node;
mod serving;
mod watching;

use std::io::Write;
use std::path::Path;

use daemon::{ask, rpc};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == "--floor") {
        // The least that a client can do.
        let answer = ask(Path::new(&args[1]), &rpc("app.list"));
        std::io::stdout().write_all(answer.as_bytes()).unwrap();
        return;
    }
    if args.first().is_some_and(|arg| arg == "--floor-table") {
        floor_table(&ask(Path::new(&args[1]), &rpc("app.list")));
        return;
    }
    let parts: [(&str, fn()); 4] = [
        ("listing", listing::run),
        ("serving", serving::run),
        ("watching", watching::run),
        ("deploying", deploying::run),
    ];
    for (name, part) in parts {
        if args.is_empty() || args.iter().any(|arg| arg == name) {
            part();
        }
    }
}

/// The least that prints a table of an answer: read into borrowed text, padded to the widest.
fn floor_table(answer: &str) {
    #[derive(serde::Deserialize)]
    struct Row<'a> {
        name: &'a str,
        state: &'a str,
        template: &'a str,
        url: Option<&'a str>,
        node: Option<&'a str>,
        vmid: Option<u32>,
    }
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        result: Vec<Row<'a>>,
    }
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let rows = serde_json::from_str::<Answer<'_>>(body).unwrap().result;
    let width = |text: fn(&Row<'_>) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let (name, state) = (width(|row| row.name.len()), width(|row| row.state.len()));
    let (template, url) = (width(|row| row.template.len()), width(|row| row.url.unwrap_or("-").len()));
    let node = width(|row| row.node.unwrap_or("-").len());
    let mut out = std::io::BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    for row in &rows {
        let (link, place) = (row.url.unwrap_or("-"), row.node.unwrap_or("-"));
        let vmid = row.vmid.unwrap_or(0);
        writeln!(
            out,
            "{:name$}  {:state$}  {:template$}  {link:url$}  {place:node$}  {vmid}",
            row.name, row.state, row.template
        )
        .unwrap();
    }
    out.flush().unwrap();
}
