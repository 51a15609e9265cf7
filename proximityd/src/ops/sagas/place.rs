//! Where a container can be: nodes, storages, bridges, and a vmid. It reads what Proxmox VE has, and chooses.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto_json::{Code, Problem};
use proximity_pve as pve;

use crate::hosts::Host;
use crate::ops::context::Context;
use crate::ops::failure::StepError;

/// What was asked for; what is not, is chosen.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The node.
    pub node: Option<String>,
    /// The storage for the root file system.
    pub storage: Option<String>,
    /// The bridge.
    pub bridge: Option<String>,
    /// Bytes of disk.
    pub disk: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Tells this wish from others that come at the same time: nodes that are as good as each other are taken in turn.
    pub seed: String,
}

/// A place for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: pve::NodeName,
    /// The storage for the root file system.
    pub storage: pve::StorageId,
    /// It makes linked clones.
    pub linked: bool,
    /// The storage for guest templates.
    pub templates: Option<pve::StorageId>,
    /// The bridge.
    pub bridge: String,
    /// What one should know.
    pub warnings: Vec<String>,
}

/// Storage types on which a container can be cloned as a difference to its template (pve-storage, feature `clone` of a
/// base volume in raw or subvol format), and on which space is taken only as it is used.
const LINKED: [&str; 4] = ["lvmthin", "zfspool", "rbd", "btrfs"];
/// What a clone on such a storage needs free at least, in bytes.
const LEAST_FREE: u64 = 2 << 30;

/// Chooses a place on a host: the online node with most memory free that has what is asked for.
///
/// # Errors
/// What is missing on the first choice, with what there is.
pub async fn choose(host: &Arc<Host>, wish: &Wish) -> Result<Place, StepError> {
    let resources = host.client.resources(None).await?;
    let mut first = None;
    for node in choose_nodes(host, wish, &resources)? {
        match on_node(host, wish, node).await {
            Err(error @ StepError::Failed(_)) => first = first.or(Some(error)),
            other => return other,
        }
    }
    Err(first
        .unwrap_or_else(|| fault(Code::PveFailed, format!("no node of `{}` is online", host.config.name))))
}

async fn on_node(host: &Arc<Host>, wish: &Wish, node: &pve::Resource) -> Result<Place, StepError> {
    let name =
        node.node.clone().ok_or_else(|| fault(Code::PveFailed, "Proxmox VE lists a node without a name"))?;
    let storages = host.client.storages(&name, &pve::StorageFilter::default()).await?;
    let storage = choose_storage(host, wish, &name, &storages)?;
    let templates = storages
        .iter()
        .filter(|storage| storage.enabled && storage.active && storage.holds(&pve::ContentType::Vztmpl))
        .max_by_key(|storage| storage.avail)
        .map(|storage| storage.storage.clone());
    let bridge = choose_bridge(host, wish, &name).await?;
    let mut warnings = Vec::new();
    if let (Some(total), Some(used)) = (node.maxmem, node.mem)
        && total.saturating_sub(used) < wish.memory
    {
        warnings.push(format!("node {name} has less memory free than the app may use"));
    }
    let linked = LINKED.contains(&storage.kind.as_str());
    Ok(Place { node: name, storage: storage.storage.clone(), linked, templates, bridge, warnings })
}

fn fault(code: Code, message: impl Into<String>) -> StepError {
    StepError::failed(Problem::new(code, message))
}

fn list(names: impl IntoIterator<Item = impl ToString>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// The nodes that may be tried, in order.
fn choose_nodes<'a>(
    host: &Host,
    wish: &Wish,
    resources: &'a [pve::Resource],
) -> Result<Vec<&'a pve::Resource>, StepError> {
    let nodes: Vec<&pve::Resource> =
        resources.iter().filter(|resource| resource.kind == pve::ResourceType::Node).collect();
    let online = |node: &&pve::Resource| node.status.as_deref() == Some("online");
    let name = |node: &&'a pve::Resource| node.node.as_ref().map(ToString::to_string).unwrap_or_default();
    if nodes.is_empty() {
        let problem =
            Problem::new(Code::Refused, format!("the token sees no node of `{}`", host.config.name)).hint(
                "it needs Sys.Audit on /nodes; `proximityctl init --print-token-setup` prints the commands",
            );
        return Err(StepError::failed(problem));
    }
    if let Some(wanted) = &wish.node {
        let found = nodes.iter().find(|node| name(node) == *wanted).ok_or_else(|| {
            let problem = Problem::new(Code::NotFound, format!("there is no node `{wanted}`"));
            StepError::failed(problem.hint(format!(
                "`{}` has: {}",
                host.config.name,
                list(nodes.iter().map(name))
            )))
        })?;
        if !online(found) {
            return Err(fault(Code::PveFailed, format!("the node `{wanted}` is offline")));
        }
        return Ok(vec![found]);
    }
    let mut online: Vec<&'a pve::Resource> = nodes.iter().filter(|node| online(node)).copied().collect();
    online.sort_by_cached_key(|node| {
        // In steps of a sixteenth, so that deployments that are planned at the same time do not all see one best node.
        let step = (node.maxmem.unwrap_or(0) / 16).max(1);
        (std::cmp::Reverse(room(node, resources) / step), turn(&wish.seed, &name(node)))
    });
    Ok(online)
}

