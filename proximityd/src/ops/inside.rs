//! SSH into an app's container, set up at its first boot and looked after at every start, over the way that was there before.

use super::container::Container;
use super::context::Context;
use super::failure::StepError;
use crate::guest::{Exec, Output, admission};
use crate::model::app::{AppRecord, GuestSsh};

/// The line that lets the daemon into a container at an address; empty when SSH is turned off, or there is no route.
pub fn line(cx: &Context, address: &str) -> String {
    cx.services.guests.inside().and_then(|inside| inside.line(address)).unwrap_or_default()
}

/// Keeps what was said when the line was written.
///
/// # Errors
/// The store's.
pub async fn keep(cx: &Context, container: &Container, line: &str, said: &Output) -> Result<(), StepError> {
    if let Some(inside) = cx.services.guests.inside() {
        inside.forget(&container.host.config.name, container.vmid);
    }
    let learnt = (!line.is_empty()).then(|| admission::read(&said.text(), container.vmid.get(), line));
    cx.change_app(move |app| app.spec.ssh = learnt).await.map(drop)
}

/// Writes the line again, and reads the host key again, where one of them is or may be another one by now: over `guest`, which
/// must not be SSH into the container itself. Takes the line away where SSH was turned off.
///
/// # Errors
/// The guest's and the store's. A container that takes no key is no error.
pub async fn look_after(
    cx: &Context,
    container: &Container,
    guest: &dyn Exec,
    app: &AppRecord,
    address: &str,
) -> Result<(), StepError> {
    let line = line(cx, address);
    let inside = cx.services.guests.inside();
    let refused = inside.is_some_and(|inside| inside.refused(&container.host.config.name, container.vmid));
    if !due(app.spec.ssh.as_ref(), container.vmid.get(), &line, refused) {
        // It was just started: what was found out before is old.
        if let Some(inside) = inside {
            inside.forget(&container.host.config.name, container.vmid);
        }
        return Ok(());
    }
    let said = cx.exec(guest, "admit", |id| admission::job(id, &line)).await?;
    keep(cx, container, &line, &said).await
}

/// Whether the line is to be written and the key to be read.
fn due(known: Option<&GuestSsh>, vmid: u32, line: &str, refused: bool) -> bool {
    match known {
        Some(known) => refused || known.vmid != vmid || known.line != line,
        None => !line.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_for_what_is_new_changed_refused_or_turned_off_and_for_nothing_else() {
        let known = GuestSsh { vmid: 7, line: "line".into(), host_key: None };
        assert!(!due(Some(&known), 7, "line", false));
        assert!(due(Some(&known), 8, "line", false), "another container");
        assert!(due(Some(&known), 7, "other", false), "another key or address of ours");
        assert!(due(Some(&known), 7, "line", true), "refused");
        assert!(due(Some(&known), 7, "", false), "turned off");
        assert!(due(None, 7, "line", false), "never set up");
        assert!(!due(None, 7, "", false), "off, and nothing there");
    }
}
