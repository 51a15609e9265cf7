//! Where the node differs from the recorded server on purpose, each with the reason.

use serde_json::Value;

use super::exchange::Exchange;

/// Replies that this node does not give, by what they say, and why not.
const REPLIES: &[(&str, &str)] = &[
    (
        "failed to change apparmor profile",
        "the recorded server had no AppArmor, so that its mount points could not be hot-plugged; real ones can",
    ),
    (
        "failed: exit code 1\n#lxc-device",
        "the recorded server could not hand devices to guests, so that its networks could not be hot-plugged",
    ),
    (
        "PVE/Network/SDN/Zones.pm line",
        "the recorded server had no interface status file, which every installed server has",
    ),
];

/// Why an exchange is not expected to match; none if it is.
pub(crate) fn on_purpose(exchange: &Exchange) -> Option<&'static str> {
    let text = exchange.complaint();
    REPLIES
        .iter()
        .find(|(pattern, _)| match pattern.split_once('#') {
            Some((one, other)) => text.contains(one.trim()) && text.contains(other),
            None => text.contains(pattern),
        })
        .map(|(_, reason)| *reason)
}

/// Values that are the same although their JSON is not: the recorded server ran on control groups of
/// version 1, which know no pressure; this node tells numbers, as servers do by default.
pub(crate) fn same_on_purpose(path: &str, expected: &Value, got: &Value) -> bool {
    let key = path.rsplit('.').next().unwrap_or_default();
    key.starts_with("pressure")
        && (expected.is_null() || expected.is_number())
        && (got.is_null() || got.is_number())
}

/// Keys that the recorded machine had and this one need not have.
pub(crate) fn absent_on_purpose(_: &str, _: &Value) -> bool {
    false
}

/// Keys that this machine has and the recorded one had not.
pub(crate) fn extra_on_purpose(_: &str, _: &Value) -> bool {
    false
}
