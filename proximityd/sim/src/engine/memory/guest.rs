//! One container: its state, what runs in it, and how it is kept on disk.
//!
//! The saved state is a tar file, `state.tar` in the container's directory: the files and one JSON document.
//! It is written anew (to the side, then renamed) when a script ends, when a console command line ends, when a
//! Compose command ends, at `sync`, and at every change of the container's own state; what nobody has been told
//! about yet may be lost with the process, nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::console::session;
use super::console::tty::Tty;
use super::docker::state::DockerState;
use super::net::Network;
use super::world::process::{self, Processes};
use super::world::vfs::Vfs;
use super::world::{layout, tar};
use crate::engine::{Console, ConsoleInput, EngineError, GuestSpec};

/// What of a container is kept besides its files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    /// File name of the guest template it was made from.
    pub template: String,
    /// Debian packages installed on top of the template.
    pub packages: BTreeSet<String>,
    /// Units whose state differs from a fresh boot's.
    pub units: BTreeMap<String, Unit>,
    /// Images, containers, volumes.
    pub docker: DockerState,
}

/// A systemd unit's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub(crate) struct Unit {
    pub enabled: bool,
    pub active: bool,
    pub masked: bool,
}

/// State behind the guest's lock.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub(crate) struct State {
    pub vfs: Vfs,
    pub meta: Meta,
}

/// What exists only while the container runs.
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct Running {
    /// Milliseconds since 1970.
    pub since: i64,
    pub address: Option<Ipv4Addr>,
    pub processes: Processes,
    pub console: Option<Arc<Tty>>,
    /// Tasks that listen for a service, one for each port, by container id.
    pub services: HashMap<String, JoinSet<()>>,
    /// Waits for `poweroff` and its like.
    pub power: Option<AbortHandle>,
}

/// One container.
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct Guest {
    pub vmid: u32,
    pub network: Arc<Network>,
    spec: Mutex<GuestSpec>,
    state: Mutex<State>,
    running: Mutex<Option<Running>>,
    stale: AtomicBool,
    saving: Mutex<()>,
    /// Serialises Docker commands that change containers.
    pub docker: tokio::sync::Mutex<()>,
    /// Asked to end by a program inside: `poweroff` and its like (true: and start again).
    power: Mutex<Option<bool>>,
    power_changed: tokio::sync::Notify,
    /// Shells that exist now, subshells and pipeline stages among them.
    seats: AtomicUsize,
    /// Commands run so far.
    commands: AtomicUsize,
}

/// A shell's place in its guest; their number is bounded.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Guest>);

impl Seat {
    /// One more.
    pub(crate) fn take(guest: &Arc<Guest>) -> Self {
        guest.seats.fetch_add(1, Ordering::Relaxed);
        Self(guest.clone())
    }
}

impl Clone for Seat {
    fn clone(&self) -> Self {
        Self::take(&self.0)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::Relaxed);
    }
}

/// More shells than this at a time are refused, as `fork` would.
const SEATS: usize = 512;
/// After this many commands a guest lets others run; after many more it pauses, so that an endless loop costs little.
const YIELD_EVERY: usize = 32;
const PAUSE_EVERY: usize = 4096;
const PAUSE: Duration = Duration::from_millis(2);

impl Guest {
    /// A container with the given state.
    pub(crate) fn new(spec: GuestSpec, state: State, network: Arc<Network>) -> Arc<Self> {
        Arc::new(Self {
            vmid: spec.vmid,
            network,
            spec: Mutex::new(spec),
            state: Mutex::new(state),
            running: Mutex::new(None),
            stale: AtomicBool::new(true),
            saving: Mutex::new(()),
            docker: tokio::sync::Mutex::new(()),
            power: Mutex::new(None),
            power_changed: tokio::sync::Notify::new(),
            seats: AtomicUsize::new(0),
            commands: AtomicUsize::new(0),
        })
    }

