//! A recipe as it is meant: environment and variables filled in, defaults written out. Secrets are
//! references in a recipe, and stay that.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::error::{Error, Fault, is_secret_key};
use super::node::{self, Node};
use super::{
    AfterSwitch, CutoverMode, CutoverSpec, CutoverStart, DocsPerSecond, Limits, Recipe, Source,
    cursor,
};

impl Recipe {
    /// The recipe's text as a value, filled in, with every default.
    ///
    /// # Errors
    /// As [`Recipe::parse`].
    pub fn resolve(
        text: &str,
        file: &str,
        set: &BTreeMap<String, String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Value, Error> {
        let recipe = Recipe::parse(text, file, set, env)?;
        let tree = || -> Result<Value, Fault> {
            let mut root = node::read(text)?;
            root.expand(env)?;
            plain(&root)
        };
        let mut value = tree().map_err(|fault| fault.into_error(text, file))?;
        fill(&mut value, &recipe.vars);
        if let Some(members) = value.as_object_mut() {
            members.insert("name".to_owned(), json!(recipe.name));
            if members.contains_key("vars") {
                members.insert("vars".to_owned(), json!(recipe.vars));
            }
            let is_loaded = matches!(recipe.source, Source::Files(_));
            complete(members, "cutover", cutover(&recipe.cutover, is_loaded));
            complete(members, "limits", limits(&recipe.limits));
        }
        mask(&mut value);
        Ok(value)
    }
}

fn plain(node: &Node) -> Result<Value, Fault> {
    cursor::constant(node, "a value")
}

/// Adds what the recipe leaves to its defaults.
fn complete(members: &mut Map<String, Value>, section: &str, defaults: Value) {
    let Value::Object(defaults) = defaults else { return };
    let there = members.entry(section).or_insert_with(|| json!({}));
    let Some(there) = there.as_object_mut() else { return };
    for (key, value) in defaults {
        there.entry(key).or_insert(value);
    }
}

fn cutover(spec: &CutoverSpec, is_loaded: bool) -> Value {
    let start = match spec.start {
        CutoverStart::Auto => "auto",
        CutoverStart::Manual => "manual",
    };
    let mut members = json!({
        "start": start,
        "max_pause": duration(spec.max_pause),
        "max_dead_letters": spec.max_dead_letters,
    });
    match spec.mode {
        CutoverMode::Swap(swap) if is_loaded => {
            members["mode"] = json!("swap");
            members["max_drift"] = json!(format!("{}%", swap.max_drift));
            members["keep_generations"] = json!(swap.keep_generations);
            members["first_load"] = json!(swap.first_load);
            members["discard_writes"] = json!(swap.discard_writes);
        }
        mode => {
            let redirects = mode == CutoverMode::Redirect;
            members["mode"] = json!(if redirects { "redirect" } else { "block" });
            members["reverse_for"] = json!(duration(spec.reverse_for));
        }
    }
    if let Some(after) = spec.after_switch {
        members["after_switch"] = json!(after_switch(after));
    }
    members
}

fn after_switch(after: AfterSwitch) -> &'static str {
    match after {
        AfterSwitch::WritersSendNewShape => "writers_send_new_shape",
        AfterSwitch::TargetAcceptsBoth => "target_accepts_both",
        AfterSwitch::KeepEnriching => "keep_enriching",
    }
}

fn limits(limits: &Limits) -> Value {
    let disk = limits.disk_percent.map_or_else(|| json!(null), |percent| json!(percent));
    let speed = match limits.docs_per_second {
        DocsPerSecond::Auto => json!("auto"),
        DocsPerSecond::AtMost(most) => json!(most),
    };
    json!({
        "batch_docs": limits.batch_docs,
        "max_batches": limits.max_batches.map_or_else(|| json!("all"), |most| json!(most)),
        "batch_bytes": format!("{}b", limits.batch_bytes),
        "lanes": limits.lanes,
        "parts": limits.parts,
        "retries": limits.retries,
        "retry_delay": duration(limits.retry_delay),
        "max_memory_percent": limits.max_memory_percent,
        "heap_percent": limits.heap_percent,
        "disk_percent": disk,
        "health_wait": duration(limits.health_wait),
        "lease_ttl": duration(limits.lease_ttl),
        "docs_per_second": speed,
    })
}

/// A duration as a recipe spells it.
fn duration(time: Duration) -> String {
    const UNITS: [(u128, &str); 4] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let millis = time.as_millis();
    let unit = UNITS.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

/// Where names stand, in which `{x}` is a variable.
const NAMES: [&str; 5] = ["index", "alias", "template", "files", "name"];

/// Fills variables into names; other texts may have braces of their own.
fn fill(value: &mut Value, vars: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if NAMES.contains(&key.as_str()) {
                    fill_text(value, vars);
                } else {
                    fill(value, vars);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, vars)),
        _ => {}
    }
}

fn fill_text(value: &mut Value, vars: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            for (name, with) in vars {
                *text = text.replace(&format!("{{{name}}}"), with);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_text(item, vars)),
        _ => {}
    }
}

/// What stands under a key that looks like a secret's is not shown, unless it is a reference.
fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if is_secret_key(key) && value.is_string() {
                    *value = json!("***");
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_filled_in() {
        let text = r#"
segue: 1
name: "moved-{what}"
vars: { what: products }
cluster:
  url: "${URL}"
  auth: { basic: { user: "${USER_NAME:-segue}", password: { env: SECRET } } }
source: { index: "{what}-{n}", match: { n: "[0-9]+" } }
target: { index: "{source}-v2" }
pipeline: [{ set: { note: "{what}", token: plain } }]
cutover: { reverse_for: 36h, after_switch: target_accepts_both }
"#;
        let set = BTreeMap::from([("what".to_owned(), "orders".to_owned())]);
        let env = |name: &str| (name == "URL").then(|| "http://localhost:9200".to_owned());
        let shown = Recipe::resolve(text, "r", &set, &env).unwrap();
        for (pointer, expected) in [
            ("/name", json!("moved-orders")),
            ("/cluster/url", json!("http://localhost:9200")),
            ("/cluster/auth/basic/user", json!("segue")),
            ("/cluster/auth/basic/password", json!({ "env": "SECRET" })),
            ("/source/index", json!("orders-{n}")),
            ("/pipeline/0/set/note", json!("{what}")),
            ("/pipeline/0/set/token", json!("***")),
            ("/cutover/reverse_for", json!("36h")),
            ("/cutover/mode", json!("block")),
            ("/limits/health_wait", json!("5m")),
            ("/limits/docs_per_second", json!("auto")),
        ] {
            assert_eq!(shown.pointer(pointer), Some(&expected), "{pointer} in {shown}");
        }
    }

    #[test]
    fn durations_are_spelled_as_a_recipe_does() {
        for (millis, expected) in
            [(0, "0ms"), (250, "250ms"), (1_500, "1500ms"), (90_000, "90s"), (604_800_000, "7d")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }
}
