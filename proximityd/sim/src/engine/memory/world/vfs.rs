//! The virtual file system: one ordered map from absolute path to entry, and contents by inode.
//!
//! Contents are shared (`Arc`) until one side writes, so that copies of a guest cost little. Paths handed to the
//! methods here are keys, as [`Vfs::locate`] makes them; [`super::files::Files`] is the way for commands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many bytes of contents a guest may hold. A bound for the process, not for what the guest reports.
pub(crate) const CONTENT_LIMIT: u64 = 256 << 20;
const MAX_LINKS: usize = 40;

/// Why a file operation failed, in the words of `strerror`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub(crate) enum FsError {
    #[error("No such file or directory")]
    NotFound,
    #[error("Not a directory")]
    NotDir,
    #[error("Is a directory")]
    IsDir,
    #[error("File exists")]
    Exists,
    #[error("Directory not empty")]
    NotEmpty,
    #[error("No space left on device")]
    NoSpace,
    #[error("Too many levels of symbolic links")]
    Loop,
    #[error("Invalid argument")]
    Invalid,
    #[error("Permission denied")]
    Denied,
}

/// A device file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/full`
    Full,
    /// `/dev/tty`, `/dev/console`
    Tty,
    /// `/dev/urandom`
    Random,
    /// `/proc/sys/kernel/random/uuid`
    Uuid,
    /// `/proc/uptime`
    Uptime,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A directory.
    Dir,
    /// A regular file and its inode.
    File(u64),
    /// A symbolic link and its target.
    Link(String),
    /// A device.
    Dev(Device),
}

/// A directory entry with its attributes.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Entry {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// Where `/` is for a process: the guest's own root, or a service's, with volumes mounted into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Root {
    /// Key of its `/`; empty for the guest's.
    pub prefix: String,
    /// Path inside and key outside, longest path first.
    pub mounts: Vec<(String, String)>,
}

impl Root {
    fn key(&self, inside: &str) -> String {
        for (path, key) in &self.mounts {
            if inside == path {
                return key.clone();
            }
            if let Some(rest) = inside.strip_prefix(path.as_str()).filter(|rest| rest.starts_with('/')) {
                return format!("{key}{rest}");
            }
        }
        if self.prefix.is_empty() {
            inside.to_owned()
        } else if inside == "/" {
            self.prefix.clone()
        } else {
            format!("{}{inside}", self.prefix)
        }
    }
}

/// The files of one guest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vfs {
    entries: BTreeMap<String, Entry>,
    contents: HashMap<u64, Arc<Vec<u8>>>,
    next: u64,
    used: u64,
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// `path` made absolute against `cwd`, without `.` and with `..` taken as text.
pub(crate) fn absolute(cwd: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let joined;
    let full = if path.starts_with('/') {
        path
    } else {
        joined = format!("{cwd}/{path}");
        &joined
    };
    for part in full.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The directory part of a key.
pub(crate) fn parent(key: &str) -> &str {
    match key.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &key[..at],
    }
}

/// The last component of a key.
pub(crate) fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}

fn below(key: &str) -> String {
    if key == "/" { "/".to_owned() } else { format!("{key}/") }
}

impl Vfs {
    /// The key for `path` (absolute) as seen from `root`, symbolic links followed; the last one if `follow`.
    pub(crate) fn locate(&self, root: &Root, path: &str, follow: bool) -> Result<String, FsError> {
        let mut links = 0;
        let mut inside = String::new();
        let mut rest: Vec<String> =
            path.split('/').filter(|p| !p.is_empty()).rev().map(str::to_owned).collect();
        while let Some(part) = rest.pop() {
            if part == "." {
                continue;
            }
            if part == ".." {
                inside.truncate(inside.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{inside}/{part}");
            match self.entries.get(&root.key(&next)).map(|e| &e.kind) {
                Some(Kind::Link(target)) if follow || !rest.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(FsError::Loop);
                    }
                    if target.starts_with('/') {
                        inside.clear();
                    }
                    rest.extend(target.split('/').filter(|p| !p.is_empty()).rev().map(str::to_owned));
                }
                Some(Kind::File(_) | Kind::Dev(_)) if !rest.is_empty() => return Err(FsError::NotDir),
                None if !rest.is_empty() => return Err(FsError::NotFound),
                _ => inside = next,
            }
        }
        Ok(root.key(if inside.is_empty() { "/" } else { &inside }))
    }

    /// The entry at `key`.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The entry at `key`, to change its attributes.
    pub(crate) fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    /// Contents of the inode.
    pub(crate) fn content(&self, inode: u64) -> Option<&Arc<Vec<u8>>> {
        self.contents.get(&inode)
    }

