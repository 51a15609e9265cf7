//! The catalog: the built-in templates, and those of a directory.
//!
//! Looks templates up; what is done with them is left to the daemon.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::diagnostic::{Diagnostic, Report};
use crate::template::Template;

/// The built-in templates, by file name.
pub(crate) const BUILTIN: [(&str, &str); 15] = [
    ("adguard-home.toml", include_str!("../apps/adguard-home.toml")),
    ("gitea.toml", include_str!("../apps/gitea.toml")),
    ("grafana.toml", include_str!("../apps/grafana.toml")),
    ("home-assistant.toml", include_str!("../apps/home-assistant.toml")),
    ("homepage.toml", include_str!("../apps/homepage.toml")),
    ("immich.toml", include_str!("../apps/immich.toml")),
    ("jellyfin.toml", include_str!("../apps/jellyfin.toml")),
    ("n8n.toml", include_str!("../apps/n8n.toml")),
    ("nextcloud.toml", include_str!("../apps/nextcloud.toml")),
    ("nginx.toml", include_str!("../apps/nginx.toml")),
    ("paperless-ngx.toml", include_str!("../apps/paperless-ngx.toml")),
    ("uptime-kuma.toml", include_str!("../apps/uptime-kuma.toml")),
    ("vaultwarden.toml", include_str!("../apps/vaultwarden.toml")),
    ("whoami.toml", include_str!("../apps/whoami.toml")),
    ("wordpress.toml", include_str!("../apps/wordpress.toml")),
];

/// Why a directory of templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The directory or a file of it cannot be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Templates have errors.
    #[error("{}", listed(.0))]
    Invalid(Vec<Diagnostic>),
}

fn listed(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n")
}

/// Templates by id.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    templates: BTreeMap<String, Template>,
}

impl Catalog {
    /// The templates that come with Proximity. They are parsed at the first call.
    pub fn builtin() -> &'static Catalog {
        static BUILTIN_CATALOG: OnceLock<Catalog> = OnceLock::new();
        BUILTIN_CATALOG.get_or_init(|| {
            let parse = |(file, text): &(&str, &str)| {
                let template = Template::parse(text, file)
                    .expect("every built-in template is valid: a test parses them all");
                (template.id.clone(), template)
            };
            Catalog { templates: BUILTIN.iter().map(parse).collect() }
        })
    }

    /// The templates of a directory: its `*.toml` files, not those of directories inside it.
    ///
    /// All files are read before errors are reported.
    pub fn load_dir(path: impl AsRef<Path>) -> Result<Catalog, CatalogError> {
        let path = path.as_ref();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| CatalogError::Io { path, source }
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(io(path))? {
            let file = entry.map_err(io(path))?.path();
            if file.extension().is_some_and(|extension| extension == "toml") && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        let mut catalog = Catalog::default();
        let mut errors = Vec::new();
        for file in files {
            let name = file.display().to_string();
            let bytes = std::fs::read(&file).map_err(io(&file))?;
            let Ok(text) = String::from_utf8(bytes) else {
                let report = Report::new(&name, "");
                report.error(0, "the file is not UTF-8");
                errors.extend(report.finish());
                continue;
            };
            match Template::parse(&text, &name) {
                Ok(template) => {
                    catalog.templates.insert(template.id.clone(), template);
                }
                Err(found) => errors.extend(found),
            }
        }
        if errors.is_empty() { Ok(catalog) } else { Err(CatalogError::Invalid(errors)) }
    }

    /// This catalog with another's templates added; where both have an id, the other's template wins.
    #[must_use]
    pub fn with(mut self, other: Catalog) -> Catalog {
        self.templates.extend(other.templates);
        self
    }

    /// The template of that id.
    pub fn get(&self, id: &str) -> Option<&Template> {
        self.templates.get(id)
    }

    /// Every template, by id.
    pub fn list(&self) -> impl ExactSizeIterator<Item = &Template> {
        self.templates.values()
    }

    /// The templates that hold every word of the query, the best match first. An empty query finds all.
    ///
    /// A match of the id or name counts for more than one of the category, and that for more than one of the
    /// description.
    pub fn search(&self, query: &str) -> Vec<&Template> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let mut found: Vec<(u32, &Template)> = self
            .templates
            .values()
            .filter_map(|template| {
                let scores: Option<Vec<u32>> = words.iter().map(|word| score(template, word)).collect();
                Some((scores?.iter().sum(), template))
            })
            .collect();
        // The sort is stable and the templates come by id, so equal matches stay in that order.
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, template)| template).collect()
    }

    /// The ids most like a wrong one, the nearest first, at most three; none if nothing is alike.
    pub fn nearest(&self, id: &str) -> Vec<String> {
        let id = id.to_lowercase();
        let mut alike: Vec<(f64, &str)> = self
            .templates
            .values()
            .flat_map(|template| {
                let names = [template.id.clone(), template.name.to_lowercase()];
                let similarity = names.iter().map(|name| strsim::jaro_winkler(&id, name)).fold(0.0, f64::max);
                let part = id.len() >= 3 && template.id.contains(&id);
                Some((if part { 1.0 } else { similarity }, template.id.as_str()))
            })
            .filter(|(similarity, _)| *similarity >= 0.8)
            .collect();
        alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        alike.into_iter().take(3).map(|(_, id)| id.to_owned()).collect()
    }
}

fn score(template: &Template, word: &str) -> Option<u32> {
    let name = template.name.to_lowercase();
    let best = [
        (template.id == word || name == word, 100),
        (template.id.starts_with(word) || name.starts_with(word), 60),
        (template.id.contains(word) || name.contains(word), 40),
        (template.category.as_str().contains(word), 20),
        (template.description.to_lowercase().contains(word), 10),
    ];
    best.into_iter().find(|(matches, _)| *matches).map(|(_, score)| score)
}
