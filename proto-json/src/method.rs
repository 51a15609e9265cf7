//! What a method is, and the list of all there are.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

use crate::{app, catalog, daemon, host, operation};

/// Who may call a method, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May look.
    Viewer,
    /// May act on apps.
    Operator,
    /// May do everything.
    Admin,
}

/// Whether a method is offered in both modes or in PRO mode only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// In AUTO and PRO mode.
    Essential,
    /// In PRO mode only.
    Pro,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Only reads: calling it again changes nothing.
    Read,
    /// Changes something at once.
    Change,
    /// Starts an operation, and answers before it ends.
    Operation,
}

/// A call that the daemon answers.
pub trait Method {
    /// `noun.verb`.
    const NAME: &'static str;
    /// One line on what it does.
    const SUMMARY: &'static str;
    /// The least role that may call it.
    const ROLE: Role;
    /// In which modes it is offered.
    const TIER: Tier;
    /// What it does.
    const EFFECT: Effect;
    /// What it takes.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send;
    /// What it gives.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send;
}

/// Declares a method type.
macro_rules! method {
    ($(#[$doc:meta])* $type:ident = $name:literal, $summary:literal, $role:ident, $tier:ident, $effect:ident,
     $params:ty => $output:ty) => {
        $(#[$doc])*
        #[doc = $summary]
        #[derive(Debug, Clone, Copy)]
        pub struct $type;
        impl $crate::method::Method for $type {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = $summary;
            const ROLE: $crate::method::Role = $crate::method::Role::$role;
            const TIER: $crate::method::Tier = $crate::method::Tier::$tier;
            const EFFECT: $crate::method::Effect = $crate::method::Effect::$effect;
            type Params = $params;
            type Output = $output;
        }
    };
}
pub(crate) use method;

/// A method as data: for `rpc.discover`, the reference and the tests that walk them all.
#[derive(Debug, Clone)]
pub struct MethodInfo {
    /// See [`Method::NAME`].
    pub name: &'static str,
    /// See [`Method::SUMMARY`].
    pub summary: &'static str,
    /// See [`Method::ROLE`].
    pub role: Role,
    /// See [`Method::TIER`].
    pub tier: Tier,
    /// See [`Method::EFFECT`].
    pub effect: Effect,
    /// The parameters' schema.
    pub params: fn(&mut SchemaGenerator) -> Schema,
    /// The result's schema.
    pub output: fn(&mut SchemaGenerator) -> Schema,
}

impl MethodInfo {
    /// What a method type says of itself.
    pub fn of<M: Method>() -> MethodInfo {
        MethodInfo {
            name: M::NAME,
            summary: M::SUMMARY,
            role: M::ROLE,
            tier: M::TIER,
            effect: M::EFFECT,
            params: |generator| generator.subschema_for::<M::Params>(),
            output: |generator| generator.subschema_for::<M::Output>(),
        }
    }
}

/// Parameters of a method that takes none.
#[derive(Debug, Clone, Default, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// Every method, in the order of the reference.
pub fn all() -> Vec<MethodInfo> {
    vec![
        MethodInfo::of::<app::Deploy>(),
        MethodInfo::of::<app::Plan>(),
        MethodInfo::of::<app::List>(),
        MethodInfo::of::<app::Get>(),
        MethodInfo::of::<app::Start>(),
        MethodInfo::of::<app::Stop>(),
        MethodInfo::of::<app::Restart>(),
        MethodInfo::of::<app::Remove>(),
        MethodInfo::of::<catalog::List>(),
        MethodInfo::of::<catalog::Get>(),
        MethodInfo::of::<catalog::Validate>(),
        MethodInfo::of::<host::Add>(),
        MethodInfo::of::<host::Certificate>(),
        MethodInfo::of::<host::List>(),
        MethodInfo::of::<host::Test>(),
        MethodInfo::of::<host::Remove>(),
        MethodInfo::of::<operation::List>(),
        MethodInfo::of::<operation::Get>(),
        MethodInfo::of::<operation::Wait>(),
        MethodInfo::of::<operation::Cancel>(),
        MethodInfo::of::<daemon::Status>(),
        MethodInfo::of::<daemon::Doctor>(),
        MethodInfo::of::<daemon::Discover>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_of_the_form_noun_verb() {
        let mut seen = std::collections::BTreeSet::new();
        for method in all() {
            assert!(seen.insert(method.name), "{} is there twice", method.name);
            assert_eq!(method.name.split('.').count(), 2, "{}", method.name);
            assert!(method.summary.ends_with('.'), "{}: the summary is a sentence", method.name);
        }
    }
}
