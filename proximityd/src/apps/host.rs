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
use crate::guest::ssh::keys;
use crate::hosts::Host;
use crate::model::app::name_fault;
use crate::model::host::{HostConfig, HostSeen, Identity, Ssh, Trust};
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
        let (unchecked, replace) = (params.unchecked, params.replace);
        let (config, secret) = configuration(params)?;
        let name = config.name.clone();
        let known = self.services.hosts.get(&name);
        if known.as_ref().is_some_and(|known| known.config.embedded) {
            return Err(Problem::new(
                Code::Refused,
                "the embedded node belongs to this daemon; choose another name",
            ));
        }
        if known.is_none() && replace {
            return Err(Problem::new(Code::NotFound, format!("there is no host `{name}` to replace")));
        }
        if known.is_some() && !replace {
            return Err(Problem::new(Code::Conflict, format!("there is a host `{name}` already"))
                .hint("--replace takes over new credentials, endpoints or trust for it; its apps stay")
                .hint("or choose another name"));
        }
        let fault = |error: pve::Error| Problem::new(Code::InvalidParams, error.to_string());
        let host = Host::new(config.clone(), &secret, HostSeen::default()).map_err(fault)?;
        if !unchecked {
            let version = host.client.version().await.map_err(|error| not_let_in(&config, &error))?;
            // A wrong token may read the version on some releases; what it may do is another question.
            host.client.permissions(None).await.map_err(|error| not_let_in(&config, &error))?;
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
                if replace {
                    tx.upsert_host(&config, &sealed)?;
                } else {
                    tx.insert_host(&config, &sealed)?;
                }
                tx.set_host_seen(&config.name, &seen)?;
                let done = if replace { "replaced" } else { "added" };
                tx.event(NewEvent::info("host.added", format!("host {} {done} by {actor}", config.name)))?;
                Ok::<_, Refusal>(())
            })
            .await;
        written.map_err(Refusal::into_problem)?;
        let host = Arc::new(host);
        self.services.hosts.put(Arc::clone(&host));
        if known.is_none() {
            self.watch.host_added(&name);
        }
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
        let checks = checks::host(&host, &self.services.guests).await;
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

/// Why a host that is being connected cannot be used. One that lets us not in is told with who it did not let in, and
/// the credentials are to be given again as they were: there is nothing yet to replace.
fn not_let_in(config: &HostConfig, error: &pve::Error) -> Problem {
    let problem = pve_problem(error);
    if !matches!(error.kind(), Some(pve::ErrorKind::Unauthorized)) {
        return problem;
    }
    let endpoints = config.endpoints.join(", ");
    let (what, check) = match &config.identity {
        Identity::Token(id) => (format!("the token {id}"), "its id and its secret"),
        Identity::User(user) => (format!("the user {user}"), "its name with the realm, and its password"),
    };
    Problem::new(problem.code, format!("{endpoints} does not let {what} in"))
        .cause(error.to_string())
        .hint(format!("check {check}: one of them is wrong, or it is expired or disabled; nothing was added"))
        .hint("`proximityctl init --print-token-setup` prints the commands that make a token")
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
    let given = (params.ssh_user, params.ssh_port, params.ssh_key_file, params.ssh_host_key);
    let ssh = match given {
        (None, None, None, None) => None,
        (user, port, key_file, Some(host_key)) => Some(ssh(user, port, key_file, &host_key)?),
        _ => {
            return Err(fault("for SSH, the node's public host key is needed")
                .hint("on the node, `cat /etc/ssh/ssh_host_ed25519_key.pub` shows it"));
        }
    };
    let config = HostConfig {
        name,
        endpoints,
        identity,
        trust,
        pool,
        storage: params.storage,
        bridge: params.bridge,
        ssh,
        embedded: false,
    };
    Ok((config, SecretString::from(secret)))
}

fn ssh(
    user: Option<String>,
    port: Option<u16>,
    key_file: Option<String>,
    host_key: &str,
) -> Result<Ssh, Problem> {
    let fault = |message: String| Problem::new(Code::InvalidParams, message);
    let user = user.unwrap_or_else(|| "root".into());
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    if !user.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') || !user.chars().all(inner) {
        return Err(fault(format!("`{}` is no account for SSH", user.escape_default())));
    }
    let port = port.unwrap_or(22);
    if port == 0 {
        return Err(fault("0 is no port for SSH".into()));
    }
    let key_file = key_file.map(std::path::PathBuf::from);
    if let Some(path) = &key_file {
        keys::check_file(path).map_err(|error| fault(error.to_string()))?;
    }
    let host_key = keys::host_keys(host_key).map_err(|error| {
        fault(error.to_string()).hint("on the node, `cat /etc/ssh/ssh_host_ed25519_key.pub` shows it")
    })?;
    Ok(Ssh { user, port, key_file, host_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER";

    fn params() -> AddParams {
        AddParams {
            endpoints: vec!["192.0.2.1".into()],
            token_id: Some("proximity@pve!app".into()),
            token_secret: Some("secret".into()),
            ..AddParams::default()
        }
    }

    #[test]
    fn ssh_is_off_unless_a_host_key_is_given_and_never_on_without_one() {
        assert_eq!(configuration(params()).unwrap().0.ssh, None);
        let given = AddParams { ssh_host_key: Some(format!("{KEY} root@pve1\n")), ..params() };
        let ssh = configuration(given).unwrap().0.ssh.unwrap();
        assert_eq!(ssh, Ssh { user: "root".into(), port: 22, key_file: None, host_key: KEY.into() });
        let blind = AddParams { ssh_user: Some("root".into()), ..params() };
        assert_eq!(
            configuration(blind).unwrap_err().message,
            "for SSH, the node's public host key is needed"
        );
    }

    #[test]
    fn an_account_cannot_be_an_option_of_ssh() {
        let odd = AddParams {
            ssh_user: Some("-oProxyCommand=x".into()),
            ssh_host_key: Some(KEY.into()),
            ..params()
        };
        let problem = configuration(odd).unwrap_err();
        assert_eq!(problem.message, "`-oProxyCommand=x` is no account for SSH");
    }

    #[test]
    fn a_host_that_was_stored_before_there_was_ssh_is_still_read() {
        let config = configuration(params()).unwrap().0;
        let mut stored = serde_json::to_value(&config).unwrap();
        stored.as_object_mut().unwrap().remove("ssh");
        assert_eq!(serde_json::from_value::<HostConfig>(stored).unwrap(), config);
    }
}
