//! The catalog.

use proto_json::Problem;
use proto_json::app::Resources;
use proto_json::catalog::{
    Diagnostic, Link, ListParams, TemplateDetail, TemplateId, TemplateImage, TemplateSetting,
    TemplateSummary, ValidateOutput, ValidateParams,
};
use proximity_catalog::{Severity, Template};

use super::UseCases;

impl UseCases {
    /// `catalog.list`.
    pub(crate) async fn list_templates(&self, params: ListParams) -> Result<Vec<TemplateSummary>, Problem> {
        Ok(match &params.query {
            Some(query) => self.templates.get().search(query).into_iter().map(summary).collect(),
            None => self.templates.get().list().map(summary).collect(),
        })
    }

    /// `catalog.get`.
    pub(crate) async fn get_template(&self, params: TemplateId) -> Result<TemplateDetail, Problem> {
        let template = self.templates.get().get(&params.id).ok_or_else(|| self.no_template(&params.id))?;
        Ok(detail(template))
    }

    /// `catalog.validate`.
    pub(crate) async fn validate_template(&self, params: ValidateParams) -> Result<ValidateOutput, Problem> {
        let result = if params.file.ends_with(".toml") {
            Template::parse(&params.text, &params.file)
        } else {
            Template::from_compose("app", &params.text)
        };
        let found = match result {
            Ok(template) => template.warnings,
            Err(diagnostics) => diagnostics,
        };
        let valid = found.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let diagnostics = found
            .into_iter()
            .map(|diagnostic| Diagnostic {
                severity: diagnostic.severity.to_string(),
                line: number(diagnostic.line),
                column: number(diagnostic.column),
                message: diagnostic.message,
                hint: diagnostic.hint,
            })
            .collect();
        Ok(ValidateOutput { valid, diagnostics })
    }
}

fn summary(template: &Template) -> TemplateSummary {
    TemplateSummary {
        id: template.id.clone(),
        name: template.name.clone(),
        version: template.version.clone(),
        category: template.category.as_str().into(),
        description: template.description.clone(),
    }
}

fn detail(template: &Template) -> TemplateDetail {
    let resources = |needs: &proximity_catalog::Resources| Resources {
        cores: needs.cores,
        memory: needs.memory.bytes(),
        disk: needs.disk.bytes(),
    };
    let links = &template.links;
    let link = |kind: &str, url: &Option<String>| url.clone().map(|url| Link { kind: kind.into(), url });
    TemplateDetail {
        summary: summary(template),
        links: [link("website", &links.website), link("source", &links.source), link("docs", &links.docs)]
            .into_iter()
            .flatten()
            .collect(),
        minimum: resources(&template.resources.minimum),
        default: resources(&template.resources.default),
        images: template
            .images
            .iter()
            .map(|(service, image)| TemplateImage {
                service: service.clone(),
                repository: image.repository.clone(),
                tag: image.tag.clone(),
                range: image.policy.as_ref().map(|policy| policy.range.to_string()),
            })
            .collect(),
        settings: template
            .settings
            .iter()
            .map(|setting| TemplateSetting {
                key: setting.key.clone(),
                kind: setting.kind.as_str().into(),
                default: if setting.secret { None } else { setting.default.clone() },
                required: setting.required,
                secret: setting.secret,
                generated: setting.generated.is_some(),
                values: setting.values.clone(),
                help: setting.help.clone(),
            })
            .collect(),
        compose: template.compose.clone(),
    }
}
