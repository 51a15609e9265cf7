//! Where the programs are: beside the test, in the same profile's directory.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the three programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The daemon.
    Proximityd,
    /// The command line.
    Proximityctl,
    /// The embedded node.
    Sim,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Proximityd => "proximityd",
            Self::Proximityctl => "proximityctl",
            Self::Sim => "proximity-sim",
        }
    }

    /// Its file.
    ///
    /// # Panics
    /// When it is not built.
    pub fn path(self) -> PathBuf {
        let test = std::env::current_exe().expect("a process knows its program");
        // target/PROFILE/deps/TEST
        let profile = test.ancestors().nth(2).expect("a test is two directories below the target directory");
        let path = profile.join(self.name());
        assert!(
            path.is_file(),
            "{} is not built; build the programs first: cargo build --workspace",
            path.display()
        );
        path
    }
}

/// A command whose surroundings are the directory's, and nobody's settings.
pub fn command(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", dir).env("TMPDIR", dir).env("NO_COLOR", "1");
    command.env("XDG_RUNTIME_DIR", dir).env("XDG_CONFIG_HOME", dir).env("XDG_DATA_HOME", dir);
    if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
        command.env("LLVM_PROFILE_FILE", profile);
    }
    command.current_dir(dir);
    command
}
