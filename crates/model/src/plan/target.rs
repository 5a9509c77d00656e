//! How a target is made: from the recipe's template, else from its source.

use serde_json::{Map, Value, json};

use super::TargetBody;
use crate::observe::{Observation, SeenIndex};
use crate::recipe::{Captures, Recipe};

/// Settings that belong to one index and are never copied to another: what the engine keeps about
/// it, what holds it back now, where a shrink or a snapshot left it, and who looks after it.
const NOT_COPIED: [&str; 23] = [
    "index.uuid",
    "index.creation_date",
    "index.creation_date_string",
    "index.provided_name",
    "index.version",
    "index.history_uuid",
    "index.verified_before_close",
    "index.blocks",
    "index.resize",
    "index.shrink",
    "index.routing.allocation.initial_recovery",
    "index.routing.allocation.require._name",
    "index.routing.allocation.require._id",
    "index.routing.allocation.require._ip",
    "index.replication.type",
    "index.remote_store",
    "index.store.snapshot",
    "index.searchable_snapshot",
    "index.frozen",
    "index.lifecycle",
    "index.plugins.index_state_management",
    "index.opendistro.index_state_management",
    "index.translog.retention",
];

const SHARDS: &str = "index.number_of_shards";
const REPLICAS: &str = "index.number_of_replicas";
const ROUTING_SHARDS: &str = "index.number_of_routing_shards";

/// The template file of a source, `Ok(None)` where the recipe has none; the error says what is wrong
/// with it.
pub(super) fn template<'a>(
    recipe: &Recipe,
    seen: &'a Observation,
    captures: &Captures,
    source: &str,
) -> Result<Option<&'a Value>, String> {
    let Some(template) = &recipe.target.template else { return Ok(None) };
    let path = template.render_path(captures, source).map_err(|error| error.to_string())?;
    let body = match seen.templates.get(&path) {
        Some(Ok(body)) => body,
        Some(Err(why)) => return Err(format!("{path}: {why}")),
        None => return Err(format!("{path}: not found")),
    };
    let Some(fields) = body.as_object() else {
        return Err(format!("{path}: not an object with settings and mappings"));
    };
    let odd = |key: &&String| !matches!(key.as_str(), "settings" | "mappings");
    if let Some(key) = fields.keys().find(odd) {
        return Err(format!("{path}: has {key:?}, where only settings and mappings are known"));
    }
    match fields.iter().find(|(_, value)| !value.is_object()) {
        Some((key, _)) => Err(format!("{path}: {key} is not an object")),
        None => Ok(Some(body)),
    }
}

/// The target of `index`, and the reasons for what neither template nor recipe says.
pub(super) fn target_body(
    recipe: &Recipe,
    index: &SeenIndex,
    template: Option<&Value>,
) -> (TargetBody, Vec<String>) {
    let mut reasons = Vec::new();
    let mut settings = stated_settings(recipe, template);
    let mappings = if let Some(template) = template {
        for (name, value) in [(SHARDS, index.shards), (REPLICAS, index.replicas)] {
            if !settings.contains_key(name) && !has_auto_replicas(name, &settings) {
                settings.insert(name.to_owned(), json!(value.to_string()));
                reasons.push(format!("{name} = {value}: as the source, the template is silent"));
            }
        }
        template["mappings"].clone()
    } else {
        reasons.push("settings and mappings as the source has them".to_owned());
        let stated = std::mem::replace(&mut settings, copied_settings(index));
        // How many shards there could be depends on how many there are.
        if stated.contains_key(SHARDS) {
            settings.remove(ROUTING_SHARDS);
        }
        settings.extend(stated);
        index.mappings.clone()
    };
    (TargetBody { settings, mappings: without_our_mark(mappings) }, reasons)
}

fn has_auto_replicas(name: &str, settings: &Map<String, Value>) -> bool {
    name == REPLICAS
        && settings
            .get("index.auto_expand_replicas")
            .is_some_and(|range| *range != "false" && *range != false)
}

/// The settings that template and recipe state; the recipe's win.
pub(super) fn stated_settings(recipe: &Recipe, template: Option<&Value>) -> Map<String, Value> {
    let mut settings = Map::new();
    if let Some(of_template) = template.and_then(|template| template.get("settings")) {
        flatten("", of_template, &mut settings);
    }
    flatten("", &Value::Object(recipe.target.settings.clone()), &mut settings);
    settings
}

/// What can be copied of an index's settings.
pub(crate) fn copied_settings(index: &SeenIndex) -> Map<String, Value> {
    index
        .settings
        .iter()
        .filter(|(name, _)| !NOT_COPIED.iter().any(|prefix| is_below(name, prefix)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Mappings as an object whose `_meta` can take our mark, and does not have another migration's.
fn without_our_mark(mappings: Value) -> Value {
    let Value::Object(mut mappings) = mappings else { return json!({}) };
    match mappings.get_mut("_meta") {
        Some(Value::Object(meta)) => {
            meta.remove("segue");
        }
        Some(Value::Null) => {
            mappings.remove("_meta");
        }
        _ => {}
    }
    Value::Object(mappings)
}

fn is_below(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Makes nested settings flat, each with its `index.` in front.
fn flatten(prefix: &str, value: &Value, out: &mut Map<String, Value>) {
    let Value::Object(fields) = value else {
        if !prefix.is_empty() && !value.is_null() {
            let name = if is_below(prefix, "index") {
                prefix.to_owned()
            } else {
                format!("index.{prefix}")
            };
            out.insert(name, value.clone());
        }
        return;
    };
    for (name, value) in fields {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        flatten(&path, value, out);
    }
}
