//! Deploying: the template, the name, the settings and the sizes are resolved here; the saga does the rest.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proto_json::app::{AppState, DeployParams, PlanOutput, PlannedStep, Resources, Service};
use proto_json::operation::Started;
use proto_json::{Code, Problem};
use proximity_catalog::{ResolvedSettings, Severity, Template};
use rand::RngCore;
use secrecy::SecretString;

use super::{Refusal, UseCases, store_problem};
use crate::hosts::Host;
use crate::model::app::{AppRecord, AppSpec, ProbeFrom, Source, name_fault};
use crate::ops::engine::{NewOperation, insert};
use crate::ops::failure::StepError;
use crate::ops::saga::Saga;
use crate::ops::sagas::deploy::{Deploy, Params};
use crate::ops::sagas::place;
use crate::store::StoreError;

/// What a deployment was resolved to.
struct Resolved {
    app: AppRecord,
    template: Template,
    secrets: Vec<(String, SecretString)>,
    warnings: Vec<String>,
}

impl UseCases {
    /// `app.deploy`.
    pub(crate) async fn deploy(&self, actor: &str, params: DeployParams) -> Result<Started, Problem> {
        let resolved = self.resolve(&params)?;
        let sealed: Vec<(String, Vec<u8>)> = resolved
            .secrets
            .iter()
            .map(|(key, secret)| (key.clone(), self.services.vault.seal(secret)))
            .collect();
        let app = resolved.app;
        let wanted = Params { node: params.node, keep_failed: params.keep_failed };
        let mut operation = self.engine.prepare(NewOperation {
            kind: Deploy.kind(),
            app: Some((app.id.clone(), app.name.clone())),
            host: app.host.clone(),
            parent: None,
            params: serde_json::to_value(&wanted).expect("plain values are representable as JSON"),
            actor: actor.into(),
            request_id: params.request_id,
        });
        let written = self
            .services
            .store
            .write(move |tx| {
                // The same request a second time is answered with the first one's operation.
                if let Some(id) = &operation.request_id
                    && let Some(first) = tx.operation_of_request(id)?
                {
                    return Ok::<_, Refusal>((first, false));
                }
                if let Some(other) = tx.address_holder(&app.host, &app.spec.ip)? {
                    return Err(Refusal::Problem(address_taken(&app.spec.ip, &other)));
                }
                tx.insert_app(&app).map_err(|error| taken(error, &app.name))?;
                for (key, bytes) in &sealed {
                    tx.set_secret(&app.id, key, bytes)?;
                }
                insert(tx, &mut operation)?;
                Ok((operation, true))
            })
            .await;
        let (operation, new) = written.map_err(Refusal::into_problem)?;
        if new {
            self.engine.launch(operation.clone());
        }
        Ok(Started { operation: self.operation_view(operation).await? })
    }

    /// `app.plan`.
    pub(crate) async fn plan(&self, params: DeployParams) -> Result<PlanOutput, Problem> {
        let resolved = self.resolve(&params)?;
        let app = &resolved.app;
        let host = self.host(Some(&app.host))?;
        let wish = place::Wish {
            node: params.node,
            storage: app.spec.storage.clone(),
            bridge: app.spec.bridge.clone(),
            disk: app.spec.resources.disk,
            memory: app.spec.resources.memory,
            seed: app.id.clone(),
        };
        let place = place::choose(&host, &wish).await.map_err(step_problem)?;
        let name = app.name.clone();
        let there =
            self.services.store.read(move |reader| reader.app_named(&name)).await.map_err(store_problem)?;
        if there.is_some_and(|there| there.removed_at.is_none()) {
            return Err(name_taken(&app.name));
        }
        let (on, ip) = (app.host.clone(), app.spec.ip.clone());
        let holder = self.services.store.read(move |reader| reader.address_holder(&on, &ip)).await;
        if let Some(other) = holder.map_err(store_problem)? {
            return Err(address_taken(&app.spec.ip, &other));
        }
        let mut warnings = resolved.warnings;
        warnings.extend(place.warnings);
        Ok(PlanOutput {
            name: app.name.clone(),
            template: format!("{} {}", app.template, app.template_version),
            host: app.host.clone(),
            node: place.node.to_string(),
            storage: place.storage.to_string(),
            bridge: place.bridge,
            ip: app.spec.ip.clone(),
            resources: app.spec.resources,
            services: resolved
                .template
                .images
                .iter()
                .map(|(name, image)| Service { name: name.clone(), image: image.reference(), digest: None })
                .collect(),
            steps: Deploy
                .steps()
                .iter()
                .map(|step| PlannedStep {
                    name: step.name.into(),
                    title: step.title.into(),
                    explanation: step.explanation.split_whitespace().collect::<Vec<_>>().join(" "),
                })
                .collect(),
            warnings,
        })
    }

