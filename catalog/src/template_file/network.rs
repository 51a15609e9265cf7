//! The parts of a template that say how the app is reached: web page, ports, probe, address.

use super::document::{Context, check_placeholders};
use crate::reader::{At, Fields};
use crate::settings::Setting;
use crate::size::Seconds;
use crate::template::{Address, Check, ExecCommand, Follow, Port, Probe, Protocol, Scheme, StatusRange, Web};
use crate::words::is_label;

pub(super) const START_PERIOD: Seconds = Seconds(120);
pub(super) const INTERVAL: Seconds = Seconds(2);
pub(super) const TIMEOUT: Seconds = Seconds(5);

const SCHEMES: [(&str, Scheme); 2] = [("http", Scheme::Http), ("https", Scheme::Https)];
const PROTOCOLS: [(&str, Protocol); 2] = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];

/// Reports a port that the service does not publish where it can be reached.
fn check_published(cx: &Context<'_>, service: &At<String>, port: &At<u16>, protocol: Protocol) {
    let Some(found) = cx.service(service) else { return };
    if cx.compose.host_port(&found.name, port.value, protocol).is_some() {
        return;
    }
    let message = format!("the service `{}` does not publish its port {}/{protocol}", found.name, port.value);
    let published: Vec<String> =
        found.ports.iter().map(|port| format!("{}/{}", port.container, port.protocol)).collect();
    let hint = match published.is_empty() {
        true => format!("add `\"{0}:{0}\"` to its `ports`", port.value),
        false => format!("it publishes {}", published.join(", ")),
    };
    cx.report.error_hint(port.at, message, hint);
}

fn read_path(cx: &Context<'_>, fields: &Fields<'_, '_>) -> String {
    let Some(path) = fields.str("path") else { return "/".to_owned() };
    if !path.value.starts_with('/') || path.value.contains(char::is_whitespace) {
        cx.report.error(path.at, "`path` must begin with `/` and hold no white space");
    }
    path.value
}

pub(super) fn read_web(cx: &Context<'_>, fields: &Fields<'_, '_>) -> Option<Web> {
    let web = fields.table("web", &["service", "port", "path", "scheme"])?;
    let service = web.required_str("service");
    let port = web.required_port("port");
    let path = read_path(cx, &web);
    let scheme = web.choice("scheme", &SCHEMES).map_or(Scheme::Http, |scheme| scheme.value);
    let (service, port) = (service?, port?);
    check_published(cx, &service, &port, Protocol::Tcp);
    Some(Web { service: service.value, port: port.value, path, scheme })
}

pub(super) fn read_ports(cx: &Context<'_>, fields: &Fields<'_, '_>) -> Vec<Port> {
    let mut found: Vec<Port> = Vec::new();
    for table in fields.tables("ports", &["name", "service", "port", "protocol", "description"]) {
        let name = table.required_str("name");
        let service = table.required_str("service");
        let port = table.required_port("port");
        let protocol = table.choice("protocol", &PROTOCOLS).map_or(Protocol::Tcp, |protocol| protocol.value);
        let description = table.required_str("description");
        let (Some(name), Some(service), Some(port), Some(description)) = (name, service, port, description)
        else {
            continue;
        };
        if !is_label(&name.value) {
            cx.report.error(name.at, "a port's `name` is lower-case letters, digits and inner hyphens");
        }
        if found.iter().any(|known| known.name == name.value) {
            cx.report.error(name.at, format!("the port `{}` is described twice", name.value));
        }
        check_published(cx, &service, &port, protocol);
        found.push(Port {
            name: name.value,
            service: service.value,
            port: port.value,
            protocol,
            description: description.value,
        });
    }
    found
}

