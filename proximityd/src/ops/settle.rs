//! Starting an app's services until the app knows where its ports are.
//!
//! Which ports a guest publishes is known once they are published, and telling the app makes its services anew, which may
//! publish others: what counts is what is read after the last time they were started.

use async_trait::async_trait;
use proto_json::app::Port;

use super::context::Context;
use super::failure::StepError;
use super::project::Project;
use crate::guest::{Exec, docker};

/// Times that an app is told of its ports. A port that the guest chooses anew each time never comes to rest.
const TELLINGS: u32 = 3;

/// Starts the services, and writes the env file anew while it does not say where they are. `told` is the env file's text
/// as it was last written, `env` makes it from the published ports. Gives the ports as they are now.
///
/// # Errors
/// The guest's, and Docker's own words.
pub(super) async fn up(
    cx: &Context,
    guest: &dyn Exec,
    project: &Project,
    told: String,
    env: impl Fn(&[Port]) -> Result<String, StepError>,
) -> Result<Vec<Port>, StepError> {
    project.up(cx, guest, "up").await?;
    let ports = docker::ports(&project.services(cx, guest, "ps").await?);
    let (ports, known) = tell(told, ports, &env, &Services { cx, guest, project }).await?;
    if !known {
        cx.progress(
            "its ports change whenever it is told of them: what it knows of its own URL is out of date",
        )
        .await?;
    }
    Ok(ports)
}

/// An app that can be told where it is.
#[async_trait]
trait Told: Sync {
    /// Hands the env file's text over and starts the services with it; `telling` counts from 1. Gives the ports as they are
    /// then.
    async fn again(&self, telling: u32, env: &str) -> Result<Vec<Port>, StepError>;
}

struct Services<'a> {
    cx: &'a Context,
    guest: &'a dyn Exec,
    project: &'a Project,
}

#[async_trait]
impl Told for Services<'_> {
    async fn again(&self, telling: u32, env: &str) -> Result<Vec<Port>, StepError> {
        let Services { cx, guest, project } = *self;
        // A job is found again by its name, so each time has names of its own.
        let name = |what: &str| if telling == 1 { what.to_string() } else { format!("{what}-{telling}") };
        project.write(cx, guest, &name("write-ports"), env).await?;
        project.up(cx, guest, &name("up-ports")).await?;
        Ok(docker::ports(&project.services(cx, guest, &name("ps-ports")).await?))
    }
}

/// Tells the app of its ports until what it was told is where they are, a few times at the most. Gives the last ports,
/// and whether the app knows them.
async fn tell(
    mut told: String,
    mut ports: Vec<Port>,
    env: &impl Fn(&[Port]) -> Result<String, StepError>,
    app: &impl Told,
) -> Result<(Vec<Port>, bool), StepError> {
    for telling in 1..=TELLINGS {
        let real = env(&ports)?;
        if real == told {
            return Ok((ports, true));
        }
        ports = app.again(telling, &real).await?;
        told = real;
    }
    let known = env(&ports)? == told;
    Ok((ports, known))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn at(published: u16) -> Vec<Port> {
        vec![Port { service: "web".into(), target: 80, published, protocol: "tcp".into() }]
    }

    /// Is at these ports, one after the other, and remembers what it was told.
    struct Moving(Vec<u16>, Mutex<Vec<String>>);

    #[async_trait]
    impl Told for Moving {
        async fn again(&self, telling: u32, env: &str) -> Result<Vec<Port>, StepError> {
            let mut heard = self.1.lock().unwrap();
            heard.push(env.to_string());
            assert_eq!(heard.len(), telling as usize);
            Ok(at(self.0[heard.len() - 1]))
        }
    }

    async fn told(before: u16, first: u16, then: &[u16]) -> (u16, bool, Vec<String>) {
        let env = |ports: &[Port]| Ok(format!("at {}", ports[0].published));
        let app = Moving(then.to_vec(), Mutex::default());
        let result = tell(format!("at {before}"), at(first), &env, &app).await;
        let (ports, known) = result.unwrap_or_else(|_| panic!("nothing fails here"));
        (ports[0].published, known, app.1.into_inner().unwrap())
    }

    #[tokio::test]
    async fn an_app_is_told_where_it_is_after_it_was_started_the_last_time() {
        assert_eq!(told(80, 80, &[]).await, (80, true, vec![]));
        assert_eq!(told(80, 8080, &[8080]).await, (8080, true, vec!["at 8080".to_string()]));
        let twice = vec!["at 8080".to_string(), "at 8081".to_string()];
        assert_eq!(told(80, 8080, &[8081, 8081]).await, (8081, true, twice));
    }

    #[tokio::test]
    async fn an_app_that_moves_each_time_is_told_three_times_and_found_where_it_is_then() {
        let (port, known, heard) = told(80, 1, &[2, 3, 4]).await;
        assert_eq!((port, known), (4, false));
        assert_eq!(heard, ["at 1", "at 2", "at 3"]);
    }
}
