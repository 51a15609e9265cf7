//! From a request's bytes to a use case and back. Every call passes [`check`]: it is the one point of authorisation.

use bytes::Bytes;
use futures_util::future::join_all;
use proto_json::envelope::{self, Incoming, Request, Response};
use proto_json::{Code, Method, Problem, app, catalog, daemon, host, method, operation};
use serde::Serialize;

use super::peer::Peer;
use crate::apps::UseCases;

/// An answer's text, in pieces: a long result is not copied to be wrapped.
pub(super) type Text = Vec<Bytes>;

/// Answers a body; None when it holds only notifications.
pub(super) async fn handle(apps: &UseCases, peer: &Peer, body: &[u8]) -> Option<Text> {
    let items = match envelope::parse(body) {
        Incoming::Single(item) => return answer(apps, peer, item).await,
        Incoming::Batch(items) => items,
    };
    let answers = join_all(items.into_iter().map(|item| answer(apps, peer, item))).await;
    let mut text = Vec::new();
    for answer in answers.into_iter().flatten() {
        text.push(Bytes::from_static(if text.is_empty() { b"[" } else { b"," }));
        text.extend(answer);
    }
    if text.is_empty() {
        return None;
    }
    text.push(Bytes::from_static(b"]"));
    Some(text)
}

async fn answer(apps: &UseCases, peer: &Peer, item: Result<Request, Box<Response>>) -> Option<Text> {
    match item {
        Ok(request) => one(apps, peer, request).await,
        Err(response) => Some(vec![text(&response)]),
    }
}

async fn one(apps: &UseCases, peer: &Peer, request: Request) -> Option<Text> {
    let id = request.id.clone();
    let outcome = call(apps, peer, request).await;
    if let Err(problem) = &outcome
        && problem.code == Code::Internal
    {
        tracing::error!(message = problem.message, causes = ?problem.causes, "a call failed inside");
    }
    let id = id?;
    Some(match outcome {
        // The result is text already, and is not taken apart again. The order is that of `Response`.
        Ok(result) => {
            let end = format!(",\"id\":{}}}", String::from_utf8_lossy(&text(&id)));
            vec![Bytes::from_static(br#"{"jsonrpc":"2.0","result":"#), result, end.into()]
        }
        Err(problem) => vec![text(&Response::new(id, Err(problem)))],
    })
}

/// Whether a caller may make a call.
///
/// # Errors
/// [`Code::Refused`], with the role it takes.
pub fn check<M: Method>(peer: &Peer) -> Result<(), Problem> {
    if peer.role >= M::ROLE {
        return Ok(());
    }
    let word = |role| serde_json::to_string(&role).unwrap_or_default().replace('"', "");
    Err(Problem::new(Code::Refused, format!("`{}` takes the role {}", M::NAME, word(M::ROLE)))
        .cause(format!("{} has the role {}", peer.name, word(peer.role))))
}

/// Routes a request by its method's type. What is not named here is no method.
macro_rules! route {
    ($apps:ident, $peer:ident, $request:ident; $($method:ty => $use_case:ident $(($actor:ident))? $(as $form:ident)?;)*) => {
        match $request.method.as_str() {
            $(<$method as Method>::NAME => {
                check::<$method>($peer)?;
                let params = proto_json::params::read($request.method.as_str(), $request.params)?;
                let given = $apps.$use_case($($actor,)? params).await?;
                Ok(result!($method, given $(, $form)?))
            })*
            unknown => Err(no_such_method(unknown)),
        }
    };
}

/// A result's JSON text: a use case gives its method's output or, where it says so, the text itself.
macro_rules! result {
    ($method:ty, $given:ident) => {{
        let output: <$method as Method>::Output = $given;
        text(&output)
    }};
    ($method:ty, $given:ident, text) => {{
        let ready: Bytes = $given;
        ready
    }};
}

async fn call(apps: &UseCases, peer: &Peer, request: Request) -> Result<Bytes, Problem> {
    let actor = peer.name.as_str();
    route! { apps, peer, request;
        app::Deploy => deploy(actor);
        app::Plan => plan;
        app::List => list_apps as text;
        app::Get => get_app;
        app::Start => start(actor);
        app::Stop => stop(actor);
        app::Restart => restart(actor);
        app::Remove => remove(actor);
        catalog::List => list_templates;
        catalog::Get => get_template;
        catalog::Validate => validate_template;
        host::Add => add_host(actor);
        host::Certificate => certificate;
        host::List => list_hosts;
        host::Test => test_host;
        host::Remove => remove_host(actor);
        operation::List => list_operations;
        operation::Get => get_operation;
        operation::Wait => wait_operation;
        operation::Cancel => cancel_operation(actor);
        daemon::Status => status(actor);
        daemon::Doctor => doctor;
        daemon::Discover => discover;
    }
}

fn no_such_method(name: &str) -> Problem {
    let all = method::all();
    let near = proto_json::params::nearest(name, all.iter().map(|method| method.name));
    let problem =
        Problem::new(Code::MethodNotFound, format!("there is no method `{}`", name.escape_default()));
    match near {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("`rpc.discover` lists the methods"),
    }
}

fn text(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("the contract's types are representable as JSON").into()
}