    /// Everything that can be told without Proxmox VE.
    fn resolve(&self, params: &DeployParams) -> Result<Resolved, Problem> {
        let (template, source) = self.template_for(params)?;
        let name = params.name.clone().unwrap_or_else(|| template.id.clone());
        check_name(&name)?;
        let host = self.host(params.host.as_deref())?;
        let settings = self.settings(&template, &params.settings)?;
        let resources = resources(&template, params)?;
        let (ip, gateway) = address(params)?;
        let (mut plain, mut secrets, mut generated) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (key, value) in settings.values {
            if value.generated {
                generated.push(key.clone());
            }
            if value.secret {
                secrets.push((key, SecretString::from(value.value)));
            } else {
                plain.insert(key, value.value);
            }
        }
        let spec = AppSpec {
            source,
            document: template.source.clone(),
            settings: plain,
            secrets: secrets.iter().map(|(key, _)| key.clone()).collect(),
            generated,
            images: template
                .images
                .iter()
                .map(|(service, image)| (service.clone(), image.reference()))
                .collect(),
            digests: BTreeMap::new(),
            resources,
            storage: params.storage.clone(),
            bridge: params.bridge.clone(),
            ip,
            gateway,
            timeout_seconds: params.timeout_seconds,
            ports: Vec::new(),
            probe_from: ProbeFrom::default(),
            ssh: None,
        };
        let app = AppRecord {
            id: self.services.ids.next(),
            name,
            host: host.config.name.clone(),
            template: if source == Source::Compose { "compose".into() } else { template.id.clone() },
            template_version: template.version.clone(),
            state: AppState::Deploying,
            reason: None,
            node: None,
            vmid: None,
            ip: None,
            url: None,
            spec,
            created_at: self.services.clock.text(),
            checked_at: None,
            removed_at: None,
        };
        let mut warnings: Vec<String> =
            template.warnings.iter().map(|warning| warning.message.clone()).collect();
        if app.spec.ip != "dhcp" && app.spec.gateway.is_none() {
            warnings.push(
                "a static address without --gateway has no way to the internet: images cannot be pulled"
                    .into(),
            );
        }
        Ok(Resolved { app, template, secrets, warnings })
    }

    fn template_for(&self, params: &DeployParams) -> Result<(Template, Source), Problem> {
        match (&params.template, &params.compose) {
            (Some(id), None) => {
                let template = self.templates.get().get(id).ok_or_else(|| self.no_template(id))?;
                Ok((template.clone(), Source::Catalog))
            }
            (None, Some(text)) => {
                let name = params.name.as_deref().ok_or_else(|| {
                    Problem::new(Code::InvalidParams, "an app from a Compose file needs a name")
                        .hint("proximityctl deploy -f compose.yaml NAME")
                })?;
                check_name(name)?;
                let template = Template::from_compose(name, text).map_err(|diagnostics| {
                    let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
                    let causes: Vec<String> = errors
                        .clone()
                        .map(|e| format!("{}:{}:{}: {}", e.file, e.line, e.column, e.message))
                        .collect();
                    let hints = errors.filter_map(|error| error.hint.clone()).collect();
                    Problem {
                        code: Code::InvalidParams,
                        message: "the Compose file cannot be deployed".into(),
                        causes,
                        hints,
                    }
                })?;
                Ok((template, Source::Compose))
            }
            (Some(_), Some(_)) => {
                Err(Problem::new(Code::InvalidParams, "give a template or a Compose file, not both"))
            }
            (None, None) => {
                Err(Problem::new(Code::InvalidParams, "nothing to deploy: give a template or a Compose file")
                    .hint("`proximityctl catalog ls` lists the templates"))
            }
        }
    }

    fn settings(
        &self,
        template: &Template,
        given: &BTreeMap<String, String>,
    ) -> Result<ResolvedSettings, Problem> {
        let mut generate = |generator: &proximity_catalog::Generator| {
            generator.generate(&mut |bytes| rand::rng().fill_bytes(bytes))
        };
        template.resolve_settings(given, &mut generate).map_err(|errors| {
            let causes = errors.iter().map(ToString::to_string).collect();
            let id = &template.id;
            let mut problem = Problem {
                causes,
                ..Problem::new(Code::InvalidParams, format!("the settings do not fit `{id}`"))
            };
            if let Some(proximity_catalog::SettingError::Missing { key, secret, .. }) =
                errors.iter().find(|error| matches!(error, proximity_catalog::SettingError::Missing { .. }))
            {
                problem = problem.hint(match secret {
                    true => format!("give it with --set {key}=@FILE, --set {key}=- or --env-file FILE"),
                    false => format!("give it with --set {key}=VALUE"),
                });
            }
            problem
        })
    }

