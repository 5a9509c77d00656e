//! A fingerprint of a JSON object's content: equal for equal parsed values, whatever the order of
//! keys or the spacing.

use serde_json::{Map, Value};
use sha1::{Digest, Sha1};

/// 64 bits of a digest over the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of those fields of `object` that `keep` names.
    pub fn of(object: &Map<String, Value>, keep: impl Fn(&str) -> bool) -> Self {
        let mut text = Vec::with_capacity(768);
        write_fields(&mut text, object, keep);
        let digest = Sha1::digest(&text);
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(head))
    }
}

fn write_fields(out: &mut Vec<u8>, object: &Map<String, Value>, keep: impl Fn(&str) -> bool) {
    let mut fields: Vec<_> = object.iter().filter(|(name, _)| keep(name)).collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    out.push(b'{');
    for (name, value) in fields {
        write_text(out, name);
        write(out, value);
    }
    out.push(b'}');
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'f'),
        Value::Number(number) => {
            out.push(b'#');
            out.extend_from_slice(number.to_string().as_bytes());
            out.push(b';');
        }
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            items.iter().for_each(|item| write(out, item));
            out.push(b']');
        }
        Value::Object(object) => write_fields(out, object, |_| true),
    }
}

/// Text with its length in front, so that no text can pass for the end of another.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Fingerprint;

    fn of(value: &Value) -> Fingerprint {
        Fingerprint::of(value.as_object().unwrap(), |name| name != "ignored")
    }

    #[test]
    fn only_content_counts() {
        let one = json!({ "a": [1, null, "x"], "b": { "c": true, "d": 1.5 } });
        let reordered: Value =
            serde_json::from_str(r#"{"b": {"d":1.5,"c":true},"ignored":9, "a":[1,null,"x"]}"#)
                .unwrap();
        assert_eq!(of(&one), of(&reordered));
    }

    #[test]
    fn every_change_counts() {
        let base = of(&json!({ "a": ["x", "y"], "b": null }));
        for other in [
            json!({ "a": ["y", "x"], "b": null }),
            json!({ "a": ["xy"], "b": null }),
            json!({ "a": ["x", "y"] }),
            json!({ "a": ["x", "y"], "b": false }),
            json!({ "a": ["x", "y"], "b": "null" }),
            json!({ "a": "x", "b": null }),
        ] {
            assert_ne!(of(&other), base, "{other}");
        }
        assert_ne!(of(&json!({ "n": 1 })), of(&json!({ "n": 1.0 })));
    }
}
