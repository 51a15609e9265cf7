//! Image registries: which tags there are (OCI distribution specification, "Listing Tags").
//!
//! A registry that does not answer is no obstacle: the tag that the template was tested with is taken then, and said so.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// Time for one request; a registry that takes longer is treated as absent.
const REQUEST: Duration = Duration::from_secs(4);
/// A registry that did not answer is not asked again for so long.
const ABSENT: Duration = Duration::from_secs(300);
/// Tags are remembered for so long.
const FRESH: Duration = Duration::from_secs(600);
/// Pages of tags read at most (1,000 tags each).
const PAGES: usize = 30;

/// Asks registries, and remembers for a while.
#[derive(Debug)]
pub struct Registry {
    lookup: bool,
    client: OnceLock<reqwest::Client>,
    absent: Mutex<HashMap<String, Instant>>,
    known: Mutex<HashMap<String, (Instant, Vec<String>)>>,
}

/// Why the tags of an image are not known.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Looking up is turned off.
    #[error("looking up tags is turned off")]
    Off,
    /// We cannot ask: the system's certificates cannot be used, most likely.
    #[error("registries cannot be asked: {0}")]
    Client(String),
    /// The registry does not answer.
    #[error("{0} does not answer")]
    Absent(String),
    /// It answers something else.
    #[error("{registry} answers {status}")]
    Refused {
        /// The registry.
        registry: String,
        /// The HTTP status.
        status: u16,
    },
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

impl Registry {
    /// Asking, or turned off.
    pub fn new(lookup: bool) -> Registry {
        Registry { lookup, client: OnceLock::new(), absent: Mutex::default(), known: Mutex::default() }
    }

    /// The client, made when a registry is first asked: the system's certificates are many files to read.
    fn client(&self) -> Result<&reqwest::Client, RegistryError> {
        if !self.lookup {
            return Err(RegistryError::Off);
        }
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = reqwest::Client::builder()
            .user_agent(concat!("proximityd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| RegistryError::Client(error.to_string()))?;
        Ok(self.client.get_or_init(|| made))
    }

    /// The tags of a repository such as `docker.io/library/nginx`.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, RegistryError> {
        let client = self.client()?;
        let known = |map: &Mutex<HashMap<String, (Instant, Vec<String>)>>| {
            let map = map.lock().unwrap_or_else(PoisonError::into_inner);
            map.get(repository).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, tags)| tags.clone())
        };
        if let Some(tags) = known(&self.known) {
            return Ok(tags);
        }
        let (registry, name) = split(repository);
        let absent = |map: &Mutex<HashMap<String, Instant>>| {
            let map = map.lock().unwrap_or_else(PoisonError::into_inner);
            map.get(&registry).is_some_and(|at| at.elapsed() < ABSENT)
        };
        if absent(&self.absent) {
            return Err(RegistryError::Absent(registry));
        }
        let found = list(client, &registry, &name).await;
        match &found {
            Ok(tags) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(repository.into(), (Instant::now(), tags.clone()));
            }
            Err(RegistryError::Absent(_)) => {
                let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
                absent.insert(registry, Instant::now());
            }
            Err(_) => {}
        }
        found
    }
}

/// Registry and repository. Docker Hub's API is at a host of its own.
fn split(repository: &str) -> (String, String) {
    let (first, rest) = repository.split_once('/').unwrap_or(("docker.io", repository));
    let is_host = first.contains(['.', ':']) || first == "localhost";
    let (host, name) = if is_host { (first, rest) } else { ("docker.io", repository) };
    if host == "docker.io" || host == "index.docker.io" {
        let name = if name.contains('/') { name.to_string() } else { format!("library/{name}") };
        return ("registry-1.docker.io".into(), name);
    }
    (host.into(), name.into())
}

