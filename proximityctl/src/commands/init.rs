//! `init`: the first connection to Proxmox VE, asked step by step or given whole.

use std::path::PathBuf;

use clap::Args;

use crate::connect::{self, ConnectArgs};
use crate::error::Error;
use crate::prompt;
use crate::session::Session;
use crate::token_setup::Setup;

/// Connect a Proxmox VE host
#[derive(Debug, Args)]
#[command(after_help = "\
What is not given is asked for on a terminal. A preseed file holds the flags' names, `name` too, and may hold the
secret as `token-secret`:

  endpoint = [\"pve.example.org\"]
  token-id = \"proximity@pve!app\"
  token-file = \"/root/token\"
  fingerprint = \"AB:CD:…\"

Examples:
  proximityctl init
  proximityctl init --print-token-setup --storage local-lvm
  proximityctl init --endpoint 192.0.2.10 --token-id 'proximity@pve!app' \\
      --token-file token --fingerprint AB:CD:…
  proximityctl init --from preseed.toml --yes")]
pub struct InitArgs {
    /// Where it is and how to be let in.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// The host's name here [default: default]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Take what is not given from this TOML file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Print the commands that make a least-privilege token on the host, and do nothing else
    #[arg(long)]
    pub print_token_setup: bool,
}

/// Connects the first host.
///
/// # Errors
/// As [`connect::connect`].
pub async fn run(session: &Session, args: InitArgs) -> Result<(), Error> {
    let mut given = args.connect;
    if let Some(path) = &args.from {
        let text = Session::read_text(path)?;
        given = given.or(preseed(path, &text)?);
    }
    if args.print_token_setup {
        return print_token_setup(session, given);
    }
    // Asked before everything else, so that a missing daemon is known before anything was typed.
    session.client.call::<proto_json::host::List>(&proto_json::method::NoParams {}).await?;
    if session.ui.interactive && !session.ui.yes {
        ask_for_places(session, &mut given)?;
    }
    let name = args.name.or(given.name.take());
    connect::connect(session, name, given).await?;
    session.ui.hint("proximityctl catalog ls shows what can be deployed; proximityctl deploy NAME does it");
    Ok(())
}

fn preseed(path: &std::path::Path, text: &str) -> Result<ConnectArgs, Error> {
    toml::from_str(text).map_err(|error| {
        // The message without the excerpt: the line may hold the secret.
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map_or(path.display().to_string(), |line| format!("{}:{line}", path.display()));
        let hint = "the names are those of the flags; see proximityctl init --help".to_string();
        match misspelt(error.message()) {
            Some((wrong, near)) => Error::Usage {
                message: format!("{place}: unknown name `{wrong}`"),
                hints: vec![format!("did you mean `{near}`?"), hint],
            },
            None => Error::usage(format!("{place}: {}", error.message()), hint),
        }
    })
}

/// serde lists every name; the one that was meant is found among them.
fn misspelt(message: &str) -> Option<(&str, &str)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    Some((wrong, proto_json::params::nearest(wrong, quoted)?))
}

/// Pool, storage and bridge have defaults that fit most hosts; a person can say otherwise.
fn ask_for_places(session: &Session, given: &mut ConnectArgs) -> Result<(), Error> {
    if given.endpoint.is_empty() {
        let question = "Address of the Proxmox VE host (host or host:port)";
        given.endpoint.push(prompt::text(session.ui, question, None, "--endpoint ADDRESS")?);
    }
    let ask = |question: &str, default: &str, flag: &str| {
        prompt::text(session.ui, question, Some(default), flag)
            .map(|answer| (answer != "auto" && !answer.is_empty()).then_some(answer))
    };
    if given.pool.is_none() {
        given.pool = ask("Pool for our containers", "proximity", "--pool POOL")?;
    }
    if given.storage.is_none() {
        given.storage =
            ask("Storage for containers (auto: the one with most room)", "auto", "--storage STORAGE")?;
    }
    if given.bridge.is_none() {
        given.bridge = ask("Network bridge (auto: the first one)", "auto", "--bridge BRIDGE")?;
    }
    Ok(())
}

fn print_token_setup(session: &Session, given: ConnectArgs) -> Result<(), Error> {
    let mut storages = vec!["local".to_string()];
    storages.extend(given.storage.or_else(|| Some("local-lvm".into())).filter(|storage| storage != "local"));
    let setup = Setup {
        pool: given.pool.unwrap_or_else(|| "proximity".into()),
        storages,
        bridge: given.bridge.unwrap_or_else(|| "vmbr0".into()),
        token_id: given.token_id.unwrap_or_else(|| "proximity@pve!app".into()),
    };
    let script = setup.script().map_err(|word| {
        Error::usage(
            format!("`{word}` is no name in Proxmox VE"),
            "letters, digits, `-`, `_` and `.` make one",
        )
    })?;
    session
        .ui
        .say("Run these in a root shell on the host (its web page has one). The token can touch nothing but");
    session.ui.say(&format!("the pool {}; its secret is shown once, as `value`.\n", setup.pool));
    session.out.line(&script)?;
    session.ui.say("");
    session.ui.hint("other storages or another bridge: give --storage and --bridge");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preseed_file_can_name_the_host() {
        let given = preseed("p.toml".as_ref(), "name = 'home'\nendpoint = ['a']\n").unwrap();
        assert_eq!(ConnectArgs::default().or(given).name.as_deref(), Some("home"));
    }

    #[test]
    fn a_preseed_file_is_strict_and_its_errors_show_no_secret() {
        let error = preseed("p.toml".as_ref(), "endpoint = ['a']\ntoken-secrt = 'hunter2'\n").unwrap_err();
        assert_eq!(error.exit_status(), 2);
        let text = error.to_string();
        assert_eq!(text, "p.toml:2: unknown name `token-secrt`");
        assert_eq!(error.report().hints[0], "did you mean `token-secret`?");
        let far = preseed("p.toml".as_ref(), "zzzzzz = 1\n").unwrap_err().to_string();
        assert!(far.starts_with("p.toml:1: unknown field `zzzzzz`"), "{far}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
