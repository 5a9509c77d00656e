//! The language's JSON Schema, for editors: keys with their meanings, types, words and bounds.
//!
//! A schema knows nothing of what belongs together across the recipe (captures, lookups, fields written
//! twice), so it refuses less than [`Recipe::parse`](super::Recipe::parse), and never more. Tests hold its
//! keys and words against what the reader itself says it knows.

mod rollup;
mod sections;
mod steps;
mod words;

#[cfg(test)]
pub(super) mod tests;

use serde_json::{Value, json};

pub use rollup::rollup_schema;
use words::{any_text, env, integer, keyed, of, one_of};

/// The JSON Schema (draft 2020-12) of the recipe language, version 1.
#[must_use]
pub fn schema() -> Value {
    let [language, name, vars] = head();
    let mut root = keyed(
        "A segue recipe: what is migrated or loaded, what it becomes, and how names are switched.",
        &["segue", "name", "cluster", "source", "target"],
        [
            language,
            name,
            vars,
            ("cluster", sections::cluster()),
            (
                "source",
                of(
                    "Which indices are migrated (`index`), or which files are loaded (`files`).",
                    json!({ "type": "object" }),
                ),
            ),
            ("target", of("What the source becomes.", json!({ "type": "object" }))),
            (
                "pipeline",
                of(
                    "What happens to each document, step by step. Empty: documents are copied unchanged.",
                    json!({ "type": "array", "items": steps::step() }),
                ),
            ),
            ("verify", sections::verify()),
            ("cutover", of("How names are switched.", json!({ "type": "object" }))),
            ("limits", sections::limits()),
        ],
    );
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("segue recipe");
    root["if"] = json!({
        "required": ["source"],
        "properties": { "source": { "type": "object", "required": ["files"] } },
    });
    root["then"] = json!({
        "required": ["cutover"],
        "properties": {
            "source": sections::files(),
            "target": sections::target_of_files(),
            "cutover": sections::cutover_of_files(),
        },
    });
    root["else"] = json!({
        "properties": {
            "source": sections::indices(),
            "target": sections::target(),
            "cutover": sections::cutover(),
        },
    });
    root["$defs"] = words::definitions();
    root
}

/// The keys that every recipe begins with.
fn head() -> [(&'static str, Value); 3] {
    [
        ("segue", one_of("Version of the recipe language.", [json!({ "const": 1 }), env()])),
        (
            "name",
            of(
                "The migration's name, the key of its journal: another name is another migration. Up to 63 of a-z, 0-9, `_` and `-`, the first a letter or digit; `{x}` is a variable.",
                words::spelled(
                    r"^([a-z0-9]|\{[a-z][a-z0-9_]*\})([a-z0-9_-]|\{[a-z][a-z0-9_]*\})*$",
                ),
            ),
        ),
        ("vars", vars()),
    ]
}

fn vars() -> Value {
    json!({
        "description": "Variables with their values, which stand for `{name}` in names of indices, aliases and files; `--set NAME=VALUE` overrides them.",
        "type": "object",
        "propertyNames": { "pattern": "^[a-z][a-z0-9_]*$", "not": { "const": "source" } },
        "additionalProperties": any_text("Value of the variable."),
    })
}

/// A whole number from `range`, or a variable of the environment that holds one.
fn count(description: &str, range: std::ops::RangeInclusive<u64>, default: Option<u64>) -> Value {
    let mut schema = one_of(description, [integer(range), env()]);
    if let Some(default) = default {
        schema["default"] = json!(default);
    }
    schema
}
