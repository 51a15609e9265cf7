//! The composition root: everything is put together here, in the order of its dependencies, and taken down again.

mod node;

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proximity_catalog::Catalog;
use rustix::fs::{FlockOperation, flock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch as channel;

use crate::apps::{Templates, UseCases};
use crate::config::Config;
use crate::guest::inside::Inside;
use crate::guest::sessions::Guests;
use crate::guest::ssh::own_key::OwnKey;
use crate::hosts::{Host, Hosts};
use crate::model::clock::Clock;
use crate::model::ids::Ids;
use crate::ops::engine::Engine;
use crate::ops::services::{Queues, Services};
use crate::registry::Registry;
use crate::rpc::peer::Door;
use crate::rpc::socket;
use crate::store::Store;
use crate::vault::Vault;
use crate::watch;

/// Time that open connections get to end when the daemon stops.
const GRACE: Duration = Duration::from_secs(3);

/// A configuration, and what it names.
#[derive(Debug)]
pub struct Checked {
    config: Config,
    door: Door,
    templates: Templates,
}

impl Checked {
    /// Looks up what the configuration names: the group of the socket, and the templates of its directory. Nothing is
    /// made or changed.
    ///
    /// # Errors
    /// What is not there or is wrong: mending the configuration mends it.
    pub fn new(config: Config) -> anyhow::Result<Checked> {
        let own_uid = rustix::process::geteuid().as_raw();
        let door = Door::new(&config.access, own_uid).map_err(anyhow::Error::msg)?;
        let templates = templates(&config)?;
        Ok(Checked { config, door, templates })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// What kept it from starting, for a person.
pub async fn run(checked: Checked) -> anyhow::Result<()> {
    let Checked { config, door, templates } = checked;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // What the daemon writes is its own; the socket's mode is set by itself.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let lock = lock(&config.data_dir)?;
    let database = config.data_dir.join("proximity.db");
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(std::path::PathBuf::from);
    let vault =
        Vault::open(config.secrets.identity, &config.data_dir, credentials.as_deref(), database.exists())?;
    let clock = Clock::system();
    let store = Store::open(&database, clock.clone())
        .with_context(|| format!("the database {} cannot be opened", database.display()))?;
    let ids = Ids::random(clock.clone());
    let services = Arc::new(Services {
        hosts: hosts(&store, &vault)?,
        guests: guests(&config, &store, &vault, &ids).await?,
        registry: Registry::new(config.registry.lookup),
        queues: Queues::new(config.limits.operations_per_node),
        probe_client: probe_client()?,
        time_zone: jiff::tz::TimeZone::system().iana_name().unwrap_or("UTC").to_string(),
        store,
        vault,
        clock,
        ids,
    });
    let node = match config.embedded {
        true => Some(node::start(&services, &config).await?),
        false => None,
    };
    let served = serve(&config, &services, (&door, templates), &mut terminate, &mut interrupt).await;
    // A clean stop ends the node that we use; so does a start that failed.
    if let Some(node) = node {
        node.stop().await;
    }
    drop(lock);
    served
}

/// Answers on the socket until told to stop.
async fn serve(
    config: &Config,
    services: &Arc<Services>,
    (door, templates): (&Door, Templates),
    terminate: &mut Signal,
    interrupt: &mut Signal,
) -> anyhow::Result<()> {
    let engine = Engine::new(Arc::clone(services));
    let watch = watch::start(engine.clone(), config.poll);
    let apps = Arc::new(UseCases::new(engine.clone(), templates, config.clone(), watch));
    let bound = socket::bind(&config.socket, door)
        .await
        .with_context(|| format!("the socket {} cannot be made", config.socket.display()))?;
    let (stop, stopping) = channel::channel(false);
    let serving = tokio::spawn(socket::serve(bound, door.clone(), config.limits, apps, stopping));
    let resumed = engine.resume().await?;
    tracing::info!(
        socket = %config.socket.display(),
        data_dir = %config.data_dir.display(),
        identity = services.vault.home(),
        operations = resumed,
        "proximityd {} is ready",
        env!("CARGO_PKG_VERSION")
    );
    // Without systemd nobody listens, which is no error.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping; operations go on when the daemon runs again");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.send_replace(true);
    let _ = serving.await;
    tokio::time::timeout(GRACE, stop.closed()).await.unwrap_or_default();
    Ok(())
}

/// Makes the data directory, and keeps a second daemon out of it.
fn lock(dir: &Path) -> anyhow::Result<File> {
    if !dir.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| format!("the data directory {} cannot be made", dir.display()))?;
    }
    let mode = fs::metadata(dir)?.permissions().mode();
    if mode & 0o007 != 0 {
        tracing::warn!("others can look into the data directory {}; run `chmod o= {0}`", dir.display());
    }
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another proximityd uses the data directory {}; stop it, or choose another with --data-dir",
            dir.display()
        );
    }
    Ok(file)
}

