//! `proximity-sim`: runs the embedded Proxmox VE node.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use proximity_sim::{Options, TaskTime, Version, serve};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

/// The embedded Proxmox VE node: an HTTPS server that speaks the Proxmox VE API.
///
/// It keeps everything in its state directory and says how to reach it in STATE_DIR/node.json, which is
/// readable by its owner only: address, certificate, an API token, root's password. It ends on SIGTERM. What it logs goes to stderr and
/// STATE_DIR/node.log; PROXIMITY_SIM_LOG sets how much (as in `debug`, default `info`).
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Directory that keeps the node's state, certificate and containers; made if missing.
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Address to listen on; with port 0 the port of the last run is taken if it is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Names of the cluster's nodes, with commas between them; the first one answers.
    #[arg(long, value_name = "NAMES", default_value = "pve1", value_delimiter = ',')]
    nodes: Vec<String>,
    /// Release of Proxmox VE to be: 8.4, 9.0, 9.1 or 9.2.
    #[arg(long, value_name = "RELEASE", default_value = "9.2")]
    pve_version: Version,
    /// What makes containers real.
    #[arg(long, value_enum, default_value = "memory")]
    engine: EngineName,
    /// TOML file with faults to show from the start.
    #[arg(long, value_name = "FILE")]
    fault_plan: Option<PathBuf>,
    /// How long tasks take: no time, what they took on a real node, or that by a clock that the control call /sim/clock moves.
    #[arg(long, value_enum, default_value = "instant")]
    task_time: TaskTimeName,
    /// Whether ports below 1024 can be had: found out by trying, or taken to be so. Where they cannot, an app's are
    /// moved up.
    #[arg(long, value_enum, default_value = "auto", env = "PROXIMITY_SIM_LOW_PORTS")]
    low_ports: LowPorts,
    /// Begin with an empty state directory: everything in it is removed first.
    #[arg(long)]
    purge: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineName {
    /// Simulated containers in this process.
    Memory,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TaskTimeName {
    Instant,
    Recorded,
    Held,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LowPorts {
    Auto,
    Yes,
    No,
}

fn main() -> ExitCode {
    let Err(error) = start(Arguments::parse()) else { return ExitCode::SUCCESS };
    let mut err = std::io::stderr();
    // Nobody may be listening; the exit status says it as well.
    let _ = writeln!(err, "error: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(err, "caused by: {cause}");
    }
    ExitCode::FAILURE
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    // What the node keeps is its owner's: guests hold the secrets of their apps.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    if arguments.purge {
        purge(&arguments.state_dir)?;
    }
    log_to(&arguments.state_dir)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(arguments))
}

/// Logs to stderr and to `node.log` in the state directory.
fn log_to(dir: &std::path::Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join("node.log");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let filter = EnvFilter::try_from_env("PROXIMITY_SIM_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr.and(Mutex::new(file)))
        .init();
    Ok(())
}

/// Empties a directory that is a node's; a running node's is refused when its lock is taken.
fn purge(dir: &std::path::Path) -> anyhow::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let ours = dir.join("state.json").exists() || dir.read_dir()?.next().is_none();
    anyhow::ensure!(ours, "{} holds something else than a node's state", dir.display());
    proximity_sim::ensure_unused(dir)?;
    std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let EngineName::Memory = arguments.engine;
    let mut options = Options::new(arguments.state_dir);
    options.listen = arguments.listen;
    options.nodes = arguments.nodes;
    options.version = arguments.pve_version;
    options.privileged_ports = match arguments.low_ports {
        LowPorts::Auto => None,
        LowPorts::Yes => Some(true),
        LowPorts::No => Some(false),
    };
    options.task_time = match arguments.task_time {
        TaskTimeName::Instant => TaskTime::Instant,
        TaskTimeName::Recorded => TaskTime::Recorded,
        TaskTimeName::Held => TaskTime::Held,
    };
    if let Some(path) = arguments.fault_plan {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        options.faults =
            toml::from_str(&text).with_context(|| format!("{} is no fault plan", path.display()))?;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = serve(options).await?;
    let ready = serde_json::json!({
        "ready": true, "url": running.file.url, "pid": running.file.pid, "node": running.file.node,
        "version": running.file.version, "engine": running.file.engine,
    });
    let mut out = std::io::stdout();
    // The starter may have closed its end; the node lives on all the same.
    let _ = writeln!(out, "{ready}").and_then(|()| out.flush());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.shutdown().await;
    Ok(())
}
