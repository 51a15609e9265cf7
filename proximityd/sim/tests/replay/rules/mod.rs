//! The rules that find the state a request needs: from its path, its parameters, and what the reply implies.
//!
//! A rule looks at one kind of thing and knows no recording by name. Where the reply is the same whatever was
//! there (a task that starts), a word of the name such as `missing-ct` may tell; nothing hangs on it.

mod access;
mod cluster;
mod firewall;
mod guests;
mod identity;
mod nodes;
mod storages;
mod tasks;
mod told;

use super::exchange::Exchange;
use super::world::World;

/// Applies all rules.
pub(crate) fn apply(exchange: &Exchange, world: &mut World) {
    nodes::apply(exchange, world);
    storages::apply(exchange, world);
    guests::apply(exchange, world);
    tasks::apply(exchange, world);
    firewall::apply(exchange, world);
    cluster::apply(exchange, world);
    access::apply(exchange, world);
    identity::apply(exchange, world);
}

/// The text between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// The words of a list parameter.
fn list(text: &str) -> Vec<&str> {
    text.split([',', ';', ' ']).filter(|s| !s.is_empty()).collect()
}
