//! Connecting a Proxmox VE host: what `init` and `host add` share.
//!
//! Everything can be given by flags or by a preseed file; what is not given is asked for on a terminal. A certificate
//! that the system does not vouch for is pinned only when a person confirmed its fingerprint, or gave it.

use std::path::{Path, PathBuf};

use clap::Args;
use proto_json::host::{
    Add, AddParams, Certificate, CertificateOutput, CertificateParams, Host, HostName, Test,
};
use proto_json::{Code, Problem};
use serde::Deserialize;

use crate::commands::{doctor, host};
use crate::error::Error;
use crate::session::Session;
use crate::{apps, prompt};

/// Where a host is and how to be let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectArgs {
    /// In a preseed file only: `init` and `host add` take it each in their own way.
    #[arg(skip)]
    pub name: Option<String>,
    /// Address of a node, host or host:port; may be repeated for the nodes of one cluster
    #[arg(long, value_name = "ADDRESS")]
    pub endpoint: Vec<String>,
    /// The API token's id, such as proximity@pve!app
    #[arg(long, value_name = "ID")]
    pub token_id: Option<String>,
    /// A file with the API token's secret; `-` is standard input. Else $PROXIMITY_PVE_TOKEN, else it is asked for
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// In a preseed file only: the command line can be read by everybody on the machine.
    #[arg(skip)]
    pub token_secret: Option<String>,
    /// A user such as root@pam, in place of a token
    #[arg(long, value_name = "USER@REALM", conflicts_with = "token_id")]
    pub user: Option<String>,
    /// A file with the user's password; `-` is standard input. Else it is asked for
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// SHA-256 fingerprint that the host's certificate must have (`pvenode cert info` shows it)
    #[arg(long, value_name = "SHA256")]
    pub fingerprint: Option<String>,
    /// PEM file of the authority that signed the host's certificate, such as /etc/pve/pve-root-ca.pem
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    pub ca_file: Option<PathBuf>,
    /// The pool for our containers [default: proximity]
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
    /// The storage for containers [default: the one with most room]
    #[arg(long, value_name = "STORAGE")]
    pub storage: Option<String>,
    /// The network bridge [default: the first one]
    #[arg(long, value_name = "BRIDGE")]
    pub bridge: Option<String>,
    /// Reach containers by SSH to their node where the version gives a token no console: the node's public host key,
    /// `ssh-ed25519 AAAA…` or @FILE, one a line for the nodes of a cluster
    #[arg(long, value_name = "KEY", help_heading = "SSH")]
    pub ssh_host_key: Option<String>,
    /// The account on the node; one other than root runs pct by sudo [default: root]
    #[arg(long, value_name = "USER", help_heading = "SSH")]
    pub ssh_user: Option<String>,
    /// The port [default: 22]
    #[arg(long, value_name = "PORT", help_heading = "SSH", value_parser = clap::value_parser!(u16).range(1..))]
    pub ssh_port: Option<u16>,
    /// The private key, mode 0600, on the daemon's machine [default: the agent of the daemon's user]
    #[arg(long, value_name = "FILE", help_heading = "SSH")]
    pub ssh_key_file: Option<PathBuf>,
    /// Add it though it cannot be tried now
    #[arg(long)]
    pub unchecked: bool,
    /// There is a host of that name: take over these credentials, endpoints and trust for it; its apps stay
    #[arg(long)]
    pub replace: bool,
}

