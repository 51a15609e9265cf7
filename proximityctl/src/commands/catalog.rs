//! `catalog`: what can be deployed.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use proto_json::catalog::{Get, List, ListParams, TemplateDetail, TemplateId, TemplateSummary};
use proto_json::method::Method;
use proximity_catalog::{Diagnostic, Severity, Template};

use crate::error::Error;
use crate::facts::Facts;
use crate::output::Format;
use crate::session::Session;
use crate::size;
use crate::table::Table;

/// See what can be deployed, and check templates of your own
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CatalogCommand,
}

/// What can be done with the catalog.
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// List the templates
    Ls,
    /// Search name, category and description, best match first
    Search {
        /// Words to look for
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
    /// Show a template: needs, settings, images
    Show {
        /// The template's id
        #[arg(value_name = "TEMPLATE")]
        id: String,
    },
    /// Check templates or Compose files; exits with 2 when one cannot be deployed
    Validate {
        /// The files; `-` is standard input. Templates end in .toml, Compose files in .yaml or .yml; what is named otherwise
        /// is told apart by its text
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// Does what was asked with the catalog.
///
/// # Errors
/// The daemon's; [`Error::Invalid`] when a file is not valid.
pub async fn run(session: &Session, args: CatalogArgs) -> Result<(), Error> {
    match args.command {
        CatalogCommand::Ls => list(session, None).await,
        CatalogCommand::Search { words } => list(session, Some(words.join(" "))).await,
        CatalogCommand::Show { id } => show(session, id).await,
        CatalogCommand::Validate { files } => validate(session, &files),
    }
}

async fn list(session: &Session, query: Option<String>) -> Result<(), Error> {
    let answer = session.client.call_text::<List>(&ListParams { query: query.clone() }).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let templates: Vec<TemplateSummary> = answer.read(List::NAME)?;
    if let (true, Some(query), Format::Table) = (templates.is_empty(), &query, session.out.format) {
        session.ui.say(&format!("no template matches `{query}`"));
        session.ui.hint("any Compose file can be deployed: proximityctl deploy -f compose.yaml NAME");
        return Ok(());
    }
    let mut table = Table::new(&["id", "name", "version", "category", "description"]);
    for template in templates {
        table.row([template.id, template.name, template.version, template.category, template.description]);
    }
    session.out.table(&table)
}

async fn show(session: &Session, id: String) -> Result<(), Error> {
    let answer = session.client.call_text::<Get>(&TemplateId { id }).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let template: TemplateDetail = answer.read(Get::NAME)?;
    if session.out.format == Format::Csv {
        let mut table = Table::new(&["id", "name", "version", "category", "description"]);
        let summary = template.summary;
        table.row([summary.id, summary.name, summary.version, summary.category, summary.description]);
        return session.out.table(&table);
    }
    session.out.line(&facts(&template).text())
}

fn facts(template: &TemplateDetail) -> Facts {
    let mut facts = Facts::new();
    let summary = &template.summary;
    facts.add("Id", &summary.id);
    facts.add("Name", &summary.name);
    facts.add("Version", &summary.version);
    facts.add("Category", &summary.category);
    facts.add("About", &summary.description);
    template.links.iter().for_each(|link| facts.add(capitalised(&link.kind), &link.url));
    for (name, needs) in [("Needs at least", &template.minimum), ("Gets", &template.default)] {
        let (memory, disk) = (size::show(needs.memory), size::show(needs.disk));
        let cores = if needs.cores == 1 { "core" } else { "cores" };
        facts.add(name, format!("{} {cores}, {memory} memory, {disk} disk", needs.cores));
    }
    facts.heading("Images");
    for image in &template.images {
        let range = image.range.as_ref().map(|range| format!(" ({range})")).unwrap_or_default();
        facts.add(image.service.as_str(), format!("{}:{}{range}", image.repository, image.tag));
    }
    if !template.settings.is_empty() {
        facts.heading("Settings");
    }
    for setting in &template.settings {
        let mut about = vec![setting.help.clone()];
        if !setting.values.is_empty() {
            about.push(format!("one of {}", setting.values.join(", ")));
        }
        match (&setting.default, setting.generated, setting.required) {
            (Some(default), _, _) if !setting.secret => about.push(format!("default: {default}")),
            (_, true, _) => about.push("made up when not given".into()),
            (_, _, true) => about.push("must be given".into()),
            _ => {}
        }
        if setting.secret {
            about.push("secret".into());
        }
        facts.add(setting.key.as_str(), about.join("; "));
    }
    facts
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// What was found in one file.
#[derive(Debug, serde::Serialize)]
struct Checked {
    file: String,
    valid: bool,
    diagnostics: Vec<Diagnostic>,
}

/// Checks files here, without a daemon: an author may have none.
fn validate(session: &Session, files: &[PathBuf]) -> Result<(), Error> {
    let mut all = Vec::new();
    for path in files {
        let text = Session::read_text(path)?;
        let file = if path.as_os_str() == "-" { "stdin".into() } else { path.display().to_string() };
        let checked = match is_template(path, &text) {
            // What comes through a pipe has no name that could be its id.
            true if path.as_os_str() == "-" => Template::parse(&text, &format!("{}.toml", id_of(&text))),
            true => Template::parse(&text, &file),
            false => Template::from_compose("app", &text),
        };
        let diagnostics = match checked {
            Ok(template) => template.warnings,
            Err(found) => found,
        };
        let valid = diagnostics.iter().all(|found| found.severity == Severity::Warning);
        all.push(Checked { file, valid, diagnostics });
    }
    match session.out.format {
        Format::Json => session.out.json(&all)?,
        Format::Csv => {
            let mut table = Table::new(&["file", "line", "column", "severity", "message", "hint"]);
            for checked in &all {
                for found in checked.diagnostics.clone() {
                    let (line, column) = (found.line.to_string(), found.column.to_string());
                    let hint = found.hint.unwrap_or_default();
                    let severity = found.severity.to_string();
                    table.row([checked.file.clone(), line, column, severity, found.message, hint]);
                }
            }
            session.out.table(&table)?;
        }
        Format::Table => {
            for checked in &all {
                checked
                    .diagnostics
                    .iter()
                    .try_for_each(|found| session.out.line(&line(&checked.file, found)))?;
                if checked.valid {
                    session.ui.say(&format!("{}: can be deployed", checked.file));
                }
            }
        }
    }
    if all.iter().all(|checked| checked.valid) { Ok(()) } else { Err(Error::Invalid) }
}

/// Whether it is a template's TOML and no Compose file: by its name, and where that says nothing by its first line
/// that does. `key = value` and `[table]` are no beginning of a Compose file's mapping.
fn is_template(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => return true,
        Some("yaml" | "yml") => return false,
        _ => {}
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| {
        let key = line.split_once('=').map(|(key, _)| key.trim_end());
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
        line.starts_with('[') || key.is_some_and(|key| !key.is_empty() && key.chars().all(bare))
    })
}

/// The id that a template gives itself.
fn id_of(text: &str) -> String {
    let document: Option<toml::Table> = text.parse().ok();
    document.and_then(|document| Some(document.get("id")?.as_str()?.to_string())).unwrap_or_default()
}

/// `file:line:column: severity: message`, which editors know how to jump to; the hint below it.
fn line(file: &str, found: &Diagnostic) -> String {
    let Diagnostic { severity, line, column, message, hint, .. } = found;
    let hint = hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!("{file}:{line}:{column}: {severity}: {message}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_known_by_its_name_or_by_its_text() {
        for (path, text, template) in [
            ("notes.toml", "services:\n", true),
            ("compose.yaml", "id = 'notes'\n", false),
            ("-", "# mine\n\nid = \"notes\"\n", true),
            ("notes.txt", "[links]\n", true),
            ("-", "services:\n  a: {image: 'x=y'}\n", false),
            ("-", "", false),
        ] {
            assert_eq!(is_template(Path::new(path), text), template, "{path} {text}");
        }
        assert_eq!(id_of("id = 'notes'\nname = 'x'\n"), "notes");
        assert_eq!(id_of("id = "), "");
    }

    #[test]
    fn a_finding_is_a_line_that_editors_understand() {
        let text = "services:\n  web:\n    image: nginx:1\n    privileged: true\n";
        let found = Template::from_compose("app", text).unwrap_err();
        let line = line("shop/compose.yaml", &found[0]);
        assert!(line.starts_with("shop/compose.yaml:4:"), "{line}");
        assert!(line.contains(": error: "), "{line}");
    }
}
