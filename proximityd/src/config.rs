//! The daemon's configuration: flag over environment over file over default.
//!
//! What belongs to the machine is here (paths, socket, limits); what belongs to the apps is in the database.

use std::path::{Path, PathBuf};

use clap::Parser;
use proto_json::Role;
use serde::Deserialize;

/// The command line. Every flag has an environment variable; `--help` names it.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "proximityd",
    version,
    about = "The Proximity daemon: a personal app cloud on Proxmox VE",
    long_about = "The Proximity daemon keeps its state in SQLite, talks to Proxmox VE over its HTTPS API, and answers \
                  proximityctl on a Unix socket.\n\nA value is taken from the flag, else from the environment, else \
                  from the configuration file, else from the default."
)]
pub struct Cli {
    /// Configuration file [default: /etc/proximity/proximityd.toml as root, else
    /// $XDG_CONFIG_HOME/proximity/proximityd.toml].
    #[arg(long, env = "PROXIMITYD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the configuration, say what is wrong with it, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// Where the database and the key are kept [default: /var/lib/proximity as root, else
    /// $XDG_DATA_HOME/proximity].
    #[arg(long, env = "PROXIMITYD_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The socket to answer on [default: /run/proximity/proximityd.sock as root, else
    /// $XDG_RUNTIME_DIR/proximity/proximityd.sock].
    #[arg(long, env = "PROXIMITY_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Start the embedded Proxmox VE node and use it as a host.
    #[arg(long, env = "PROXIMITYD_EMBEDDED")]
    pub embedded: bool,
    /// Faults that the embedded node is to make, for tests (a TOML file).
    #[arg(long, value_name = "FILE", requires = "embedded")]
    pub fault_plan: Option<PathBuf>,
    /// What the log holds: error, warn, info, debug, trace, or a filter such as `proximityd=debug`.
    #[arg(long, env = "PROXIMITYD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How the log is written.
    #[arg(long, env = "PROXIMITYD_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the identity is kept that secrets are encrypted to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityHome {
    /// A systemd credential when there is one, else a key file.
    #[default]
    Auto,
    /// A 0600 file in the data directory.
    File,
    /// The Secret Service of the desktop session, where a persistent one runs.
    SecretService,
}

/// The configuration file. See `docs/proximityd.toml` for a sample with every key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    data_dir: Option<PathBuf>,
    socket: Option<PathBuf>,
    embedded: Option<bool>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    catalog_dir: Option<PathBuf>,
    access: Access,
    secrets: Secrets,
    limits: Limits,
    poll: Poll,
    registry: Registry,
    guest: Guest,
}

/// Who may use the socket, besides root and the daemon's own user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Access {
    /// The group whose members may; the socket belongs to it.
    pub group: Option<String>,
    /// The role they have.
    pub group_role: Role,
}

impl Default for Access {
    fn default() -> Access {
        Access { group: None, group_role: Role::Operator }
    }
}

/// Where secrets are at home.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Secrets {
    /// The identity's home.
    pub identity: IdentityHome,
}

/// How much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Connections on the socket.
    pub connections: usize,
    /// Seconds that a client has to send its request.
    pub request_seconds: u64,
    /// Operations at work on one node.
    pub operations_per_node: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 1024, request_seconds: 30, operations_per_node: 16 }
    }
}

/// How often we look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Poll {
    /// Seconds between two looks at a host.
    pub host_seconds: u64,
    /// Seconds between two health probes of an app; 0 turns them off.
    pub probe_seconds: u64,
}

impl Default for Poll {
    fn default() -> Poll {
        Poll { host_seconds: 10, probe_seconds: 30 }
    }
}

/// Image registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Registry {
    /// Ask them for the newest tag that a template's policy allows. Without it the tested tag is taken.
    pub lookup: bool,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry { lookup: true }
    }
}

/// The insides of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Guest {
    /// SSH into containers, where they have a server and the daemon has a route. Without it no key is put into any.
    pub ssh: bool,
}