impl ConnectArgs {
    /// These, and what is missing from others.
    #[must_use]
    pub fn or(self, other: ConnectArgs) -> ConnectArgs {
        // A credential is taken whole from one side: a flag's user does not go with a file's token.
        let own = self.token_id.is_some() || self.user.is_some();
        let credentials = if own { ConnectArgs::default() } else { other.clone() };
        ConnectArgs {
            name: self.name.or(other.name),
            endpoint: if self.endpoint.is_empty() { other.endpoint } else { self.endpoint },
            token_id: self.token_id.or(credentials.token_id),
            token_file: self.token_file.or(credentials.token_file),
            token_secret: self.token_secret.or(credentials.token_secret),
            user: self.user.or(credentials.user),
            password_file: self.password_file.or(credentials.password_file),
            fingerprint: self.fingerprint.or(other.fingerprint),
            ca_file: self.ca_file.or(other.ca_file),
            pool: self.pool.or(other.pool),
            storage: self.storage.or(other.storage),
            bridge: self.bridge.or(other.bridge),
            ssh_host_key: self.ssh_host_key.or(other.ssh_host_key),
            ssh_user: self.ssh_user.or(other.ssh_user),
            ssh_port: self.ssh_port.or(other.ssh_port),
            ssh_key_file: self.ssh_key_file.or(other.ssh_key_file),
            unchecked: self.unchecked || other.unchecked,
            replace: self.replace || other.replace,
        }
    }
}

/// Adds a host, tests it and tells how that came out.
///
/// # Errors
/// [`Error::Usage`] for what is missing without a terminal; a fingerprint that does not match; the daemon's;
/// [`Error::Unhealthy`] when the host cannot be used.
pub async fn connect(session: &Session, name: Option<String>, mut args: ConnectArgs) -> Result<Host, Error> {
    if args.endpoint.is_empty() {
        let question = "Address of the Proxmox VE host (host or host:port)";
        args.endpoint.push(prompt::text(session.ui, question, None, "--endpoint ADDRESS")?);
    }
    let mut params = AddParams { name, endpoints: args.endpoint.clone(), ..AddParams::default() };
    params.ca_pem = args.ca_file.as_deref().map(Session::read_text).transpose()?;
    if params.ca_pem.is_none() {
        params.fingerprint = trusted(session, &args).await?;
    }
    credentials(session, &args, &mut params)?;
    ssh(&args, &mut params)?;
    (params.pool, params.storage, params.bridge) = (args.pool, args.storage, args.bridge);
    params.unchecked = args.unchecked;
    params.replace = args.replace;

    let added = session.client.call::<Add>(&params).await?;
    session.ui.say(&format!("host {} is connected", added.name));
    if params.unchecked {
        written(session, &added)?;
        return Ok(added);
    }
    let tested = session.client.call::<Test>(&HostName { name: added.name.clone() }).await?;
    match session.out.format {
        crate::output::Format::Table => doctor::write(session, &tested.checks)?,
        _ => written(session, &added)?,
    }
    if tested.usable { Ok(added) } else { Err(added_unusable(&added.name)) }
}

/// The host is kept: what failed may be mended on its side.
fn added_unusable(name: &str) -> Error {
    Error::Failed {
        message: format!("the host {name} was added, and cannot be used as it is"),
        causes: Vec::new(),
        hints: vec![
            format!("mend what failed above, then look again: proximityctl host test {name}"),
            format!("with other credentials, endpoints or flags: proximityctl host add {name} --replace …"),
            format!("without it: proximityctl host rm {name}"),
        ],
        log: Vec::new(),
    }
}

fn written(session: &Session, added: &Host) -> Result<(), Error> {
    let one = std::slice::from_ref(added);
    apps::write(session.out, one, false, || host::csv(one))
}

