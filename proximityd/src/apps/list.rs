//! Looking at apps. Everything comes from the daemon's own memory: no call to Proxmox VE is made.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto_json::Problem;
use proto_json::app::{AppDetail, AppName, ListParams, Setting};
use proximity_catalog::{Deployment, ResolvedSettings, SettingValue};
use tokio::sync::Mutex;

use super::{UseCases, store_problem};
use crate::model::app::AppRecord;
use crate::ops::project::template_of;

/// Operations that an app's details show.
const OPERATIONS: u32 = 5;

/// The whole list as text. It is asked for again and again, and seldom another one.
#[derive(Debug, Default)]
pub(super) struct Listed {
    kept: Mutex<Option<Kept>>,
}

/// A list, and all that it was made from.
#[derive(Debug)]
struct Kept {
    /// The store's number, taken before it was read.
    listing: u64,
    looks: Looks,
    text: Bytes,
}

/// When each host that answers was last looked at, by its name.
type Looks = BTreeMap<String, String>;

impl UseCases {
    /// `app.list`, as its JSON text.
    pub(crate) async fn list_apps(&self, params: ListParams) -> Result<Bytes, Problem> {
        if let Some(host) = &params.host {
            self.known_host(host).await?;
        }
        let looks: Looks = self
            .services
            .hosts
            .all()
            .iter()
            .filter_map(|host| Some((host.config.name.clone(), host.last_look()?)))
            .collect();
        if params.removed || params.host.is_some() {
            return self.read_list(params, looks).await;
        }
        // One at a time: whoever comes while it is read again waits for that, and does not read it as well.
        let mut kept = self.listed.kept.lock().await;
        let listing = self.services.store.listing();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.listing == listing && kept.looks == looks) {
            return Ok(kept.text.clone());
        }
        let text = self.read_list(params, looks.clone()).await?;
        *kept = Some(Kept { listing, looks, text: text.clone() });
        Ok(text)
    }

    /// A host that is configured, or that an app is or was on: its record outlives the host.
    async fn known_host(&self, name: &str) -> Result<(), Problem> {
        let Err(unknown) = self.host(Some(name)) else { return Ok(()) };
        let wanted = name.to_string();
        let found = self.services.store.read(move |reader| {
            let mut found = false;
            reader.each_app(true, |app| found |= app.host == wanted)?;
            Ok(found)
        });
        if found.await.map_err(store_problem)? { Ok(()) } else { Err(unknown) }
    }

    async fn read_list(&self, params: ListParams, looks: Looks) -> Result<Bytes, Problem> {
        let text = self.services.store.read(move |reader| {
            let mut text = vec![b'['];
            reader.each_app(params.removed, |mut app| {
                if params.host.as_ref().is_some_and(|host| app.host != *host) {
                    return;
                }
                // Where a look found nothing new, nothing was written; it is the host's last look that counts.
                if let (Some(checked), Some(look)) = (&mut app.checked_at, looks.get(&app.host))
                    && *checked < *look
                {
                    checked.clone_from(look);
                }
                if text.len() > 1 {
                    text.push(b',');
                }
                serde_json::to_writer(&mut text, &app).expect("an app is representable as JSON");
            })?;
            text.push(b']');
            Ok(Bytes::from(text))
        });
        text.await.map_err(store_problem)
    }

    /// `app.get`.
    pub(crate) async fn get_app(&self, params: AppName) -> Result<AppDetail, Problem> {
        let app = self.app_named(&params.name).await?;
        let id = app.id.clone();
        let (records, active) = self
            .services
            .store
            .read(move |reader| {
                Ok((
                    reader.operations(Some(&id), false, OPERATIONS)?,
                    reader.active_operations_by_app()?.remove(&id),
                ))
            })
            .await
            .map_err(store_problem)?;
        let mut operations = Vec::new();
        for record in records {
            operations.push(self.operation_view(record).await?);
        }
        let template = template_of(&app).ok();
        let (description, notes) = match &template {
            Some(template) => (template.description.clone(), notes(template, &app, &self.services.time_zone)),
            None => (String::new(), String::new()),
        };
        let plain = app.spec.settings.iter().map(|(key, value)| (key, Some(value.clone())));
        let secret = app.spec.secrets.iter().map(|key| (key, None));
        let mut settings: Vec<Setting> = plain
            .chain(secret)
            .map(|(key, value)| Setting {
                key: key.clone(),
                secret: value.is_none(),
                value,
                generated: app.spec.generated.contains(key),
            })
            .collect();
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(AppDetail {
            description,
            resources: app.spec.resources,
            storage: app.spec.storage.clone(),
            bridge: app.spec.bridge.clone(),
            services: app.spec.services(),
            ports: app.spec.ports.clone(),
            settings,
            notes,
            operations,
            app: app.view(active),
        })
    }
}

/// What to know after deploying it, once it has an address. The catalog lets no secret into it.
fn notes(template: &proximity_catalog::Template, app: &AppRecord, time_zone: &str) -> String {
    let Some(ip) = &app.ip else { return String::new() };
    let value = |value: &String| SettingValue { value: value.clone(), secret: false, generated: false };
    let values = app.spec.settings.iter().map(|(key, text)| (key.clone(), value(text))).collect();
    let deployment = Deployment {
        name: app.name.clone(),
        ip: ip.clone(),
        time_zone: time_zone.into(),
        images: app.spec.images.clone(),
    };
    let settings = ResolvedSettings { values };
    let text = proximity_catalog::render_notes(template, &settings, &deployment);
    // The page is where the guest publishes it, which need not be where the template says.
    match (template.web_url(&settings, ip), &app.url) {
        (Some(planned), Some(real)) if planned != *real => text.replace(&planned, real),
        _ => text,
    }
}