/// Memory of a node that nobody uses and that no guest we see there may yet take, in bytes.
fn room(node: &pve::Resource, resources: &[pve::Resource]) -> u64 {
    let guests = resources
        .iter()
        .filter(|guest| guest.kind == pve::ResourceType::Lxc && !guest.template && guest.node == node.node);
    let promised: u64 =
        guests.map(|guest| guest.maxmem.unwrap_or(0).saturating_sub(guest.mem.unwrap_or(0))).sum();
    node.maxmem.unwrap_or(0).saturating_sub(node.mem.unwrap_or(0)).saturating_sub(promised)
}

/// A node's turn for a wish: as good as drawn by lot, and the same when it is asked again.
fn turn(seed: &str, node: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (seed, node).hash(&mut hasher);
    hasher.finish()
}

fn choose_storage<'a>(
    host: &Host,
    wish: &Wish,
    node: &pve::NodeName,
    storages: &'a [pve::NodeStorage],
) -> Result<&'a pve::NodeStorage, StepError> {
    let usable = |storage: &&pve::NodeStorage| {
        storage.enabled && storage.active && storage.holds(&pve::ContentType::Rootdir)
    };
    let takers = || list(storages.iter().filter(usable).map(|storage| &storage.storage));
    let wanted = wish.storage.as_ref().or(host.config.storage.as_ref());
    let chosen = match wanted {
        Some(wanted) => {
            let found = storages.iter().find(|storage| storage.storage.as_str() == wanted).ok_or_else(|| {
                let problem = Problem::new(Code::NotFound, format!("there is no storage `{wanted}` on {node}"));
                StepError::failed(problem.hint(format!("storages that take containers there: {}", takers())))
            })?;
            if !found.holds(&pve::ContentType::Rootdir) {
                let problem = Problem::new(Code::Failed, format!("the storage `{wanted}` takes no containers"))
                    .cause(format!("its content is {}", list(&found.content)))
                    .hint(format!("storages that take containers: {}", takers()))
                    .hint("or allow it: Datacenter > Storage > Edit > Content > Container, in the Proxmox VE web page");
                return Err(StepError::failed(problem));
            }
            if !usable(&found) {
                return Err(fault(Code::PveFailed, format!("the storage `{wanted}` is disabled or not active on {node}")));
            }
            found
        }
        None => storages
            .iter()
            .filter(usable)
            .max_by_key(|storage| (LINKED.contains(&storage.kind.as_str()), storage.avail))
            .ok_or_else(|| {
                let problem = Problem::new(Code::Failed, format!("no storage on {node} takes containers"))
                    .cause(format!("it has: {}", list(storages.iter().map(|storage| &storage.storage))))
                    .hint("allow it on one: Datacenter > Storage > Edit > Content > Container, in the Proxmox VE web page")
                    .hint("the token needs Datastore.Audit and Datastore.AllocateSpace on it to see and use it");
                StepError::failed(problem)
            })?,
    };
    let thin = LINKED.contains(&chosen.kind.as_str());
    // A thin disk takes space as it is used; but one larger than its storage could never be filled.
    let needed = if thin && wish.disk <= chosen.total { wish.disk.min(LEAST_FREE) } else { wish.disk };
    if chosen.avail < needed {
        let others = storages.iter().filter(usable).filter(|storage| storage.storage != chosen.storage);
        let others = others.filter(|storage| storage.avail >= wish.disk).map(|storage| &storage.storage);
        let problem = Problem::new(Code::Failed, format!("the storage `{}` is too full", chosen.storage))
            .cause(format!("{} free, {} needed", gib(chosen.avail), gib(needed)))
            .hint(match list(others) {
                none if none == "none" => "make room, or ask for less with --disk".to_string(),
                others => {
                    format!("make room, ask for less with --disk, or choose another with --storage: {others}")
                }
            });
        return Err(StepError::failed(problem));
    }
    Ok(chosen)
}

fn gib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 30;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