    /// The container kept in `spec.dir`.
    pub(crate) fn load(spec: GuestSpec, network: Arc<Network>) -> Result<Arc<Self>, EngineError> {
        let path = spec.dir.join("state.tar");
        let bytes = std::fs::read(&path).map_err(|e| {
            EngineError(format!("unable to read the state of CT {}: {}: {e}", spec.vmid, path.display()))
        })?;
        let state = tar::unpack(&bytes).map_err(|e| EngineError(format!("CT {}: {e}", spec.vmid)))?;
        let guest = Self::new(spec, state, network);
        guest.stale.store(false, Ordering::Relaxed);
        Ok(guest)
    }

    /// The files and the rest.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What exists only while it runs.
    pub(crate) fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it was configured last.
    pub(crate) fn spec(&self) -> GuestSpec {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over a configuration.
    pub(crate) fn set_spec(&self, spec: &GuestSpec) {
        *self.spec.lock().unwrap_or_else(PoisonError::into_inner) = spec.clone();
    }

    /// Whether init runs.
    pub(crate) fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// The address its services listen on.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.running().as_ref().and_then(|r| r.address)
    }

    /// Memory it was given, MiB.
    pub(crate) fn memory_mib(&self) -> u64 {
        self.setting("memory").and_then(|v| v.parse().ok()).unwrap_or(512)
    }

    /// Cores it was given.
    pub(crate) fn cores(&self) -> u64 {
        self.setting("cores").and_then(|v| v.parse().ok()).unwrap_or(1)
    }

    /// Size of its root disk, bytes.
    pub(crate) fn disk_size(&self) -> u64 {
        let size = self
            .setting("rootfs")
            .and_then(|v| v.split(',').find_map(|part| part.strip_prefix("size=")).map(str::to_owned));
        let text = size.unwrap_or_else(|| "8G".to_owned());
        let number: f64 = text.trim_end_matches(|c: char| c.is_alphabetic()).parse().unwrap_or(8.0);
        let unit = match text.chars().last() {
            Some('T') => 40,
            Some('G') => 30,
            Some('M') => 20,
            Some('K') => 10,
            _ => 0,
        };
        (number * f64::from(2_u32).powi(unit)) as u64
    }

