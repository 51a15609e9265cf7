//! Which socket the daemon is looked for at.

use std::path::{Path, PathBuf};

/// The socket of the daemon that the system runs.
pub const SYSTEM: &str = "/run/proximity/proximityd.sock";

/// What the choice depends on.
#[derive(Debug, Default)]
pub struct Places {
    /// `--socket`.
    pub flag: Option<PathBuf>,
    /// `PROXIMITY_SOCKET`.
    pub variable: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
}

impl Places {
    /// What this process was given.
    pub fn of_process(flag: Option<PathBuf>) -> Places {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Places { flag, variable: variable("PROXIMITY_SOCKET"), runtime_dir: variable("XDG_RUNTIME_DIR") }
    }

    /// The socket: the flag, else the variable, else the system's if it is there, else the user's own.
    pub fn choose(self, exists: impl Fn(&Path) -> bool) -> PathBuf {
        let system = PathBuf::from(SYSTEM);
        match (self.flag.or(self.variable), self.runtime_dir) {
            (Some(named), _) => named,
            (None, Some(dir)) if !exists(&system) => dir.join("proximity/proximityd.sock"),
            (None, _) => system,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(flag: Option<&str>, variable: Option<&str>, runtime: Option<&str>) -> Places {
        Places {
            flag: flag.map(Into::into),
            variable: variable.map(Into::into),
            runtime_dir: runtime.map(Into::into),
        }
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_both_before_any_default() {
        assert_eq!(places(Some("/a"), Some("/b"), Some("/c")).choose(|_| true), Path::new("/a"));
        assert_eq!(places(None, Some("/b"), Some("/c")).choose(|_| true), Path::new("/b"));
    }

    #[test]
    fn the_users_own_daemon_is_tried_where_the_system_runs_none() {
        let user = Path::new("/run/user/7/proximity/proximityd.sock");
        assert_eq!(places(None, None, Some("/run/user/7")).choose(|_| true), Path::new(SYSTEM));
        assert_eq!(places(None, None, Some("/run/user/7")).choose(|_| false), user);
        assert_eq!(places(None, None, None).choose(|_| false), Path::new(SYSTEM));
    }
}