impl Default for Guest {
    fn default() -> Guest {
        Guest { ssh: true }
    }
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each field is explained at its flag or in its section
pub struct Config {
    pub data_dir: PathBuf,
    pub socket: PathBuf,
    pub embedded: bool,
    pub fault_plan: Option<PathBuf>,
    pub log: String,
    pub log_format: LogFormat,
    pub catalog_dir: Option<PathBuf>,
    pub access: Access,
    pub secrets: Secrets,
    pub limits: Limits,
    pub poll: Poll,
    pub registry: Registry,
    pub guest: Guest,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The faults for the embedded node cannot be read.
    #[error("the fault plan {} cannot be read", path.display())]
    FaultPlan {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no valid configuration.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A value that cannot be.
    #[error("{0}")]
    Value(String),
}

/// What the surroundings give: who we are, and the XDG directories.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// We are root.
    pub root: bool,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `$XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub fn here() -> Surroundings {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Surroundings {
            root: rustix::process::geteuid().is_root(),
            home: path("HOME"),
            config_home: path("XDG_CONFIG_HOME"),
            data_home: path("XDG_DATA_HOME"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
        }
    }

    fn below_home(&self, explicit: Option<&PathBuf>, rest: &str) -> PathBuf {
        let base = explicit.cloned().or_else(|| self.home.as_ref().map(|home| home.join(rest)));
        base.unwrap_or_else(|| PathBuf::from(".")).join("proximity")
    }

    fn config_file(&self) -> PathBuf {
        if self.root {
            return "/etc/proximity/proximityd.toml".into();
        }
        self.below_home(self.config_home.as_ref(), ".config").join("proximityd.toml")
    }

    fn data_dir(&self) -> PathBuf {
        if self.root {
            return "/var/lib/proximity".into();
        }
        self.below_home(self.data_home.as_ref(), ".local/share")
    }

    fn socket(&self, data_dir: &Path) -> PathBuf {
        if self.root {
            return "/run/proximity/proximityd.sock".into();
        }
        match &self.runtime_dir {
            Some(dir) => dir.join("proximity/proximityd.sock"),
            None => data_dir.join("proximityd.sock"),
        }
    }
}

/// A Unix socket's path may have 107 bytes (`sun_path` in unix(7), less its final NUL).
const MAX_SOCKET_PATH: usize = 107;

impl Config {
    /// Puts the configuration together.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file, the line and what to write instead.
    pub fn load(cli: &Cli, surroundings: &Surroundings) -> Result<Config, ConfigError> {
        let (path, must_exist) = match &cli.config {
            Some(path) => (path.clone(), true),
            None => (surroundings.config_file(), false),
        };
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => File::default(),
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        let data_dir = cli.data_dir.clone().or(file.data_dir).unwrap_or_else(|| surroundings.data_dir());
        let socket = cli.socket.clone().or(file.socket).unwrap_or_else(|| surroundings.socket(&data_dir));
        let config = Config {
            data_dir: absolute(&data_dir),
            socket: absolute(&socket),
            embedded: cli.embedded || file.embedded.unwrap_or(false),
            fault_plan: cli.fault_plan.clone(),
            log: cli.log.clone().or(file.log).unwrap_or_else(|| "info".into()),
            log_format: cli.log_format.or(file.log_format).unwrap_or_default(),
            catalog_dir: file.catalog_dir,
            access: file.access,
            secrets: file.secrets,
            limits: file.limits,
            poll: file.poll,
            registry: file.registry,
            guest: file.guest,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let fault = |message: String| Err(ConfigError::Value(message));
        let length = self.socket.as_os_str().len();
        if length > MAX_SOCKET_PATH {
            let path = self.socket.display();
            return fault(format!(
                "the socket's path has {length} bytes, and the kernel takes {MAX_SOCKET_PATH}: {path}; choose a \
                 shorter one with --socket"
            ));
        }
        if let Some(path) = &self.fault_plan {
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|source| ConfigError::FaultPlan { path: path.clone(), source })?;
            parse_as::<toml::Table>(path, &text)?;
        }
        if let Err(error) = self.log.parse::<tracing_subscriber::filter::Targets>() {
            return fault(format!("`log = \"{}\"` is no log filter: {error}", self.log));
        }
        if self.data_dir.exists() && !self.data_dir.is_dir() {
            let path = self.data_dir.display();
            return fault(format!(
                "the data directory {path} is no directory; choose another with --data-dir"
            ));
        }
        if self.limits.connections == 0
            || self.limits.operations_per_node == 0
            || self.limits.request_seconds == 0
        {
            return fault("the values in [limits] must be at least 1".into());
        }
        if self.poll.host_seconds == 0 {
            return fault("`poll.host-seconds` must be at least 1".into());
        }
        Ok(())
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    parse_as(path, text)
}

fn parse_as<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        ConfigError::Parse { path: path.into(), line, column, message: with_suggestion(error.message()) }
    })
}

