//! Questions to a person. Without a terminal a question is an error that names the flag to give in its place.

use dialoguer::{Confirm, Input, Password};

use crate::error::Error;
use crate::printable;
use crate::ui::Ui;

/// Asks for yes or no. With `--yes` the answer is yes.
///
/// # Errors
/// [`Error::Usage`] without a terminal, naming `instead`.
pub fn confirm(ui: Ui, question: &str, instead: &str) -> Result<bool, Error> {
    if ui.yes {
        return Ok(true);
    }
    reachable(ui, question, instead)?;
    Confirm::new().with_prompt(printable::line(question)).default(false).interact().map_err(asking)
}

/// Asks a person to type a word, so that nothing is lost by a slip. With `--yes` it is not asked.
///
/// # Errors
/// As [`confirm`].
pub fn type_word(ui: Ui, word: &str, question: &str) -> Result<bool, Error> {
    if ui.yes {
        return Ok(true);
    }
    reachable(ui, question, "--yes")?;
    let typed: String = Input::new()
        .with_prompt(printable::line(question))
        .allow_empty(true)
        .interact_text()
        .map_err(asking)?;
    Ok(typed.trim() == word)
}

/// Asks for a line of text, with a default where there is one.
///
/// # Errors
/// As [`confirm`].
pub fn text(ui: Ui, question: &str, default: Option<&str>, instead: &str) -> Result<String, Error> {
    reachable(ui, question, instead)?;
    let input = Input::<String>::new().with_prompt(printable::line(question));
    let input = match default {
        Some(default) => input.default(default.to_string()),
        None => input,
    };
    Ok(input.interact_text().map_err(asking)?.trim().to_string())
}

/// Asks for a secret: it is not shown.
///
/// # Errors
/// As [`confirm`].
pub fn secret(ui: Ui, question: &str, instead: &str) -> Result<String, Error> {
    reachable(ui, question, instead)?;
    Password::new().with_prompt(printable::line(question)).interact().map_err(asking)
}

fn reachable(ui: Ui, question: &str, instead: &str) -> Result<(), Error> {
    if ui.interactive {
        return Ok(());
    }
    Err(Error::usage(format!("there is no terminal to ask: {question}"), format!("give {instead}")))
}

fn asking(error: dialoguer::Error) -> Error {
    let dialoguer::Error::IO(error) = error;
    Error::read("the terminal", error)
}
