//! Standard error: what a command says beside its data.

use std::io::{self, IsTerminal, Write};

use crate::error::Report;
use crate::printable;

/// How the command talks.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// Say nothing but errors.
    pub quiet: bool,
    /// Every question is answered with yes.
    pub yes: bool,
    /// Say more.
    pub verbose: bool,
    /// Colours may be used on standard error.
    pub color: bool,
    /// A person can be asked: standard input and standard error are terminals.
    pub interactive: bool,
    /// Standard error is a terminal that can redraw lines.
    pub live: bool,
}

impl Ui {
    /// From the flags and the process's surroundings.
    pub fn new(quiet: bool, yes: bool, verbose: bool, no_color: bool) -> Ui {
        let terminal = io::stderr().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Ui {
            quiet,
            yes,
            verbose,
            color: terminal && !no_color && !set("NO_COLOR") && !dumb,
            interactive: terminal && io::stdin().is_terminal(),
            live: terminal && !dumb,
        }
    }

    /// Says something, unless quiet.
    pub fn say(self, text: &str) {
        if !self.quiet {
            put(&printable::lines(text));
        }
    }

    /// Says something that a person should look at.
    pub fn warn(self, text: &str) {
        put(&format!("{} {}", self.paint(Color::Yellow, "warning:"), printable::lines(text)));
    }

    /// Says what to do next.
    pub fn hint(self, text: &str) {
        if !self.quiet {
            put(&format!("{} {}", self.paint(Color::Cyan, "hint:"), printable::lines(text)));
        }
    }

    /// Says why the command did not succeed.
    pub fn report(self, report: &Report) {
        put(&self.error_text(report));
    }

    /// The words of [`Ui::report`].
    pub fn error_text(self, report: &Report) -> String {
        let message = printable::lines(&report.message);
        let mut text = match report.kind.as_str() {
            // Nothing went wrong: somebody wanted it so.
            "detached" | "interrupted" => message,
            _ => format!("{} {message}", self.paint(Color::Red, "error:")),
        };
        for cause in &report.causes {
            text.push_str(&format!("\n  caused by: {}", indent(cause)));
        }
        if !report.log.is_empty() {
            text.push_str("\n  the last lines of the log:");
            for line in &report.log {
                text.push_str(&format!("\n    {}", printable::line(line)));
            }
        }
        for hint in &report.hints {
            text.push_str(&format!("\n{} {}", self.paint(Color::Cyan, "hint:"), printable::line(hint)));
        }
        text
    }

    /// A word in a colour, when colours may be used. The word says it all without.
    pub fn paint(self, color: Color, text: &str) -> String {
        match self.color {
            true => format!("\u{1b}[1;{}m{text}\u{1b}[0m", color as u8),
            false => text.to_string(),
        }
    }
}

/// A colour, by its SGR number (ECMA-48, 8.3.117).
#[derive(Debug, Clone, Copy)]
pub enum Color {
    /// For what failed.
    Red = 31,
    /// For what is as it should be.
    Green = 32,
    /// For what should be looked at.
    Yellow = 33,
    /// For what to do.
    Cyan = 36,
}

/// A cause may have several lines: they stay below each other.
fn indent(text: &str) -> String {
    printable::lines(text).replace('\n', "\n    ")
}

/// Says what `-v` asks for.
pub fn trace(text: &str) {
    put(&printable::line(text));
}

/// Writes a line to standard error; when nobody can read it, there is nobody to tell.
pub fn put(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
impl Ui {
    /// Talks plainly: for tests.
    pub fn plain() -> Ui {
        Ui { quiet: false, yes: false, verbose: false, color: false, interactive: false, live: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let problem = proto_json::Problem::new(proto_json::Code::Conflict, "the name `web` is taken")
            .cause("app 7f3a has it")
            .hint("choose another: --name NAME");
        insta::assert_snapshot!(Ui::plain().error_text(&Error::Daemon(problem).report()), @r"
        error: the name `web` is taken
          caused by: app 7f3a has it
        hint: choose another: --name NAME
        ");
    }

    #[test]
    fn a_failed_operation_shows_its_log_and_how_to_see_more() {
        let operation = crate::testing::failed_operation("failed");
        insta::assert_snapshot!(Ui::plain().error_text(&Error::Operation(Box::new(operation)).report()), @r"
        error: deploy of web failed: the app did not become healthy
          caused by: the probe was answered with 502
          the last lines of the log:
            app  | starting
            app  | fatal: no database
        hint: look at its settings
        hint: every step of it: proximityctl op show 0199aa
        ");
    }

    #[test]
    fn a_missing_daemon_is_told_with_ways_to_start_it() {
        let error = Error::Unreachable {
            socket: "/run/proximity/proximityd.sock".into(),
            cause: "No such file or directory (os error 2)".into(),
            denied: false,
            operations: Vec::new(),
        };
        insta::assert_snapshot!(Ui::plain().error_text(&error.report()), @r"
        error: the daemon cannot be reached at /run/proximity/proximityd.sock
          caused by: No such file or directory (os error 2)
        hint: start it: systemctl start proximityd
        hint: or with an embedded node in place of a Proxmox VE host: proximityd --embedded
        hint: or look around with a throw-away one: proximityctl try
        ");
    }
}
