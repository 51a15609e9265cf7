//! The state on disk: a JSON file replaced as a whole before a change is answered, and a lock on its directory.
//!
//! What was answered survives the process being killed at any instant, and a power cut of the machine.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::State;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("another proximity-sim already uses {0}")]
    InUse(PathBuf),
    /// The file system refused.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// A state directory that is ours for as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if needed, locks it, and closes it to others (0700).
    ///
    /// # Errors
    /// When it cannot be made or another process has it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(io)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StoreError::InUse(path.to_owned()))?;
        close(path).map_err(io)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a JSON file; none if it is not there.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let path = self.file(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| StoreError::Damaged { path, source }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    /// Replaces a JSON file (0600) as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let path = self.file(name);
        let bytes =
            serde_json::to_vec(value).map_err(|source| StoreError::Damaged { path: path.clone(), source })?;
        self.write_bytes(name, &bytes)
    }

    /// Replaces a file (0600) as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.file(name);
        let partial = self.file(&format!("{name}.new"));
        let write = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&partial)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&partial, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|source| StoreError::Io { path: path.clone(), source })
    }
}

/// Takes a state directory from all but its owner, whoever made it. One that holds other things besides (somebody's
/// home, `/tmp`) is left as it is; the node's own files in it are closed each by itself.
fn close(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let own = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| OWN.contains(&name));
    let others = fs::read_dir(path)?.filter_map(Result::ok).any(|entry| !own(&entry.file_name()));
    if others && !path.join(FILE).exists() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))
}

/// What is in a directory when a node starts in it for the first time.
const OWN: &[&str] = &["lock", "node.log", "proximity-sim.log"];

/// The state in memory with its file.
#[derive(Debug)]
pub(crate) struct Store {
    directory: Directory,
    state: Mutex<State>,
}

const FILE: &str = "state.json";

impl Store {
    /// Takes up the kept state, or a fresh one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn open(directory: Directory, fresh: impl FnOnce() -> State) -> Result<Self, StoreError> {
        let kept = directory.read(FILE)?;
        let is_new = kept.is_none();
        let store = Self { state: Mutex::new(kept.unwrap_or_else(fresh)), directory };
        if is_new {
            store.change(|_| ())?;
        }
        Ok(store)
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Looks at the state. Do not hold it across an await.
    pub(crate) fn view(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic holds the state's lock")
    }

    /// Changes the state and writes it before returning.
    ///
    /// # Errors
    /// When it cannot be written; the change stays in memory.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let mut state = self.view();
        let result = change(&mut state);
        self.directory.write(FILE, &*state)?;
        Ok(result)
    }

    /// Changes the state if the closure agrees; a refusal changes and writes nothing.
    ///
    /// # Errors
    /// The closure's refusal. A write that fails is one as well, by `failed`.
    pub(crate) fn try_change<T, E>(
        &self,
        failed: impl FnOnce(StoreError) -> E,
        change: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.view();
        let mut next = state.clone();
        let result = change(&mut next)?;
        self.directory.write(FILE, &next).map_err(failed)?;
        *state = next;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = Directory::open(dir.path()).unwrap();
        assert!(matches!(Directory::open(dir.path()), Err(StoreError::InUse(_))));
        drop(first);
        assert!(Directory::open(dir.path()).is_ok());
    }

    #[test]
    fn a_directory_that_was_open_to_others_is_closed_and_one_that_holds_other_things_is_not() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        open(dir.path());
        drop(Store::open(Directory::open(dir.path()).unwrap(), State::default).unwrap());
        assert_eq!(mode(dir.path()), 0o700, "a new one");
        open(dir.path());
        drop(Directory::open(dir.path()).unwrap());
        assert_eq!(mode(dir.path()), 0o700, "one that was used before");

        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("letter"), "mine").unwrap();
        open(home.path());
        drop(Directory::open(home.path()).unwrap());
        assert_eq!(mode(home.path()), 0o755, "somebody's home");
    }

    #[test]
    fn a_change_is_on_disk_when_it_returns_and_a_refusal_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Directory::open(dir.path()).unwrap(), State::default).unwrap();
        store.change(|s| s.nodes.push("pve1".into())).unwrap();
        let refused: Result<(), &str> = store.try_change(
            |_| "disk",
            |s| {
                s.nodes.clear();
                Err("no")
            },
        );
        assert_eq!(refused, Err("no"));
        drop(store);
        let store = Store::open(Directory::open(dir.path()).unwrap(), State::default).unwrap();
        assert_eq!(store.view().nodes, ["pve1"]);
    }
}
