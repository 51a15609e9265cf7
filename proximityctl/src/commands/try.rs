//! `try`: a throw-away daemon with an embedded node, and an app on it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use proto_json::app::{App, AppName, Deploy, DeployParams, Get, Remove, RemoveParams};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Global;
use crate::daemon::Home;
use crate::error::Error;
use crate::output::Format;
use crate::session::Session;
use crate::{apps, operate};

/// How long a page may take to answer.
const PAGE: Duration = Duration::from_secs(30);

/// Try Proximity with a throw-away daemon, without Proxmox VE
#[derive(Debug, Args)]
#[command(after_help = "\
Starts a daemon with an embedded node in a directory of its own, deploys an app on it and
checks that its URL answers. The daemon goes on until `try --stop`; with --once everything
is removed again.

Examples:
  proximityctl try
  proximityctl try nginx
  proximityctl try --once
  proximityctl try --stop")]
pub struct TryArgs {
    /// The template to deploy
    #[arg(value_name = "APP", default_value = "whoami", conflicts_with = "stop")]
    pub app: String,
    /// Check that the app answers, then remove app, daemon and directory
    #[arg(long, conflicts_with = "stop")]
    pub once: bool,
    /// Leave daemon and directory there when it fails, to look at them
    #[arg(long, conflicts_with = "stop")]
    pub keep: bool,
    /// The directory to use; it must be empty [default: a new one]
    #[arg(long, value_name = "DIR", conflicts_with = "stop")]
    pub dir: Option<PathBuf>,
    /// End a daemon that was left running, and remove its directory [default: the last one]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub stop: Option<Option<PathBuf>>,
}

/// Tries everything once.
///
/// # Errors
/// Whatever failed; everything that was made is removed then, unless it is to be kept.
pub async fn run(global: &Global, args: TryArgs) -> Result<(), Error> {
    if let Some(dir) = args.stop {
        return stop(global, dir).await;
    }
    // Before anything is made, so that nothing can be left.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Error::failed(error.to_string()))?;
    let home = Home::make(args.dir.clone())?;
    let session = Session::at(home.socket(), global);
    let mut child = None;
    let outcome = tokio::select! {
        outcome = attempt(&session, &home, &args, &mut child) => outcome,
        _ = interrupt.recv() => Err(interrupted()),
    };
    match outcome {
        Ok(app) if !args.once => tell(&session, &home, &app),
        Err(error) if args.keep => {
            session.ui.say(&format!("kept in {}", home.dir().display()));
            session.ui.hint(&format!("look at it: export PROXIMITY_SOCKET={}", home.socket().display()));
            session.ui.hint(&format!("end it: proximityctl try --stop {}", home.dir().display()));
            Err(error)
        }
        outcome => {
            let ended = home.stop(child).await;
            let removed = home.remove();
            let app = outcome.map_err(|error| match error {
                // Nothing goes on: the daemon is gone.
                Error::Detached { .. } => interrupted(),
                other => other,
            })?;
            ended.and(removed)?;
            session.ui.say(&format!("{} answered, and everything is removed again", app.name));
            // Its URL answers no more: it is told to programs only, as it was.
            if session.out.format == Format::Table { Ok(()) } else { write(&session, &app) }
        }
    }
}

fn interrupted() -> Error {
    Error::Interrupted { what: "interrupted: everything that was made is removed again".into() }
}

/// Up to the answer of the app's page; with `--once`, and back.
async fn attempt(
    session: &Session,
    home: &Home,
    args: &TryArgs,
    child: &mut Option<Child>,
) -> Result<App, Error> {
    session.ui.say(&format!("starting a daemon with an embedded node in {}", home.dir().display()));
    *child = Some(home.start().await?);
    let params = DeployParams { template: Some(args.app.clone()), ..DeployParams::default() };
    let started = session.client.call::<Deploy>(&params).await?;
    let outcome = operate::waited(session, vec![started.operation]).await?;
    let Some(name) = outcome.done().next().and_then(|operation| operation.app.clone()) else {
        outcome.end(session)?;
        return Err(Error::failed("the deployment made no app"));
    };
    let app = session.client.call::<Get>(&AppName { name: name.clone() }).await?.app;
    if let Some(url) = &app.url {
        check(url).await?;
        session.ui.say(&format!("{url} answers"));
    } else if args.once {
        return Err(Error::failed(format!("{name} has no URL to check")));
    }
    if args.once {
        let params = |name: &str| RemoveParams { name: name.into(), timeout_seconds: None };
        operate::run::<Remove>(session, &[name], true, params).await?.end(session)?;
    }
    Ok(app)
}

/// Gets a page once.
async fn check(url: &str) -> Result<(), Error> {
    let failed = |cause: String| Error::Failed {
        message: format!("{url} does not answer as it should"),
        causes: vec![cause],
        hints: Vec::new(),
        log: Vec::new(),
    };
    let target: hyper::Uri = url.parse().map_err(|error| failed(format!("it is no URL: {error}")))?;
    if target.scheme_str() != Some("http") {
        return Err(failed("only http:// can be checked here".into()));
    }
    let http: legacy::Client<HttpConnector, Empty<Bytes>> =
        legacy::Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let page = async {
        let answer = http.get(target).await.map_err(|error| {
            let why =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            failed(format!("{error}{why}"))
        })?;
        let status = answer.status();
        answer.into_body().collect().await.map_err(|error| failed(error.to_string()))?;
        if status == hyper::StatusCode::OK {
            Ok(())
        } else {
            Err(failed(format!("it was answered with {status}")))
        }
    };
    tokio::time::timeout(PAGE, page).await.unwrap_or_else(|_| Err(failed("no answer came".into())))
}

/// Where everything is, and what to type next.
fn tell(session: &Session, home: &Home, app: &App) -> Result<(), Error> {
    write(session, app)?;
    let dir = home.dir().display();
    // As it was called: it may not be in the search path.
    let called = std::env::args().next().filter(|program| program.contains('/'));
    let program = called.as_deref().unwrap_or("proximityctl");
    session.ui.say(&format!(
        "\nThe daemon goes on. To use it, type\n\n  export PROXIMITY_SOCKET={}\n\nand then, for example\n\n  \
         {program} ls\n  {program} info {}\n  {program} catalog ls\n\nTo end it and remove everything:\n\n  \
         {program} try --stop {dir}",
        home.socket().display(),
        app.name
    ));
    Ok(())
}

fn write(session: &Session, app: &App) -> Result<(), Error> {
    match (session.out.format, &app.url) {
        (Format::Table, Some(url)) => session.out.line(url),
        (Format::Table, None) => Ok(()),
        _ => apps::write(session.out, std::slice::from_ref(app), false, || {
            apps::csv_of(std::slice::from_ref(app))
        }),
    }
}

async fn stop(global: &Global, dir: Option<PathBuf>) -> Result<(), Error> {
    let home = match dir {
        Some(dir) => Home::at(dir),
        None => Home::last().ok_or_else(|| {
            Error::Daemon(
                proto_json::Problem::new(proto_json::Code::NotFound, "there is nothing to stop")
                    .hint("what was tried with --dir is stopped with it: proximityctl try --stop DIR"),
            )
        })?,
    };
    if !home.dir().join("proximityd.pid").exists() {
        let problem = format!("no throw-away daemon was started in {}", home.dir().display());
        return Err(Error::Daemon(proto_json::Problem::new(proto_json::Code::NotFound, problem)));
    }
    home.stop(None).await?;
    home.remove()?;
    Session::at(home.socket(), global).ui.say(&format!("{} is gone", home.dir().display()));
    Ok(())
}
