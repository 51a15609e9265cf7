//! `proximityd`: reads the command line, sets up the log, and runs the daemon.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use proximityd::config::{Cli, Config, LogFormat, Surroundings};
use proximityd::daemon::Checked;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The configuration is wrong: sysexits.h calls it EX_CONFIG, and systemd shows it by that name.
const EX_CONFIG: u8 = 78;

/// The websocket library's name in the log.
const WEBSOCKET: &str = "tungstenite";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = Config::load(&cli, &Surroundings::here()).map_err(anyhow::Error::new);
    let checked = match config.and_then(Checked::new) {
        Ok(checked) => checked,
        Err(error) => {
            complain(&error);
            return ExitCode::from(EX_CONFIG);
        }
    };
    if cli.check_config {
        let _ = writeln!(std::io::stdout(), "the configuration is fine");
        return ExitCode::SUCCESS;
    }
    log(checked.config());
    // The one TLS provider of the process; it fails only when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(proximityd::daemon::run(checked));
            // What still runs is an operation on its way: its journal is on the disk, and it goes on next time.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn log(config: &Config) {
    // The configuration was checked: the filter is one.
    let filter: Targets =
        config.log.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    // At its finest level the websocket library writes whole requests, credentials and all.
    let filter = match filter.would_enable(WEBSOCKET, &tracing::Level::TRACE) {
        true => filter.with_target(WEBSOCKET, tracing::Level::DEBUG),
        false => filter,
    };
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for a terminal (and not for one whose owner wants none: https://no-color.org).
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stderr().is_terminal() && !unwanted;
    match config.log_format {
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr))
            .init(),
        LogFormat::Json => {
            registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).init()
        }
    }
}

fn complain(error: &anyhow::Error) {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}
