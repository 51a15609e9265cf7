//! [`MemoryEngine`]: guests made, started, ended, copied and kept.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::docker::lifecycle;
use super::guest::{Guest, Meta, State, write_file};
use super::net::{self, Network};
use super::usage;
use super::world::{layout, tar};
use crate::engine::{Console, Engine, EngineError, GuestInterface, GuestSpec, GuestUsage};

/// How a [`MemoryEngine`] is set up.
#[derive(Debug, Clone, Default)]
pub struct MemoryOptions {
    /// The node's state directory; the engine keeps its own files in `memory` below it.
    pub state_dir: PathBuf,
    /// Whether ports below 1024 can be bound: `None` finds out by trying, `Some(false)` always moves them up.
    pub privileged_ports: Option<bool>,
}

/// The engine.
#[derive(Debug)]
pub struct MemoryEngine {
    node: Arc<Node>,
}

#[derive(Debug)]
struct Node {
    dir: PathBuf,
    network: Arc<Network>,
    /// Those that run.
    guests: Mutex<HashMap<u32, Arc<Guest>>>,
    /// What stopped guests use on disk, so that asking does not read them.
    disks: Mutex<HashMap<u32, u64>>,
}

/// What is kept of a guest that runs, so that it runs again after the node's process was killed.
#[derive(Debug, Serialize, Deserialize)]
struct RunningRecord {
    vmid: u32,
    hostname: String,
    dir: PathBuf,
    config: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    since: i64,
}

type Result<T> = std::result::Result<T, EngineError>;

impl MemoryEngine {
    /// Opens the engine's state and lets the guests run that ran when its process ended.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub async fn new(options: MemoryOptions) -> Result<Self> {
        let dir = options.state_dir.join("memory");
        std::fs::create_dir_all(dir.join("running"))
            .map_err(|e| EngineError(format!("unable to create {}: {e}", dir.display())))?;
        raise_descriptor_limit();
        let network = Arc::new(Network::open(&dir, options.privileged_ports)?);
        let node = Arc::new(Node { dir, network, guests: Mutex::default(), disks: Mutex::default() });
        node.resume().await?;
        Ok(Self { node })
    }
}

