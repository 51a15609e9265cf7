//! Apps as tables.

use std::borrow::Cow;

use jiff::Timestamp;
use proto_json::app::{App, AppState};
use serde::{Deserialize, Serialize};

use crate::duration;
use crate::error::Error;
use crate::output::{Format, Output};
use crate::table::Table;

/// The word of a state, as in JSON.
pub fn state_word(state: AppState) -> &'static str {
    match state {
        AppState::Deploying => "deploying",
        AppState::Starting => "starting",
        AppState::Running => "running",
        AppState::Degraded => "degraded",
        AppState::Stopped => "stopped",
        AppState::Unknown => "unknown",
        AppState::Missing => "missing",
        AppState::Failed => "failed",
        AppState::Removing => "removing",
        AppState::Removed => "removed",
    }
}

/// An app as it comes over the wire, borrowed: what a long list is shown from.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of proto_json::app::App")]
pub struct Row<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub template: Text<'a>,
    #[serde(borrow)]
    pub template_version: Text<'a>,
    #[serde(borrow)]
    pub state: Text<'a>,
    #[serde(borrow)]
    pub reason: Option<Text<'a>>,
    pub vmid: Option<u32>,
    #[serde(borrow)]
    pub node: Option<Text<'a>>,
    #[serde(borrow)]
    pub host: Text<'a>,
    #[serde(borrow)]
    pub ip: Option<Text<'a>>,
    #[serde(borrow)]
    pub url: Option<Text<'a>>,
    #[serde(borrow)]
    pub operation: Option<Text<'a>>,
    #[serde(borrow)]
    pub created_at: Text<'a>,
    #[serde(borrow)]
    pub checked_at: Option<Text<'a>>,
}

/// A string that borrows where JSON needed no escapes in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<&'a App> for Row<'a> {
    fn from(app: &'a App) -> Row<'a> {
        let text = |text: &'a String| Text(text.into());
        let some = |text: &'a Option<String>| text.as_ref().map(|text| Text(text.into()));
        Row {
            id: text(&app.id),
            name: text(&app.name),
            template: text(&app.template),
            template_version: text(&app.template_version),
            state: Text(state_word(app.state).into()),
            reason: some(&app.reason),
            vmid: app.vmid,
            node: some(&app.node),
            host: text(&app.host),
            ip: some(&app.ip),
            url: some(&app.url),
            operation: some(&app.operation),
            created_at: text(&app.created_at),
            checked_at: some(&app.checked_at),
        }
    }
}

/// The table for people.
pub fn table(rows: Vec<Row<'_>>, now: Timestamp) -> Table<'_> {
    let mut table = Table::new(&["name", "state", "template", "url", "node", "vmid", "age"]);
    for row in rows {
        let age = duration::ago(&row.created_at.0, now);
        table.row([
            row.name.0,
            row.state.0,
            row.template.0,
            row.url.map_or("-".into(), |text| text.0),
            row.node.map_or("-".into(), |text| text.0),
            row.vmid.map_or("-".into(), |vmid| vmid.to_string().into()),
            age.into(),
        ]);
    }
    table
}

/// The table for CSV: every field, named as in JSON.
pub fn csv(rows: Vec<Row<'_>>) -> Table<'_> {
    let mut table = Table::new(&[
        "id",
        "name",
        "template",
        "template_version",
        "state",
        "reason",
        "vmid",
        "node",
        "host",
        "ip",
        "url",
        "operation",
        "created_at",
        "checked_at",
    ]);
    for row in rows {
        table.row([
            row.id.0,
            row.name.0,
            row.template.0,
            row.template_version.0,
            row.state.0,
            row.reason.map_or("".into(), |text| text.0),
            row.vmid.map_or("".into(), |vmid| vmid.to_string().into()),
            row.node.map_or("".into(), |text| text.0),
            row.host.0,
            row.ip.map_or("".into(), |text| text.0),
            row.url.map_or("".into(), |text| text.0),
            row.operation.map_or("".into(), |text| text.0),
            row.created_at.0,
            row.checked_at.map_or("".into(), |text| text.0),
        ]);
    }
    table
}

/// Apps that are already there, as CSV.
pub fn csv_of(apps: &[App]) -> Table<'_> {
    csv(apps.iter().map(Row::from).collect())
}

/// Writes what a command did to apps, for programs: an object where one was named, an array where several could be.
/// People are told in words elsewhere.
///
/// # Errors
/// [`Error::Output`].
pub fn write<'a, T: Serialize>(
    out: Output,
    items: &[T],
    several: bool,
    csv: impl Fn() -> Table<'a>,
) -> Result<(), Error> {
    match (out.format, items) {
        (Format::Table, _) => Ok(()),
        (Format::Json, [only]) if !several => out.json(only),
        (Format::Json, items) => out.json(&items),
        (Format::Csv, _) => out.table(&csv()),
    }
}
