//! Connecting hosts.

use std::sync::Arc;
use std::time::Duration;

use proto_json::daemon::CheckStatus;
use proto_json::host::{AddParams, CertificateOutput, CertificateParams, HostName, TestOutput};
use proto_json::method::NoParams;
use proto_json::{Code, Problem};
use proximity_pve as pve;
use secrecy::SecretString;

use super::{Refusal, UseCases, checks, store_problem};
use crate::hosts::Host;
use crate::model::app::name_fault;
use crate::model::host::{HostConfig, HostSeen, Identity, Trust};
use crate::ops::failure::pve_problem;
use crate::store::NewEvent;

/// Time for looking at a certificate.
const LOOK: Duration = Duration::from_secs(8);

impl UseCases {
    /// `host.add`.
    pub(crate) async fn add_host(
        &self,
        actor: &str,
        params: AddParams,
    ) -> Result<proto_json::host::Host, Problem> {
        let unchecked = params.unchecked;
        let (config, secret) = configuration(params)?;
        let name = config.name.clone();
        if self.services.hosts.get(&name).is_some() {
            return Err(Problem::new(Code::Conflict, format!("there is a host `{name}` already")).hint(
                format!("remove it first with `proximityctl host rm {name}`, or choose another with --name"),
            ));
        }
        let fault = |error: pve::Error| Problem::new(Code::InvalidParams, error.to_string());
        let host = Host::new(config.clone(), &secret, HostSeen::default()).map_err(fault)?;
        if !unchecked {
            let version = host.client.version().await.map_err(|error| pve_problem(&error))?;
            // A wrong token may read the version on some releases; what it may do is another question.
            host.client.permissions(None).await.map_err(|error| pve_problem(&error))?;
            let at = self.services.clock.text();
            host.note(|state| {
                state.reachable = true;
                state.seen = HostSeen { version: Some(version.version.clone()), at: Some(at) };
            });
        }
        let sealed = self.services.vault.seal(&secret);
        let (actor, seen) = (actor.to_string(), host.state().seen);
        let written = self
            .services
            .store
            .write(move |tx| {
                tx.insert_host(&config, &sealed)?;
                tx.set_host_seen(&config.name, &seen)?;
                let message = format!("host {} added by {actor}", config.name);
                tx.event(NewEvent::info("host.added", message))?;
                Ok::<_, Refusal>(())
            })
            .await;
        written.map_err(Refusal::into_problem)?;
        let host = Arc::new(host);
        self.services.hosts.put(Arc::clone(&host));
        self.watch.host_added(&name);
        self.host_view(&host).await
    }

    /// `host.certificate`.
    pub(crate) async fn certificate(&self, params: CertificateParams) -> Result<CertificateOutput, Problem> {
        let endpoint: pve::Endpoint = params
            .endpoint
            .parse()
            .map_err(|error: pve::EndpointError| Problem::new(Code::InvalidParams, error.to_string()))?;
        let probe = pve::probe_fingerprint(&endpoint, LOOK).await.map_err(|error| pve_problem(&error))?;
        Ok(CertificateOutput {
            endpoint: endpoint.to_string(),
            fingerprint: probe.fingerprint.to_string(),
            trusted_by_system: trusted_by_system(&endpoint).await,
        })
    }

    /// `host.list`.
    pub(crate) async fn list_hosts(&self, _: NoParams) -> Result<Vec<proto_json::host::Host>, Problem> {
        let mut hosts = Vec::new();
        for host in self.services.hosts.all() {
            hosts.push(self.host_view(&host).await?);
        }
        Ok(hosts)
    }

    /// `host.test`.
    pub(crate) async fn test_host(&self, params: HostName) -> Result<TestOutput, Problem> {
        let host = self.host(Some(&params.name))?;
        let checks = checks::host(&host).await;
        let usable = checks.iter().all(|check| check.status != CheckStatus::Failed);
        Ok(TestOutput { usable, checks })
    }

    /// `host.remove`.
    pub(crate) async fn remove_host(
        &self,
        actor: &str,
        params: HostName,
    ) -> Result<proto_json::host::Host, Problem> {
        let host = self.host(Some(&params.name))?;
        if host.config.embedded {
            return Err(Problem::new(Code::Refused, "the embedded node belongs to this daemon")
                .hint("start the daemon without --embedded to be without it"));
        }
        let view = self.host_view(&host).await?;
        let (name, actor) = (params.name.clone(), actor.to_string());
        let written = self
            .services
            .store
            .write(move |tx| {
                let used = tx.host_use(&name)?;
                if used > 0 {
                    let problem =
                        Problem::new(Code::Conflict, format!("the host `{name}` has apps or operations"))
                            .cause(format!("{used} of them"))
                            .hint("remove the apps first; `proximityctl ls` lists them");
                    return Err(Refusal::Problem(problem));
                }
                tx.delete_host(&name)?;
                tx.event(NewEvent::info("host.removed", format!("host {name} removed by {actor}")))?;
                Ok(())
            })
            .await;
        written.map_err(Refusal::into_problem)?;
        self.services.hosts.remove(&params.name);
        Ok(view)
    }

