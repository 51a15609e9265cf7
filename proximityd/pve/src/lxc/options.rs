//! The settings that creating and changing a container have in common.

use std::collections::BTreeMap;

use crate::lxc::env::Env;
use crate::params::Params;
use crate::property::{Features, MountPoint, Net, RootFs};
use crate::tags::Tags;

/// Settings of a container; `None` and empty leave them to Proxmox VE or as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LxcOptions {
    /// The host name.
    pub hostname: Option<String>,
    /// CPUs that are seen.
    pub cores: Option<u32>,
    /// CPU time at most, in CPUs.
    pub cpulimit: Option<f64>,
    /// The share of CPU time when it is scarce.
    pub cpuunits: Option<u32>,
    /// Memory in MiB.
    pub memory: Option<u64>,
    /// Swap in MiB.
    pub swap: Option<u64>,
    /// The root file system.
    pub rootfs: Option<RootFs>,
    /// Mount points by number.
    pub mounts: BTreeMap<u8, MountPoint>,
    /// Network interfaces by number.
    pub nets: BTreeMap<u8, Net>,
    /// Features. With an API token only `nesting` passes.
    pub features: Option<Features>,
    /// Start with the node.
    pub onboot: Option<bool>,
    /// Order and delays of that, such as `order=1,up=30`.
    pub startup: Option<String>,
    /// Refuse removal of the container and its disks.
    pub protection: Option<bool>,
    /// Notes, shown to people.
    pub description: Option<String>,
    /// Tags. A token limited to a pool must not send them at create; set them right after.
    pub tags: Option<Tags>,
    /// DNS servers, separated by spaces.
    pub nameserver: Option<String>,
    /// DNS search domains.
    pub searchdomain: Option<String>,
    /// The time zone; `host` for the node's.
    pub timezone: Option<String>,
    /// What the console shows: `shell`, `console` or `tty`. Not changed on the run.
    pub cmode: Option<String>,
    /// How many terminals there are, 0 to 6.
    pub tty: Option<u8>,
    /// Whether there is a console device.
    pub console: Option<bool>,
    /// The first process (9.1 and later).
    pub entrypoint: Option<String>,
    /// Its environment (9.1 and later).
    pub env: Option<Env>,
    /// The operating system's kind, where it is not to be detected; `unmanaged` changes nothing
    /// inside.
    pub ostype: Option<String>,
    /// Parameters this crate does not know, sent as they are.
    pub rest: Vec<(String, String)>,
}

impl LxcOptions {
    pub(crate) fn fill(&self, mut params: Params) -> Params {
        params = params
            .opt("hostname", self.hostname.as_ref())
            .opt("cores", self.cores)
            .opt("cpulimit", self.cpulimit)
            .opt("cpuunits", self.cpuunits)
            .opt("memory", self.memory)
            .opt("swap", self.swap)
            .opt("onboot", self.onboot)
            .opt("startup", self.startup.as_ref())
            .opt("protection", self.protection)
            .opt("description", self.description.as_ref())
            .opt("tags", self.tags.as_ref())
            .opt("nameserver", self.nameserver.as_ref())
            .opt("searchdomain", self.searchdomain.as_ref())
            .opt("timezone", self.timezone.as_ref())
            .opt("cmode", self.cmode.as_ref())
            .opt("tty", self.tty)
            .opt("console", self.console)
            .opt("entrypoint", self.entrypoint.as_ref())
            .opt("ostype", self.ostype.as_ref());
        if let Some(rootfs) = &self.rootfs {
            params = params.property("rootfs".to_owned(), rootfs);
        }
        for (number, mount) in &self.mounts {
            params = params.property(format!("mp{number}"), mount);
        }
        for (number, net) in &self.nets {
            params = params.property(format!("net{number}"), net);
        }
        if let Some(features) = &self.features {
            params = params.property("features".to_owned(), features);
        }
        if let Some(env) = &self.env {
            params = match env.problem() {
                Some(problem) => params.refuse(problem),
                None => params.with("env", env),
            };
        }
        for (name, value) in &self.rest {
            params = params.named(name.clone(), value);
        }
        params
    }
}
