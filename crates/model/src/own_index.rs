//! Whether an index of segue's own is as segue makes it, and what has to be added to one that an older
//! version made.

use serde_json::{Map, Value, json};

/// What the index needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// This addition to its mappings.
    Mapping(Value),
}

/// Compares the mappings that are `there` with those that are `wanted` (`dynamic` and `properties`).
///
/// # Errors
/// What cannot be changed any more, field by field: the index was made by something else, such as a
/// late write that found none.
pub fn need(wanted: &Value, there: &Value) -> Result<Need, Vec<String>> {
    let nothing = Map::new();
    let fields = |of: &Value| of["properties"].as_object().cloned().unwrap_or_default();
    let (wanted_fields, there_fields) = (fields(wanted), fields(there));
    let (mut missing, mut wrong) = (Map::new(), Vec::new());
    for (name, field) in &wanted_fields {
        let Some(has) = there_fields.get(name) else {
            missing.insert(name.clone(), field.clone());
            continue;
        };
        let (is, should) = (kind(has), kind(field));
        if is != should {
            wrong.push(format!("{name} is {is}, not {should}"));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut addition = nothing;
    if !missing.is_empty() {
        addition.insert("properties".to_owned(), Value::Object(missing));
    }
    if wanted["dynamic"] != there["dynamic"] {
        addition.insert("dynamic".to_owned(), wanted["dynamic"].clone());
    }
    Ok(if addition.is_empty() { Need::Nothing } else { Need::Mapping(Value::Object(addition)) })
}

fn kind(field: &Value) -> String {
    let kind = field["type"].as_str().unwrap_or("object");
    // What is not looked into cannot be looked into later, and the other way round.
    if field["enabled"] == json!(false) { format!("{kind}, not indexed") } else { kind.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Value {
        json!({ "dynamic": "strict", "properties": {
            "part": { "type": "keyword", "ignore_above": 1024 },
            "event": { "type": "object", "enabled": false },
            "at_ms": { "type": "date", "format": "epoch_millis" }
        }})
    }

    #[test]
    fn what_segue_made_needs_nothing() {
        assert_eq!(need(&wanted(), &wanted()), Ok(Need::Nothing));
        let mut more = wanted();
        more["properties"]["of_a_later_version"] = json!({ "type": "long" });
        assert_eq!(need(&wanted(), &more), Ok(Need::Nothing));
    }

    #[test]
    fn what_an_older_version_made_is_added_to() {
        let mut older = wanted();
        older["properties"].as_object_mut().unwrap().remove("at_ms");
        let at = json!({ "properties": { "at_ms": wanted()["properties"]["at_ms"] } });
        assert_eq!(need(&wanted(), &older), Ok(Need::Mapping(at)));
        let mut open = wanted();
        open.as_object_mut().unwrap().remove("dynamic");
        assert_eq!(need(&wanted(), &open), Ok(Need::Mapping(json!({ "dynamic": "strict" }))));
        assert_eq!(need(&wanted(), &json!({})), Ok(Need::Mapping(wanted())));
    }

    #[test]
    fn what_something_else_made_is_named_field_by_field() {
        let made_by_a_write = json!({ "properties": {
            "part": { "type": "text", "fields": { "keyword": { "type": "keyword" } } },
            "event": { "properties": { "event": { "type": "text" } } },
            "at_ms": { "type": "long" }
        }});
        let wrong = need(&wanted(), &made_by_a_write).unwrap_err();
        let named = ["part is text", "event is object, not object, not indexed", "at_ms is long"];
        for name in named {
            assert!(wrong.iter().any(|line| line.starts_with(name)), "{name}: {wrong:?}");
        }
    }
}
