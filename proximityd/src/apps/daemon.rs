//! The daemon itself: status, doctor, description.

use proto_json::daemon::{Check, CheckStatus, DoctorOutput, StatusOutput};
use proto_json::method::NoParams;
use proto_json::{Problem, openrpc};

use super::{UseCases, checks, store_problem};
use crate::guest::provision;
use crate::model::golden::{Golden, GoldenState};

/// Free space of the data directory below which something should be done, in bytes.
const LITTLE: u64 = 512 << 20;

impl UseCases {
    /// `daemon.status`.
    pub(crate) async fn status(&self, actor: &str, _: NoParams) -> Result<StatusOutput, Problem> {
        let (apps, active) = self
            .services
            .store
            .read(|reader| Ok((reader.app_count()?, reader.active_operation_count()?)))
            .await
            .map_err(store_problem)?;
        Ok(StatusOutput {
            version: env!("CARGO_PKG_VERSION").into(),
            api_version: proto_json::API_VERSION.into(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            data_dir: self.config.data_dir.display().to_string(),
            identity: self.services.vault.home().into(),
            apps,
            active_operations: active,
            pve_requests: self.services.hosts.all().iter().map(|host| host.client.requests()).sum(),
            memory: resident(),
            caller: actor.into(),
        })
    }

    /// `daemon.doctor`.
    pub(crate) async fn doctor(&self, _: NoParams) -> Result<DoctorOutput, Problem> {
        let mut checks = vec![self.identity_check(), self.space_check()];
        checks.push(self.operations_check().await?);
        let goldens = self.services.store.read(|reader| reader.goldens()).await.map_err(store_problem)?;
        checks.extend(old_goldens(&goldens, &provision::recipe()));
        let hosts = self.services.hosts.all();
        if hosts.is_empty() {
            checks.push(Check {
                id: "hosts".into(),
                host: None,
                status: CheckStatus::Warning,
                message: "no Proxmox VE host is configured".into(),
                hints: vec!["connect one with `proximityctl init`".into()],
            });
        }
        let found = futures_util::future::join_all(
            hosts.iter().map(|host| checks::host(host, &self.services.guests)),
        )
        .await;
        checks.extend(found.into_iter().flatten());
        let apps = self.services.store.read(|reader| reader.apps_up()).await.map_err(store_problem)?;
        checks.extend(self.inside_checks(apps).await);
        let healthy = checks.iter().all(|check| check.status != CheckStatus::Failed);
        Ok(DoctorOutput { healthy, checks })
    }

    /// `rpc.discover`.
    pub(crate) async fn discover(&self, _: NoParams) -> Result<serde_json::Value, Problem> {
        Ok(openrpc::document())
    }

    fn identity_check(&self) -> Check {
        let home = self.services.vault.home();
        Check {
            id: "identity".into(),
            host: None,
            status: CheckStatus::Ok,
            message: format!("secrets are sealed to an identity from: {home}"),
            hints: vec![
                "keep a copy of it apart from the database: without it the stored secrets are lost".into(),
            ],
        }
    }

    fn space_check(&self) -> Check {
        let dir = &self.config.data_dir;
        let free = rustix::fs::statvfs(dir).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
        let (status, message) = match free {
            Ok(free) if free < LITTLE => {
                (CheckStatus::Warning, format!("only {} MiB free in {}", free >> 20, dir.display()))
            }
            Ok(free) => (CheckStatus::Ok, format!("{} MiB free in {}", free >> 20, dir.display())),
            Err(error) => (CheckStatus::Skipped, format!("{}: {error}", dir.display())),
        };
        Check { id: "space".into(), host: None, status, message, hints: vec![] }
    }

    async fn operations_check(&self) -> Result<Check, Problem> {
        let stuck =
            self.services.store.read(|reader| reader.stuck_operations()).await.map_err(store_problem)?;
        let status = if stuck.is_empty() { CheckStatus::Ok } else { CheckStatus::Warning };
        let message = match stuck.len() {
            0 => "no operation needs a person".to_string(),
            count => format!("{count} operations need a person: {}", stuck.join(", ")),
        };
        let hints =
            stuck.iter().map(|id| format!("`proximityctl op show {id}` says what is to be done")).collect();
        Ok(Check { id: "operations".into(), host: None, status, message, hints })
    }
}

/// Resident memory of this process, in bytes (`statm` in proc(5): the second field, in pages).
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split_whitespace().nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    pages * u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

/// Golden containers of an older recipe: nothing is cloned from them any more, but linked clones may still need them.
fn old_goldens(goldens: &[Golden], recipe: &str) -> Vec<Check> {
    let old = goldens.iter().filter(|golden| golden.state == GoldenState::Ready && golden.recipe != recipe);
    old.filter_map(|golden| {
        let vmid = golden.vmid?;
        Some(Check {
            id: "golden".into(),
            host: Some(golden.host.clone()),
            status: CheckStatus::Ok,
            message: format!("{}: container {vmid} is a golden container of an older recipe", golden.node),
            hints: vec![format!(
                "no new app is cloned from it; once no app is left that was, remove it: pct destroy {vmid} \
                 (Proxmox VE refuses while a linked clone needs it)"
            )],
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_containers_of_older_recipes_are_named_and_others_are_not() {
        let golden = |vmid, recipe: &str, state| Golden {
            operation: format!("op-{vmid}"),
            host: "h".into(),
            node: "n".into(),
            storage: "s".into(),
            recipe: recipe.into(),
            vmid: Some(vmid),
            state,
        };
        let goldens = [
            golden(100, "old", GoldenState::Ready),
            golden(101, "new", GoldenState::Ready),
            golden(102, "old", GoldenState::Building),
        ];
        let checks = old_goldens(&goldens, "new");
        let messages: Vec<&str> = checks.iter().map(|check| check.message.as_str()).collect();
        assert_eq!(messages, ["n: container 100 is a golden container of an older recipe"]);
    }
}
