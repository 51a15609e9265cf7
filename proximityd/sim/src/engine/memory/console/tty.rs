//! The terminal: input queue, line discipline, and every attachment's output.
//!
//! Input is kept as it was sent and interpreted when somebody reads it, by the settings of that moment: what is
//! typed while a program runs that does not read stays for the next reader, and is echoed by it. Only an
//! interrupt acts at once. The queue is bounded; a sender waits while it is full.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::engine::memory::world::stream::take;

const QUEUE_CAPACITY: usize = 256 * 1024;
/// An attachment that takes nothing for this long is dropped.
const STUCK: Duration = Duration::from_secs(10);

/// The settings that `stty` changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) struct Termios {
    pub echo: bool,
    pub icanon: bool,
    pub isig: bool,
    pub icrnl: bool,
    pub opost: bool,
    pub rows: u16,
    pub cols: u16,
}

impl Default for Termios {
    fn default() -> Self {
        Self { echo: true, icanon: true, isig: true, icrnl: true, opost: true, rows: 24, cols: 80 }
    }
}

/// A terminal.
#[derive(Debug, Default)]
pub(crate) struct Tty {
    state: Mutex<State>,
    typed: Notify,
    room: Notify,
    interrupt: Notify,
    order: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    termios: Termios,
    queue: VecDeque<u8>,
    /// The line being typed, in canonical mode.
    line: Vec<u8>,
    /// Finished lines that a reader has not taken whole.
    cooked: VecDeque<u8>,
    /// A program runs in the foreground: an interrupt character is a signal.
    foreground: bool,
    outputs: Vec<mpsc::Sender<Bytes>>,
    closed: bool,
}

enum Step {
    Data(Vec<u8>),
    Wait,
}

impl Tty {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins an attachment.
    pub(crate) fn attach(&self, output: mpsc::Sender<Bytes>) {
        let mut state = self.lock();
        if !state.closed {
            state.outputs.push(output);
        }
    }

