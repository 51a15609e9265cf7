//! What a node names by itself (tasks, backups, MAC addresses) stands for what the recorded node named: one name
//! for one, the first time they meet, and from there on always.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

/// Names of a recording and this node's names for the same things.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    ours: HashMap<String, String>,
    theirs: HashMap<String, String>,
}

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"UPID:[A-Za-z0-9.-]+:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:[a-z]+:[^:\s]*:[^:\s]+:",
        r"|vzdump-lxc-\d+-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d",
        r"|(?i:\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b)",
        r"|\bfe80::[0-9a-f:]+",
    ))
    .unwrap()
});

/// What of a name is no accident, by its kind.
fn meaning(name: &str) -> String {
    if name.starts_with("UPID:") {
        let parts: Vec<&str> = name.split(':').collect();
        return format!("{}:{}:{}:{}", parts[1], parts[5], parts[6], parts[7]);
    }
    if let Some(backup) = name.strip_prefix("vzdump-lxc-") {
        return backup.split('-').next().unwrap().to_owned();
    }
    if name.starts_with("fe80::") { "link-local".to_owned() } else { name[..8].to_uppercase() }
}

impl Names {
    /// Whether two texts say the same, names taken as what they stand for.
    pub(crate) fn same(&mut self, theirs: &str, ours: &str) -> bool {
        let (a, b) = (pieces(theirs), pieces(ours));
        if a.len() != b.len() {
            return false;
        }
        a.iter().zip(&b).all(|((text_a, name_a), (text_b, name_b))| {
            text_a == text_b
                && match (name_a, name_b) {
                    (Some(a), Some(b)) => self.stand_for_each_other(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                }
        })
    }

    fn stand_for_each_other(&mut self, theirs: &str, ours: &str) -> bool {
        let fold = |name: &str| if name.len() == 17 { name.to_uppercase() } else { name.to_owned() };
        let (theirs, ours) = (fold(theirs), fold(ours));
        match (self.ours.get(&theirs), self.theirs.get(&ours)) {
            (Some(known), _) => *known == ours,
            (None, Some(_)) => false,
            (None, None) => {
                let same = meaning(&theirs) == meaning(&ours);
                if same {
                    self.theirs.insert(ours.clone(), theirs.clone());
                    self.ours.insert(theirs, ours);
                }
                same
            }
        }
    }

    /// Whether equal texts of the recording are equal texts here (a digest, which nobody can predict).
    pub(crate) fn same_when_same(&mut self, theirs: &str, ours: &str) -> bool {
        self.ours.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned()) == ours
    }

    /// A text of the recording with this node's names in it.
    pub(crate) fn translate(&self, text: &str) -> String {
        NAME.replace_all(text, |found: &regex::Captures<'_>| {
            self.ours.get(&found[0]).cloned().unwrap_or_else(|| found[0].to_owned())
        })
        .into_owned()
    }
}

/// A text cut into plain text and the name after it.
fn pieces(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut found = Vec::new();
    let mut from = 0;
    for name in NAME.find_iter(text) {
        found.push((&text[from..name.start()], Some(name.as_str())));
        from = name.end();
    }
    found.push((&text[from..], None));
    found
}