    async fn host_view(&self, host: &Arc<Host>) -> Result<proto_json::host::Host, Problem> {
        let name = host.config.name.clone();
        let apps =
            self.services.store.read(move |reader| reader.host_apps(&name)).await.map_err(store_problem)?;
        let state = host.state();
        Ok(proto_json::host::Host {
            name: host.config.name.clone(),
            endpoints: host.config.endpoints.clone(),
            auth: host.config.identity.kind().into(),
            identity: host.config.identity.name().into(),
            trust: host.config.trust.label(),
            pool: host.config.pool.clone(),
            storage: host.config.storage.clone(),
            bridge: host.config.bridge.clone(),
            embedded: host.config.embedded,
            reachable: state.reachable,
            version: state.seen.version,
            seen_at: state.seen.at,
            problem: state.problem,
            apps,
        })
    }
}

/// Whether the system's authorities vouch for it: nothing is sent before that is settled, and nothing of worth after it.
async fn trusted_by_system(endpoint: &pve::Endpoint) -> bool {
    let auth = pve::Auth::token("nobody@pve!none", "00000000-0000-0000-0000-000000000000");
    let timeouts = pve::Timeouts { connect: LOOK, request: Duration::from_secs(2) };
    let config = pve::ClientConfig::new(vec![endpoint.clone()], auth).timeouts(timeouts);
    match pve::Client::new(config) {
        Ok(client) => {
            !matches!(client.version().await, Err(pve::Error::Untrusted { .. } | pve::Error::Config(_)))
        }
        Err(_) => false,
    }
}

fn configuration(params: AddParams) -> Result<(HostConfig, SecretString), Problem> {
    let fault = |message: &str| Problem::new(Code::InvalidParams, message);
    let name = params.name.unwrap_or_else(|| "default".into());
    if let Some(why) = name_fault(&name) {
        return Err(fault(&format!("`{}` is no name for a host", name.escape_default())).cause(why));
    }
    if params.endpoints.is_empty() {
        return Err(fault("an endpoint is needed, such as pve.example.org or 192.0.2.1:8006"));
    }
    let mut endpoints = Vec::new();
    for text in &params.endpoints {
        let endpoint: pve::Endpoint =
            text.parse().map_err(|error: pve::EndpointError| fault(&error.to_string()))?;
        endpoints.push(endpoint.to_string());
    }
    let (identity, secret) = match (params.token_id, params.token_secret, params.user, params.password) {
        (Some(id), Some(secret), None, None) => {
            if !id.contains('@') || !id.contains('!') {
                return Err(fault(&format!("`{}` is no token id", id.escape_default()))
                    .hint("a token id is user@realm!name, such as proximity@pve!app"));
            }
            (Identity::Token(id), secret)
        }
        (None, None, Some(user), Some(password)) => {
            if !user.contains('@') {
                return Err(fault("a user is named with its realm, such as proximity@pve"));
            }
            (Identity::User(user), password)
        }
        (Some(_), None, ..) => return Err(fault("the token's secret is missing")),
        (.., Some(_), None) => return Err(fault("the user's password is missing")),
        _ => return Err(fault("give a token's id and secret, or a user and a password")),
    };
    let trust = match (params.fingerprint, params.ca_pem) {
        (Some(_), Some(_)) => return Err(fault("give a fingerprint or a CA, not both")),
        (Some(fingerprint), None) => {
            let pin: pve::Fingerprint =
                fingerprint.parse().map_err(|error: pve::FingerprintError| fault(&error.to_string()))?;
            Trust::Fingerprint(pin.to_string())
        }
        (None, Some(pem)) => Trust::Ca(pem),
        (None, None) => Trust::System,
    };
    let pool = params.pool.unwrap_or_else(|| "proximity".into());
    pve::PoolId::new(&pool).map_err(|error| fault(&error.to_string()))?;
    let config = HostConfig {
        name,
        endpoints,
        identity,
        trust,
        pool,
        storage: params.storage,
        bridge: params.bridge,
        embedded: false,
    };
    Ok((config, SecretString::from(secret)))
}
