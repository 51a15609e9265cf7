//! What a guest's programs see: files, pipes, processes.

pub(crate) mod bytes;
pub(crate) mod files;
pub(crate) mod layout;
pub(crate) mod process;
pub(crate) mod stream;
pub(crate) mod tar;
pub(crate) mod vfs;
