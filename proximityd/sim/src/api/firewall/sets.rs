//! Names for addresses, sets of addresses, and groups of rules.

use serde_json::{Value, json};

use super::{Place, ip_version};
use crate::reply::{ApiError, Outcome};
use crate::state::sections::{Alias, Firewall, IpSet, IpSetEntry, digest};

fn with_comment(mut entry: Value, comment: Option<&String>) -> Value {
    if let Some(comment) = comment.filter(|c| !c.is_empty()) {
        entry["comment"] = json!(comment);
    }
    entry
}

fn alias_entry(name: &str, alias: &Alias) -> Value {
    let version = ip_version(&alias.cidr).unwrap_or(4);
    with_comment(json!({ "name": name, "cidr": alias.cidr, "ipversion": version }), alias.comment.as_ref())
}

impl Place<'_> {
    fn named(&self) -> String {
        self.call.params.need("name").to_owned()
    }

    fn comment(&self) -> Option<String> {
        self.call.params.get("comment").map(str::to_owned)
    }

    /// `GET …/refs`: what rules of this firewall can name.
    pub(super) fn refs(&self) -> Outcome {
        let kind = self.call.params.get("type");
        let mut scopes = vec![("dc", "cluster".to_owned())];
        if self.scope != "cluster" {
            scopes.push(("guest", self.scope.clone()));
        }
        let mut found = Vec::new();
        let state = self.call.node.store.view();
        for (scope, id) in scopes {
            let Some(firewall) = state.firewall.get(&id) else { continue };
            if kind.is_none_or(|k| k == "ipset") {
                found.extend(firewall.ipsets.iter().map(|(name, set)| {
                    let entry =
                        json!({ "type": "ipset", "name": name, "ref": format!("+{name}"), "scope": scope });
                    with_comment(entry, set.comment.as_ref())
                }));
            }
            if kind.is_none_or(|k| k == "alias") {
                found.extend(firewall.aliases.iter().map(|(name, alias)| {
                    let entry = json!({ "type": "alias", "name": name, "ref": name, "scope": scope });
                    with_comment(entry, alias.comment.as_ref())
                }));
            }
        }
        Ok(json!(found).into())
    }

    pub(super) fn aliases(&self, method: &str, rest: &str) -> Option<Outcome> {
        Some(match (method, rest) {
            ("GET", "") => {
                let firewall = self.view();
                let digest = digest(&firewall);
                let all = firewall.aliases.iter().map(|(name, alias)| {
                    let mut entry = alias_entry(name, alias);
                    entry["digest"] = json!(digest);
                    entry
                });
                Ok(Value::Array(all.collect()).into())
            }
            ("POST", "") => self.create_alias(),
            ("GET", "/{name}") => match self.view().aliases.get(&self.named().to_lowercase()) {
                Some(alias) => Ok(alias_entry(&self.named(), alias).into()),
                None => Err(no_alias()),
            },
            ("PUT", "/{name}") => self.change_alias(),
            ("DELETE", "/{name}") => self
                .edit(|firewall| {
                    firewall.aliases.remove(&self.named().to_lowercase());
                    Ok(())
                })
                .map(|()| Value::Null.into()),
            _ => return None,
        })
    }

    fn create_alias(&self) -> Outcome {
        let name = self.named().to_lowercase();
        let alias = Alias { cidr: self.call.params.need("cidr").to_owned(), comment: self.comment() };
        self.edit(|firewall| {
            if firewall.aliases.contains_key(&name) {
                return Err(ApiError::parameter("name", format!("alias '{}' already exists", self.named())));
            }
            firewall.aliases.insert(name, alias);
            Ok(())
        })?;
        Ok(Value::Null.into())
    }

    fn change_alias(&self) -> Outcome {
        let name = self.named().to_lowercase();
        let rename = self.call.params.get("rename").map(str::to_lowercase).filter(|r| *r != name);
        let alias = Alias { cidr: self.call.params.need("cidr").to_owned(), comment: self.comment() };
        self.edit(|firewall| {
            if firewall.aliases.remove(&name).is_none() {
                return Err(no_alias());
            }
            let to = rename.unwrap_or(name);
            if firewall.aliases.contains_key(&to) {
                return Err(ApiError::parameter("name", format!("alias '{to}' already exists")));
            }
            firewall.aliases.insert(to, alias);
            Ok(())
        })?;
        Ok(Value::Null.into())
    }

    pub(super) fn ipsets(&self, method: &str, rest: &str) -> Option<Outcome> {
        Some(match (method, rest) {
            ("GET", "") => {
                let firewall = self.view();
                let digest = digest(&firewall);
                let all = firewall.ipsets.iter().map(|(name, set)| {
                    with_comment(json!({ "name": name, "digest": digest }), set.comment.as_ref())
                });
                Ok(Value::Array(all.collect()).into())
            }
            ("POST", "") => self.create_set(),
            ("GET", "/{name}") => self.with_set(&self.view(), |set, digest| {
                let all = set.entries.iter().map(|(cidr, entry)| member(cidr, entry, digest));
                Ok(Value::Array(all.collect()).into())
            }),
            ("DELETE", "/{name}") => self.delete_set(),
            ("POST", "/{name}") => self.add_member(),
            ("GET", "/{name}/{cidr}") => self.with_set(&self.view(), |set, digest| {
                let cidr = self.call.params.need("cidr");
                let entry = set.entries.get(cidr).ok_or_else(no_member)?;
                Ok(member(cidr, entry, digest).into())
            }),
            ("PUT", "/{name}/{cidr}") => self.edit_set(|set| {
                let entry = set.entries.get_mut(self.call.params.need("cidr")).ok_or_else(no_member)?;
                *entry = IpSetEntry { comment: self.comment(), nomatch: self.call.params.is_set("nomatch") };
                Ok(())
            }),
            ("DELETE", "/{name}/{cidr}") => self.edit_set(|set| {
                set.entries.remove(self.call.params.need("cidr"));
                Ok(())
            }),
            _ => return None,
        })
    }

    fn no_set(&self) -> ApiError {
        ApiError::died(format!("no such IPSet '{}'", self.named()))
    }

    fn with_set(&self, firewall: &Firewall, read: impl FnOnce(&IpSet, &str) -> Outcome) -> Outcome {
        let set = firewall.ipsets.get(&self.named()).ok_or_else(|| self.no_set())?;
        read(set, &digest(firewall))
    }

    fn edit_set(&self, change: impl FnOnce(&mut IpSet) -> Result<(), ApiError>) -> Outcome {
        self.edit(|firewall| change(firewall.ipsets.get_mut(&self.named()).ok_or_else(|| self.no_set())?))?;
        Ok(Value::Null.into())
    }

    fn create_set(&self) -> Outcome {
        let (name, comment) = (self.named(), self.comment());
        let rename = self.call.params.get("rename").map(str::to_owned);
        self.edit(|firewall| {
            let taken = |name: &str| ApiError::parameter("name", format!("IPSet '{name}' already exists"));
            let set = match &rename {
                Some(old) => {
                    let kept = firewall.ipsets.remove(old);
                    let kept = kept.ok_or_else(|| {
                        ApiError::parameter("name", format!("IPSet '{old}' does not exist"))
                    })?;
                    IpSet { comment: comment.or(kept.comment), ..kept }
                }
                None => IpSet { comment, ..IpSet::default() },
            };
            if firewall.ipsets.contains_key(&name) {
                return Err(taken(&name));
            }
            firewall.ipsets.insert(name, set);
            Ok(())
        })?;
        Ok(Value::Null.into())
    }

    fn delete_set(&self) -> Outcome {
        self.edit(|firewall| {
            let set = firewall.ipsets.get(&self.named()).ok_or_else(|| self.no_set())?;
            if !set.entries.is_empty() && !self.call.params.is_set("force") {
                return Err(ApiError::died(format!("IPSet '{}' is not empty", self.named())));
            }
            firewall.ipsets.remove(&self.named());
            Ok(())
        })?;
        Ok(Value::Null.into())
    }

    fn add_member(&self) -> Outcome {
        let cidr = self.call.params.need("cidr").to_owned();
        let entry = IpSetEntry { comment: self.comment(), nomatch: self.call.params.is_set("nomatch") };
        self.edit_set(|set| {
            if set.entries.contains_key(&cidr) {
                return Err(ApiError::parameter("cidr", format!("address '{cidr}' already exists")));
            }
            set.entries.insert(cidr, entry);
            Ok(())
        })
    }
}

