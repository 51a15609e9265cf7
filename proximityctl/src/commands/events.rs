//! `events`: what happened, and what happens.

use clap::Args;
use proto_json::Code;
use proto_json::app::{AppName, Get, List, ListParams};
use proto_json::event::{Event, Level, StreamLine};
use proto_json::operation::{Get as GetOperation, OperationId};

use crate::client::{EventQuery, EventStream};
use crate::error::Error;
use crate::output::Format;
use crate::printable;
use crate::session::Session;
use crate::table::Table;
use crate::ui::Color;

/// How many of the last events are shown when nothing else is asked for.
const LAST: u64 = 50;

/// Show what happened; with -f, what happens
#[derive(Debug, Args)]
#[command(after_help = "\
Every event has a number that is never given twice: --since goes on after one. With
-o json each event is one line.

Examples:
  proximityctl events                      the last ones
  proximityctl events -f --app nextcloud
  proximityctl events --since 0 -o json    all of them")]
pub struct EventsArgs {
    /// Begin after the event with this number; 0 begins with the oldest
    #[arg(long, value_name = "NUMBER")]
    pub since: Option<u64>,
    /// Go on with those to come
    #[arg(short, long)]
    pub follow: bool,
    /// Only those about this app
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// Only those of this operation
    #[arg(long, value_name = "ID")]
    pub operation: Option<String>,
}

/// Shows events.
///
/// # Errors
/// The daemon's, and [`Error::Output`].
pub async fn run(session: &Session, args: EventsArgs) -> Result<(), Error> {
    let filtered = args.app.is_some() || args.operation.is_some();
    let app = match &args.app {
        Some(name) => Some(known_app(session, name).await?),
        None => None,
    };
    if let Some(id) = &args.operation {
        session.client.call::<GetOperation>(&OperationId { id: id.clone() }).await?;
    }
    let mut query = EventQuery { app, operation: args.operation, ..EventQuery::default() };
    (query.since, query.epoch) = match args.since {
        Some(since) => (since, None),
        // Which of the last are about the app cannot be known beforehand.
        None if filtered && !args.follow => (0, None),
        None => last(session).await?,
    };
    query.follow = args.follow;
    let shown =
        async { if args.follow { follow(session, query).await } else { stored(session, query).await } };
    match session.client.deadline() {
        None => shown.await,
        // To look for a while is what was asked for.
        Some(deadline) if args.follow => {
            tokio::time::timeout_at(deadline.at.into(), shown).await.unwrap_or(Ok(()))
        }
        Some(deadline) => tokio::time::timeout_at(deadline.at.into(), shown)
            .await
            .unwrap_or_else(|_| Err(deadline.passed("not all events came", Vec::new()))),
    }
}

/// The name of an app that there is or was: events are filtered by it, and a misspelt one would only show nothing.
async fn known_app(session: &Session, name: &str) -> Result<String, Error> {
    let unknown = match session.client.call::<Get>(&AppName { name: name.into() }).await {
        Ok(detail) => return Ok(detail.app.name),
        Err(Error::Daemon(problem)) if problem.code == Code::NotFound => problem,
        Err(error) => return Err(error),
    };
    let all = session.client.call::<List>(&ListParams { removed: true, host: None }).await?;
    match all.into_iter().find(|app| app.name == name) {
        Some(app) => Ok(app.name),
        None => Err(Error::Daemon(unknown)),
    }
}

/// Where the last few begin: the stream's first line says it.
async fn last(session: &Session) -> Result<(u64, Option<String>), Error> {
    let query = EventQuery::default();
    let mut stream = session.client.events(&query).await?;
    let lines = stream.next().await.map_err(|error| broken(session, &error))?.unwrap_or_default();
    Ok(match lines.into_iter().next() {
        Some(StreamLine::Hello { epoch, next, .. }) => (next.saturating_sub(LAST + 1), Some(epoch)),
        _ => (0, None),
    })
}

async fn stored(session: &Session, mut query: EventQuery) -> Result<(), Error> {
    let mut stream = session.client.events(&query).await?;
    let mut table = Table::new(HEAD);
    while let Some(events) = next(session, &mut stream, &mut query).await? {
        for event in events {
            match session.out.format {
                Format::Csv => table.row(cells(event)),
                _ => write(session, &event)?,
            }
        }
    }
    if session.out.format == Format::Csv { session.out.table(&table) } else { Ok(()) }
}

