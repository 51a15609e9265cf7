//! `deploy`: an app from the catalog, or from a Compose file, to a URL that answers.

use std::path::PathBuf;

use clap::Args;
use proto_json::app::{AppName, Deploy, DeployParams, Get, Plan, PlanOutput};
use proto_json::catalog::{Get as GetTemplate, TemplateId};
use proto_json::method::Method;

use crate::error::Error;
use crate::facts::Facts;
use crate::output::Format;
use crate::session::Session;
use crate::settings::{self, Given};
use crate::{apps, operate, size};

/// Deploy an app: a container of its own, Docker Compose in it, a URL that answers
#[derive(Debug, Args)]
#[command(after_help = "\
A secret is asked for on a terminal, or read with KEY=@FILE, KEY=- (standard input) or
--env-file. Given as KEY=VALUE it is refused: everybody on the machine can read the
arguments of a process.

Examples:
  proximityctl deploy nextcloud
  proximityctl deploy nextcloud --name files --memory 4G --disk 100G
  proximityctl deploy vaultwarden --set ADMIN_TOKEN=@token.txt
  proximityctl deploy -f compose.yaml shop --env-file shop.env
  proximityctl deploy gitea --explain
  url=$(proximityctl deploy whoami -o json | jq -r .url)")]
pub struct DeployArgs {
    /// The template to deploy (`proximityctl catalog ls`); with --file, the app's name
    #[arg(value_name = "TEMPLATE", required_unless_present = "file")]
    pub template: Option<String>,
    /// Deploy a Compose file in place of a template; `-` reads it from standard input
    #[arg(short, long, value_name = "COMPOSE")]
    pub file: Option<PathBuf>,
    /// The app's name, also its host name [default: the template's]
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// A setting; may be repeated. KEY=@FILE reads a file, KEY=- standard input
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = Given::parse)]
    pub set: Vec<Given>,
    /// A file with settings, one KEY=VALUE a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Say what would be done, step by step, and change nothing
    #[arg(long)]
    pub explain: bool,
    /// Print the operation's id in place of waiting
    #[arg(long)]
    pub no_wait: bool,
    /// Keep what was made when it fails, to look at it
    #[arg(long)]
    pub keep_failed: bool,
    /// Memory of the container: 512M, 2G
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Resources")]
    pub memory: Option<u64>,
    /// CPU cores of the container
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192), help_heading = "Resources")]
    pub cores: Option<u32>,
    /// Disk of the container: 8G
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Resources")]
    pub disk: Option<u64>,
    /// The host, where several are configured
    #[arg(long, value_name = "HOST", help_heading = "Placement")]
    pub host: Option<String>,
    /// The node [default: the one with most room]
    #[arg(long, value_name = "NODE", help_heading = "Placement")]
    pub node: Option<String>,
    /// The storage of the root file system
    #[arg(long, value_name = "STORAGE", help_heading = "Placement")]
    pub storage: Option<String>,
    /// The network bridge
    #[arg(long, value_name = "BRIDGE", help_heading = "Network")]
    pub bridge: Option<String>,
    /// The address: dhcp, or IPv4 in CIDR notation such as 192.0.2.7/24 [default: dhcp]
    #[arg(long, value_name = "CIDR", help_heading = "Network")]
    pub ip: Option<String>,
    /// The IPv4 gateway, with a fixed address
    #[arg(long, value_name = "ADDRESS", requires = "ip", help_heading = "Network")]
    pub gateway: Option<String>,
}

/// Deploys an app.
///
/// # Errors
/// [`Error::Usage`] for settings that are missing or may not be given so; whatever keeps the app from answering.
pub async fn run(session: &Session, args: DeployArgs) -> Result<(), Error> {
    let (explain, no_wait) = (args.explain, args.no_wait);
    let params = params(session, args).await?;
    if explain {
        return show_plan(session, &params).await;
    }
    let started = session.client.call::<Deploy>(&params).await?;
    if no_wait {
        return operate::write_started(session, std::slice::from_ref(&started.operation), false);
    }
    finish(session, started.operation).await
}

async fn params(session: &Session, args: DeployArgs) -> Result<DeployParams, Error> {
    let mut params = DeployParams {
        host: args.host,
        node: args.node,
        storage: args.storage,
        bridge: args.bridge,
        ip: args.ip,
        gateway: args.gateway,
        cores: args.cores,
        memory: args.memory,
        disk: args.disk,
        keep_failed: args.keep_failed,
        request_id: Some(request_id()?),
        ..DeployParams::default()
    };
    let known = if let Some(file) = &args.file {
        params.name = match (args.template, args.name) {
            (Some(_), Some(_)) => {
                return Err(Error::usage(
                    "the name is given twice",
                    "with --file the argument is the app's name",
                ));
            }
            (None, None) => {
                let hint = format!("proximityctl deploy -f {} NAME", file.display());
                return Err(Error::usage("an app from a Compose file needs a name", hint));
            }
            (one, other) => one.or(other),
        };
        let text = Session::read_text(file)?;
        let known = settings::of_compose(params.name.as_deref().unwrap_or_default(), &text);
        params.compose = Some(text);
        known
    } else {
        let id = args.template.expect("the parser asks for it where there is no file");
        let template = session.client.call::<GetTemplate>(&TemplateId { id: id.clone() }).await?;
        params.template = Some(id);
        params.name = args.name;
        Some(template.settings)
    };
    params.settings = settings::gather(session.ui, &args.set, args.env_file.as_deref(), known.as_deref())?;
    Ok(params)
}

