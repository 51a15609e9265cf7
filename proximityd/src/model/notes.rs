//! The machine-readable block in a container's PVE notes: what makes a container ours, and tells a copy from it.
//!
//! The notes are Markdown that a person sees in the PVE web page, so the block is an HTML comment below a line of text.
//! Nothing is destroyed unless this block, freshly read, and the database agree.

use serde::{Deserialize, Serialize};

/// PVE takes 8 KiB of notes (`description` in the LXC configuration schema).
pub const MAX_NOTES: usize = 8192;

const OPEN: &str = "<!-- proximity:1 ";
const CLOSE: &str = " -->";

/// What a managed container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It holds an app.
    App,
    /// It is a golden container.
    Golden,
}

/// The block. With it, the daemon's record can be made anew from PVE alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// What it is.
    pub kind: Kind,
    /// The app's id, or the recipe of a golden container.
    pub id: String,
    /// The vmid it was written for: in a copy of the container this differs from the copy's own.
    pub vmid: u32,
    /// The operation that made the container.
    pub operation: String,
    /// The app's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The template's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_version: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

impl Notes {
    /// The block alone: one line.
    pub fn block(&self) -> String {
        let json = serde_json::to_string(self).expect("notes are plain strings and numbers");
        // Two hyphens would end the comment; JSON reads the escape back.
        format!("{OPEN}{}{CLOSE}", json.replace("--", "-\\u002d"))
    }

    /// The notes' whole text: lines for a person, then the block.
    pub fn text(&self, for_a_person: &str) -> String {
        let block = self.block();
        let room = MAX_NOTES.saturating_sub(block.len() + 3);
        let talk = for_a_person.replace("<!--", "<! --");
        let mut end = talk.len().min(room);
        while !talk.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}\n\n{block}\n", &talk[..end])
    }

    /// Reads the block from notes. None where there is none, or none that can be read.
    pub fn read(text: &str) -> Option<Notes> {
        let start = text.find(OPEN)? + OPEN.len();
        let end = start + text[start..].find(CLOSE)?;
        serde_json::from_str(&text[start..end]).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn notes(id: String, vmid: u32) -> Notes {
        Notes {
            kind: Kind::App,
            id: id.clone(),
            vmid,
            operation: id.clone(),
            name: Some(id),
            template: None,
            template_version: None,
            created_at: None,
        }
    }

    #[test]
    fn notes_without_our_block_are_not_ours() {
        assert_eq!(Notes::read(""), None);
        assert_eq!(Notes::read("made by hand"), None);
        assert_eq!(Notes::read("<!-- proximity:1 {not json} -->"), None);
        assert_eq!(Notes::read("<!-- proximity:1 {\"kind\":\"app\""), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(id in ".{0,40}", vmid in 100u32..999_999_999, talk in ".{0,300}") {
            let notes = notes(id, vmid);
            prop_assert_eq!(Notes::read(&notes.text(&talk)), Some(notes));
        }

        #[test]
        fn they_fit_what_pve_takes(talk in ".{0,3000}") {
            let text = notes("x".into(), 100).text(&talk.repeat(5));
            prop_assert!(text.len() <= MAX_NOTES);
        }

        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,200}") {
            Notes::read(&text);
            Notes::read(&format!("<!-- proximity:1 {text} -->"));
        }
    }
}
