//! Reading mappings: which fields an index knows, and what happens to those it does not know.

use std::collections::BTreeSet;

use serde_json::Value;

/// What an index does with a field that its mapping does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It maps the field.
    Mapped,
    /// It keeps the field in the document and does not index it.
    Ignored,
    /// It refuses the document.
    Refused,
}

/// Whether a mapping has the field `path` (`a.b.c`).
pub fn is_mapped(mappings: &Value, path: &str) -> bool {
    let mut at = mappings;
    for segment in path.split('.') {
        at = match at["properties"].get(segment).or_else(|| at["fields"].get(segment)) {
            Some(field) => field,
            None => return false,
        };
    }
    true
}

/// Whether the field `path` can be searched by: it is mapped, or within a field that is searched as a
/// whole, such as a flattened one.
pub fn is_searchable(mappings: &Value, path: &str) -> bool {
    let mut at = mappings;
    for segment in path.split('.') {
        at = match at["properties"].get(segment).or_else(|| at["fields"].get(segment)) {
            Some(field) if field["enabled"] == false => return false,
            Some(field) if is_opaque(field) => return true,
            Some(field) => field,
            None => return false,
        };
    }
    true
}

/// What happens to a document that has the field `path`: how the innermost object that the mapping
/// knows takes what it does not know. A field that is mapped is [`Unknown::Mapped`].
pub fn takes(mappings: &Value, path: &str) -> Unknown {
    let mut at = mappings;
    let mut rule = dynamic(mappings).unwrap_or(Unknown::Mapped);
    for segment in path.split('.') {
        let Some(field) = at["properties"].get(segment) else { return rule };
        if field["enabled"] == false || is_opaque(field) {
            return Unknown::Ignored;
        }
        at = field;
        // An object without a rule of its own has that of the object around it.
        rule = dynamic(field).unwrap_or(rule);
    }
    Unknown::Mapped
}

fn dynamic(object: &Value) -> Option<Unknown> {
    let rule = object.get("dynamic")?;
    Some(
        match rule.as_str().or_else(|| rule.as_bool().map(|on| if on { "true" } else { "false" })) {
            Some("strict") => Unknown::Refused,
            Some("false" | "runtime" | "false_allow_templates") => Unknown::Ignored,
            // `strict_allow_templates` refuses what no dynamic template matches.
            _ => Unknown::Mapped,
        },
    )
}

/// Fields whose values are objects that the mapping says nothing about.
fn is_opaque(field: &Value) -> bool {
    matches!(
        field["type"].as_str(),
        Some("flat_object" | "flattened" | "geo_point" | "geo_shape" | "completion" | "join")
    ) || field["type"].as_str().is_some_and(|kind| kind.ends_with("_range"))
}

/// The innermost mapped fields, by path; multi-fields are not fields of their own.
pub fn leaves(mappings: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(mappings, "", &mut found);
    found
}

fn collect(object: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    let Some(properties) = object["properties"].as_object() else { return };
    for (name, field) in properties {
        // Aliases of fields are in no document.
        if field["type"] == "alias" {
            continue;
        }
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if field["properties"].is_object() {
            collect(field, &path, found);
        } else {
            found.insert(path);
        }
    }
}

/// Whether any field is of this type.
pub fn has_type(mappings: &Value, kind: &str) -> bool {
    mappings["properties"]
        .as_object()
        .is_some_and(|fields| fields.values().any(|f| f["type"] == kind || has_type(f, kind)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_and_taken_by_the_innermost_rule() {
        let strict = json!({ "dynamic": "strict", "properties": {
            "a": { "type": "keyword", "fields": { "raw": { "type": "text" } } },
            "open": { "dynamic": true, "properties": { "x": { "type": "long" } } },
            "inner": { "properties": { "y": { "type": "long" } } },
            "off": { "type": "object", "enabled": false },
            "flat": { "type": "flat_object" },
        }});
        for (path, mapped, taken) in [
            ("a", true, Unknown::Mapped),
            ("a.raw", true, Unknown::Refused),
            ("b", false, Unknown::Refused),
            ("open.z", false, Unknown::Mapped),
            ("inner.y", true, Unknown::Mapped),
            ("inner.z", false, Unknown::Refused),
            ("off.z", false, Unknown::Ignored),
            ("flat.z.z", false, Unknown::Ignored),
        ] {
            assert_eq!((is_mapped(&strict, path), takes(&strict, path)), (mapped, taken), "{path}");
        }
        for (dynamic, taken) in [
            (json!(null), Unknown::Mapped),
            (json!(true), Unknown::Mapped),
            (json!("true"), Unknown::Mapped),
            (json!(false), Unknown::Ignored),
            (json!("false"), Unknown::Ignored),
            (json!("strict"), Unknown::Refused),
        ] {
            assert_eq!(takes(&json!({ "dynamic": dynamic }), "x"), taken, "{dynamic}");
        }
        let found: Vec<_> = leaves(&strict).into_iter().collect();
        assert_eq!(found, ["a", "flat", "inner.y", "off", "open.x"]);
    }

    #[test]
    fn types_are_found_at_any_depth() {
        let mapping =
            json!({ "properties": { "a": { "properties": { "b": { "type": "nested" } } } } });
        assert!(has_type(&mapping, "nested") && !has_type(&mapping, "join"));
    }
}
