//! A Compose project: its files found, merged, interpolated and checked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::merge::merge;
use super::service::{MountSource, Service};
use super::{dotenv, interpolate};
use crate::engine::memory::commands::Ctx;
use crate::engine::memory::world::bytes::decode;
use crate::engine::memory::world::vfs::{absolute, name, parent};

const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const TOP_KEYS: &[&str] =
    &["version", "name", "services", "networks", "volumes", "secrets", "configs", "include", "models"];
/// YAML that nests or repeats itself into more than this is refused.
const FILE_LIMIT: usize = 1 << 20;

/// Exit status for a file that is not there, as Compose has it.
pub(super) const NOT_FOUND: i32 = 14;
/// Exit status for a file that cannot be read.
pub(super) const UNREADABLE: i32 = 15;

/// What the command line says about the project.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub(super) struct Selection {
    pub files: Vec<String>,
    pub directory: Option<String>,
    pub name: Option<String>,
    pub env_files: Vec<String>,
    pub profiles: Vec<String>,
}

/// A project.
#[derive(Debug)]
#[allow(missing_docs)]
pub(super) struct Project {
    pub name: String,
    pub directory: String,
    pub files: Vec<String>,
    /// In the order of the file, those whose profile is on.
    pub services: Vec<Service>,
    pub environment: BTreeMap<String, String>,
    pub document: Value,
    /// Variables that were used and not set.
    pub unset: Vec<String>,
    /// Named volume: its name in Docker.
    pub volumes: BTreeMap<String, String>,
    /// Named network: its name in Docker, and whether it is somebody else's.
    pub networks: BTreeMap<String, (String, bool)>,
}

/// A message and an exit status.
pub(super) type Failure = (String, i32);

fn normal_name(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

fn environment(
    ctx: &Ctx,
    selection: &Selection,
    directory: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    let default = vec![".env".to_owned()];
    let explicit = !selection.env_files.is_empty();
    for file in if explicit { &selection.env_files } else { &default } {
        let path = if explicit { ctx.path(file) } else { absolute(directory, file) };
        match ctx.files.read(&path) {
            Ok(bytes) => {
                let mut outer = found.clone();
                outer.extend(ctx.env.clone());
                let parsed = dotenv::parse(&decode(&bytes), &outer, &path).map_err(|e| (e, 1))?;
                found.extend(parsed);
            }
            Err(_) if !explicit => {}
            Err(_) => {
                let shown = absolute(&ctx.cwd, file);
                return Err((format!("couldn't find env file: {shown}"), NOT_FOUND));
            }
        }
    }
    // What the caller's environment sets wins over the file.
    found.extend(ctx.env.iter().map(|(k, v)| (k.clone(), v.clone())));
    Ok(found)
}

fn find_files(ctx: &Ctx, selection: &Selection, directory: &str) -> Result<Vec<String>, Failure> {
    let named: Vec<String> = match ctx.env.get("COMPOSE_FILE") {
        _ if !selection.files.is_empty() => selection.files.clone(),
        Some(list) => list.split(':').map(str::to_owned).collect(),
        None => Vec::new(),
    };
    if !named.is_empty() {
        return Ok(named.iter().map(|file| ctx.path(file)).collect());
    }
    let mut dir = directory.to_owned();
    loop {
        let found = NAMES.iter().map(|file| absolute(&dir, file)).find(|path| ctx.files.exists(path));
        if let Some(path) = found {
            let stem = if path.contains("docker-compose") { "docker-compose" } else { "compose" };
            let over = ["yaml", "yml"].iter().map(|end| absolute(&dir, &format!("{stem}.override.{end}")));
            let over = over.into_iter().find(|path| ctx.files.exists(path));
            return Ok(std::iter::once(path).chain(over).collect());
        }
        if dir == "/" {
            return Err(("no configuration file provided: not found".to_owned(), NOT_FOUND));
        }
        dir = parent(&dir).to_owned();
    }
}

fn read_file(ctx: &Ctx, path: &str) -> Result<Value, Failure> {
    let bytes = match path.ends_with("/-") {
        true => return Err(("reading a Compose file from standard input is not supported".to_owned(), 1)),
        false => ctx
            .files
            .read(path)
            .map_err(|e| (format!("open {path}: {}", e.to_string().to_lowercase()), NOT_FOUND))?,
    };
    if bytes.len() > FILE_LIMIT {
        return Err((format!("{path}: the file is too large"), UNREADABLE));
    }
    let text = String::from_utf8(bytes.as_ref().clone())
        .map_err(|_| (format!("yaml: {path}: invalid UTF-8"), UNREADABLE))?;
    if text.trim().is_empty() {
        return Err(("empty compose file".to_owned(), UNREADABLE));
    }
    let value: Value = serde_saphyr::from_str(&text).map_err(|error| {
        let first = error.to_string().lines().next().unwrap_or_default().to_owned();
        (format!("yaml: {first}"), UNREADABLE)
    })?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err((format!("{path}: top-level object must be a mapping"), UNREADABLE)),
    }
}