    /// The host of that name, or the only one.
    pub(super) fn host(&self, name: Option<&str>) -> Result<std::sync::Arc<Host>, Problem> {
        let hosts = self.services.hosts.all();
        let names = || hosts.iter().map(|host| host.config.name.as_str()).collect::<Vec<_>>().join(", ");
        match (name, hosts.as_slice()) {
            (_, []) => Err(Problem::new(Code::NotFound, "no Proxmox VE host is configured").hint(
                "connect one with `proximityctl init`, or try Proximity without one: `proximityctl try`",
            )),
            (Some(name), _) => self.services.hosts.get(name).ok_or_else(|| {
                let known = hosts.iter().map(|host| host.config.name.as_str());
                let problem =
                    Problem::new(Code::NotFound, format!("there is no host `{}`", name.escape_default()));
                match proto_json::params::nearest(name, known) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint(format!("there are: {}", names())),
                }
            }),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Problem::new(Code::InvalidParams, "several hosts are configured")
                .hint(format!("choose one with --host: {}", names()))),
        }
    }

    pub(super) fn no_template(&self, id: &str) -> Problem {
        let problem = Problem::new(Code::NotFound, format!("there is no template `{}`", id.escape_default()));
        let near = self.templates.get().nearest(id);
        match near.is_empty() {
            true => problem.hint("`proximityctl catalog ls` lists the templates; a Compose file works too: deploy -f FILE NAME"),
            false => problem.hint(format!("did you mean {}?", near.join(" or "))),
        }
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    match name_fault(name) {
        None => Ok(()),
        Some(fault) => Err(Problem::new(Code::InvalidParams, format!("`{}` is no name for an app", name.escape_default()))
            .cause(fault)
            .hint("a name has 1 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or digit")),
    }
}

fn name_taken(name: &str) -> Problem {
    Problem::new(Code::Conflict, format!("there is an app `{name}` already"))
        .hint("choose another with --name, or look at it with `proximityctl info`")
}

fn address_taken(ip: &str, other: &str) -> Problem {
    let address = ip.split('/').next().unwrap_or(ip);
    Problem::new(Code::Conflict, format!("the address {address} is the app `{other}`'s"))
        .hint("choose another with --ip, or let a DHCP server choose: --ip dhcp")
}

fn taken(error: StoreError, name: &str) -> Refusal {
    match error {
        StoreError::Unique(_) => Refusal::Problem(name_taken(name)),
        other => Refusal::Store(other),
    }
}

fn resources(template: &Template, params: &DeployParams) -> Result<Resources, Problem> {
    let (least, usual) = (&template.resources.minimum, &template.resources.default);
    let resources = Resources {
        cores: params.cores.unwrap_or(usual.cores),
        memory: params.memory.unwrap_or(usual.memory.bytes()),
        disk: params.disk.unwrap_or(usual.disk.bytes()),
    };
    let mut problem = Problem::new(Code::InvalidParams, format!("`{}` needs more than that", template.id));
    if resources.cores < least.cores {
        problem = problem.cause(format!("at least {} cores (--cores)", least.cores));
    }
    if resources.memory < least.memory.bytes() {
        problem = problem.cause(format!("at least {} of memory (--memory)", least.memory));
    }
    if resources.disk < least.disk.bytes() {
        problem = problem.cause(format!("at least {} of disk (--disk)", least.disk));
    }
    if problem.causes.is_empty() { Ok(resources) } else { Err(problem) }
}

fn address(params: &DeployParams) -> Result<(String, Option<String>), Problem> {
    let fault = |message: String| {
        Problem::new(Code::InvalidParams, message)
            .hint("--ip 192.0.2.10/24 --gateway 192.0.2.1, or --ip dhcp, which is the default")
    };
    let ip = params.ip.as_deref().unwrap_or("dhcp");
    if ip == "dhcp" {
        return match &params.gateway {
            None => Ok(("dhcp".into(), None)),
            Some(_) => Err(fault("a gateway goes with a static address".into())),
        };
    }
    let parsed = ip.split_once('/').and_then(|(address, prefix)| {
        Some((
            address.parse::<Ipv4Addr>().ok()?,
            prefix.parse::<u8>().ok().filter(|prefix| (1..=32).contains(prefix))?,
        ))
    });
    let Some((address, prefix)) = parsed else {
        return Err(fault(format!("`{}` is no IPv4 address with a prefix length", ip.escape_default())));
    };
    let Some(gateway) = &params.gateway else { return Ok((ip.into(), None)) };
    let Ok(way) = gateway.parse::<Ipv4Addr>() else {
        return Err(fault(format!("`{}` is no IPv4 address", gateway.escape_default())));
    };
    let network = |address: Ipv4Addr| u32::from(address) >> (32 - u32::from(prefix));
    if way == address || (prefix < 32 && network(way) != network(address)) {
        return Err(fault(format!("the gateway {way} is not a neighbour in the network of {ip}")));
    }
    Ok((ip.into(), Some(way.to_string())))
}

/// A step's error outside an operation.
pub(super) fn step_problem(error: StepError) -> Problem {
    match error {
        StepError::Failed(failure) => failure.problem,
        StepError::Wait(why) => {
            Problem::new(Code::PveUnreachable, "Proxmox VE cannot be asked now").cause(why)
        }
        StepError::Cancelled => Problem::new(Code::Failed, "it was cancelled"),
        StepError::Store(error) => store_problem(error),
    }
}
