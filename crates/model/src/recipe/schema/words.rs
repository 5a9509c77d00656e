//! Types of values, each as its reader takes it: wherever a text may stand, `${NAME}` may.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

/// A name in a path, and the same with `[]` after it where lists are gone into.
const NAME: &str = r#"("([^"\\]|\\.)+"|[^\s.\[\]"\\{}]+)"#;

/// Text with a variable of the environment in it, which may become anything.
const ENV: &str = r"\$\{";

/// What patterns of names have in common: no capital letters, none of the characters that no index can
/// have, holes in braces.
const INDEX: &str = r#"^(?![-_+])([^A-Z\\/*?"<>| ,#:{}]|\{[a-z][a-z0-9_]*\})+$"#;

/// Adds the description that an editor shows.
pub(super) fn of(description: &str, mut schema: Value) -> Value {
    schema["description"] = json!(description);
    schema
}

/// One of several types.
pub(super) fn one_of<const N: usize>(description: &str, schemas: [Value; N]) -> Value {
    let mut schema = json!({ "description": description });
    schema["anyOf"] = Value::Array(schemas.into());
    schema
}

/// A mapping with these keys and no others.
pub(super) fn keyed<const N: usize>(
    description: &str,
    required: &[&str],
    keys: [(&str, Value); N],
) -> Value {
    let properties: Map<String, Value> =
        keys.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect();
    let mut schema = json!({
        "description": description,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A mapping from fields to what `value` says, with at least one.
pub(super) fn fields(description: &str, key: &str, value: Value) -> Value {
    let mut schema = json!({
        "description": description,
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "$ref": format!("#/$defs/{key}") },
    });
    schema["additionalProperties"] = value;
    schema
}

pub(super) fn reference(name: &str, description: &str) -> Value {
    json!({ "description": description, "$ref": format!("#/$defs/{name}") })
}

pub(super) fn env() -> Value {
    reference_only("env")
}

pub(super) fn reference_only(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// Any text.
pub(super) fn any_text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

/// Text that a pattern describes, if no variable of the environment is in it.
pub(super) fn spelled(pattern: &str) -> Value {
    json!({ "type": "string", "anyOf": [{ "pattern": pattern }, { "pattern": ENV }] })
}

/// One of a few words.
pub(super) fn choice(description: &str, words: &[&str], default: Option<&str>) -> Value {
    let mut schema = one_of(description, [json!({ "enum": words }), env()]);
    if let Some(default) = default {
        schema["default"] = json!(default);
    }
    schema
}

pub(super) fn boolean(description: &str, default: bool) -> Value {
    let mut schema = one_of(description, [json!({ "type": "boolean" }), env()]);
    schema["default"] = json!(default);
    schema
}

pub(super) fn integer(range: RangeInclusive<u64>) -> Value {
    let mut schema = json!({ "type": "integer", "minimum": range.start() });
    if *range.end() < u64::MAX {
        schema["maximum"] = json!(range.end());
    }
    schema
}

pub(super) fn duration(description: &str, default: Option<&str>) -> Value {
    let mut schema = reference("duration", description);
    if let Some(default) = default {
        schema["default"] = json!(default);
    }
    schema
}

/// A list of paths that may not go into lists.
pub(super) fn paths(description: &str) -> Value {
    json!({ "description": description, "type": "array", "items": reference_only("path") })
}

/// One path, or a list with at least one.
pub(super) fn one_or_more(description: &str, path: &str) -> Value {
    let list = json!({ "type": "array", "minItems": 1, "items": reference_only(path) });
    one_of(description, [reference_only(path), list])
}

/// Values that a test compares with.
pub(super) fn scalar(description: &str) -> Value {
    json!({ "description": description, "type": ["string", "number", "boolean"] })
}

/// What the sections share.
pub(super) fn definitions() -> Value {
    let path = spelled(&format!(r"^{NAME}(\.{NAME})*$"));
    let path_into = spelled(&format!(r"^{NAME}(\[\])?(\.{NAME}(\[\])?)*$"));
    let secret = keyed(
        "Where the secret is, never what it is: `{ env: NAME }` or `{ file: PATH }`.",
        &[],
        [
            ("env", any_text("Name of the environment variable that holds the secret.")),
            (
                "file",
                any_text(
                    "File that holds the secret, relative to the recipe; a line break at its end doesn't count.",
                ),
            ),
        ],
    );
    json!({
        "env": of("Text with a variable of the environment in it, such as `${NAME}` or `${NAME:-default}`.", json!({ "type": "string", "pattern": ENV })),
        "duration": of("A whole number with ms, s, m, h or d: 250ms, 30s, 5m.", spelled(r"^[0-9]+(ms|s|m|h|d)$")),
        "size": of("A whole number with b, kb, mb or gb: 512kb, 5mb.", spelled(r"^[0-9]+([bB]|[kKmMgG][bB]?)$")),
        "path": of("A field: names with dots, such as metadata.title. A name with a dot, bracket, quote or space stands in double quotes.", path),
        "path_into_lists": of("A field: names with dots, such as creators[].name; `[]` goes into each value of a list.", path_into),
        "index": of("Name of an index or alias; `{x}` is a variable or a capture.", spelled(INDEX)),
        "secret": exactly(1, secret),
    })
}

/// A mapping with so many of its keys, no more and no less.
pub(super) fn exactly(keys: u64, mut schema: Value) -> Value {
    schema["minProperties"] = json!(keys);
    schema["maxProperties"] = json!(keys);
    schema
}
