//! `doctor`: what a deployment depends on, checked.

use clap::Args;
use proto_json::daemon::{Check, CheckStatus, Doctor, DoctorOutput};
use proto_json::method::{Method, NoParams};

use crate::error::Error;
use crate::output::Format;
use crate::session::Session;
use crate::table::Table;
use crate::ui::{Color, Ui};

/// Check everything that a deployment depends on
#[derive(Debug, Args)]
#[command(after_help = "The exit status is 1 when a check failed, and 6 when the daemon cannot be reached.")]
pub struct DoctorArgs {}

/// Checks.
///
/// # Errors
/// [`Error::Unhealthy`] when a check failed; the daemon's.
pub async fn run(session: &Session, _: DoctorArgs) -> Result<(), Error> {
    let answer = session.client.call_text::<Doctor>(&NoParams {}).await?;
    let found: DoctorOutput = answer.read(Doctor::NAME)?;
    match session.out.format {
        Format::Json => session.out.json_answer(&answer)?,
        _ => write(session, &found.checks)?,
    }
    if found.healthy { Ok(()) } else { Err(Error::Unhealthy) }
}

/// Writes checks, for people or as CSV.
///
/// # Errors
/// [`Error::Output`].
pub fn write(session: &Session, checks: &[Check]) -> Result<(), Error> {
    if session.out.format == Format::Csv {
        let mut table = Table::new(&["host", "id", "status", "message", "hints"]);
        for check in checks {
            table.row([
                check.host.clone().unwrap_or_default(),
                check.id.clone(),
                word(check.status).into(),
                check.message.clone(),
                check.hints.join("\n"),
            ]);
        }
        return session.out.table(&table);
    }
    let color = session.out.is_terminal() && session.ui.color;
    session.out.painted(&text(checks, Ui { color, ..session.ui }))
}

fn word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Ok => "ok",
        CheckStatus::Warning => "warning",
        CheckStatus::Failed => "failed",
        CheckStatus::Skipped => "skipped",
    }
}

/// The checks, by host in the order in which the hosts come up, those without one first.
fn text(checks: &[Check], ui: Ui) -> String {
    let mut hosts: Vec<Option<&str>> = Vec::new();
    for check in checks {
        if !hosts.contains(&check.host.as_deref()) {
            hosts.push(check.host.as_deref());
        }
    }
    hosts.sort_by_key(|host| host.is_some());
    let mut lines = Vec::new();
    for host in &hosts {
        let name = host.map_or("daemon".to_string(), |host| format!("host {}", crate::printable::line(host)));
        lines.push(format!("{name}:"));
        for check in checks.iter().filter(|check| check.host.as_deref() == *host) {
            let (mark, color) = match check.status {
                CheckStatus::Ok => ("✓ ok     ", Color::Green),
                CheckStatus::Warning => ("! warning", Color::Yellow),
                CheckStatus::Failed => ("✗ failed ", Color::Red),
                CheckStatus::Skipped => ("- skipped", Color::Cyan),
            };
            let message = crate::printable::line(&check.message);
            lines.push(format!(
                "  {}  {}: {message}",
                ui.paint(color, mark),
                crate::printable::line(&check.id)
            ));
            for hint in &check.hints {
                lines.push(format!("             hint: {}", crate::printable::line(hint)));
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_grouped_by_host_and_say_in_words_how_they_came_out() {
        let check = |host: Option<&str>, id: &str, status, message: &str, hints: &[&str]| Check {
            id: id.into(),
            host: host.map(Into::into),
            status,
            message: message.into(),
            hints: hints.iter().map(ToString::to_string).collect(),
        };
        let checks = [
            check(Some("home"), "reachable", CheckStatus::Ok, "Proxmox VE 9.2 answers", &[]),
            check(None, "database", CheckStatus::Ok, "it can be written", &[]),
            check(Some("home"), "privileges", CheckStatus::Failed, "SDN.Use is missing", &["see `init`"]),
            check(Some("home"), "storage", CheckStatus::Warning, "92 % full", &[]),
            check(Some("lab"), "reachable", CheckStatus::Skipped, "no answer", &[]),
        ];
        insta::assert_snapshot!(text(&checks, Ui::plain()), @r"
        daemon:
          ✓ ok       database: it can be written
        host home:
          ✓ ok       reachable: Proxmox VE 9.2 answers
          ✗ failed   privileges: SDN.Use is missing
                     hint: see `init`
          ! warning  storage: 92 % full
        host lab:
          - skipped  reachable: no answer
        ");
    }
}