fn check_top(document: &Value, file: &str) -> Result<(), Failure> {
    let Value::Object(map) = document else { return Ok(()) };
    if let Some(key) = map.keys().find(|key| !key.starts_with("x-") && !TOP_KEYS.contains(&key.as_str())) {
        return Err((format!("validating {file}:  additional properties '{key}' not allowed"), UNREADABLE));
    }
    for key in ["services", "networks", "volumes"] {
        if map.get(key).is_some_and(|v| !v.is_object() && !v.is_null()) {
            return Err((format!("validating {file}: {key} must be a mapping"), UNREADABLE));
        }
    }
    Ok(())
}

fn resources(document: &Value, kind: &str, project: &str) -> BTreeMap<String, (String, bool)> {
    let empty = Map::new();
    let map = document.get(kind).and_then(Value::as_object).unwrap_or(&empty);
    map.iter()
        .map(|(key, spec)| {
            let external = spec.get("external").and_then(Value::as_bool).unwrap_or(false);
            let own = spec.get("name").and_then(Value::as_str).map(str::to_owned);
            let name = own.unwrap_or_else(|| if external { key.clone() } else { format!("{project}_{key}") });
            (key.clone(), (name, external))
        })
        .collect()
}

impl Project {
    /// Loads the project the command line means.
    pub(super) fn load(ctx: &Ctx, selection: &Selection) -> Result<Self, Failure> {
        let given = selection.directory.as_ref().map(|dir| absolute(&ctx.cwd, dir));
        let start = given.clone().unwrap_or_else(|| ctx.cwd.clone());
        let files = find_files(ctx, selection, &start)?;
        let directory = given.unwrap_or_else(|| absolute("/", parent(&files[0])));
        let environment = environment(ctx, selection, &directory)?;
        let look = |name: &str| environment.get(name).cloned();
        let mut unset = Vec::new();
        let mut document = Value::Object(Map::new());
        for file in &files {
            let mut layer = read_file(ctx, file)?;
            check_top(&layer, file)?;
            interpolate::document(&mut layer, "", &look, &mut unset).map_err(|e| (e, UNREADABLE))?;
            merge(&mut document, layer, "");
        }
        let chosen = selection.name.clone().or_else(|| environment.get("COMPOSE_PROJECT_NAME").cloned());
        let name = match chosen.or_else(|| document.get("name").and_then(Value::as_str).map(str::to_owned)) {
            Some(name) if normal_name(&name) != name || name.is_empty() => {
                return Err((
                    format!(
                        "invalid project name \"{name}\": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number"
                    ),
                    1,
                ));
            }
            Some(name) => name,
            None => normal_name(name_of(&directory)),
        };
        if name.is_empty() {
            return Err(("project name must not be empty".to_owned(), 1));
        }
        if let Value::Object(map) = &mut document {
            map.insert("name".to_owned(), Value::String(name.clone()));
        }
        let volumes = resources(&document, "volumes", &name);
        let mut networks = resources(&document, "networks", &name);
        networks.entry("default".to_owned()).or_insert_with(|| (format!("{name}_default"), false));
        let mut project = Self {
            name,
            directory,
            files,
            services: Vec::new(),
            environment,
            unset,
            volumes: volumes.into_iter().map(|(key, (name, _))| (key, name)).collect(),
            networks,
            document,
        };
        project.read_services(ctx, selection)?;
        Ok(project)
    }

