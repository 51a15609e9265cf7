//! `info`: one app, with everything known of it.

use clap::Args;
use proto_json::app::{AppDetail, AppName, Get};
use proto_json::method::Method;

use crate::error::Error;
use crate::facts::Facts;
use crate::output::Format;
use crate::session::Session;
use crate::{apps, duration, progress, size};

/// Show an app: address, settings, services, what was done to it
#[derive(Debug, Args)]
#[command(after_help = "\
A secret's value is never shown.

Examples:
  proximityctl info nextcloud
  proximityctl info nextcloud -o json | jq -r .url")]
pub struct InfoArgs {
    /// The app's name or id
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Shows an app.
///
/// # Errors
/// The daemon's, and [`Error::Output`].
pub async fn run(session: &Session, args: InfoArgs) -> Result<(), Error> {
    let answer = session.client.call_text::<Get>(&AppName { name: args.name }).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let detail: AppDetail = answer.read(Get::NAME)?;
    if session.out.format == Format::Csv {
        return session.out.table(&apps::csv_of(std::slice::from_ref(&detail.app)));
    }
    session.out.line(&facts(&detail, jiff::Timestamp::now()).text())
}

fn facts(detail: &AppDetail, now: jiff::Timestamp) -> Facts {
    let app = &detail.app;
    let mut facts = Facts::new();
    facts.add("Name", &app.name);
    let state = apps::state_word(app.state);
    facts.add("State", app.reason.as_ref().map_or(state.to_string(), |reason| format!("{state}: {reason}")));
    facts.add_some("URL", app.url.as_ref());
    facts.add("Template", format!("{} {}", app.template, app.template_version));
    facts.add("About", &detail.description);
    let place = match (app.vmid, &app.node) {
        (Some(vmid), Some(node)) => format!("{vmid} on {node} ({})", app.host),
        (Some(vmid), None) => format!("{vmid} ({})", app.host),
        (None, _) => format!("none yet ({})", app.host),
    };
    facts.add("Container", place);
    facts.add_some("Address", app.ip.as_ref());
    let had = &detail.resources;
    let cores = if had.cores == 1 { "core" } else { "cores" };
    let (memory, disk) = (size::show(had.memory), size::show(had.disk));
    facts.add("Resources", format!("{} {cores}, {memory} memory, {disk} disk", had.cores));
    facts.add_some("Storage", detail.storage.as_ref());
    facts.add_some("Bridge", detail.bridge.as_ref());
    facts.add("Created", format!("{} ago ({})", duration::ago(&app.created_at, now), app.created_at));
    facts.add_some("Looked at", app.checked_at.as_ref().map(|at| format!("{} ago", duration::ago(at, now))));
    facts.add("Id", &app.id);
    if !detail.services.is_empty() {
        facts.heading("Services");
        for service in &detail.services {
            facts.add(service.name.as_str(), &service.image);
        }
    }
    if !detail.ports.is_empty() {
        facts.heading("Ports");
        for port in &detail.ports {
            let target = format!("{} port {}", port.service, port.target);
            facts.add(format!("{}/{}", port.published, port.protocol), target);
        }
    }
    if !detail.settings.is_empty() {
        facts.heading("Settings");
        for setting in &detail.settings {
            let value = match (&setting.value, setting.secret, setting.generated) {
                (_, true, true) => "(secret, made up by Proximity)".to_string(),
                (_, true, false) => "(secret)".to_string(),
                (Some(value), false, _) => value.clone(),
                (None, false, _) => "(not set)".to_string(),
            };
            facts.add(setting.key.as_str(), value);
        }
    }
    if !detail.operations.is_empty() {
        facts.heading("Operations");
        for operation in &detail.operations {
            let state = progress::state_word(operation.state);
            let when = duration::ago(&operation.created_at, now);
            facts.add(operation.id.as_str(), format!("{} {state}, {when} ago", operation.kind));
        }
    }
    if !detail.notes.trim().is_empty() {
        facts.heading("Notes");
        facts.paragraph(detail.notes.trim());
    }
    facts
}

#[cfg(test)]
mod tests {
    use proto_json::app::{App, AppState, Port, Resources, Service, Setting};

    use super::*;

    #[test]
    fn everything_known_is_shown_but_no_secret() {
        let app = App {
            id: "a1".into(),
            name: "web".into(),
            template: "nextcloud".into(),
            template_version: "1.2".into(),
            state: AppState::Degraded,
            reason: Some("the probe got 502".into()),
            vmid: Some(117),
            node: Some("pve1".into()),
            host: "home".into(),
            ip: Some("192.0.2.7".into()),
            url: Some("http://192.0.2.7:8080".into()),
            operation: None,
            created_at: "2026-01-10T10:00:00Z".into(),
            checked_at: Some("2026-01-10T11:59:50Z".into()),
        };
        let setting = |key: &str, value: Option<&str>, secret| Setting {
            key: key.into(),
            value: value.map(Into::into),
            secret,
            generated: secret,
        };
        let mut operation = crate::testing::failed_operation("failed");
        operation.kind = "restart".into();
        let detail = AppDetail {
            app,
            description: "Files and more.".into(),
            resources: Resources { cores: 2, memory: 2 << 30, disk: 8 << 30 },
            storage: Some("local-lvm".into()),
            bridge: Some("vmbr0".into()),
            services: vec![Service { name: "app".into(), image: "nextcloud:31".into(), digest: None }],
            ports: vec![Port { service: "app".into(), target: 80, published: 8080, protocol: "tcp".into() }],
            settings: vec![
                setting("ADMIN_PASSWORD", None, true),
                setting("ADMIN_USER", Some("admin"), false),
            ],
            notes: "Log in as admin.\nThen add users.\n".into(),
            operations: vec![operation],
        };
        insta::assert_snapshot!(facts(&detail, "2026-01-10T12:00:00Z".parse().unwrap()).text(), @r"
        Name       web
        State      degraded: the probe got 502
        URL        http://192.0.2.7:8080
        Template   nextcloud 1.2
        About      Files and more.
        Container  117 on pve1 (home)
        Address    192.0.2.7
        Resources  2 cores, 2 GiB memory, 8 GiB disk
        Storage    local-lvm
        Bridge     vmbr0
        Created    2h ago (2026-01-10T10:00:00Z)
        Looked at  10s ago
        Id         a1

        Services:
          app  nextcloud:31

        Ports:
          8080/tcp  app port 80

        Settings:
          ADMIN_PASSWORD  (secret, made up by Proximity)
          ADMIN_USER      admin

        Operations:
          0199aa  restart failed, 0s ago

        Notes:
          Log in as admin.
          Then add users.
        ");
    }
}