/// Makes the call safe to repeat: 128 random bits in hexadecimal.
fn request_id() -> Result<String, Error> {
    use std::io::Read;
    let path = "/dev/urandom";
    let mut bytes = [0u8; 16];
    let mut file = std::fs::File::open(path).map_err(|error| Error::read(path, error))?;
    file.read_exact(&mut bytes).map_err(|error| Error::read(path, error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Waits for a deployment and tells where the app is.
///
/// # Errors
/// As [`run`].
pub async fn finish(session: &Session, operation: proto_json::operation::Operation) -> Result<(), Error> {
    let outcome = operate::waited(session, vec![operation]).await?;
    let Some(name) = outcome.done().next().and_then(|operation| operation.app.clone()) else {
        return outcome.end(session);
    };
    let detail = session.client.call::<Get>(&AppName { name: name.clone() }).await?;
    if session.out.format != Format::Table {
        let app = std::slice::from_ref(&detail.app);
        return apps::write(session.out, app, false, || apps::csv_of(app));
    }
    session.ui.say(&format!("{name} is {}", apps::state_word(detail.app.state)));
    if let Some(url) = &detail.app.url {
        session.out.line(url)?;
    }
    if !detail.notes.trim().is_empty() {
        session.ui.say(&format!("\n{}\n", detail.notes.trim()));
    }
    session.ui.hint(&match &detail.app.url {
        Some(_) => format!("proximityctl info {name} shows all of it, proximityctl open {name} opens it"),
        None => format!("proximityctl info {name} shows all of it"),
    });
    Ok(())
}

async fn show_plan(session: &Session, params: &DeployParams) -> Result<(), Error> {
    let answer = session.client.call_text::<Plan>(params).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let plan: PlanOutput = answer.read(Plan::NAME)?;
    for warning in &plan.warnings {
        session.ui.warn(warning);
    }
    session.out.line(&plan_text(&plan))
}

fn plan_text(plan: &PlanOutput) -> String {
    let mut facts = Facts::new();
    facts.add("Name", &plan.name);
    facts.add("Template", &plan.template);
    facts.add("Place", format!("{} on {}", plan.node, plan.host));
    facts.add("Storage", &plan.storage);
    facts.add("Network", format!("{}, {}", plan.bridge, plan.ip));
    let had = &plan.resources;
    let (memory, disk) = (size::show(had.memory), size::show(had.disk));
    let cores = if had.cores == 1 { "core" } else { "cores" };
    facts.add("Resources", format!("{} {cores}, {memory} memory, {disk} disk", had.cores));
    for service in &plan.services {
        facts.add(format!("Service {}", service.name), &service.image);
    }
    facts.heading("Steps");
    for (index, step) in plan.steps.iter().enumerate() {
        facts.add(format!("{}. {}", index + 1, step.title), &step.explanation);
    }
    format!("{}\n\nNothing was changed.", facts.text())
}

#[cfg(test)]
mod tests {
    use proto_json::app::{PlannedStep, Resources, Service};

    use super::*;

    #[test]
    fn a_plan_is_told_step_by_step() {
        let plan = PlanOutput {
            name: "web".into(),
            template: "whoami 1.0".into(),
            host: "home".into(),
            node: "pve1".into(),
            storage: "local-lvm".into(),
            bridge: "vmbr0".into(),
            ip: "dhcp".into(),
            resources: Resources { cores: 1, memory: 256 << 20, disk: 4 << 30 },
            services: vec![Service {
                name: "web".into(),
                image: "traefik/whoami:v1.11".into(),
                digest: None,
            }],
            steps: vec![PlannedStep {
                name: "create-container".into(),
                title: "Create the container".into(),
                explanation: "POST /nodes/pve1/lxc with the pool proximity.".into(),
            }],
            warnings: Vec::new(),
        };
        insta::assert_snapshot!(plan_text(&plan), @r"
        Name         web
        Template     whoami 1.0
        Place        pve1 on home
        Storage      local-lvm
        Network      vmbr0, dhcp
        Resources    1 core, 256 MiB memory, 4 GiB disk
        Service web  traefik/whoami:v1.11

        Steps:
          1. Create the container  POST /nodes/pve1/lxc with the pool proximity.

        Nothing was changed.
        ");
    }

    #[test]
    fn two_calls_never_have_the_same_request_id() {
        let (one, other) = (request_id().unwrap(), request_id().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