    /// Ends every attachment's output.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.outputs.clear();
        drop(state);
        self.room.notify_waiters();
    }

    /// Whether the terminal is gone.
    pub(crate) fn closed(&self) -> bool {
        self.lock().closed
    }

    /// The settings.
    pub(crate) fn termios(&self) -> Termios {
        self.lock().termios
    }

    /// Changes the settings.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Termios)) {
        change(&mut self.lock().termios);
    }

    /// Takes what a client typed; waits while the queue is full.
    pub(crate) async fn type_in(&self, data: &[u8]) {
        let mut data = data;
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut state = self.lock();
                if state.closed {
                    return;
                }
                if state.foreground
                    && state.termios.isig
                    && let Some(at) = data.iter().position(|b| *b == 3)
                {
                    state.queue.clear();
                    state.line.clear();
                    state.cooked.clear();
                    data = &data[at + 1..];
                    self.interrupt.notify_waiters();
                }
                let count = QUEUE_CAPACITY.saturating_sub(state.queue.len()).min(data.len());
                state.queue.extend(&data[..count]);
                data = &data[count..];
            }
            self.typed.notify_waiters();
            if data.is_empty() {
                return;
            }
            room.await;
        }
    }

    /// Ends when somebody types the interrupt character while a program runs.
    pub(crate) async fn interrupted(&self) {
        self.interrupt.notified().await;
    }

    /// Says whether a program runs in the foreground.
    pub(crate) fn set_foreground(&self, foreground: bool) {
        self.lock().foreground = foreground;
    }

    /// What was typed, uninterpreted: for the line editor.
    pub(crate) async fn read_raw(&self) -> Vec<u8> {
        loop {
            let typed = self.typed.notified();
            tokio::pin!(typed);
            typed.as_mut().enable();
            {
                let mut state = self.lock();
                let mut bytes: Vec<u8> = state.cooked.drain(..).collect();
                bytes.append(&mut state.line);
                bytes.extend(state.queue.drain(..));
                drop(state);
                if !bytes.is_empty() {
                    self.room.notify_waiters();
                    return bytes;
                }
            }
            typed.await;
        }
    }

    /// Gives back what the line editor did not use.
    pub(crate) fn unread(&self, bytes: &[u8]) {
        let mut state = self.lock();
        for byte in bytes.iter().rev() {
            state.queue.push_front(*byte);
        }
    }

    /// Reads for a program, through the line discipline; empty at the end of file character.
    pub(crate) async fn read(&self, max: usize, stop: Option<u8>) -> Vec<u8> {
        loop {
            let typed = self.typed.notified();
            tokio::pin!(typed);
            typed.as_mut().enable();
            let (step, echo) = self.discipline(max, stop);
            self.room.notify_waiters();
            if !echo.is_empty() {
                self.write(&echo).await;
            }
            match step {
                Step::Data(bytes) => return bytes,
                Step::Wait => typed.await,
            }
        }
    }

    fn discipline(&self, max: usize, stop: Option<u8>) -> (Step, Vec<u8>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let termios = state.termios;
        let mut echo = Vec::new();
        if !state.cooked.is_empty() {
            return (Step::Data(take(&mut state.cooked, max, stop)), echo);
        }
        if !termios.icanon {
            if !state.line.is_empty() {
                for byte in std::mem::take(&mut state.line).into_iter().rev() {
                    state.queue.push_front(byte);
                }
            }
            if state.queue.is_empty() {
                return (Step::Wait, echo);
            }
            let mut bytes = take(&mut state.queue, max, stop);
            if termios.icrnl {
                for byte in &mut bytes {
                    if *byte == b'\r' {
                        *byte = b'\n';
                    }
                }
            }
            if termios.echo {
                echo.extend_from_slice(&bytes);
            }
            return (Step::Data(bytes), echo);
        }
        while let Some(byte) = state.queue.pop_front() {
            match byte {
                b'\r' | b'\n' if byte == b'\n' || termios.icrnl => {
                    state.line.push(b'\n');
                    if termios.echo {
                        echo.push(b'\n');
                    }
                    state.cooked.extend(state.line.drain(..));
                    return (Step::Data(take(&mut state.cooked, max, stop)), echo);
                }
                4 => {
                    state.cooked.extend(state.line.drain(..));
                    return (Step::Data(take(&mut state.cooked, max, stop)), echo);
                }
                8 | 127 => {
                    if state.line.pop().is_some() && termios.echo {
                        echo.extend_from_slice(b"\x08 \x08");
                    }
                }
                21 => {
                    if termios.echo {
                        echo.extend(state.line.iter().flat_map(|_| *b"\x08 \x08"));
                    }
                    state.line.clear();
                }
                _ => {
                    state.line.push(byte);
                    if termios.echo {
                        echo.push(byte);
                    }
                }
            }
        }
        (Step::Wait, echo)
    }

    /// Writes to every attachment, newlines translated unless the output is raw.
    pub(crate) async fn write(&self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let _order = self.order.lock().await;
        let (outputs, opost) = {
            let state = self.lock();
            (state.outputs.clone(), state.termios.opost)
        };
        if outputs.is_empty() {
            return;
        }
        let bytes = if opost {
            let mut translated = Vec::with_capacity(data.len() + 16);
            for byte in data {
                if *byte == b'\n' {
                    translated.push(b'\r');
                }
                translated.push(*byte);
            }
            Bytes::from(translated)
        } else {
            Bytes::copy_from_slice(data)
        };
        let mut gone = false;
        for output in &outputs {
            let sent = tokio::time::timeout(STUCK, output.send(bytes.clone())).await;
            if !matches!(sent, Ok(Ok(()))) {
                gone = true;
                self.lock().outputs.retain(|o| !o.same_channel(output));
            }
        }
        if gone {
            self.lock().outputs.retain(|o| !o.is_closed());
        }
    }
}
