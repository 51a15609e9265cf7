//! Looking at apps. Everything comes from the daemon's own memory: no call to Proxmox VE is made.

use std::collections::BTreeMap;

use proto_json::Problem;
use proto_json::app::{App, AppDetail, AppName, ListParams, Setting};
use proximity_catalog::{Deployment, ResolvedSettings, SettingValue};

use super::{UseCases, store_problem};
use crate::model::app::AppRecord;
use crate::ops::project::template_of;

/// Operations that an app's details show.
const OPERATIONS: u32 = 5;

impl UseCases {
    /// `app.list`.
    pub(crate) async fn list_apps(&self, params: ListParams) -> Result<Vec<App>, Problem> {
        let apps = self
            .services
            .store
            .read(move |reader| {
                let mut apps = reader.app_list(params.removed)?;
                apps.retain(|app| params.host.as_ref().is_none_or(|host| app.host == *host));
                Ok(apps)
            })
            .await;
        let mut apps = apps.map_err(store_problem)?;
        // Where a look found nothing new, nothing was written; it is the host's last look that counts.
        let looks: BTreeMap<String, String> = self
            .services
            .hosts
            .all()
            .iter()
            .map(|host| (host.config.name.clone(), host.state()))
            .filter(|(_, state)| state.reachable)
            .filter_map(|(name, state)| Some((name, state.seen.at?)))
            .collect();
        for app in apps.iter_mut().filter(|app| app.checked_at.is_some()) {
            app.checked_at = app.checked_at.take().max(looks.get(&app.host).cloned());
        }
        Ok(apps)
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
