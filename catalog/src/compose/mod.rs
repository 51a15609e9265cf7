//! A Compose document as Proximity sees it: its model, its reader, and the variables in it.

mod image;
mod model;
mod mounts;
mod ports;
mod read;
mod variables;

pub(crate) use image::parse_image;
pub use model::{CommandLine, Compose, Dependency, Mount, MountKind, PublishedPort, Service};
pub(crate) use read::{ReadCompose, Rules, read};
pub use variables::VariableUse;
pub(crate) use variables::{fill, split};
