//! Who calls: API tokens, passwords, tickets and their CSRF tokens.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use crate::node::{Node, now};
use crate::reply::ApiError;
use crate::state::access::{Access, Identity};

/// How long a ticket of `/access/ticket` lives.
const TICKET_LIFE: i64 = 2 * 60 * 60;
/// How long a console ticket lives.
const CONSOLE_LIFE: i64 = 40;

/// The secret that signs tickets.
#[derive(Clone)]
pub(crate) struct TicketKey(Vec<u8>);

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey(…)")
    }
}

impl TicketKey {
    /// Takes a secret.
    pub(crate) fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(secret.into())
    }

    fn sign(&self, text: &str) -> String {
        // HMAC's inner and outer hash, written out: the crates at hand hold no HMAC.
        let pad = |with: u8| {
            let mut block = [with; 64];
            for (slot, byte) in block.iter_mut().zip(Sha256::digest(&self.0)) {
                *slot ^= byte;
            }
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
        STANDARD_NO_PAD.encode(Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize())
    }

    /// A login ticket.
    pub(crate) fn ticket(&self, user: &str, at: i64) -> String {
        let plain = format!("PVE:{user}:{at:08X}");
        format!("{plain}::{}", self.sign(&plain))
    }

    /// The CSRF token that goes with a user's tickets.
    pub(crate) fn csrf(&self, user: &str, at: i64) -> String {
        format!("{at:08X}:{}", self.sign(&format!("{at:08X}:{user}")))
    }

    fn read_ticket(&self, ticket: &str, at: i64) -> Option<String> {
        let (plain, signature) = ticket.rsplit_once("::")?;
        let (user, time) = plain.strip_prefix("PVE:")?.rsplit_once(':')?;
        let age = at - i64::from_str_radix(time, 16).ok()?;
        let good = self.sign(plain) == signature && (-300..TICKET_LIFE).contains(&age);
        good.then(|| user.to_owned())
    }

    fn csrf_holds(&self, token: &str, user: &str, at: i64) -> bool {
        let Some((time, _)) = token.split_once(':') else { return false };
        let Ok(issued) = i64::from_str_radix(time, 16) else { return false };
        (-300..TICKET_LIFE).contains(&(at - issued)) && self.csrf(user, issued) == token
    }

    /// A console's ticket, bound to who may use it, where, and on which port.
    pub(crate) fn console_ticket(&self, id: &str, path: &str, port: u16, at: i64) -> String {
        let plain = format!("PVEVNC:{at:08X}");
        let mut signature = String::new();
        // A real one carries an RSA signature of 2048 bits.
        for part in 0..8 {
            let _ = write!(signature, "{}", self.sign(&format!("{plain}:{id}:{path}:{port}:{part}")));
        }
        format!("{plain}::{signature}")
    }

    /// Whether a console's ticket holds.
    pub(crate) fn console_ticket_holds(
        &self,
        ticket: &str,
        id: &str,
        path: &str,
        port: u16,
        at: i64,
    ) -> bool {
        let time = ticket.strip_prefix("PVEVNC:").and_then(|t| t.split_once("::")).map(|(time, _)| time);
        let Some(issued) = time.and_then(|t| i64::from_str_radix(t, 16).ok()) else { return false };
        (-20..CONSOLE_LIFE).contains(&(at - issued)) && self.console_ticket(id, path, port, issued) == ticket
    }
}

fn failed() -> ApiError {
    ApiError::Unauthorized("Authentication failed!".to_owned())
}

/// Finds out who calls.
///
/// # Errors
/// 401 with the reason Proxmox VE gives; none at all for calls that need no login.
pub(crate) fn authenticate(
    node: &Node,
    method: &str,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<Identity>, ApiError> {
    let header = |name| headers.get(name).and_then(|v: &hyper::header::HeaderValue| v.to_str().ok());
    let open =
        matches!(path, "/access/domains") || (path == "/access/ticket" && matches!(method, "GET" | "POST"));
    if let Some(token) = header(AUTHORIZATION).and_then(|v| v.strip_prefix("PVEAPIToken")) {
        return api_token(&node.store.view().access, token.trim_start_matches(['=', ' '])).map(Some);
    }
    if open {
        return Ok(None);
    }
    let cookie = header(COOKIE).and_then(|c| {
        c.split(';').find_map(|part| part.trim().strip_prefix("PVEAuthCookie=").map(str::to_owned))
    });
    let Some(ticket) = cookie.map(|c| percent_decode_str(&c).decode_utf8_lossy().into_owned()) else {
        return Err(ApiError::Unauthorized("No ticket".to_owned()));
    };
    let user = node.key.read_ticket(&ticket, now()).ok_or_else(failed)?;
    if !enabled(&node.store.view().access, &user) {
        return Err(failed());
    }
    if method != "GET" {
        let csrf = headers.get("CSRFPreventionToken").and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !node.key.csrf_holds(csrf, &user, now()) {
            return Err(ApiError::Unauthorized("Permission denied - invalid csrf token".to_owned()));
        }
    }
    Ok(Some(Identity { user, token: None }))
}

fn enabled(access: &Access, user: &str) -> bool {
    access.users.get(user).is_some_and(|u| u.enable && (u.expire == 0 || u.expire > now()))
}

fn api_token(access: &Access, text: &str) -> Result<Identity, ApiError> {
    let (id, secret) = text.split_once(['=', ':']).ok_or_else(failed)?;
    let (user, name) = id.split_once('!').ok_or_else(failed)?;
    let token = access.users.get(user).and_then(|u| u.tokens.get(name)).ok_or_else(failed)?;
    let good = enabled(access, user) && token.secret == secret && (token.expire == 0 || token.expire > now());
    if good { Ok(Identity { user: user.to_owned(), token: Some(name.to_owned()) }) } else { Err(failed()) }
}

/// Checks a user's password (or a ticket given as one).
pub(crate) fn password_holds(node: &Node, user: &str, password: &str) -> bool {
    let state = node.store.view();
    if !enabled(&state.access, user) {
        return false;
    }
    let stored = state.access.users.get(user).and_then(|u| u.password.clone());
    drop(state);
    stored.as_deref() == Some(password) || node.key.read_ticket(password, now()).as_deref() == Some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_holds_for_two_hours_and_not_with_another_signature() {
        let key = TicketKey::new("secret");
        let ticket = key.ticket("root@pam", 1000);
        assert_eq!(key.read_ticket(&ticket, 1000 + TICKET_LIFE - 1).as_deref(), Some("root@pam"));
        assert_eq!(key.read_ticket(&ticket, 1000 + TICKET_LIFE), None);
        assert_eq!(TicketKey::new("other").read_ticket(&ticket, 1000), None);
    }

    #[test]
    fn a_console_ticket_is_bound_to_its_owner_path_and_port() {
        let key = TicketKey::new("secret");
        let ticket = key.console_ticket("a@pve!b", "/vms/100", 5900, 1000);
        assert!(key.console_ticket_holds(&ticket, "a@pve!b", "/vms/100", 5900, 1039));
        assert!(!key.console_ticket_holds(&ticket, "a@pve!b", "/vms/100", 5900, 1040));
        assert!(!key.console_ticket_holds(&ticket, "a@pve", "/vms/100", 5900, 1001));
        assert!(!key.console_ticket_holds(&ticket, "a@pve!b", "/vms/101", 5900, 1001));
        assert!(!key.console_ticket_holds(&ticket, "a@pve!b", "/vms/100", 5901, 1001));
    }
}
