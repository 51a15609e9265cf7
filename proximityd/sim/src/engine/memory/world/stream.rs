//! Open file descriptions: devices, pipes, files, the terminal. Bytes only, and a reader takes no more than it asks for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngCore as _;
use tokio::sync::Notify;

use super::vfs::{Device, FsError};
use crate::engine::memory::console::tty::Tty;
use crate::engine::memory::guest::Guest;

const PIPE_CAPACITY: usize = 64 * 1024;
/// How much one read hands out at most.
pub(crate) const CHUNK: usize = 64 * 1024;

/// The other end of a pipe is gone, or the device is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// Nobody will read it: SIGPIPE.
    #[error("Broken pipe")]
    Pipe,
    /// The file system refused.
    #[error("{0}")]
    Fs(#[from] FsError),
}

/// One open file description; clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Stream {
    /// Reads as empty, swallows writes.
    Device(Device),
    /// The console.
    Tty(Arc<Tty>),
    /// The reading end of a pipe.
    Reader(Arc<PipeReader>),
    /// The writing end of a pipe.
    Writer(Arc<PipeWriter>),
    /// A regular file.
    File(Arc<OpenFile>),
}

/// A regular file, open.
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct OpenFile {
    pub guest: Arc<Guest>,
    pub inode: u64,
    pub offset: Mutex<u64>,
    pub append: bool,
    /// Below a tmpfs: writing does not make the guest's saved state stale.
    pub volatile: bool,
}

#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<PipeState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct PipeState {
    buffer: VecDeque<u8>,
    writer_gone: bool,
    reader_gone: bool,
}

/// See [`pipe`].
#[derive(Debug)]
pub(crate) struct PipeReader(Arc<Pipe>);
/// See [`pipe`].
#[derive(Debug)]
pub(crate) struct PipeWriter(Arc<Pipe>);

impl Pipe {
    fn lock(&self) -> std::sync::MutexGuard<'_, PipeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.0.lock().reader_gone = true;
        self.0.changed.notify_waiters();
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.0.lock().writer_gone = true;
        self.0.changed.notify_waiters();
    }
}

/// A pipe of bounded capacity.
pub(crate) fn pipe() -> (Stream, Stream) {
    let pipe = Arc::new(Pipe::default());
    (Stream::Reader(Arc::new(PipeReader(pipe.clone()))), Stream::Writer(Arc::new(PipeWriter(pipe))))
}

/// A stream that yields `data` and ends.
pub(crate) fn here(data: Vec<u8>) -> Stream {
    let state = PipeState { buffer: data.into(), writer_gone: true, reader_gone: false };
    Stream::Reader(Arc::new(PipeReader(Arc::new(Pipe { state: Mutex::new(state), changed: Notify::new() }))))
}

/// Up to `max` bytes of `queue`, ending behind the first `stop`.
pub(crate) fn take(queue: &mut VecDeque<u8>, max: usize, stop: Option<u8>) -> Vec<u8> {
    let mut count = max.min(queue.len());
    if let Some(stop) = stop
        && let Some(at) = queue.iter().take(count).position(|b| *b == stop)
    {
        count = at + 1;
    }
    queue.drain(..count).collect()
}

impl Stream {
    /// `/dev/null`.
    pub(crate) fn null() -> Self {
        Self::Device(Device::Null)
    }

    /// Reads between 1 and `max` bytes, not beyond the first `stop`; empty at the end.
    pub(crate) async fn read(&self, max: usize, stop: Option<u8>) -> Vec<u8> {
        let max = max.min(CHUNK);
        match self {
            Self::Device(Device::Zero | Device::Full) => vec![0; max],
            Self::Device(Device::Random) => {
                let mut bytes = vec![0; max];
                rand::rng().fill_bytes(&mut bytes);
                bytes
            }
            Self::Device(_) | Self::Writer(_) => Vec::new(),
            Self::Tty(tty) => tty.read(max, stop).await,
            Self::Reader(reader) => {
                let pipe = &reader.0;
                loop {
                    let changed = pipe.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    {
                        let mut state = pipe.lock();
                        if !state.buffer.is_empty() {
                            let bytes = take(&mut state.buffer, max, stop);
                            drop(state);
                            pipe.changed.notify_waiters();
                            return bytes;
                        }
                        if state.writer_gone {
                            return Vec::new();
                        }
                    }
                    changed.await;
                }
            }
            Self::File(file) => file.read(max, stop),
        }
    }

    /// Reads to the end, at most `limit` bytes.
    pub(crate) async fn read_all(&self, limit: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < limit {
            let bytes = self.read(CHUNK, None).await;
            if bytes.is_empty() {
                break;
            }
            all.extend_from_slice(&bytes);
        }
        all
    }

    /// Writes everything.
    pub(crate) async fn write(&self, mut data: &[u8]) -> Result<(), WriteError> {
        match self {
            Self::Device(Device::Full) => Err(FsError::NoSpace.into()),
            Self::Device(_) | Self::Reader(_) => Ok(()),
            Self::Tty(tty) => {
                tty.write(data).await;
                Ok(())
            }
            Self::File(file) => Ok(file.write(data)?),
            Self::Writer(writer) => {
                let pipe = &writer.0;
                loop {
                    let changed = pipe.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    {
                        let mut state = pipe.lock();
                        if state.reader_gone {
                            return Err(WriteError::Pipe);
                        }
                        let room = PIPE_CAPACITY.saturating_sub(state.buffer.len()).min(data.len());
                        state.buffer.extend(&data[..room]);
                        data = &data[room..];
                        drop(state);
                        if room > 0 {
                            pipe.changed.notify_waiters();
                        }
                        if data.is_empty() {
                            return Ok(());
                        }
                    }
                    changed.await;
                }
            }
        }
    }

    /// Whether it is a terminal.
    pub(crate) fn is_tty(&self) -> bool {
        matches!(self, Self::Tty(_))
    }
}

impl OpenFile {
    fn read(&self, max: usize, stop: Option<u8>) -> Vec<u8> {
        let state = self.guest.lock();
        let Some(content) = state.vfs.content(self.inode) else { return Vec::new() };
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(*offset).unwrap_or(usize::MAX).min(content.len());
        let mut end = content.len().min(start + max);
        if let Some(stop) = stop
            && let Some(at) = content[start..end].iter().position(|b| *b == stop)
        {
            end = start + at + 1;
        }
        *offset = end as u64;
        content[start..end].to_vec()
    }

    fn write(&self, data: &[u8]) -> Result<(), FsError> {
        let mut state = self.guest.lock();
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        *offset = state.vfs.write_at(self.inode, (!self.append).then_some(*offset), data)?;
        drop(state);
        if !self.volatile {
            self.guest.touch();
        }
        Ok(())
    }
}
