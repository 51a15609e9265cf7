//! For `doctor`: which apps' containers are reached by SSH, which not, and why.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use proto_json::daemon::{Check, CheckStatus};
use proximity_pve as pve;

use super::UseCases;
use crate::guest::GuestError;
use crate::guest::inside::Door;
use crate::model::app::AppRecord;

/// Containers that are asked at a time.
const AT_ONCE: usize = 8;

/// How a container is reached.
#[derive(Debug)]
enum Reached {
    /// By SSH.
    Ssh,
    /// Another way: it has no SSH server, or none that we were let in to.
    NoServer,
    /// Another way: SSH does not work now.
    Away(String),
    /// Another way: it refuses us, or shows another key.
    Refused { why: String, hint: &'static str },
}

impl UseCases {
    /// One check for each of the hosts of these apps, which are up.
    pub(super) async fn inside_checks(&self, apps: Vec<AppRecord>) -> Vec<Check> {
        let mut hosts: BTreeMap<String, Vec<AppRecord>> = BTreeMap::new();
        for app in apps {
            hosts.entry(app.host.clone()).or_default().push(app);
        }
        let mut checks = Vec::new();
        for (host, apps) in hosts {
            if self.services.guests.inside().is_none() {
                checks.push(off(host));
                continue;
            }
            let asked = futures_util::stream::iter(apps)
                .map(async |app| (app.name.clone(), self.reached(&app).await))
                .buffered(AT_ONCE);
            checks.push(check(host, &asked.collect::<Vec<_>>().await));
        }
        checks
    }

    async fn reached(&self, app: &AppRecord) -> Reached {
        let vmid = app.vmid.and_then(|vmid| pve::Vmid::new(vmid).ok());
        let (Some(vmid), Some(address), Some(ssh)) = (vmid, &app.ip, &app.spec.ssh) else {
            return Reached::NoServer;
        };
        let door = Door { host: &app.host, vmid, address, ssh };
        match self.services.guests.test_inside(door).await {
            None => Reached::NoServer,
            Some(Ok(())) => Reached::Ssh,
            Some(Err(GuestError::Refused { why, hint, .. })) => Reached::Refused { why, hint },
            Some(Err(error)) => Reached::Away(error.to_string()),
        }
    }
}

fn off(host: String) -> Check {
    Check {
        id: "guest-ssh".into(),
        host: Some(host),
        status: CheckStatus::Skipped,
        message: "SSH into containers is turned off (`ssh = false` in [guest])".into(),
        hints: vec![],
    }
}

/// No server and no route are no faults: the other way serves.
fn check(host: String, apps: &[(String, Reached)]) -> Check {
    let names = |is: fn(&Reached) -> bool| {
        apps.iter()
            .filter(|(_, reached)| is(reached))
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut parts = Vec::new();
    let ssh = names(|reached| matches!(reached, Reached::Ssh));
    if !ssh.is_empty() {
        parts.push(format!("containers reached by SSH into them: {ssh}"));
    }
    let none = names(|reached| matches!(reached, Reached::NoServer));
    if !none.is_empty() {
        parts.push(format!("without SSH in them, reached as above: {none}"));
    }
    let mut hints = Vec::new();
    for (name, reached) in apps {
        match reached {
            Reached::Away(why) => {
                parts.push(format!("{name} is reached as above, not by SSH into it ({why})"))
            }
            Reached::Refused { why, hint } => {
                parts.push(format!("{name} refuses SSH, and is reached as above ({why})"));
                hints.push(format!("{name}: {}", hint.replace("APP", name)));
            }
            Reached::Ssh | Reached::NoServer => {}
        }
    }
    let status = if hints.is_empty() { CheckStatus::Ok } else { CheckStatus::Warning };
    Check { id: "guest-ssh".into(), host: Some(host), status, message: parts.join("; "), hints }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_app_is_named_with_how_it_is_reached_and_a_refusal_with_what_to_do() {
        let apps = [
            ("web".to_string(), Reached::Ssh),
            ("wiki".to_string(), Reached::Ssh),
            ("files".to_string(), Reached::NoServer),
            ("far".to_string(), Reached::Away("SSH: 192.0.2.1: no answer".into())),
        ];
        let fine = check("pve".into(), &apps);
        assert_eq!(fine.status, CheckStatus::Ok);
        assert_eq!(
            fine.message,
            "containers reached by SSH into them: web, wiki; without SSH in them, reached as above: files; far is reached as \
             above, not by SSH into it (SSH: 192.0.2.1: no answer)"
        );
        let odd = Reached::Refused { why: "Host key verification failed.".into(), hint: "run `restart APP`" };
        let odd = check("pve".into(), &[("web".into(), odd)]);
        assert_eq!(odd.status, CheckStatus::Warning);
        assert_eq!(odd.message, "web refuses SSH, and is reached as above (Host key verification failed.)");
        assert_eq!(odd.hints, ["web: run `restart web`"]);
    }
}