fn no_alias() -> ApiError {
    ApiError::parameter("name", "no such alias")
}

fn no_member() -> ApiError {
    ApiError::parameter("cidr", "no such IP/Network")
}

fn member(cidr: &str, entry: &IpSetEntry, digest: &str) -> Value {
    let mut shown = with_comment(json!({ "cidr": cidr, "digest": digest }), entry.comment.as_ref());
    if entry.nomatch {
        shown["nomatch"] = json!(1);
    }
    shown
}

/// `/cluster/firewall/groups…`.
pub(super) fn groups(place: &mut Place<'_>, method: &str, rest: &str) -> Option<Outcome> {
    let call = place.call;
    let name = call.params.need("group").to_owned();
    let cluster_digest = digest(&place.view());
    place.scope = format!("group/{name}");
    let absent = || ApiError::died(format!("no such security group '{name}'"));
    let known = call.node.store.view().firewall.contains_key(&place.scope);
    Some(match (method, rest) {
        ("GET", "") => {
            let state = call.node.store.view();
            let all = state.firewall.iter().filter_map(|(scope, firewall)| {
                let group = scope.strip_prefix("group/")?;
                let entry = json!({ "group": group, "digest": cluster_digest });
                Some(with_comment(entry, firewall.comment.as_ref()))
            });
            Ok(Value::Array(all.collect()).into())
        }
        ("POST", "") => create_group(place, &name),
        _ if !known => Err(absent()),
        ("GET", "/{group}") => place.list_rules(),
        ("POST", "/{group}") => place.create_rule(),
        ("DELETE", "/{group}") => call
            .node
            .change(|state| {
                if state.firewall.get(&place.scope).is_some_and(|f| !f.rules.is_empty()) {
                    return Err(ApiError::died(format!("security group '{name}' is not empty")));
                }
                state.firewall.remove(&place.scope);
                Ok(())
            })
            .map(|()| Value::Null.into()),
        ("GET", "/{group}/{pos}") => place.rule(),
        ("PUT", "/{group}/{pos}") => place.change_rule(),
        ("DELETE", "/{group}/{pos}") => place.delete_rule(),
        _ => return None,
    })
}

fn create_group(place: &Place<'_>, name: &str) -> Outcome {
    let (call, comment) = (place.call, place.comment());
    let rename = call.params.get("rename").map(|old| format!("group/{old}"));
    call.node.change(|state| {
        let kept = match &rename {
            Some(old) => state.firewall.remove(old).ok_or_else(|| {
                let old = old.trim_start_matches("group/");
                ApiError::parameter("group", format!("Security group '{old}' does not exist"))
            })?,
            None => Firewall::default(),
        };
        if state.firewall.contains_key(&place.scope) {
            return Err(ApiError::parameter("group", format!("Security group '{name}' already exists")));
        }
        let group = Firewall { comment: comment.or(kept.comment.clone()), ..kept };
        state.firewall.insert(place.scope.clone(), group);
        Ok(())
    })?;
    Ok(Value::Null.into())
}
