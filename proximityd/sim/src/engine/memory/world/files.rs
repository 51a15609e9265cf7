//! Files as one process sees them: its root, its working directory, and the guest behind both.

use std::sync::{Arc, Mutex};

use super::stream::{OpenFile, Stream};
use super::vfs::{self, Device, Entry, FsError, Kind, Root, Vfs};
use crate::engine::memory::guest::Guest;

/// Directories whose contents do not outlive a stop of the container.
pub(crate) const VOLATILE: [&str; 4] = ["/run", "/tmp", "/dev", "/proc"];

/// Whether a key lies on a tmpfs.
pub(crate) fn volatile(key: &str) -> bool {
    VOLATILE.iter().any(|dir| key == *dir || key.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')))
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// `<`
    Read,
    /// `>`
    Write,
    /// `>>`
    Append,
    /// `<>`
    Both,
}

/// A view of the guest's files.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Files {
    pub guest: Arc<Guest>,
    pub root: Arc<Root>,
}

impl Files {
    /// Runs `read` on the file system with the key of `path`.
    pub(crate) fn with<T>(
        &self,
        path: &str,
        follow: bool,
        read: impl FnOnce(&Vfs, &str) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        if path.is_empty() {
            return Err(FsError::NotFound);
        }
        let state = self.guest.lock();
        let key = state.vfs.locate(&self.root, path, follow)?;
        read(&state.vfs, &key)
    }

    /// Runs `change` on the file system with the key of `path`.
    pub(crate) fn change<T>(
        &self,
        path: &str,
        follow: bool,
        change: impl FnOnce(&mut Vfs, &str) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        if path.is_empty() {
            return Err(FsError::NotFound);
        }
        let mut state = self.guest.lock();
        let key = state.vfs.locate(&self.root, path, follow)?;
        let done = change(&mut state.vfs, &key)?;
        drop(state);
        if !volatile(&key) {
            self.guest.touch();
        }
        Ok(done)
    }

    /// The whole file.
    pub(crate) fn read(&self, path: &str) -> Result<Arc<Vec<u8>>, FsError> {
        let uptime = || {
            let seconds = crate::engine::memory::usage::uptime(&self.guest);
            format!("{seconds}.00 {seconds}.00\n").into_bytes()
        };
        self.with(path, true, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
            Some(Kind::Dev(Device::Uuid)) => Ok(Arc::new(format!("{}\n", uuid()).into_bytes())),
            Some(Kind::Dev(Device::Uptime)) => Ok(Arc::new(uptime())),
            Some(Kind::Dev(_)) => Ok(Arc::default()),
            _ => vfs.read(key),
        })
    }

    /// Replaces or makes a file.
    pub(crate) fn write(&self, path: &str, data: Vec<u8>, mode: u32) -> Result<(), FsError> {
        self.change(path, true, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
            Some(Kind::Dev(_)) => Ok(()),
            _ => vfs.write(key, data, mode),
        })
    }

    /// Attributes and size.
    pub(crate) fn stat(&self, path: &str, follow: bool) -> Result<(Entry, u64), FsError> {
        self.with(path, follow, |vfs, key| {
            let entry = vfs.entry(key).ok_or(FsError::NotFound)?;
            Ok((entry.clone(), vfs.size(entry)))
        })
    }

    /// Whether there is something, links followed.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.stat(path, true).is_ok()
    }

    /// Whether it is a directory.
    pub(crate) fn is_dir(&self, path: &str) -> bool {
        self.stat(path, true).is_ok_and(|(entry, _)| entry.kind == Kind::Dir)
    }

    /// Names in a directory.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, FsError> {
        self.with(path, true, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
            Some(Kind::Dir) => Ok(vfs.list(key)),
            Some(_) => Err(FsError::NotDir),
            None => Err(FsError::NotFound),
        })
    }

    /// Makes a directory and its parents.
    pub(crate) fn mkdir_all(&self, path: &str, mode: u32) -> Result<(), FsError> {
        let mut at = String::new();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        for (index, part) in parts.iter().enumerate() {
            at = format!("{at}/{part}");
            let wanted = if index + 1 == parts.len() { mode } else { 0o755 };
            match self.change(&at, true, |vfs, key| vfs.mkdir(key, wanted)) {
                Err(FsError::Exists) if self.is_dir(&at) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Opens `path`; the terminal stands for `/dev/tty`.
    pub(crate) fn open(
        &self,
        path: &str,
        how: Open,
        mode: u32,
        tty: Option<&Stream>,
    ) -> Result<Stream, FsError> {
        let device = self.with(path, true, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
            Some(Kind::Dev(device)) => Ok(Some(*device)),
            Some(Kind::Dir) if how != Open::Read => Err(FsError::IsDir),
            None if how == Open::Read => Err(FsError::NotFound),
            _ => Ok(None),
        })?;
        match device {
            Some(Device::Tty) => return tty.cloned().ok_or(FsError::NotFound),
            Some(Device::Uuid | Device::Uptime) => {
                return Ok(super::stream::here(self.read(path)?.as_ref().clone()));
            }
            Some(device) => return Ok(Stream::Device(device)),
            None => {}
        }
        if how == Open::Read {
            let inode = self.with(path, true, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
                Some(Kind::File(inode)) => Ok(*inode),
                _ => Ok(0),
            })?;
            return Ok(self.opened(inode, false, true));
        }
        let (inode, volatile) = self.change(path, true, |vfs, key| {
            vfs.open(key, mode, how == Open::Write).map(|inode| (inode, volatile(key)))
        })?;
        Ok(self.opened(inode, how == Open::Append, volatile))
    }

    fn opened(&self, inode: u64, append: bool, volatile: bool) -> Stream {
        let guest = self.guest.clone();
        Stream::File(Arc::new(OpenFile { guest, inode, offset: Mutex::new(0), append, volatile }))
    }
}

/// A random (version 4) UUID.
pub(crate) fn uuid() -> String {
    let id: u128 = rand::random();
    let id = (id & !(0xf << 76) & !(0x3 << 62)) | (4 << 76) | (2 << 62);
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// `path` against `cwd` without resolving anything.
pub(crate) fn join(cwd: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else if path.is_empty() {
        String::new()
    } else {
        format!("{}/{path}", cwd.trim_end_matches('/'))
    }
}

/// The mode bits as `ls -l` prints them.
pub(crate) fn mode_text(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::Dir => 'd',
        Kind::File(_) => '-',
        Kind::Link(_) => 'l',
        Kind::Dev(_) => 'c',
    };
    let mut text = String::from(kind);
    for shift in [6, 3, 0] {
        let bits = entry.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        let special = entry.mode & (0o1000 << (shift / 3)) != 0;
        text.push(match (bits & 1 != 0, special, shift) {
            (true, false, _) => 'x',
            (false, false, _) => '-',
            (true, true, 0) => 't',
            (false, true, 0) => 'T',
            (true, true, _) => 's',
            (false, true, _) => 'S',
        });
    }
    text
}

/// Name of the directory entry at the end of a path.
pub(crate) fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && !path.is_empty() { "/" } else { vfs::name(trimmed) }
}