async fn list(client: &reqwest::Client, registry: &str, name: &str) -> Result<Vec<String>, RegistryError> {
    let absent = || RegistryError::Absent(registry.into());
    let mut url = format!("https://{registry}/v2/{name}/tags/list?n=1000");
    let mut token: Option<String> = None;
    let mut all = Vec::new();
    for _ in 0..PAGES {
        let mut response = get(client, &url, token.as_deref()).await.ok_or_else(absent)?;
        if response.status() == 401 && token.is_none() {
            let challenge = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
            let address = challenge.and_then(|text| token_url(text, name)).ok_or_else(absent)?;
            let answer = get(client, &address, None).await.ok_or_else(absent)?;
            let answer: Token = answer.json().await.map_err(|_| absent())?;
            token = answer.token.or(answer.access_token);
            response = get(client, &url, token.as_deref()).await.ok_or_else(absent)?;
        }
        if !response.status().is_success() {
            return Err(RegistryError::Refused {
                registry: registry.into(),
                status: response.status().as_u16(),
            });
        }
        let next = response.headers().get("link").and_then(|value| value.to_str().ok()).and_then(next_page);
        let page: Tags = response.json().await.map_err(|_| absent())?;
        all.extend(page.tags.unwrap_or_default());
        match next {
            Some(path) if path.starts_with('/') => url = format!("https://{registry}{path}"),
            _ => break,
        }
    }
    Ok(all)
}

async fn get(client: &reqwest::Client, url: &str, token: Option<&str>) -> Option<reqwest::Response> {
    let mut request = client.get(url).timeout(REQUEST);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.ok()
}

/// Where to get a token, from `Bearer realm="…",service="…",scope="…"` (distribution token authentication).
fn token_url(challenge: &str, name: &str) -> Option<String> {
    let rest = challenge.strip_prefix("Bearer ")?;
    let field = |key: &str| {
        let start = rest.find(&format!("{key}=\""))? + key.len() + 2;
        let end = start + rest[start..].find('"')?;
        Some(rest[start..end].to_string())
    };
    let realm = field("realm").filter(|realm| realm.starts_with("https://"))?;
    let scope = field("scope").unwrap_or_else(|| format!("repository:{name}:pull"));
    let service = field("service").unwrap_or_default();
    let separator = if realm.contains('?') { '&' } else { '?' };
    Some(format!(
        "{realm}{separator}service={}&scope={}",
        service.replace(' ', "%20"),
        scope.replace(' ', "%20")
    ))
}

/// The next page's path, from `Link: </v2/…>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (address, rest) = link.split_once('<')?.1.split_once('>')?;
    rest.contains("next").then(|| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_split_as_docker_does() {
        let hub = "registry-1.docker.io".to_string();
        assert_eq!(split("nginx"), (hub.clone(), "library/nginx".into()));
        assert_eq!(split("docker.io/library/nginx"), (hub.clone(), "library/nginx".into()));
        assert_eq!(split("traefik/whoami"), (hub, "traefik/whoami".into()));
        assert_eq!(split("ghcr.io/a/b"), ("ghcr.io".into(), "a/b".into()));
        assert_eq!(split("localhost:5000/a"), ("localhost:5000".into(), "a".into()));
    }

    #[test]
    fn a_challenge_leads_to_its_token_over_https_only() {
        let challenge =
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull""#;
        assert_eq!(
            token_url(challenge, "a/b").unwrap(),
            "https://auth.example/token?service=r.example&scope=repository:a/b:pull"
        );
        assert_eq!(token_url(r#"Bearer realm="http://auth.example/token""#, "a"), None);
        assert_eq!(token_url("Basic realm=\"x\"", "a"), None);
    }

    #[test]
    fn the_next_page_is_taken_from_the_link_header() {
        assert_eq!(
            next_page(r#"</v2/a/tags/list?last=x&n=2>; rel="next""#).unwrap(),
            "/v2/a/tags/list?last=x&n=2"
        );
        assert_eq!(next_page("nonsense"), None);
    }
}
