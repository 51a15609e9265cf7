//! The OpenRPC document (<https://spec.open-rpc.org>) and the reference page, both made from the method types.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::error::Code;
use crate::method;

/// The document that `rpc.discover` answers with.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let errors: Vec<Value> =
        Code::ALL.iter().map(|code| json!({"code": code.number(), "message": code.kind()})).collect();
    let methods: Vec<Value> = method::all()
        .iter()
        .map(|method| {
            // Parameters are by name; each becomes one content descriptor.
            let schema = (method.params)(&mut generator).to_value();
            let schema = resolve(&schema, generator.definitions());
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let params: Vec<Value> = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, schema)| {
                    json!({
                        "name": name,
                        "description": schema["description"],
                        "required": required.contains(&name.as_str()),
                        "schema": schema,
                    })
                })
                .collect();
            let result = (method.output)(&mut generator).to_value();
            json!({
                "name": method.name,
                "summary": method.summary,
                "paramStructure": "by-name",
                "params": params,
                "result": {"name": "result", "schema": result},
                "errors": errors,
                "x-role": method.role,
                "x-tier": method.tier,
                "x-effect": method.effect,
            })
        })
        .collect();
    let schemas: Map<String, Value> = generator.take_definitions(true).into_iter().collect();
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "proximityd",
            "version": crate::API_VERSION,
            "description": "JSON-RPC 2.0 over HTTP POST /rpc on the daemon's Unix socket.",
            "license": {"name": "MIT"},
        },
        "methods": methods,
        "components": {"schemas": schemas},
    })
}

fn resolve(schema: &Value, definitions: &Map<String, Value>) -> Value {
    match schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
        .and_then(|name| definitions.get(name))
    {
        Some(found) => found.clone(),
        None => schema.clone(),
    }
}

/// The reference page `docs/rpc.md`.
pub fn reference() -> String {
    let document = document();
    let mut page = String::from(
        "# RPC reference\n\n\
         Generated from the method types in `proto-json`; `cargo run -p proto-json --example reference` makes it anew.\n\n\
         JSON-RPC 2.0 over HTTP: `POST /rpc` on the daemon's Unix socket. Parameters are given by name. Batches (up to \
         100 requests) and notifications work as the specification says. A request body may have 4 MiB.\n\n\
         ```sh\n\
         curl --unix-socket /run/proximity/proximityd.sock http://localhost/rpc \\\n  \
         -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"app.list\"}'\n\
         ```\n\n\
         `GET /events?since=N&epoch=E` streams events as lines of JSON; see [Events](#events).\n\n\
         ## Methods\n\n| method | role | tier | effect | what it does |\n|---|---|---|---|---|\n",
    );
    let methods = document["methods"].as_array().cloned().unwrap_or_default();
    for method in &methods {
        let cell = |key: &str| method[key].as_str().unwrap_or_default().to_string();
        let name = cell("name");
        let _ = writeln!(
            page,
            "| [`{name}`](#{}) | {} | {} | {} | {} |",
            name.replace('.', ""),
            cell("x-role"),
            cell("x-tier"),
            cell("x-effect"),
            cell("summary")
        );
    }
    for method in &methods {
        let _ = write!(page, "\n### {}\n\n{}\n", text(&method["name"]), text(&method["summary"]));
        let params = method["params"].as_array().cloned().unwrap_or_default();
        if !params.is_empty() {
            page.push_str("\n| parameter | type | needed | meaning |\n|---|---|---|---|\n");
        }
        for param in &params {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                text(&param["name"]),
                type_of(&param["schema"]),
                if param["required"] == true { "yes" } else { "" },
                one_line(&param["description"])
            );
        }
        let _ = write!(page, "\nGives: {}.\n", type_of(&method["result"]["schema"]));
    }
    page.push_str("\n## Types\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        // The parameter types are spelt out above.
        if name.ends_with("Params")
            || ["AppName", "HostName", "OperationId", "TemplateId"].contains(&name.as_str())
        {
            continue;
        }
        let _ = write!(page, "\n### {name}\n\n{}\n", one_line(&schema["description"]));
        if let Some(values) = schema["oneOf"].as_array() {
            page.push('\n');
            for value in values {
                let _ = writeln!(page, "- `{}`: {}", text(&value["const"]), one_line(&value["description"]));
            }
        }
        if let Some(fields) = schema["properties"].as_object() {
            page.push_str("\n| field | type | meaning |\n|---|---|---|\n");
            for (field, schema) in fields {
                let _ = writeln!(
                    page,
                    "| `{field}` | {} | {} |",
                    type_of(schema),
                    one_line(&schema["description"])
                );
            }
        }
    }
    page.push_str(EVENTS);
    page.push_str("\n## Errors\n\n| code | kind | exit status of `proximityctl` |\n|---|---|---|\n");
    for code in Code::ALL {
        let _ = writeln!(page, "| {} | `{}` | {} |", code.number(), code.kind(), code.exit_status());
    }
    page.push_str(
        "\nAn error's `data` holds `kind`, `causes` (why, outermost first) and `hints` (what to do).\n",
    );
    page
}

const EVENTS: &str = "\n## Events\n\n\
`GET /events?since=N&epoch=E[&follow=false][&operation=ID][&app=NAME]` answers with lines of JSON, each with a `type`: `hello` \
(the database's epoch, the oldest number and the next one; `reset` says why a cursor could not be served), `event` (a numbered \
event), `ping` (nothing happened for a while), `end` (why the stream ends, and where to go on). `since` is the number of the last \
event seen; events are replayed from the store first and then follow live, with none left out. A listener that is too slow is told \
so in the `end` line and goes on with a new connection. With `follow=false` the stream ends when all stored events are sent.\n";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn one_line(value: &Value) -> String {
    text(value).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn type_of(schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for key in ["anyOf", "allOf"] {
        if let Some(choices) = schema[key].as_array() {
            return choices.iter().map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("array of {}", type_of(&schema["items"])),
        Value::String(kind) if kind == "object" && schema["additionalProperties"].is_object() => {
            format!("object of {}", type_of(&schema["additionalProperties"]))
        }
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "any".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_parameter_and_field_is_documented() {
        let document = document();
        for method in document["methods"].as_array().unwrap() {
            for param in method["params"].as_array().unwrap() {
                assert!(!text(&param["description"]).is_empty(), "{}: {}", method["name"], param["name"]);
            }
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                assert!(!text(&schema["description"]).is_empty(), "{name}.{field} is not documented");
            }
        }
    }

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }

    #[test]
    fn the_reference_in_docs_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rpc.md");
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == reference(),
            "docs/rpc.md is stale: run `cargo run -p proto-json --example reference`"
        );
    }
}
