//! `generate` (hidden): the man pages and completions that packages install.

use std::path::PathBuf;

use clap::Args;

use crate::error::Error;
use crate::pages;

/// Write man/ and completions/ into a directory
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Writes the files.
///
/// # Errors
/// [`Error::File`].
pub fn run(args: GenerateArgs) -> Result<(), Error> {
    for (name, content) in pages::all() {
        let path = args.dir.join(name);
        let parent = path.parent().expect("each is in a directory");
        std::fs::create_dir_all(parent).map_err(|error| Error::write(parent, error))?;
        std::fs::write(&path, content).map_err(|error| Error::write(&path, error))?;
    }
    Ok(())
}