pub(super) fn read_probe(cx: &Context<'_>, fields: &Fields<'_, '_>) -> Option<Probe> {
    #[derive(Clone, Copy)]
    enum Kind {
        Http,
        Tcp,
        Command,
    }
    let known = [
        "type",
        "service",
        "port",
        "path",
        "scheme",
        "status",
        "command",
        "start_period",
        "interval",
        "timeout",
    ];
    let probe = fields.required_table("probe", &known)?;
    let kinds = [("http", Kind::Http), ("tcp", Kind::Tcp), ("command", Kind::Command)];
    let kind = probe.required_choice("type", &kinds)?.value;
    let period = |key: &str, default: Seconds, most: Seconds| {
        let Some(given) = probe.parsed::<Seconds>(key) else { return default };
        if given.value < Seconds(1) || given.value > most {
            cx.report.error(given.at, format!("`{key}` must be from 1s to {most}"));
        }
        given.value
    };
    let start_period = period("start_period", START_PERIOD, Seconds(30 * 60));
    let interval = period("interval", INTERVAL, Seconds(60));
    let timeout = period("timeout", TIMEOUT, Seconds(60));
    let unused: &[&str] = match kind {
        Kind::Http => &["command"],
        Kind::Tcp => &["path", "scheme", "status", "command"],
        Kind::Command => &["port", "path", "scheme", "status"],
    };
    for key in unused {
        if let Some(value) = probe.raw(key) {
            let message = format!("`{key}` has no meaning for a probe of this type");
            cx.report.error(value.span().start, message);
        }
    }
    let service = probe.required_str("service");
    let check = match kind {
        Kind::Command => {
            let service = service?;
            cx.service(&service);
            Check::Command { service: service.value, command: read_command(cx, &probe)? }
        }
        Kind::Tcp | Kind::Http => {
            let (service, port) = (service?, probe.required_port("port")?);
            check_published(cx, &service, &port, Protocol::Tcp);
            let (service, port) = (service.value, port.value);
            match kind {
                Kind::Tcp => Check::Tcp { service, port },
                _ => Check::Http {
                    service,
                    port,
                    path: read_path(cx, &probe),
                    scheme: probe.choice("scheme", &SCHEMES).map_or(Scheme::Http, |scheme| scheme.value),
                    status: read_status(cx, &probe),
                },
            }
        }
    };
    Some(Probe { check, start_period, interval, timeout })
}

fn read_command(cx: &Context<'_>, fields: &Fields<'_, '_>) -> Option<Vec<String>> {
    let Some(command) = fields.texts("command") else {
        if fields.raw("command").is_none() {
            fields.missing("command");
        }
        return None;
    };
    if command.value.first().is_none_or(|first| first.value.is_empty()) {
        cx.report.error(command.at, "`command` must name a program");
    }
    Some(command.value.into_iter().map(|word| word.value).collect())
}

/// `status = [200, "300-399"]`.
fn read_status(cx: &Context<'_>, fields: &Fields<'_, '_>) -> Vec<StatusRange> {
    let Some(array) = fields.array("status") else { return vec![StatusRange { first: 200, last: 399 }] };
    let mut found = Vec::new();
    for item in array.value {
        let value = item.get_ref();
        let number = value.as_integer().map(|number| number.as_str().to_owned());
        let text = number.or_else(|| value.as_str().map(str::to_owned)).unwrap_or_default();
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if 100 <= first && first <= last && last <= 599 => {
                found.push(StatusRange { first, last });
            }
            _ => cx.report.error_hint(
                item.span().start,
                "this is not an HTTP status",
                "write a number from 100 to 599, or a range such as \"200-399\"",
            ),
        }
    }
    if array.value.is_empty() {
        cx.report.error(array.at, "`status` is empty, so that no answer would do");
    }
    found
}

pub(super) fn read_address(
    cx: &Context<'_>,
    fields: &Fields<'_, '_>,
    settings: &[Setting],
) -> Option<Address> {
    let table = fields.table("address", &["settings", "follow", "text", "commands"])?;
    let choices = [("restart", Follow::Restart), ("manual", Follow::Manual)];
    let follow = table.required_choice("follow", &choices).map_or(Follow::Manual, |follow| follow.value);
    let text = table.str("text");
    if follow == Follow::Manual && text.is_none() {
        table.missing("text");
    }
    let mut names = Vec::new();
    for name in table.texts("settings").map(|texts| texts.value).unwrap_or_default() {
        if settings.iter().any(|setting| setting.key == name.value) {
            names.push(name.value);
        } else {
            cx.report.error(name.at, format!("there is no setting `{}`", name.value));
        }
    }
    let mut commands = Vec::new();
    for command in table.tables("commands", &["service", "user", "command"]) {
        let service = command.required_str("service");
        let user = command.str("user").map(|user| user.value);
        let words = command.texts("command").map(|texts| texts.value).unwrap_or_default();
        for word in &words {
            check_placeholders(cx.report, &word.value, &|_| word.at, settings);
        }
        if let (Some(service), Some(command)) = (service, read_command(cx, &command)) {
            cx.service(&service);
            commands.push(ExecCommand { service: service.value, user, command });
        }
    }
    Some(Address { settings: names, follow, text: text.map(|text| text.value), commands })
}
