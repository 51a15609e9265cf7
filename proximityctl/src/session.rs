//! What every command has at hand: the daemon's client, standard output, and the talk.

use std::time::Instant;

use crate::cli::Global;
use crate::client::{Client, Deadline};
use crate::error::Error;
use crate::output::Output;
use crate::socket::Places;
use crate::ui::Ui;

/// One run of a command.
#[derive(Debug)]
pub struct Session {
    /// The daemon.
    pub client: Client,
    /// Standard output.
    pub out: Output,
    /// Standard error.
    pub ui: Ui,
}

impl Session {
    /// A session as the global flags ask for it.
    pub fn new(global: &Global) -> Session {
        let socket = Places::of_process(global.socket.clone()).choose(std::path::Path::exists);
        Session::at(socket, global)
    }

    /// A session with the daemon at a certain socket.
    pub fn at(socket: std::path::PathBuf, global: &Global) -> Session {
        let deadline = global.timeout.map(|given| Deadline { at: Instant::now() + given, given });
        Session {
            client: Client::new(socket, deadline, global.verbose > 0),
            out: Output::new(global.output),
            ui: Ui::new(global.quiet, global.yes, global.verbose > 0, global.no_color),
        }
    }

    /// A file's text; `-` is standard input.
    ///
    /// # Errors
    /// [`Error::File`], for text that is not UTF-8 as well.
    pub fn read_text(path: &std::path::Path) -> Result<String, Error> {
        if path.as_os_str() == "-" {
            return std::io::read_to_string(std::io::stdin())
                .map_err(|error| Error::read("standard input", error));
        }
        std::fs::read_to_string(path).map_err(|error| Error::read(path, error))
    }
}
