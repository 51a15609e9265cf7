//! Reads a template file: TOML to [`crate::Template`], with every rule a template must keep.

mod compose;
mod document;
mod images;
mod network;
mod settings;

pub(crate) use document::parse;
