//! The process table of a running guest: ids, names, and how to end each. And the threads they run on.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

/// Scripts nest, and every nested call is a few frames of stack. Only what is touched costs memory.
const STACK: usize = 64 << 20;

/// Guests' programs have threads of their own: a busy guest does not slow the node's own answers.
static THREADS: LazyLock<Runtime> = LazyLock::new(|| {
    let count = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
    Builder::new_multi_thread()
        .worker_threads(count)
        .thread_name("guest")
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .expect("a process that serves can start a few threads")
});

/// Runs a guest's program.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    THREADS.spawn(task)
}

/// One process that can be listed and ended.
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct Process {
    pub name: String,
    pub task: AbortHandle,
}

/// What runs in a guest: tasks, and the shells that run inside them.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    last: u32,
    running: BTreeMap<u32, Process>,
    shells: BTreeMap<u32, (String, Arc<Notify>)>,
}

impl Processes {
    /// A new process id.
    pub(crate) fn next_pid(&mut self) -> u32 {
        self.last = if self.last < 400 || self.last > 4_000_000 { 401 } else { self.last + 1 };
        self.last
    }

    /// Enters a task that runs.
    pub(crate) fn insert(&mut self, pid: u32, name: String, task: AbortHandle) {
        if !task.is_finished() {
            self.running.insert(pid, Process { name, task });
        }
    }

    /// Enters a shell that runs inside a task; it ends itself when the signal comes.
    pub(crate) fn enter(&mut self, pid: u32, name: &str) -> Arc<Notify> {
        let killed = Arc::new(Notify::new());
        self.shells.insert(pid, (name.to_owned(), killed.clone()));
        killed
    }

    /// Forgets a shell that ended.
    pub(crate) fn leave(&mut self, pid: u32) {
        self.shells.remove(&pid);
    }

    fn forget_ended(&mut self) {
        self.running.retain(|_, process| !process.task.is_finished());
    }

    /// Names by id.
    pub(crate) fn list(&mut self) -> BTreeMap<u32, String> {
        self.forget_ended();
        let tasks = self.running.iter().map(|(pid, process)| (*pid, process.name.clone()));
        tasks.chain(self.shells.iter().map(|(pid, (name, _))| (*pid, name.clone()))).collect()
    }

    /// How many there are.
    pub(crate) fn count(&mut self) -> usize {
        self.forget_ended();
        self.running.len() + self.shells.len()
    }

    /// Ends one; false when it is not there.
    pub(crate) fn kill(&mut self, pid: u32) -> bool {
        self.forget_ended();
        if let Some((_, killed)) = self.shells.get(&pid) {
            killed.notify_one();
            return true;
        }
        self.running.remove(&pid).map(|process| process.task.abort()).is_some()
    }

    /// Ends all.
    pub(crate) fn kill_all(&mut self) {
        for process in std::mem::take(&mut self.running).into_values() {
            process.task.abort();
        }
    }
}