    /// The whole file at `key`.
    pub(crate) fn read(&self, key: &str) -> Result<Arc<Vec<u8>>, FsError> {
        match self.entries.get(key).map(|e| &e.kind) {
            Some(Kind::File(inode)) => Ok(self.contents.get(inode).cloned().unwrap_or_default()),
            Some(Kind::Dir) => Err(FsError::IsDir),
            Some(_) => Err(FsError::Invalid),
            None => Err(FsError::NotFound),
        }
    }

    /// Length of the file at `key`, or what `stat` says for other kinds.
    pub(crate) fn size(&self, entry: &Entry) -> u64 {
        match &entry.kind {
            Kind::File(inode) => self.contents.get(inode).map_or(0, |c| c.len() as u64),
            Kind::Link(target) => target.len() as u64,
            Kind::Dir => 4096,
            Kind::Dev(_) => 0,
        }
    }

    fn check_parent(&self, key: &str) -> Result<(), FsError> {
        match self.entries.get(parent(key)).map(|e| &e.kind) {
            Some(Kind::Dir) => Ok(()),
            Some(_) => Err(FsError::NotDir),
            None => Err(FsError::NotFound),
        }
    }

    /// The inode of the file at `key`, made when it is not there.
    pub(crate) fn open(&mut self, key: &str, mode: u32, truncate: bool) -> Result<u64, FsError> {
        match self.entries.get_mut(key) {
            Some(Entry { kind: Kind::File(inode), mtime, .. }) => {
                let inode = *inode;
                if truncate {
                    *mtime = now();
                    if let Some(old) = self.contents.insert(inode, Arc::default()) {
                        self.used -= old.len() as u64;
                    }
                }
                Ok(inode)
            }
            Some(Entry { kind: Kind::Dir, .. }) => Err(FsError::IsDir),
            Some(_) => Err(FsError::Invalid),
            None => {
                self.check_parent(key)?;
                self.next += 1;
                self.contents.insert(self.next, Arc::default());
                self.put(key, Kind::File(self.next), mode);
                Ok(self.next)
            }
        }
    }

    fn put(&mut self, key: &str, kind: Kind, mode: u32) {
        self.entries.insert(key.to_owned(), Entry { kind, mode, uid: 0, gid: 0, mtime: now() });
    }

    /// Writes at `offset` (`None`: at the end) and returns where writing ended.
    pub(crate) fn write_at(&mut self, inode: u64, offset: Option<u64>, data: &[u8]) -> Result<u64, FsError> {
        let Some(content) = self.contents.get_mut(&inode) else {
            return Ok(offset.unwrap_or(0) + data.len() as u64); // Unlinked while open: it goes nowhere.
        };
        let start = offset.map_or(content.len(), |o| usize::try_from(o).unwrap_or(usize::MAX));
        let end = start.checked_add(data.len()).ok_or(FsError::NoSpace)?;
        let grown = end.saturating_sub(content.len()) as u64;
        if self.used + grown > CONTENT_LIMIT {
            return Err(FsError::NoSpace);
        }
        let content = Arc::make_mut(content);
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(data);
        self.used += grown;
        Ok(end as u64)
    }

    /// Cuts or pads a file to `len` bytes.
    pub(crate) fn resize(&mut self, inode: u64, len: usize) -> Result<(), FsError> {
        if let Some(content) = self.contents.get_mut(&inode) {
            let old = content.len() as u64;
            if (self.used - old).saturating_add(len as u64) > CONTENT_LIMIT {
                return Err(FsError::NoSpace);
            }
            Arc::make_mut(content).resize(len, 0);
            self.used = self.used - old + len as u64;
        }
        Ok(())
    }

    /// Replaces the file at `key`.
    pub(crate) fn write(&mut self, key: &str, data: Vec<u8>, mode: u32) -> Result<(), FsError> {
        let old = self.entries.get(key).map_or(0, |e| self.size(e));
        if self.used.saturating_sub(old) + data.len() as u64 > CONTENT_LIMIT {
            return Err(FsError::NoSpace);
        }
        let inode = self.open(key, mode, true)?;
        self.used += data.len() as u64;
        self.contents.insert(inode, Arc::new(data));
        Ok(())
    }

    /// Makes a directory whose parent is there.
    pub(crate) fn mkdir(&mut self, key: &str, mode: u32) -> Result<(), FsError> {
        if self.entries.contains_key(key) {
            return Err(FsError::Exists);
        }
        self.check_parent(key)?;
        self.put(key, Kind::Dir, mode);
        Ok(())
    }

