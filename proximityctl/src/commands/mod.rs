//! The verbs, one file each.

pub mod catalog;
pub mod completions;
pub mod deploy;
pub mod doctor;
pub mod events;
pub mod generate;
pub mod host;
pub mod info;
pub mod init;
pub mod ls;
pub mod op;
pub mod open;
pub mod restart;
pub mod rm;
pub mod start;
pub mod status;
pub mod stop;
pub mod r#try;

use crate::cli::{Cli, Command};
use crate::error::Error;
use crate::session::Session;

/// Runs the command that was typed.
///
/// # Errors
/// Whatever kept it from being done.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let session = Session::new(&cli.global);
    let session = &session;
    match cli.command {
        Command::Try(args) => r#try::run(&cli.global, args).await,
        Command::Init(args) => init::run(session, *args).await,
        Command::Doctor(args) => doctor::run(session, args).await,
        Command::Deploy(args) => deploy::run(session, *args).await,
        Command::Ls(args) => ls::run(session, args).await,
        Command::Info(args) => info::run(session, args).await,
        Command::Open(args) => open::run(session, args).await,
        Command::Start(args) => start::run(session, args).await,
        Command::Stop(args) => stop::run(session, args).await,
        Command::Restart(args) => restart::run(session, args).await,
        Command::Rm(args) => rm::run(session, args).await,
        Command::Host(args) => host::run(session, args).await,
        Command::Catalog(args) => catalog::run(session, args).await,
        Command::Op(args) => op::run(session, args).await,
        Command::Events(args) => events::run(session, args).await,
        Command::Status(args) => status::run(session, args).await,
        Command::Completions(args) => completions::run(session, args),
        Command::Generate(args) => generate::run(args),
    }
}
