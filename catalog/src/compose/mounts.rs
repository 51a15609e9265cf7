//! Volumes and binds in Compose's short and long syntax.

use super::model::{Mount, MountKind};
use crate::yaml::Node;

/// Reads `[SOURCE:]TARGET[:OPTIONS]`.
pub(crate) fn parse_short(text: &str, at: usize) -> Option<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return None,
    };
    if target.is_empty() || source == Some("") || !target.starts_with('/') {
        return None;
    }
    let kind = match source {
        None => MountKind::Anonymous,
        Some(source) if is_path(source) => MountKind::Bind,
        Some(_) => MountKind::Volume,
    };
    Some(Mount {
        kind,
        source: source.map(str::to_owned),
        target: target.to_owned(),
        read_only: options.split(',').any(|option| option == "ro"),
        at,
    })
}

/// Reads the long syntax. `text_of` fills in variables.
pub(crate) fn parse_long(node: &Node, text_of: &dyn Fn(&Node) -> Option<String>) -> Option<Mount> {
    let field = |name: &str| node.get(name).and_then(text_of);
    let source = field("source").or_else(|| field("src"));
    let target = field("target").or_else(|| field("destination")).or_else(|| field("dst"))?;
    let kind = match field("type")?.as_str() {
        "volume" if source.is_some() => MountKind::Volume,
        "volume" => MountKind::Anonymous,
        "bind" => MountKind::Bind,
        "tmpfs" => MountKind::Tmpfs,
        _ => MountKind::Other,
    };
    let read_only = node.get("read_only").is_some_and(Node::is_true);
    Some(Mount { kind, source, target, read_only, at: node.at() })
}

fn is_path(source: &str) -> bool {
    source.starts_with(['/', '.', '~'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_form_is_read() {
        for (text, kind, source, target, read_only) in [
            ("data:/data", MountKind::Volume, Some("data"), "/data", false),
            ("data:/data:ro", MountKind::Volume, Some("data"), "/data", true),
            ("./x:/x:z,ro", MountKind::Bind, Some("./x"), "/x", true),
            (
                "/etc/localtime:/etc/localtime:ro",
                MountKind::Bind,
                Some("/etc/localtime"),
                "/etc/localtime",
                true,
            ),
            ("/var/lib/x", MountKind::Anonymous, None, "/var/lib/x", false),
        ] {
            let mount = parse_short(text, 0).unwrap();
            let seen = (mount.kind, mount.source.as_deref(), mount.target.as_str(), mount.read_only);
            assert_eq!(seen, (kind, source, target, read_only), "{text}");
        }
        assert_eq!(parse_short("", 0), None);
        assert_eq!(parse_short("data:relative", 0), None);
        assert_eq!(parse_short(":/x", 0), None);
    }
}
