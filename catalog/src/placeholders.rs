//! `{{url}}`, `{{setting.KEY}}` and their kin, in notes and in address commands.
//!
//! Whether a placeholder may stand in a template is decided when the template is read; here they are found
//! and filled in. A secret is never filled in.

use crate::settings::ResolvedSettings;
use crate::template::{Deployment, ExecCommand, Template};

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder<'a> {
    /// The URL a person opens.
    Url,
    /// `APP_HOST`.
    Host,
    /// The container's address.
    Ip,
    /// The app's name.
    Name,
    /// A setting's value.
    Setting(&'a str),
    /// None of these.
    Unknown(&'a str),
}

/// The placeholders of a text with their byte offsets.
pub(crate) fn find(text: &str) -> Vec<(usize, Placeholder<'_>)> {
    let mut found = Vec::new();
    scan(text, &mut |_| {}, &mut |at, placeholder| found.push((at, placeholder)));
    found
}

fn scan<'a>(
    text: &'a str,
    plain: &mut dyn FnMut(&'a str),
    placeholder: &mut dyn FnMut(usize, Placeholder<'a>),
) {
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|i| at + i) {
        let Some(close) = text[open..].find("}}").map(|i| open + i) else { break };
        plain(&text[at..open]);
        let name = text[open + 2..close].trim();
        placeholder(
            open,
            match name {
                "url" => Placeholder::Url,
                "host" => Placeholder::Host,
                "ip" => Placeholder::Ip,
                "name" => Placeholder::Name,
                _ => name.strip_prefix("setting.").map_or(Placeholder::Unknown(name), Placeholder::Setting),
            },
        );
        at = close + 2;
    }
    plain(&text[at..]);
}

fn fill(text: &str, template: &Template, settings: &ResolvedSettings, deployment: &Deployment) -> String {
    let filled = std::cell::RefCell::new(String::with_capacity(text.len()));
    scan(text, &mut |plain| filled.borrow_mut().push_str(plain), &mut |_, placeholder| {
        let value = match placeholder {
            Placeholder::Url => template
                .web_url(settings, &deployment.ip)
                .unwrap_or_else(|| template.app_host(settings, &deployment.ip)),
            Placeholder::Host => template.app_host(settings, &deployment.ip),
            Placeholder::Ip => deployment.ip.clone(),
            Placeholder::Name => deployment.name.clone(),
            Placeholder::Setting(key) => match settings.values.get(key) {
                Some(value) if value.secret => "(secret)".to_owned(),
                Some(value) if !value.value.is_empty() => value.value.clone(),
                _ => "(not set)".to_owned(),
            },
            Placeholder::Unknown(name) => format!("{{{{{name}}}}}"),
        };
        filled.borrow_mut().push_str(&value);
    });
    filled.into_inner()
}

/// The notes of a deployed app for a person to read, without white space around them.
pub fn render_notes(template: &Template, settings: &ResolvedSettings, deployment: &Deployment) -> String {
    fill(template.notes.trim(), template, settings, deployment)
}

/// The words of a command, ready to be run.
pub fn render_command(
    command: &ExecCommand,
    template: &Template,
    settings: &ResolvedSettings,
    deployment: &Deployment,
) -> Vec<String> {
    command.command.iter().map(|word| fill(word, template, settings, deployment)).collect()
}