    fn read_services(&mut self, ctx: &Ctx, selection: &Selection) -> Result<(), Failure> {
        let empty = Map::new();
        let map = self.document.get("services").and_then(Value::as_object).unwrap_or(&empty).clone();
        if map.is_empty() {
            return Err(("empty compose file: no service selected".to_owned(), UNREADABLE));
        }
        let file = self.files[0].clone();
        let mut all = Vec::new();
        for (name, spec) in &map {
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                return Err((
                    format!("validating {file}: services additional properties '{name}' not allowed"),
                    UNREADABLE,
                ));
            }
            let service = Service::read(&self.name, name, spec).map_err(|error| {
                match error.starts_with("services.") {
                    true => (format!("validating {file}: {error}"), UNREADABLE),
                    false => (error, UNREADABLE),
                }
            })?;
            all.push(service);
        }
        let mut on: Vec<String> = selection.profiles.clone();
        on.extend(
            self.environment.get("COMPOSE_PROFILES").iter().flat_map(|p| p.split(',')).map(str::to_owned),
        );
        let known: Vec<String> = all.iter().map(|s| s.name.clone()).collect();
        all.retain(|s| {
            s.profiles.is_empty() || s.profiles.iter().any(|p| on.contains(p) || on.iter().any(|o| o == "*"))
        });
        let bad = |text: String| (format!("{text}: invalid compose project"), UNREADABLE);
        for service in &all {
            for dependency in service.depends_on.iter().filter(|d| d.required) {
                if !known.contains(&dependency.service) {
                    return Err(bad(format!(
                        "service \"{}\" depends on undefined service \"{}\"",
                        service.name, dependency.service
                    )));
                }
            }
            for (source, _, _) in &service.mounts {
                if let MountSource::Volume(volume) = source
                    && !self.volumes.contains_key(volume)
                {
                    return Err(bad(format!(
                        "service \"{}\" refers to undefined volume {volume}",
                        service.name
                    )));
                }
            }
            for network in &service.networks {
                if !self.networks.contains_key(network) {
                    return Err(bad(format!(
                        "service \"{}\" refers to undefined network {network}",
                        service.name
                    )));
                }
            }
        }
        for service in &mut all {
            self.fill_environment(ctx, service)?;
        }
        self.services = all;
        self.in_order(&[]).map_err(|error| (error, UNREADABLE))?;
        Ok(())
    }

    fn fill_environment(&self, ctx: &Ctx, service: &mut Service) -> Result<(), Failure> {
        let mut filled = BTreeMap::new();
        for (file, required) in &service.env_files {
            let path = absolute(&self.directory, file);
            match ctx.files.read(&path) {
                Ok(bytes) => {
                    let parsed =
                        dotenv::parse(&decode(&bytes), &self.environment, &path).map_err(|e| (e, 1))?;
                    filled.extend(parsed.into_iter().map(|(k, v)| (k, Some(v))));
                }
                Err(_) if !required => {}
                Err(error) => {
                    let why = error.to_string().to_lowercase();
                    return Err((format!("env file {path} not found: stat {path}: {why}"), NOT_FOUND));
                }
            }
        }
        for (key, value) in std::mem::take(&mut service.environment) {
            let value = value.or_else(|| self.environment.get(&key).cloned());
            filled.insert(key, value);
        }
        service.environment = filled;
        Ok(())
    }

    /// Services (those named and what they need; all when none is named), dependencies first.
    pub(super) fn in_order(&self, named: &[String]) -> Result<Vec<&Service>, String> {
        let mut ordered: Vec<&Service> = Vec::new();
        let mut path = Vec::new();
        let all: Vec<String> = self.services.iter().map(|s| s.name.clone()).collect();
        for name in if named.is_empty() { &all } else { named } {
            self.visit(name, &mut ordered, &mut path)?;
        }
        Ok(ordered)
    }

    fn visit<'a>(
        &'a self,
        name: &str,
        ordered: &mut Vec<&'a Service>,
        path: &mut Vec<String>,
    ) -> Result<(), String> {
        if ordered.iter().any(|s| s.name == name) {
            return Ok(());
        }
        if path.iter().any(|p| p == name) {
            path.push(name.to_owned());
            return Err(format!("dependency cycle detected: {}", path.join(" -> ")));
        }
        let Some(service) = self.services.iter().find(|s| s.name == name) else {
            return Err(format!("no such service: {name}"));
        };
        path.push(name.to_owned());
        for dependency in &service.depends_on {
            if self.services.iter().any(|s| s.name == dependency.service) {
                self.visit(&dependency.service, ordered, path)?;
            }
        }
        path.pop();
        ordered.push(service);
        Ok(())
    }

    /// Fails for a name that is not a service.
    pub(super) fn check_names(&self, names: &[String]) -> Result<(), Failure> {
        match names.iter().find(|name| !self.services.iter().any(|s| s.name == **name)) {
            Some(name) => Err((format!("no such service: {name}"), 1)),
            None => Ok(()),
        }
    }
}

fn name_of(directory: &str) -> &str {
    name(directory)
}
