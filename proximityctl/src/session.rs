//! What every command has at hand: the daemon's client, standard output, and the talk.

use std::io::Read;
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

    /// The text of a file that was named; `-` is standard input.
    ///
    /// # Errors
    /// [`Error::Input`], for text that is not UTF-8 as well.
    pub fn read_text(path: &std::path::Path) -> Result<String, Error> {
        let mut bytes = Vec::new();
        let (file, read) = match path.as_os_str() == "-" {
            true => ("standard input".to_string(), std::io::stdin().read_to_end(&mut bytes).map(drop)),
            false => (path.display().to_string(), std::fs::read(path).map(|read| bytes = read)),
        };
        if let Err(error) = read {
            return Err(Error::Input { file, cause: error.to_string() });
        }
        String::from_utf8(bytes).map_err(|error| Error::Input { file, cause: not_utf8(&error) })
    }
}

/// Where the text ends that can be read.
fn not_utf8(error: &std::string::FromUtf8Error) -> String {
    let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
    let line = good.matches('\n').count() + 1;
    let column = good.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("line {line}, column {column}: this is not UTF-8 text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_utf8_is_placed_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"a: b\nk\xc3\xa9y: \xff\n").unwrap();
        let error = Session::read_text(file.path()).unwrap_err();
        assert_eq!(error.exit_status(), 2);
        assert_eq!(error.report().causes, ["line 2, column 6: this is not UTF-8 text"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_wrong_argument() {
        let error = Session::read_text("/nonexistent".as_ref()).unwrap_err();
        assert_eq!((error.exit_status(), error.to_string().as_str()), (2, "cannot read /nonexistent"));
        assert_eq!(error.report().causes, ["No such file or directory (os error 2)"]);
    }
}