fn hosts(store: &Store, vault: &Vault) -> anyhow::Result<Hosts> {
    let hosts = Hosts::default();
    for (config, sealed, seen) in store.read_now(|reader| reader.hosts())? {
        // An embedded node that was used before is found again only with --embedded.
        if config.embedded {
            continue;
        }
        let name = config.name.clone();
        let secret =
            vault.open_secret(&sealed).with_context(|| format!("the credentials of the host `{name}`"))?;
        let host = Host::new(config, &secret, seen).with_context(|| format!("the host `{name}`"))?;
        hosts.put(Arc::new(host));
    }
    Ok(hosts)
}

/// The name under which the store keeps the sealed seed of our own SSH key.
const SSH_KEY: &str = "ssh-key";

/// The ways into containers; with SSH, our own key is made at the first start.
async fn guests(config: &Config, store: &Store, vault: &Vault, ids: &Ids) -> anyhow::Result<Guests> {
    let dir = config.data_dir.join("ssh");
    let guests = Guests::new(ids.clone(), dir.clone());
    if !config.guest.ssh {
        return Ok(guests);
    }
    let seed = match store.read_now(|reader| reader.meta(SSH_KEY))? {
        Some(sealed) => {
            let sealed = BASE64.decode(sealed).context("the daemon's SSH key in the database is damaged")?;
            vault.open_secret(&sealed).context("the daemon's SSH key")?
        }
        None => {
            let seed = OwnKey::make()?;
            let sealed = BASE64.encode(vault.seal(&seed));
            store.write(move |tx| tx.set_meta(SSH_KEY, &sealed)).await?;
            seed
        }
    };
    match OwnKey::open(&seed) {
        Ok(key) => Ok(guests.with_inside(Inside::new(key, dir.join("guests")))),
        // Everything works without it.
        Err(error) => {
            tracing::warn!(%error, "containers are not reached by SSH");
            Ok(guests)
        }
    }
}

fn templates(config: &Config) -> anyhow::Result<Templates> {
    let own = config.catalog_dir.as_ref();
    let own = own.map(|dir| {
        Catalog::load_dir(dir)
            .with_context(|| format!("`catalog-dir = \"{}\"` cannot be used", dir.display()))
    });
    Ok(Templates::new(own.transpose()?))
}

/// The client for health probes: an app's own certificate is its own making, so it is not checked.
fn probe_client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .user_agent(concat!("proximityd/", env!("CARGO_PKG_VERSION")))
        .build()?)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::{Cli, IdentityHome, Surroundings};

    #[tokio::test]
    async fn our_ssh_key_is_made_once_and_kept_sealed_and_not_at_all_where_it_is_turned_off() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("test.db"), Clock::fixed(0)).unwrap();
        let vault = Vault::open(IdentityHome::File, dir.path(), None, false).unwrap();
        let ids = Ids::random(Clock::system());
        let here = Surroundings { home: Some(dir.path().into()), ..Surroundings::default() };
        let cli = Cli::parse_from(["proximityd", "--data-dir", dir.path().to_str().unwrap()]);
        let mut config = Config::load(&cli, &here).unwrap();
        config.guest.ssh = false;
        assert!(guests(&config, &store, &vault, &ids).await.unwrap().inside().is_none());
        assert_eq!(store.read_now(|reader| reader.meta(SSH_KEY)).unwrap(), None);

        config.guest.ssh = true;
        let mut lines = Vec::new();
        for _ in 0..2 {
            let guests = guests(&config, &store, &vault, &ids).await.unwrap();
            lines.push(guests.inside().unwrap().line("127.0.0.1").unwrap());
        }
        assert_eq!(lines[0], lines[1], "the same key after a restart");
        let sealed = store.read_now(|reader| reader.meta(SSH_KEY)).unwrap().unwrap();
        let sealed = BASE64.decode(sealed).unwrap();
        let seed = vault.open_secret(&sealed).unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains(seed.expose_secret()));
        assert!(lines[0].contains(OwnKey::open(&seed).unwrap().public()), "it is the one that is kept");

        store.write(|tx| tx.set_meta(SSH_KEY, "damaged")).await.unwrap();
        let error = guests(&config, &store, &vault, &ids).await.unwrap_err();
        assert!(format!("{error:#}").contains("SSH key"), "{error:#}");
    }
}