impl Node {
    async fn resume(self: &Arc<Self>) -> Result<()> {
        let dir = self.dir.join("running");
        let entries = std::fs::read_dir(&dir)
            .map_err(|e| EngineError(format!("unable to read {}: {e}", dir.display())))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let record =
                std::fs::read(&path).ok().and_then(|b| serde_json::from_slice::<RunningRecord>(&b).ok());
            let Some(record) = record else { continue };
            let RunningRecord { vmid, hostname, dir, config, since } = record;
            let spec = GuestSpec { vmid, hostname, dir, config };
            match Guest::load(spec, self.network.clone()) {
                Ok(guest) => {
                    let address = net::listening_address(&guest)?;
                    let units = guest.lock().meta.units.clone();
                    guest.boot(address);
                    // Not a boot: units stopped by hand stay stopped.
                    guest.lock().meta.units = units;
                    if let Some(running) = guest.running().as_mut() {
                        running.since = since;
                    }
                    lifecycle::resumed(&guest).await;
                    self.keep(guest);
                }
                Err(error) => {
                    tracing::warn!(vmid, %error, "a container that ran is gone");
                    let _ = std::fs::remove_file(&path);
                }
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<Guest>>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(self: &Arc<Self>, guest: Arc<Guest>) {
        let (node, watched) = (self.clone(), guest.clone());
        let watch = tokio::spawn(async move {
            let reboot = watched.power_asked().await;
            // From here on this task ends the guest; it must not be ended with it.
            if let Some(running) = watched.running().as_mut() {
                running.power = None;
            }
            let spec = watched.spec();
            let done = match node.end(&watched).await {
                Ok(()) if reboot => node.begin(&spec).await,
                other => other,
            };
            if let Err(error) = done {
                tracing::warn!(vmid = spec.vmid, %error, "a container could not end as it asked to");
            }
        });
        if let Some(running) = guest.running().as_mut() {
            running.power = Some(watch.abort_handle());
        }
        self.lock().insert(guest.vmid, guest);
    }

    async fn begin(self: &Arc<Self>, spec: &GuestSpec) -> Result<()> {
        let guest = self.guest(spec)?;
        let address = net::listening_address(&guest)?;
        guest.boot(address);
        lifecycle::booted(&guest).await;
        self.keep(guest.clone());
        guest.save()?;
        self.write_record(&guest)
    }

    fn disks(&self) -> std::sync::MutexGuard<'_, HashMap<u32, u64>> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest if it runs.
    fn live(&self, vmid: u32) -> Option<Arc<Guest>> {
        self.lock().get(&vmid).filter(|guest| guest.is_running()).cloned()
    }

    /// The guest, from memory while it runs, else from its directory.
    fn guest(&self, spec: &GuestSpec) -> Result<Arc<Guest>> {
        let known = self.lock().get(&spec.vmid).cloned();
        if let Some(guest) = known {
            guest.set_spec(spec);
            return Ok(guest);
        }
        let guest = Guest::load(spec.clone(), self.network.clone())?;
        // Stopped guests are not held: they cost no memory, and another may hold the directory meanwhile.
        Ok(guest)
    }

    fn record(&self, vmid: u32) -> PathBuf {
        self.dir.join("running").join(format!("{vmid}.json"))
    }

    fn write_record(&self, guest: &Guest) -> Result<()> {
        let GuestSpec { vmid, hostname, dir, config } = guest.spec();
        let since = guest.running().as_ref().map_or(0, |r| r.since);
        let record = RunningRecord { vmid, hostname, dir, config, since };
        write_file(&self.record(vmid), &serde_json::to_vec(&record).expect("a record has plain keys"))
    }

    async fn end(&self, guest: &Arc<Guest>) -> Result<()> {
        guest.halt().await;
        let _ = std::fs::remove_file(self.record(guest.vmid));
        guest.save()?;
        self.lock().remove(&guest.vmid);
        self.disks().remove(&guest.vmid);
        Ok(())
    }

    fn adopt(&self, spec: &GuestSpec, mut state: State) -> Result<()> {
        for dir in super::world::files::VOLATILE {
            state.vfs.remove_all(dir);
        }
        self.disks().remove(&spec.vmid);
        Guest::new(spec.clone(), state, self.network.clone()).save()
    }
}

/// A guest's every published port is a descriptor: take as many as may be had.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

fn read_archive(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| EngineError(format!("unable to open {}: {e}", path.display())))
}

#[async_trait::async_trait]
impl Engine for MemoryEngine {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn create(&self, guest: &GuestSpec, archive: &Path) -> Result<Vec<String>> {
        std::fs::metadata(archive)
            .map_err(|_| EngineError(format!("unable to open template '{}'", archive.display())))?;
        let name = archive.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let meta = Meta { template: name, ..Meta::default() };
        let state = State { vfs: layout::debian(&guest.hostname), meta };
        Guest::new(guest.clone(), state, self.node.network.clone()).save()?;
        Ok(Vec::new())
    }

    async fn copy(
        &self,
        from: &GuestSpec,
        to: &GuestSpec,
        snapshot: Option<&str>,
        _linked: bool,
    ) -> Result<()> {
        let source = self.node.guest(from)?;
        let state = match snapshot {
            Some(name) => tar::unpack(&read_archive(&source.snapshot_path(name))?)
                .map_err(|e| EngineError(format!("snapshot '{name}': {e}")))?,
            None => source.lock().clone(),
        };
        self.node.adopt(to, state)
    }

    async fn reconfigure(&self, guest: &GuestSpec) -> Result<()> {
        if let Some(live) = self.node.live(guest.vmid) {
            live.set_spec(guest);
            self.node.write_record(&live)?;
        }
        Ok(())
    }

