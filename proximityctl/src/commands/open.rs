//! `open`: an app's page, in a browser.

use std::process::{Command, Stdio};

use clap::Args;
use proto_json::app::{AppName, Get};

use crate::apps;
use crate::error::Error;
use crate::output::Format;
use crate::session::Session;

/// Print an app's URL, and open it where there is a display
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The app's name or id
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Only print the URL
    #[arg(long)]
    pub print: bool,
}

/// Opens an app.
///
/// # Errors
/// When it has no URL; the daemon's.
pub async fn run(session: &Session, args: OpenArgs) -> Result<(), Error> {
    let app = session.client.call::<Get>(&AppName { name: args.name }).await?.app;
    let Some(url) = &app.url else {
        let state = apps::state_word(app.state);
        return Err(Error::Failed {
            message: format!("{} has no URL: it is {state}", app.name),
            causes: Vec::new(),
            hints: vec![format!("proximityctl info {}", app.name)],
            log: Vec::new(),
        });
    };
    match session.out.format {
        Format::Table => session.out.line(url)?,
        _ => apps::write(session.out, std::slice::from_ref(&app), false, || {
            apps::csv_of(std::slice::from_ref(&app))
        })?,
    }
    // Only a web page is handed to another program, whatever the answer says.
    let web = url.starts_with("http://") || url.starts_with("https://");
    if let Some(opener) = opener().filter(|_| web && !args.print) {
        let started = Command::new(opener)
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Err(error) = started {
            session.ui.say(&format!("{opener} cannot be started: {error}"));
        }
    }
    Ok(())
}

/// The program that opens a page; none without a display.
fn opener() -> Option<&'static str> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "macos") {
        return Some("open");
    }
    (set("DISPLAY") || set("WAYLAND_DISPLAY")).then_some("xdg-open")
}