/// The fingerprint to pin; none when the system vouches for every certificate.
async fn trusted(session: &Session, args: &ConnectArgs) -> Result<Option<String>, Error> {
    let given = args.fingerprint.as_deref().map(fingerprint).transpose()?;
    if args.unchecked {
        return Ok(given);
    }
    let mut shown: Vec<CertificateOutput> = Vec::new();
    let mut away = None;
    for endpoint in &args.endpoint {
        let asked =
            session.client.call::<Certificate>(&CertificateParams { endpoint: endpoint.clone() }).await;
        match asked {
            Ok(certificate) => shown.push(certificate),
            // One node of several may be away.
            Err(Error::Daemon(problem)) if args.endpoint.len() > 1 => {
                session.ui.warn(&format!("{endpoint}: {}", problem.message));
                away = Some(problem);
            }
            Err(error) => return Err(error),
        }
    }
    let Some(first) = shown.first() else {
        return Err(
            away.map_or_else(|| Error::usage("an endpoint is needed", "give --endpoint"), Error::Daemon)
        );
    };
    let same =
        |certificate: &CertificateOutput| certificate.fingerprint.eq_ignore_ascii_case(&first.fingerprint);
    if let Some(given) = given {
        if let Some(wrong) =
            shown.iter().find(|certificate| !certificate.fingerprint.eq_ignore_ascii_case(&given))
        {
            return Err(mismatch(wrong, &given));
        }
        return Ok(Some(given));
    }
    if shown.iter().all(|certificate| certificate.trusted_by_system) {
        return Ok(None);
    }
    if !shown.iter().all(same) {
        return Err(Error::Usage {
            message: "the endpoints show different certificates, and one fingerprint cannot fit them all"
                .into(),
            hints: vec![
                "trust the cluster's own authority: --ca-file with a copy of /etc/pve/pve-root-ca.pem".into(),
            ],
        });
    }
    confirm_pin(session, first)?;
    Ok(Some(first.fingerprint.clone()))
}

fn confirm_pin(session: &Session, shown: &CertificateOutput) -> Result<(), Error> {
    session.ui.say(&format!(
        "No authority that this system knows vouches for the certificate of {}.\nIts SHA-256 fingerprint is\n\n  {}\n\n\
         Compare it with what `pvenode cert info` shows on the host.",
        shown.endpoint, shown.fingerprint
    ));
    // `--yes` does not answer this: a certificate that nobody looked at is no certificate.
    let asking = crate::ui::Ui { yes: false, ..session.ui };
    if prompt::confirm(asking, "Is it the same?", "--fingerprint SHA256, or --ca-file FILE")? {
        return Ok(());
    }
    Err(Error::failed("the certificate is not the host's: nothing was sent to it, and nothing was added"))
}

fn mismatch(shown: &CertificateOutput, given: &str) -> Error {
    let message = format!("the certificate of {} is another one than --fingerprint says", shown.endpoint);
    Error::Daemon(
        Problem::new(Code::Refused, message)
            .cause(format!("it shows {}", shown.fingerprint))
            .cause(format!("given was {given}"))
            .hint("look at `pvenode cert info` on the host: it was renewed, or this is not the host"),
    )
}

/// A fingerprint in the form that Proxmox VE prints: 32 bytes in upper case, colons between them.
fn fingerprint(text: &str) -> Result<String, Error> {
    let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("`{text}` is no SHA-256 fingerprint");
        return Err(Error::usage(
            message,
            "it has 64 hexadecimal digits, as `pvenode cert info` prints them",
        ));
    }
    let digits = digits.to_ascii_uppercase();
    let pairs: Vec<&str> = (0..32).map(|at| &digits[at * 2..at * 2 + 2]).collect();
    Ok(pairs.join(":"))
}

