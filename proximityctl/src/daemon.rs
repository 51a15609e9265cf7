//! A daemon of one's own, with an embedded node, in a directory that is thrown away: what `try` needs.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::error::Error;

/// Directories that `try` makes begin so.
pub const PREFIX: &str = "proximity-try-";
/// How long a daemon may take to answer. It needs milliseconds; a loaded machine may need more.
const START: Duration = Duration::from_secs(20);
/// How long a daemon may take to end by itself.
const STOP: Duration = Duration::from_secs(20);
/// How often is looked whether it is so far.
const LOOK: Duration = Duration::from_millis(10);
/// Longest path of a Unix socket (`sun_path` in unix(7), with its final NUL).
const SOCKET_PATH: usize = 107;
/// How many lines of a log are shown.
const LOG_LINES: usize = 15;

/// A daemon's directory.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// A new directory: the one given, or one with a fresh name below the system's place for such.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Usage`] when the path is too long for a socket, or the directory is in use.
    pub fn make(given: Option<PathBuf>) -> Result<Home, Error> {
        if let Some(dir) = given {
            let dir = std::path::absolute(&dir).map_err(|error| Error::write(&dir, error))?;
            let home = Home(dir);
            home.check_length()?;
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&home.0)
                .map_err(|error| Error::write(&home.0, error))?;
            let used =
                std::fs::read_dir(&home.0).map_err(|error| Error::read(&home.0, error))?.next().is_some();
            if used {
                let message = format!("{} is not empty", home.0.display());
                return Err(Error::usage(
                    message,
                    "choose another --dir, or end what is in it: try --stop DIR",
                ));
            }
            return Ok(home);
        }
        // TMPDIR may be deep; /tmp never is.
        for base in [std::env::temp_dir(), PathBuf::from("/tmp")] {
            if base.as_os_str().len() + 40 > SOCKET_PATH {
                continue;
            }
            let dir = tempfile::Builder::new()
                .prefix(PREFIX)
                .rand_bytes(6)
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .tempdir_in(&base)
                .map_err(|error| Error::write(&base, error))?;
            return Ok(Home(dir.keep()));
        }
        Err(Error::usage("there is no place for a socket", "give a short directory: --dir DIR"))
    }

    /// The directory of a daemon that was started before.
    pub fn at(dir: PathBuf) -> Home {
        Home(std::path::absolute(&dir).unwrap_or(dir))
    }

    /// The youngest directory that `try` made for this user.
    pub fn last() -> Option<Home> {
        use std::os::unix::fs::MetadataExt;
        let me = rustix::process::getuid().as_raw();
        let mut bases = vec![std::env::temp_dir()];
        if bases[0] != Path::new("/tmp") {
            bases.push("/tmp".into());
        }
        let entries = bases.into_iter().filter_map(|base| std::fs::read_dir(base).ok()).flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .filter_map(|entry| Some((entry.metadata().ok()?, entry.path())))
            .filter(|(about, path)| {
                about.is_dir() && about.uid() == me && path.join("proximityd.pid").exists()
            })
            .max_by_key(|(about, _)| about.modified().ok())
            .map(|(_, path)| Home(path))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.0.join("proximityd.sock")
    }

    fn log(&self) -> PathBuf {
        self.0.join("proximityd.log")
    }

    fn check_length(&self) -> Result<(), Error> {
        if self.socket().as_os_str().len() <= SOCKET_PATH {
            return Ok(());
        }
        let message = format!("{} is too long for a Unix socket", self.socket().display());
        Err(Error::usage(
            message,
            format!("the whole path may have {SOCKET_PATH} bytes: choose a shorter --dir"),
        ))
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// When there is no `proximityd`; when it ends or does not answer, with its log's last lines.
    pub async fn start(&self) -> Result<Child, Error> {
        let program = find("proximityd")?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.log())
            .map_err(|error| Error::write(self.log(), error))?;
        let errors = log.try_clone().map_err(|error| Error::write(self.log(), error))?;
        let mut command = Command::new(&program);
        command.arg("--embedded").arg("--data-dir").arg(&self.0).arg("--socket").arg(self.socket());
        // A group of its own: Ctrl-C here is not meant for it, and it stays when the terminal goes.
        command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors).kill_on_drop(false);
        // The daemon reads its configuration from these; a throw-away one has none but its flags.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PROXIMITYD_"))
        {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|error| Error::Failed {
            message: format!("{} cannot be started", program.display()),
            causes: vec![error.to_string()],
            hints: Vec::new(),
            log: Vec::new(),
        })?;
        let pid = child.id().unwrap_or_default().to_string();
        std::fs::write(self.0.join("proximityd.pid"), pid).map_err(|error| Error::write(&self.0, error))?;
        self.answers(&mut child).await?;
        Ok(child)
    }

    async fn answers(&self, child: &mut Child) -> Result<(), Error> {
        let client = Client::new(self.socket(), None, false);
        let began = Instant::now();
        loop {
            if client.is_up().await {
                return Ok(());
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(self.failed(format!("proximityd ended before it answered ({status})")));
            }
            if began.elapsed() > START {
                return Err(self.failed("proximityd does not answer".into()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn failed(&self, message: String) -> Error {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let log = lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(ToString::to_string).collect();
        Error::Failed { message, causes: Vec::new(), hints: Vec::new(), log }
    }

    /// Ends the daemon and its embedded node, and waits until both are gone.
    ///
    /// # Errors
    /// When one of them does not end.
    pub async fn stop(&self, child: Option<Child>) -> Result<(), Error> {
        let pid = std::fs::read_to_string(self.0.join("proximityd.pid")).unwrap_or_default();
        let daemon = pid.trim().parse().ok();
        if let Some(daemon) = daemon.filter(|pid| self.is_ours(*pid)) {
            end(daemon, child, "proximityd").await?;
        }
        // The node lives on when its daemon goes, as a real one would.
        for node in node_files(&self.0, 3).iter().filter_map(|file| node_pid(file)) {
            if self.is_ours(node) {
                end(node, None, "the embedded node").await?;
            }
        }
        Ok(())
    }

    /// Removes the directory.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn remove(&self) -> Result<(), Error> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::File { verb: "remove", path: self.0.clone(), source: error })
            }
            _ => Ok(()),
        }
    }

    /// Whether a process is one of this directory: a number may have been given to another one since.
    fn is_ours(&self, pid: i32) -> bool {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let dir = self.0.as_os_str().as_encoded_bytes();
        arguments.split(|byte| *byte == 0).any(|argument| argument.starts_with(dir))
    }
}

/// Sends SIGTERM and waits for the end; after [`STOP`] it is ended hard.
async fn end(pid: i32, child: Option<Child>, what: &str) -> Result<(), Error> {
    let Some(process) = Pid::from_raw(pid) else { return Ok(()) };
    let _ = rustix::process::kill_process(process, Signal::TERM);
    let gone = async {
        if let Some(mut child) = child {
            let _ = child.wait().await;
            return;
        }
        while rustix::process::test_kill_process(process).is_ok() && !is_zombie(pid) {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(STOP, gone).await.is_ok() {
        return Ok(());
    }
    let _ = rustix::process::kill_process(process, Signal::KILL);
    Err(Error::failed(format!(
        "{what} (process {pid}) did not end within {} s and was killed",
        STOP.as_secs()
    )))
}

/// A process that has ended and that nobody has asked about (`Z` in proc_pid_stat(5)).
fn is_zombie(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// The `node.json` files below a directory.
fn node_files(dir: &Path, depth: u32) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            files.extend(node_files(&entry.path(), depth - 1));
        } else if kind.is_file() && entry.file_name() == OsStr::new("node.json") {
            files.push(entry.path());
        }
    }
    files
}

fn node_pid(file: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(file).ok()?;
    let about: serde_json::Value = serde_json::from_str(&text).ok()?;
    about.get("pid")?.as_i64()?.try_into().ok()
}

/// A program beside this one, else in `PATH`.
fn find(name: &str) -> Result<PathBuf, Error> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join(name)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|dir| dir.join(name)).collect::<Vec<_>>();
    beside.clone().into_iter().chain(in_path).find(|path| path.is_file()).ok_or_else(|| Error::Failed {
        message: format!("{name} is not there"),
        causes: vec![match beside {
            Some(path) => format!("neither at {} nor in PATH", path.display()),
            None => "it is not in PATH".into(),
        }],
        hints: vec!["in a checkout of the source, build everything: cargo build --workspace".into()],
        log: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_directory_is_private_and_short_enough_for_a_socket() {
        use std::os::unix::fs::PermissionsExt;
        let home = Home::make(None).unwrap();
        let mode = std::fs::metadata(home.dir()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(home.socket().as_os_str().len() <= SOCKET_PATH);
        home.remove().unwrap();
        assert!(!home.dir().exists());
    }

    #[test]
    fn a_directory_too_deep_for_a_socket_is_refused_before_anything_is_made() {
        let deep = std::env::temp_dir().join("d".repeat(100));
        assert_eq!(Home::make(Some(deep.clone())).unwrap_err().exit_status(), 2);
        assert!(!deep.exists());
    }

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine"), "x").unwrap();
        assert_eq!(Home::make(Some(dir.path().into())).unwrap_err().exit_status(), 2);
        assert!(dir.path().join("mine").exists());
    }
}
