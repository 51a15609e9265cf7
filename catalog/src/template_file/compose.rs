//! How the Compose document of a template fits the rest: images, variables, secrets, health, volumes.

use std::collections::BTreeMap;

use super::document::Context;
use crate::compose::{MountKind, Service};
use crate::diagnostic::Severity;
use crate::settings::Setting;
use crate::template::{Image, RESERVED_VARIABLES, Volume, image_variable};
use crate::words::{is_secret_name, nearest};

/// Repositories (their last part begins so) whose service must be waited for until it is healthy.
const DATABASES: [&str; 7] = ["postgres", "mariadb", "mysql", "redis", "valkey", "mongo", "memcached"];

pub(super) fn check(
    cx: &Context<'_>,
    settings: &[Setting],
    images: &BTreeMap<String, Image>,
    volumes: &[Volume],
    has_address: bool,
) {
    check_variables(cx, settings, has_address);
    for service in &cx.compose.services {
        check_image(cx, service, images);
        check_secrets(cx, service);
        check_restart(cx, service);
        check_dependencies(cx, service, images);
        for mount in service.mounts.iter().filter(|mount| mount.kind == MountKind::Anonymous) {
            let message =
                format!("`{}` is a volume without a name, whose data an update would lose", mount.target);
            cx.in_compose(
                Severity::Error,
                mount.at,
                message,
                "give it a name and declare it under `volumes:`",
            );
        }
        for mount in service.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            let name = mount.source.as_deref().unwrap_or_default();
            if cx.compose.volumes.iter().any(|known| known == name) && !volumes.iter().any(|v| v.name == name)
            {
                let message = format!("the volume `{name}` is not described");
                cx.in_compose(
                    Severity::Warning,
                    mount.at,
                    message,
                    "add a [[volumes]] table that says what is in it",
                );
            }
        }
    }
}

fn check_variables(cx: &Context<'_>, settings: &[Setting], has_address: bool) {
    let images: Vec<String> =
        cx.compose.services.iter().map(|service| image_variable(&service.name)).collect();
    let keys = || settings.iter().map(|setting| setting.key.as_str());
    for variable in &cx.compose.variables {
        let name = variable.name.as_str();
        if matches!(name, "APP_URL" | "APP_HOST" | "APP_IP") && !has_address {
            let message = format!("`{name}` changes with the app's address, and there is no [address] table");
            cx.in_compose(Severity::Error, variable.at, message, "add one that says how the app follows");
        }
        if RESERVED_VARIABLES.contains(&name) || images.iter().any(|image| image == name) {
            continue;
        }
        match settings.iter().find(|setting| setting.key == name) {
            None => {
                let known = keys().chain(RESERVED_VARIABLES).chain(images.iter().map(String::as_str));
                let hint = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        format!("declare a setting with `key = \"{name}\"`, or write `$$` for a dollar sign")
                    }
                };
                let message = format!("the variable `{name}` is not declared");
                cx.in_compose(Severity::Error, variable.at, message, &hint);
            }
            Some(setting) => {
                let may_be_unset =
                    !setting.required && setting.default.is_none() && setting.generated.is_none();
                if may_be_unset && !variable.optional {
                    let message = format!("the setting `{name}` may have no value here");
                    let hint = format!("write `${{{name}:-}}`, or a default after the `:-`");
                    cx.in_compose(Severity::Warning, variable.at, message, &hint);
                }
            }
        }
    }
}

/// The image is the service's own variable, or that of another service whose image it shares.
fn check_image(cx: &Context<'_>, service: &Service, images: &BTreeMap<String, Image>) {
    let own = format!("${{{}}}", image_variable(&service.name));
    let Some(written) = service.image_as_written.as_deref() else { return };
    let shared = images.keys().any(|other| format!("${{{}}}", image_variable(other)) == written);
    if images.contains_key(&service.name) && written != own || !written.starts_with("${IMAGE_") {
        let message = format!("the image of `{}` is written into the Compose document", service.name);
        let hint = format!("write `image: {own}`, and repository and tag under [images.{}]", service.name);
        cx.in_compose(Severity::Error, service.image_at, message, &hint);
    } else if !shared {
        let message = format!("the service `{}` has no valid [images.{}] table", service.name, service.name);
        cx.in_compose(Severity::Error, service.at, message, "add `repository`, `tag` and `range`");
    }
}

fn check_secrets(cx: &Context<'_>, service: &Service) {
    for (name, value) in &service.environment {
        let Some(value) = value.as_deref().filter(|value| !value.is_empty() && !value.contains('$')) else {
            continue;
        };
        let in_url = value.split_once("://").is_some_and(|(_, rest)| {
            rest.split('/')
                .next()
                .and_then(|host| host.split_once('@'))
                .is_some_and(|(user, _)| user.contains(':'))
        });
        let switch = matches!(value, "0" | "1" | "true" | "false" | "yes" | "no");
        if (is_secret_name(name) && !switch) || in_url {
            let at = service.environment_at.get(name).copied().unwrap_or(service.at);
            let message = format!("`{name}` is a fixed secret, the same in every app");
            let hint = "declare a setting with `secret = true` and `generated`, and write its variable here";
            cx.in_compose(Severity::Error, at, message, hint);
        }
    }
}

fn check_restart(cx: &Context<'_>, service: &Service) {
    let completes = cx.compose.services.iter().flat_map(|other| &other.depends_on).any(|dependency| {
        dependency.service == service.name && dependency.condition == "service_completed_successfully"
    });
    if service.restart.as_deref() != Some("unless-stopped") && !completes {
        let message = format!("the service `{}` does not come back by itself after a reboot", service.name);
        cx.in_compose(Severity::Warning, service.at, message, "write `restart: unless-stopped`");
    }
}

fn check_dependencies(cx: &Context<'_>, service: &Service, images: &BTreeMap<String, Image>) {
    for dependency in &service.depends_on {
        let Some(other) = cx.compose.service(&dependency.service) else { continue };
        let healthy = dependency.condition == "service_healthy";
        if healthy && !other.healthcheck {
            let message = format!(
                "`{}` waits for `{}` to be healthy, which has no `healthcheck`",
                service.name, other.name
            );
            cx.in_compose(
                Severity::Warning,
                dependency.at,
                message,
                "give it one; not every image brings its own",
            );
        }
        let repository = images.get(&other.name).map_or("", |image| image.repository.as_str());
        let last = repository.rsplit('/').next().unwrap_or_default();
        if !healthy && DATABASES.iter().any(|database| last.starts_with(database)) {
            let message = format!("`{}` does not wait until `{}` is healthy", service.name, other.name);
            cx.in_compose(Severity::Warning, dependency.at, message, "write `condition: service_healthy`");
        }
    }
}