    async fn start(&self, guest: &GuestSpec) -> Result<()> {
        if self.node.live(guest.vmid).is_some() {
            return Err(EngineError(format!("CT {} already running", guest.vmid)));
        }
        self.node.begin(guest).await
    }

    async fn shutdown(&self, guest: &GuestSpec, _timeout: Duration) -> Result<bool> {
        self.stop(guest).await.map(|()| true)
    }

    async fn stop(&self, guest: &GuestSpec) -> Result<()> {
        match self.node.live(guest.vmid) {
            Some(live) => self.node.end(&live).await,
            None => Ok(()),
        }
    }

    async fn destroy(&self, guest: &GuestSpec) -> Result<()> {
        if let Some(live) = self.node.live(guest.vmid) {
            live.halt().await;
        }
        self.node.lock().remove(&guest.vmid);
        self.node.disks().remove(&guest.vmid);
        let _ = std::fs::remove_file(self.node.record(guest.vmid));
        self.node.network.release(guest.vmid)?;
        match std::fs::remove_dir_all(&guest.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError(format!("unable to remove {}: {error}", guest.dir.display())))
            }
            _ => Ok(()),
        }
    }

    async fn snapshot(&self, guest: &GuestSpec, name: &str) -> Result<()> {
        let guest = self.node.guest(guest)?;
        let packed = tar::pack(&guest.lock().clone(), None);
        write_file(&guest.snapshot_path(name), &packed)
    }

    async fn rollback(&self, guest: &GuestSpec, name: &str) -> Result<()> {
        self.stop(guest).await?;
        let guest = self.node.guest(guest)?;
        let state = tar::unpack(&read_archive(&guest.snapshot_path(name))?)
            .map_err(|e| EngineError(format!("snapshot '{name}': {e}")))?;
        *guest.lock() = state;
        self.node.disks().remove(&guest.vmid);
        guest.save()
    }

    async fn delete_snapshot(&self, guest: &GuestSpec, name: &str) -> Result<()> {
        let path = self.node.guest(guest)?.snapshot_path(name);
        std::fs::remove_file(&path)
            .map_err(|e| EngineError(format!("unable to remove {}: {e}", path.display())))
    }

    async fn archive(&self, guest: &GuestSpec, pct_conf: &str, out: &Path) -> Result<()> {
        let state = self.node.guest(guest)?.lock().clone();
        write_file(out, &tar::pack(&state, Some(pct_conf)))
    }

    async fn restore(&self, guest: &GuestSpec, archive: &Path) -> Result<()> {
        let state = tar::unpack(&read_archive(archive)?)
            .map_err(|e| EngineError(format!("unable to restore '{}': {e}", archive.display())))?;
        self.node.adopt(guest, state)
    }

    async fn running(&self, guest: &GuestSpec) -> bool {
        self.node.live(guest.vmid).is_some()
    }

    async fn interfaces(&self, guest: &GuestSpec) -> Vec<GuestInterface> {
        self.node.live(guest.vmid).map(|guest| net::interfaces(&guest)).unwrap_or_default()
    }

    async fn usage(&self, guest: &GuestSpec) -> GuestUsage {
        let stopped = self.node.live(guest.vmid).is_none();
        if stopped && let Some(disk) = self.node.disks().get(&guest.vmid) {
            return GuestUsage { disk: *disk, ..GuestUsage::default() };
        }
        let usage = self.node.guest(guest).map(|guest| usage::of(&guest)).unwrap_or_default();
        if stopped {
            self.node.disks().insert(guest.vmid, usage.disk);
        }
        usage
    }

    async fn console(&self, guest: &GuestSpec) -> Result<Console> {
        match self.node.live(guest.vmid) {
            Some(live) => live.attach(),
            None => Err(EngineError(format!("CT {} not running", guest.vmid))),
        }
    }
}