    /// A configuration value.
    pub(crate) fn setting(&self, key: &str) -> Option<String> {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).config.get(key).cloned()
    }

    /// Its host name, as `/etc/hostname` had it at boot.
    pub(crate) fn hostname(&self) -> String {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).hostname.clone()
    }

    /// Something that has to be saved changed.
    pub(crate) fn touch(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Where snapshots are.
    pub(crate) fn snapshot_path(&self, name: &str) -> PathBuf {
        self.spec().dir.join("snapshots").join(format!("{name}.tar"))
    }

    /// Saves if something changed; errors go to the log, since no program inside could act on them.
    pub(crate) async fn save_if_stale(self: &Arc<Self>) {
        if self.stale.load(Ordering::Relaxed)
            && let Err(error) = self.save()
        {
            tracing::error!(vmid = self.vmid, %error, "cannot save the container's state");
        }
        tokio::task::yield_now().await;
    }

    /// Saves.
    pub(crate) fn save(&self) -> Result<(), EngineError> {
        let _one = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.stale.store(false, Ordering::Relaxed);
        let state = self.lock().clone();
        let dir = self.spec().dir;
        write_file(&dir.join("state.tar"), &tar::pack(&state, None)).inspect_err(|_| self.touch())
    }

    /// Boots with the given address; Docker's containers are the caller's next step.
    pub(crate) fn boot(&self, address: Option<Ipv4Addr>) {
        {
            let mut state = self.lock();
            layout::boot(&mut state.vfs, self.memory_mib() * 1024);
            layout::set_hostname(&mut state.vfs, &self.hostname());
            for unit in state.meta.units.values_mut() {
                unit.active = unit.enabled && !unit.masked;
            }
        }
        *self.power.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.running() = Some(Running {
            since: jiff::Timestamp::now().as_millisecond(),
            address,
            processes: Processes::default(),
            console: None,
            services: HashMap::new(),
            power: None,
        });
        self.touch();
    }

    /// Ends everything that runs; returns when its ports are free.
    pub(crate) async fn halt(&self) {
        let Some(mut running) = self.running().take() else { return };
        running.processes.kill_all();
        if let Some(watch) = running.power {
            watch.abort();
        }
        if let Some(tty) = running.console {
            tty.close();
        }
        for tasks in running.services.values_mut() {
            tasks.abort_all();
        }
        for mut tasks in running.services.into_values() {
            tasks.shutdown().await;
        }
        self.touch();
    }

    /// Starts a task as a process of this guest; nothing happens when it does not run.
    pub(crate) fn spawn(
        &self,
        pid: u32,
        name: &str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let mut running = self.running();
        let running = running.as_mut()?;
        let handle = process::spawn(task).abort_handle();
        running.processes.insert(pid, name.to_owned(), handle.clone());
        Some(handle)
    }

    /// Whether another shell may be made.
    pub(crate) fn has_room(&self) -> bool {
        self.seats.load(Ordering::Relaxed) < SEATS
            && self.running().as_mut().is_some_and(|r| r.processes.count() < SEATS)
    }

    /// Called before every command.
    pub(crate) async fn tick(&self) {
        let count = self.commands.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(PAUSE_EVERY) {
            tokio::time::sleep(PAUSE).await;
        } else if count.is_multiple_of(YIELD_EVERY) {
            tokio::task::yield_now().await;
        }
    }

    /// A new process id.
    pub(crate) fn next_pid(&self) -> u32 {
        self.running().as_mut().map_or(2, |r| r.processes.next_pid())
    }

    /// A program inside asks for the end of this container (true: and for its start).
    pub(crate) fn ask_power(&self, reboot: bool) {
        *self.power.lock().unwrap_or_else(PoisonError::into_inner) = Some(reboot);
        self.power_changed.notify_one();
    }

    /// Waits until a program inside asked for its end.
    pub(crate) async fn power_asked(&self) -> bool {
        loop {
            if let Some(reboot) = self.power.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return reboot;
            }
            self.power_changed.notified().await;
        }
    }

    /// Attaches to the console; a shell is started when none runs.
    pub(crate) fn attach(self: &Arc<Self>) -> Result<Console, EngineError> {
        let (input, mut from_client) = mpsc::channel(16);
        let (to_client, output) = mpsc::channel(64);
        let pid = self.next_pid();
        let mut guard = self.running();
        let running = guard.as_mut().ok_or_else(|| EngineError(format!("CT {} not running", self.vmid)))?;
        let _ = to_client.try_send(Bytes::from_static(b"\x1b[H\x1b[J"));
        let tty = match running.console.clone().filter(|tty| !tty.closed()) {
            Some(tty) => {
                tty.attach(to_client);
                tty
            }
            None => {
                let tty = Arc::new(Tty::default());
                tty.attach(to_client);
                running.console = Some(tty.clone());
                let task = process::spawn(session::run(self.clone(), tty.clone()));
                running.processes.insert(pid, "bash".to_owned(), task.abort_handle());
                tty
            }
        };
        let terminal = tty.clone();
        tokio::spawn(async move {
            while let Some(event) = from_client.recv().await {
                match event {
                    ConsoleInput::Data(data) => terminal.type_in(&data).await,
                    ConsoleInput::Resize { cols, rows } => terminal.set(|t| {
                        t.cols = cols;
                        t.rows = rows;
                    }),
                }
                if terminal.closed() {
                    break;
                }
            }
        });
        Ok(Console { input, output })
    }
}

/// Writes a file to the side and renames it into place. What guests hold is nobody else's: the file is 0600, and
/// directories made for it are 0700.
pub(crate) fn write_file(path: &std::path::Path, data: &[u8]) -> Result<(), EngineError> {
    let failed = |e: std::io::Error| EngineError(format!("unable to write {}: {e}", path.display()));
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    }
    let side = path.with_extension("new");
    // A mode is a new file's only: what a run that was cut off left must not lend its own.
    let _ = std::fs::remove_file(&side);
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&side);
    file.and_then(|mut file| file.write_all(data)).map_err(failed)?;
    std::fs::rename(&side, path).map_err(failed)
}
