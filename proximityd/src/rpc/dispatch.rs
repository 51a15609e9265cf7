//! From a request's bytes to a use case and back. Every call passes [`check`]: it is the one point of authorisation.

use futures_util::future::join_all;
use proto_json::envelope::{self, Id, Incoming, Request};
use proto_json::{Code, Method, Problem, app, catalog, daemon, host, method, operation};
use serde::Serialize;
use serde_json::value::RawValue;

use super::peer::Peer;
use crate::apps::UseCases;

/// Answers a body; None when it holds only notifications.
pub(super) async fn handle(apps: &UseCases, peer: &Peer, body: &[u8]) -> Option<Vec<u8>> {
    let answers = match envelope::parse(body) {
        Incoming::Single(Ok(request)) => return one(apps, peer, request).await.map(|answer| write(&answer)),
        Incoming::Single(Err(response)) => return Some(write(&response)),
        Incoming::Batch(items) => {
            join_all(items.into_iter().map(|item| async {
                match item {
                    Ok(request) => one(apps, peer, request).await.map(|answer| raw(&answer)),
                    Err(response) => Some(raw(&response)),
                }
            }))
            .await
        }
    };
    let answers: Vec<Box<RawValue>> = answers.into_iter().flatten().collect();
    if answers.is_empty() { None } else { Some(write(&answers)) }
}

/// A response whose result is already text: it is not taken apart again.
#[derive(Serialize)]
struct Answer {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<proto_json::error::ErrorObject>,
    id: Id,
}

async fn one(apps: &UseCases, peer: &Peer, request: Request) -> Option<Answer> {
    let id = request.id.clone();
    let outcome = call(apps, peer, request).await;
    if let Err(problem) = &outcome
        && problem.code == Code::Internal
    {
        tracing::error!(message = problem.message, causes = ?problem.causes, "a call failed inside");
    }
    let (result, error) = match outcome {
        Ok(result) => (Some(result), None),
        Err(problem) => (None, Some(problem.into())),
    };
    id.map(|id| Answer { jsonrpc: "2.0", result, error, id })
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
    ($apps:ident, $peer:ident, $request:ident; $($method:ty => $use_case:ident $(($actor:ident))?;)*) => {
        match $request.method.as_str() {
            $(<$method as Method>::NAME => {
                check::<$method>($peer)?;
                let params = proto_json::params::read($request.method.as_str(), $request.params)?;
                let output: <$method as Method>::Output = $apps.$use_case($($actor,)? params).await?;
                Ok(raw(&output))
            })*
            unknown => Err(no_such_method(unknown)),
        }
    };
}

async fn call(apps: &UseCases, peer: &Peer, request: Request) -> Result<Box<RawValue>, Problem> {
    let actor = peer.name.as_str();
    route! { apps, peer, request;
        app::Deploy => deploy(actor);
        app::Plan => plan;
        app::List => list_apps;
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

fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("the contract's types are representable as JSON")
}

fn write(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the contract's types are representable as JSON")
}
