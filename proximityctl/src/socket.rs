//! Which socket the daemon is looked for at.

use std::path::{Path, PathBuf};

/// The socket of the daemon that the system runs.
pub const SYSTEM: &str = "/run/proximity/proximityd.sock";

/// The socket's place below the directory that the user's daemon makes it in.
const IN_RUNTIME_DIR: &str = "proximity/proximityd.sock";

/// What the choice depends on.
#[derive(Debug, Default)]
pub struct Places {
    /// `--socket`.
    pub flag: Option<PathBuf>,
    /// `PROXIMITY_SOCKET`.
    pub variable: Option<PathBuf>,
    /// We are root: root's daemon is the system's.
    pub root: bool,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// `XDG_DATA_HOME`, else `.local/share` in `HOME`.
    pub data_home: Option<PathBuf>,
}

impl Places {
    /// What this process was given.
    pub fn of_process(flag: Option<PathBuf>) -> Places {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Places {
            flag,
            variable: variable("PROXIMITY_SOCKET"),
            root: rustix::process::geteuid().is_root(),
            runtime_dir: variable("XDG_RUNTIME_DIR"),
            data_home: variable("XDG_DATA_HOME")
                .or_else(|| variable("HOME").map(|home| home.join(".local/share"))),
        }
    }

    /// The socket: the flag, else the variable, else the system's if it is there, else the user's own. That one is
    /// where `proximityd` makes it: in the runtime directory, or in the data directory when it was started without
    /// one, as from cron. The one that is there is taken, and where none is, the one that a daemon started here makes.
    pub fn choose(self, exists: impl Fn(&Path) -> bool) -> PathBuf {
        if let Some(named) = self.flag.or(self.variable) {
            return named;
        }
        let system = PathBuf::from(SYSTEM);
        if self.root || exists(&system) {
            return system;
        }
        let own =
            [self.runtime_dir, self.data_home].into_iter().flatten().map(|dir| dir.join(IN_RUNTIME_DIR));
        let own: Vec<PathBuf> = own.collect();
        own.iter().find(|socket| exists(socket)).or(own.first()).cloned().unwrap_or(system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(runtime: Option<&str>, data: Option<&str>) -> Places {
        Places { runtime_dir: runtime.map(Into::into), data_home: data.map(Into::into), ..Places::default() }
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_both_before_any_default() {
        let named = |flag: Option<&str>| Places {
            flag: flag.map(Into::into),
            variable: Some("/b".into()),
            ..user(Some("/c"), None)
        };
        assert_eq!(named(Some("/a")).choose(|_| true), Path::new("/a"));
        assert_eq!(named(None).choose(|_| true), Path::new("/b"));
    }

    #[test]
    fn the_users_own_daemon_is_tried_where_the_system_runs_none() {
        let runtime = Path::new("/run/user/7/proximity/proximityd.sock");
        let data = Path::new("/home/u/.local/share/proximity/proximityd.sock");
        let both = || user(Some("/run/user/7"), Some("/home/u/.local/share"));
        assert_eq!(both().choose(|_| true), Path::new(SYSTEM));
        assert_eq!(both().choose(|path| path == runtime || path == data), runtime);
        assert_eq!(
            both().choose(|path| path == data),
            data,
            "its daemon was started without a runtime directory"
        );
        assert_eq!(both().choose(|_| false), runtime);
        assert_eq!(user(None, Some("/home/u/.local/share")).choose(|_| false), data);
        assert_eq!(user(None, None).choose(|_| false), Path::new(SYSTEM));
    }

    #[test]
    fn roots_daemon_is_the_systems_whatever_the_session_says() {
        let root = Places { root: true, ..user(Some("/run/user/0"), Some("/root/.local/share")) };
        assert_eq!(root.choose(|_| false), Path::new(SYSTEM));
    }
}