fn credentials(session: &Session, args: &ConnectArgs, params: &mut AddParams) -> Result<(), Error> {
    let from_file = |path: &Path| Session::read_text(path).map(|text| text.trim().to_string());
    if let Some(user) = &args.user {
        params.user = Some(user.clone());
        params.password = Some(match &args.password_file {
            Some(path) => from_file(path)?,
            None => prompt::secret(session.ui, &format!("Password of {user}"), "--password-file FILE")?,
        });
        return Ok(());
    }
    let id = match &args.token_id {
        Some(id) => id.clone(),
        None => {
            if session.ui.interactive {
                session
                    .ui
                    .say("No API token yet? `proximityctl init --print-token-setup` prints how to make one.");
            }
            let question = "API token id (such as proximity@pve!app)";
            prompt::text(session.ui, question, Some("proximity@pve!app"), "--token-id ID")?
        }
    };
    if !id.contains('@') || !id.contains('!') {
        let message = format!("`{id}` is no token id");
        return Err(Error::usage(message, "it is written user@realm!name, as in proximity@pve!app"));
    }
    let variable = std::env::var("PROXIMITY_PVE_TOKEN").ok().filter(|value| !value.is_empty());
    params.token_secret = Some(match (&args.token_file, &args.token_secret, variable) {
        (Some(path), _, _) => from_file(path)?,
        (None, Some(secret), _) => secret.clone(),
        (None, None, Some(secret)) => secret,
        (None, None, None) => prompt::secret(
            session.ui,
            &format!("Secret of {id}"),
            "--token-file FILE or PROXIMITY_PVE_TOKEN",
        )?,
    });
    params.token_id = Some(id);
    Ok(())
}

/// How containers are reached by SSH. The daemon looks for the key file, from its own directory.
fn ssh(args: &ConnectArgs, params: &mut AddParams) -> Result<(), Error> {
    params.ssh_host_key = match args.ssh_host_key.as_deref().map(|key| (key, key.strip_prefix('@'))) {
        Some((_, Some(file))) => Some(Session::read_text(Path::new(file))?),
        Some((key, None)) => Some(key.into()),
        None => None,
    };
    let absolute = |path: &PathBuf| {
        let path = std::path::absolute(path).map_err(|error| Error::read(path, error))?;
        path.into_os_string().into_string().map_err(|path| {
            Error::usage(
                format!("the path `{}` is not UTF-8", Path::new(&path).display()),
                "give the key another name",
            )
        })
    };
    params.ssh_key_file = args.ssh_key_file.as_ref().map(absolute).transpose()?;
    (params.ssh_user, params.ssh_port) = (args.ssh_user.clone(), args.ssh_port);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_key_comes_from_a_file_and_the_key_s_path_is_made_absolute() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ssh-ed25519 AAAA\n").unwrap();
        let args = ConnectArgs {
            ssh_host_key: Some(format!("@{}", file.path().display())),
            ssh_key_file: Some("key".into()),
            ..ConnectArgs::default()
        };
        let mut params = AddParams::default();
        ssh(&args, &mut params).unwrap();
        assert_eq!(params.ssh_host_key.as_deref(), Some("ssh-ed25519 AAAA\n"));
        let here = std::env::current_dir().unwrap().join("key");
        assert_eq!(params.ssh_key_file.as_deref(), here.to_str());
    }

    #[test]
    fn a_fingerprint_is_taken_with_and_without_colons() {
        let plain = "ab".repeat(32);
        let printed = ["AB"; 32].join(":");
        assert_eq!(fingerprint(&plain).unwrap(), printed);
        assert_eq!(fingerprint(&printed).unwrap(), printed);
        for wrong in ["", "ab", &"xy".repeat(32), &"ab".repeat(20)] {
            assert_eq!(fingerprint(wrong).unwrap_err().exit_status(), 2, "{wrong}");
        }
    }

    #[test]
    fn flags_go_before_the_preseed_file_and_credentials_are_not_mixed() {
        let file: ConnectArgs = toml::from_str(
            "endpoint = ['pve1', 'pve2']\ntoken-id = 'a@pve!b'\ntoken-secret = 's'\nstorage = 'local-lvm'\n",
        )
        .unwrap();
        let flags =
            ConnectArgs { user: Some("root@pam".into()), storage: Some("fast".into()), ..Default::default() };
        let both = flags.or(file);
        assert_eq!((both.endpoint.len(), both.storage.as_deref()), (2, Some("fast")));
        assert_eq!((both.user.as_deref(), both.token_id, both.token_secret), (Some("root@pam"), None, None));
    }
}