async fn choose_bridge(host: &Host, wish: &Wish, node: &pve::NodeName) -> Result<String, StepError> {
    let bridges = host.client.node_network(node, Some(pve::NetworkFilter::AnyBridge)).await?;
    let names = || list(bridges.iter().map(|bridge| &bridge.iface));
    match wish.bridge.as_ref().or(host.config.bridge.as_ref()) {
        Some(wanted) if bridges.iter().any(|bridge| bridge.iface == *wanted) => Ok(wanted.clone()),
        Some(wanted) => {
            let problem = Problem::new(Code::NotFound, format!("there is no bridge `{wanted}` on {node}"));
            Err(StepError::failed(problem.hint(format!("bridges that the token may use there: {}", names()))))
        }
        None => bridges.iter().map(|bridge| bridge.iface.clone()).min().ok_or_else(|| {
            let problem = Problem::new(
                Code::Failed,
                format!("there is no bridge on {node} that the token may use"),
            )
            .hint(
                "it needs SDN.Use on /sdn/zones/localnetwork/BRIDGE; `proximityctl init --print-token-setup` \
                       prints the commands",
            );
            StepError::failed(problem)
        }),
    }
}

/// Takes a vmid that nobody has, and that no backup belongs to. It is held until it is released.
///
/// # Errors
/// Proxmox VE's, the store's.
pub async fn reserve_vmid(cx: &Context, host: &Arc<Host>, node: &pve::NodeName) -> Result<u32, StepError> {
    let mut taken = backed_up(host, node).await?;
    loop {
        let next = host.client.next_id().await?.get();
        let (name, operation, excluded) = (host.config.name.clone(), cx.id().to_string(), taken.clone());
        let vmid = cx
            .services
            .store
            .write(move |tx| {
                let mut candidate = next;
                while excluded.contains(&candidate) || !tx.reserve_vmid(&name, candidate, &operation)? {
                    candidate += 1;
                }
                Ok::<_, crate::store::StoreError>(candidate)
            })
            .await?;
        if vmid == next || host.client.is_id_free(pve::Vmid::new(vmid)?).await? {
            return Ok(vmid);
        }
        release_vmid(cx, vmid).await?;
        taken.insert(vmid);
    }
}

/// Frees a vmid.
///
/// # Errors
/// The store's.
pub async fn release_vmid(cx: &Context, vmid: u32) -> Result<(), StepError> {
    let host = cx.operation.host.clone();
    cx.services.store.write(move |tx| tx.release_vmid(&host, vmid)).await?;
    Ok(())
}

/// The vmids that backups belong to: a new container must not be taken for an old one's backups' owner.
async fn backed_up(host: &Arc<Host>, node: &pve::NodeName) -> Result<BTreeSet<u32>, StepError> {
    let filter = pve::StorageFilter {
        content: Some(pve::ContentType::Backup),
        enabled: true,
        ..pve::StorageFilter::default()
    };
    let mut vmids = BTreeSet::new();
    for storage in host.client.storages(node, &filter).await?.iter().filter(|storage| storage.active) {
        let content = host
            .client
            .storage_content(node, &storage.storage, Some(&pve::ContentType::Backup), None)
            .await?;
        vmids.extend(content.iter().filter_map(|volume| volume.vmid).map(pve::Vmid::get));
    }
    Ok(vmids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resources(value: serde_json::Value) -> Vec<pve::Resource> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_our_guests_may_yet_take_is_not_room() {
        let found = resources(json!([
            { "id": "node/a", "type": "node", "node": "a", "maxmem": 1000, "mem": 100 },
            { "id": "lxc/1", "type": "lxc", "node": "a", "vmid": 101, "maxmem": 300, "mem": 50 },
            { "id": "lxc/2", "type": "lxc", "node": "b", "vmid": 102, "maxmem": 300, "mem": 0 },
            { "id": "lxc/3", "type": "lxc", "node": "a", "vmid": 103, "maxmem": 300, "mem": 0, "template": 1 },
        ]));
        assert_eq!(room(&found[0], &found), 1000 - 100 - 250);
    }

    #[test]
    fn wishes_that_come_together_are_spread_over_equal_nodes_and_each_stays_where_it_is_asked_again() {
        let first = |seed: &str| ["a", "b", "c"].into_iter().min_by_key(|node| turn(seed, node)).unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for number in 0..300 {
            let seed = format!("operation-{number}");
            assert_eq!(first(&seed), first(&seed));
            *counts.entry(first(&seed)).or_insert(0) += 1;
        }
        assert!(counts.len() == 3 && counts.values().all(|count| *count > 50), "{counts:?}");
    }
}