    /// Makes a directory and its parents.
    pub(crate) fn mkdir_all(&mut self, key: &str, mode: u32) -> Result<(), FsError> {
        match self.entries.get(key).map(|e| &e.kind) {
            Some(Kind::Dir) => return Ok(()),
            Some(_) => return Err(FsError::Exists),
            None => {}
        }
        if key != "/" {
            self.mkdir_all(parent(key), 0o755).map_err(|_| FsError::NotDir)?;
        }
        self.put(key, Kind::Dir, mode);
        Ok(())
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&mut self, key: &str, target: &str) -> Result<(), FsError> {
        if self.entries.contains_key(key) {
            return Err(FsError::Exists);
        }
        self.check_parent(key)?;
        self.put(key, Kind::Link(target.to_owned()), 0o777);
        Ok(())
    }

    /// Makes a device.
    pub(crate) fn device(&mut self, key: &str, device: Device) {
        self.put(key, Kind::Dev(device), 0o666);
    }

    /// Gives the file at `key` a second name.
    pub(crate) fn hard_link(&mut self, key: &str, to: &str) -> Result<(), FsError> {
        let entry = self.entries.get(key).cloned().ok_or(FsError::NotFound)?;
        if self.entries.contains_key(to) {
            return Err(FsError::Exists);
        }
        self.check_parent(to)?;
        self.entries.insert(to.to_owned(), entry);
        Ok(())
    }

    /// The names in a directory, sorted.
    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        let prefix = below(key);
        self.walk(key)
            .filter_map(|(path, _)| path.strip_prefix(&prefix))
            .filter(|rest| !rest.is_empty() && !rest.contains('/'))
            .map(str::to_owned)
            .collect()
    }

    /// Everything below `key`, itself not included, in order of path.
    pub(crate) fn walk(&self, key: &str) -> impl Iterator<Item = (&String, &Entry)> {
        let prefix = below(key);
        let own = key.to_owned();
        self.entries
            .range(prefix.clone()..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .filter(move |(path, _)| **path != own)
    }

    /// Removes one entry; a directory only when it is empty.
    pub(crate) fn remove(&mut self, key: &str) -> Result<(), FsError> {
        let Some(entry) = self.entries.get(key) else { return Err(FsError::NotFound) };
        match entry.kind {
            Kind::Dir if key == "/" || self.walk(key).next().is_some() => return Err(FsError::NotEmpty),
            Kind::File(inode) => {
                self.entries.remove(key);
                if !self.entries.values().any(|e| e.kind == Kind::File(inode))
                    && let Some(old) = self.contents.remove(&inode)
                {
                    self.used -= old.len() as u64;
                }
                return Ok(());
            }
            _ => {}
        }
        self.entries.remove(key);
        Ok(())
    }

    /// Removes an entry and everything below it.
    pub(crate) fn remove_all(&mut self, key: &str) {
        let keys: Vec<String> = self.walk(key).map(|(path, _)| path.clone()).collect();
        for path in keys.iter().rev() {
            let _ = self.remove(path);
        }
        if key != "/" {
            let _ = self.remove(key);
        }
    }

    /// Moves an entry, with all below it, over whatever is at `to`.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError> {
        let entry = self.entries.get(from).cloned().ok_or(FsError::NotFound)?;
        if from == to {
            return Ok(());
        }
        if to.starts_with(&below(from)) {
            return Err(FsError::Invalid);
        }
        self.check_parent(to)?;
        match (self.entries.get(to).map(|e| &e.kind), &entry.kind) {
            (Some(Kind::Dir), Kind::Dir) if self.walk(to).next().is_some() => return Err(FsError::NotEmpty),
            (Some(Kind::Dir), Kind::Dir) | (None, _) => {}
            (Some(Kind::Dir), _) => return Err(FsError::IsDir),
            (Some(_), Kind::Dir) => return Err(FsError::NotDir),
            (Some(_), _) => self.remove(to)?,
        }
        let moved: Vec<String> = self.walk(from).map(|(path, _)| path.clone()).collect();
        self.entries.remove(from);
        self.entries.insert(to.to_owned(), entry);
        for path in moved {
            let below = self.entries.remove(&path).expect("the walk named it");
            self.entries.insert(format!("{to}{}", &path[from.len()..]), below);
        }
        Ok(())
    }

    /// Bytes of contents.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// How many names an inode has.
    pub(crate) fn links(&self, inode: u64) -> usize {
        self.entries.values().filter(|e| e.kind == Kind::File(inode)).count()
    }
}
