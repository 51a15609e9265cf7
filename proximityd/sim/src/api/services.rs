//! The services of a node: all of them run, whatever is asked.

use serde_json::{Value, json};

use crate::call::Call;
use crate::reply::Outcome;
use crate::tasks::Start;

/// Names and what they are for.
const SERVICES: &[(&str, &str)] = &[
    ("chrony", "chrony, an NTP client/server"),
    ("corosync", "Corosync Cluster Engine"),
    ("cron", "Regular background program processing daemon"),
    ("ksmtuned", "Kernel Samepage Merging (KSM) Tuning Daemon"),
    ("lxcfs", "FUSE filesystem for LXC"),
    ("postfix", "Postfix Mail Transport Agent"),
    ("proxmox-firewall", "Proxmox nftables firewall"),
    ("pve-cluster", "The Proxmox VE cluster filesystem"),
    ("pve-firewall", "Proxmox VE firewall"),
    ("pve-ha-crm", "PVE Cluster HA Resource Manager Daemon"),
    ("pve-ha-lrm", "PVE Local HA Resource Manager Daemon"),
    ("pve-lxc-syscalld", "Proxmox VE LXC Syscall Daemon"),
    ("pvedaemon", "PVE API Daemon"),
    ("pveproxy", "PVE API Proxy Server"),
    ("pvescheduler", "Proxmox VE scheduler"),
    ("pvefw-logger", "Proxmox VE firewall logger"),
    ("pvestatd", "PVE Status Daemon"),
    ("qmeventd", "PVE Qemu Event Daemon"),
    ("spiceproxy", "PVE SPICE Proxy Server"),
    ("sshd", "OpenBSD Secure Shell server"),
    ("syslog", "syslog"),
    ("systemd-journald", "Journal Service"),
    ("systemd-timesyncd", "Network Time Synchronization"),
];

fn state_of(name: &str, description: &str, clustered: bool) -> Value {
    let runs = name != "corosync" || clustered;
    json!({
        "service": name, "name": name, "desc": description, "state": if runs { "running" } else { "dead" },
        "active-state": if runs { "active" } else { "inactive" }, "unit-state": "enabled",
    })
}

fn clustered(call: &Call) -> bool {
    call.node.store.view().nodes.len() > 1
}

/// `GET /nodes/{node}/services`.
pub(super) fn list(call: &Call) -> Outcome {
    let clustered = clustered(call);
    Ok(Value::Array(SERVICES.iter().map(|(name, text)| state_of(name, text, clustered)).collect()).into())
}

/// `GET /nodes/{node}/services/{service}/state`.
pub(super) fn state(call: &Call) -> Outcome {
    let asked = call.params.need("service");
    // The schema lets no other name pass.
    let known = SERVICES.iter().find(|(name, _)| *name == asked).copied();
    let (name, text) = known.unwrap_or((asked, asked));
    Ok(state_of(name, text, clustered(call)).into())
}

/// `POST /nodes/{node}/services/{service}/start` and its like.
pub(super) fn command(call: &Call, kind: &'static str) -> Outcome {
    let id = call.params.need("service").to_owned();
    let start = Start { node: &call.host, kind, id, who: &call.who };
    let task = call.node.tasks.start(&call.node, &start, |_| async { Ok(()) })?;
    Ok(json!(task.upid.to_string()).into())
}