async fn follow(session: &Session, mut query: EventQuery) -> Result<(), Error> {
    if session.out.format == Format::Csv {
        return Err(Error::usage("CSV has an end, and --follow has none", "use -o json: one event a line"));
    }
    let mut stream = session.client.events(&query).await?;
    loop {
        while let Some(events) = next(session, &mut stream, &mut query).await.unwrap_or(None) {
            events.iter().try_for_each(|event| write(session, event))?;
        }
        // The stream has ended: it goes on where it was, as soon as the daemon answers.
        let mut pause = std::time::Duration::from_millis(100);
        let mut said = false;
        stream = loop {
            match session.client.events(&query).await {
                Ok(stream) => break stream,
                Err(error @ Error::Unreachable { .. }) if pause > crate::wait::PATIENCE => return Err(error),
                Err(Error::Unreachable { .. }) => {
                    if !std::mem::replace(&mut said, true) {
                        session.ui.say("the daemon does not answer: trying to reach it again");
                    }
                    tokio::time::sleep(pause.min(std::time::Duration::from_secs(5))).await;
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        };
    }
}

/// The events that came together; none at the stream's end. The query follows along.
async fn next(
    session: &Session,
    stream: &mut EventStream,
    query: &mut EventQuery,
) -> Result<Option<Vec<Event>>, Error> {
    let Some(lines) = stream.next().await.map_err(|error| broken(session, &error))? else { return Ok(None) };
    let mut events = Vec::new();
    for line in lines {
        match line {
            StreamLine::Hello { epoch, oldest, reset, .. } => {
                query.epoch = Some(epoch);
                if let Some(why) = reset {
                    query.since = oldest.saturating_sub(1);
                    session.ui.warn(&format!("the events begin with number {oldest}: {why}"));
                }
            }
            StreamLine::Event(event) => {
                query.since = event.seq;
                events.push(event);
            }
            StreamLine::End { since, .. } => query.since = since.max(query.since),
            StreamLine::Ping => {}
        }
    }
    Ok(Some(events))
}

fn broken(session: &Session, error: &hyper::Error) -> Error {
    let socket = session.client.socket().to_path_buf();
    Error::Unreachable { socket, cause: error.to_string(), denied: false, operations: Vec::new() }
}

fn write(session: &Session, event: &Event) -> Result<(), Error> {
    if session.out.is_json() {
        return session.out.json_line(event);
    }
    session.out.painted(&line(event, session.out.is_terminal() && session.ui.color))
}

/// An event as a line: when, about what, what.
fn line(event: &Event, color: bool) -> String {
    let about = event.app.as_deref().or(event.operation.as_deref()).unwrap_or("-");
    let level = match event.level {
        Level::Info => "",
        Level::Warning => "warning: ",
        Level::Error => "error: ",
    };
    // Whole seconds are enough for people.
    let at = event.at.split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
    let text = format!("{at}  {:<6} {about}  {level}{}", event.seq, event.message);
    let text = printable::line(&text).into_owned();
    match (color, event.level) {
        (true, Level::Error) => format!("\u{1b}[{}m{text}\u{1b}[0m", Color::Red as u8),
        (true, Level::Warning) => format!("\u{1b}[{}m{text}\u{1b}[0m", Color::Yellow as u8),
        _ => text,
    }
}

const HEAD: &[&str] = &["seq", "at", "kind", "level", "app", "operation", "message", "data"];

fn cells(event: Event) -> [String; 8] {
    let level = match event.level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let data = if event.data.is_null() { String::new() } else { event.data.to_string() };
    [
        event.seq.to_string(),
        event.at,
        event.kind,
        level.into(),
        event.app.unwrap_or_default(),
        event.operation.unwrap_or_default(),
        event.message,
        data,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_its_message_holds() {
        let event = Event {
            seq: 42,
            at: "2026-01-10T12:00:00.123Z".into(),
            kind: "step.failed".into(),
            level: Level::Error,
            app: Some("web".into()),
            operation: None,
            message: "it broke\nerror: forged \u{1b}[2J".into(),
            data: serde_json::Value::Null,
        };
        assert_eq!(line(&event, false), "2026-01-10 12:00:00  42     web  error: it broke error: forged ");
    }
}
