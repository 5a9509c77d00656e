//! Values of a document at a path, as the engines see them: lists count as each of their values.

use serde_json::Value;

use crate::recipe::{Path, Segment};

/// Every value at `path`, in the order of the document. Lists on the way and at the end are gone into,
/// whether or not the path says `[]`; null and absent are nothing.
pub(crate) fn values<'v>(document: &'v Value, path: &Path) -> Vec<&'v Value> {
    let mut found = Vec::new();
    descend(document, path.segments(), &mut found);
    found
}

fn descend<'v>(value: &'v Value, rest: &[Segment], found: &mut Vec<&'v Value>) {
    match (value, rest.split_first()) {
        (Value::Null, _) => {}
        (Value::Array(items), _) => items.iter().for_each(|item| descend(item, rest, found)),
        (value, None) => found.push(value),
        (Value::Object(members), Some((name, rest))) => {
            if let Some(value) = members.get(&name.name) {
                descend(value, rest, found);
            }
        }
        _ => {}
    }
}

/// The text by which a value is told from others; none for what has members.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_count_as_each_of_their_values() {
        let document = json!({
            "a": { "b": [1, [2, null], { "c": 3 }] }, "l": [{ "id": "x" }, { "id": ["y", "z"] }, {}]
        });
        for (path, expected) in [
            ("a.b", json!([1, 2, { "c": 3 }])),
            ("a.b[].c", json!([3])),
            ("l.id", json!(["x", "y", "z"])),
            ("l[].id", json!(["x", "y", "z"])),
            ("a.c", json!([])),
            ("n", json!([])),
        ] {
            let path = Path::parse(path).unwrap();
            assert_eq!(json!(values(&document, &path)), expected, "{path:?}");
        }
    }
}