/// serde lists every valid key; the nearest one is what a person looks for.
fn with_suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field")
        && let Some(wrong) = quoted.next()
        && let Some(near) = proto_json::params::nearest(wrong, quoted)
    {
        return format!("unknown key `{wrong}`; did you mean `{near}`?");
    }
    message.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cli(args: &[&str]) -> Cli {
        Cli::parse_from([&["proximityd"], args].concat())
    }

    fn user(dir: &Path) -> Surroundings {
        Surroundings { home: Some(dir.into()), ..Surroundings::default() }
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "data-dir = \"/from/file\"\nlog = \"debug\"\n[poll]\nhost-seconds = 3\n")
            .unwrap();
        let config = |args: &[&str]| {
            Config::load(&cli(&[&["--config", file.to_str().unwrap()], args].concat()), &user(dir.path()))
                .unwrap()
        };
        assert_eq!(config(&[]).data_dir, Path::new("/from/file"));
        assert_eq!(config(&["--data-dir", "/from/flag"]).data_dir, Path::new("/from/flag"));
        assert_eq!(config(&[]).log, "debug");
        assert_eq!(config(&[]).poll, Poll { host_seconds: 3, probe_seconds: 30 });
    }

    #[test]
    fn ssh_into_containers_is_on_until_it_is_turned_off() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Config::load(&cli(&[]), &user(dir.path())).unwrap().guest.ssh);
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "[guest]\nssh = false\n").unwrap();
        let config = Config::load(&cli(&["--config", file.to_str().unwrap()]), &user(dir.path())).unwrap();
        assert!(!config.guest.ssh);
    }

    #[test]
    fn a_file_in_the_place_of_the_data_directory_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("afile");
        std::fs::write(&file, "").unwrap();
        let error =
            Config::load(&cli(&["--data-dir", file.to_str().unwrap()]), &user(dir.path())).unwrap_err();
        assert!(
            error.to_string().ends_with("afile is no directory; choose another with --data-dir"),
            "{error}"
        );
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_told_once() {
        use std::error::Error as _;
        let dir = tempfile::tempdir().unwrap();
        let error = Config::load(&cli(&["--config", "/nonexistent"]), &user(dir.path())).unwrap_err();
        assert_eq!(error.to_string(), "the configuration file /nonexistent cannot be read");
        assert_eq!(error.source().unwrap().to_string(), "No such file or directory (os error 2)");
    }

    #[test]
    fn a_fault_plan_that_is_not_there_or_is_no_toml_is_said_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        let plan = dir.path().join("faults.toml");
        let load = || {
            Config::load(&cli(&["--embedded", "--fault-plan", plan.to_str().unwrap()]), &user(dir.path()))
                .map(drop)
                .map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
        };
        let missing = "the fault plan DIR/faults.toml cannot be read";
        assert_eq!(load(), Err(missing.to_string()));
        std::fs::write(&plan, "[[rule]]\npath = \n").unwrap();
        let damaged = load().unwrap_err();
        assert!(damaged.starts_with("DIR/faults.toml:2:"), "{damaged}");
        std::fs::write(&plan, "[[rule]]\n").unwrap();
        assert_eq!(load(), Ok(()));
    }

    #[test]
    fn root_and_users_have_their_own_paths() {
        let root = Surroundings { root: true, ..Surroundings::default() };
        let config = Config::load(&cli(&["--data-dir", "/var/lib/proximity"]), &root).unwrap();
        assert_eq!(config.socket, Path::new("/run/proximity/proximityd.sock"));
        let dir = tempfile::tempdir().unwrap();
        let config = Config::load(&cli(&[]), &user(dir.path())).unwrap();
        assert_eq!(config.data_dir, dir.path().join(".local/share/proximity"));
    }

    #[test]
    fn a_misspelt_key_is_shown_with_its_place_and_the_nearest_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "log = \"info\"\n[limits]\n  conections = 3\n").unwrap();
        let error = Config::load(&cli(&["--config", file.to_str().unwrap()]), &user(dir.path())).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("c.toml:3:3: unknown key `conections`; did you mean `connections`?"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let error = Config::load(&cli(&["--config", "/nowhere/c.toml"]), &user(dir.path())).unwrap_err();
        assert!(matches!(error, ConfigError::Read { .. }));
    }

    #[test]
    fn a_socket_path_too_long_for_the_kernel_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("/{}", "x".repeat(120));
        let error = Config::load(&cli(&["--socket", &long]), &user(dir.path())).unwrap_err();
        assert!(error.to_string().contains("107"), "{error}");
    }

    #[test]
    fn the_sample_in_the_docs_is_valid_and_holds_every_key() {
        let sample = include_str!("../../docs/proximityd.toml");
        parse(Path::new("sample"), sample).unwrap();
        let uncommented: String = sample
            .lines()
            .map(|line| line.strip_prefix("#:").map_or(line, str::trim_start).to_string() + "\n")
            .collect();
        parse(Path::new("sample"), &uncommented).unwrap();
        for key in [
            "data-dir",
            "socket",
            "embedded",
            "log",
            "log-format",
            "catalog-dir",
            "group",
            "group-role",
            "identity",
            "connections",
            "request-seconds",
            "operations-per-node",
            "host-seconds",
            "probe-seconds",
            "lookup",
            "ssh",
        ] {
            assert!(uncommented.contains(&format!("\n{key} = ")), "{key} is not in the sample");
        }
    }
}
