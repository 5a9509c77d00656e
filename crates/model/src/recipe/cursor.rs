//! Reading typed values off the tree, each fault with its place.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::{ErrorKind, Fault, Place};
use super::node::{Key, Node, Value};
use super::{Json, Path, units};

/// The members of a mapping whose keys are known to the language.
pub(super) struct Fields {
    at: Place,
    noun: &'static str,
    members: Vec<(Key, Node)>,
}

impl Fields {
    /// Opens a mapping and refuses every key that isn't known.
    pub(super) fn open(node: Node, noun: &'static str, known: &[&str]) -> Result<Self, Fault> {
        let at = node.at;
        let members = mapping(node, noun)?;
        for (key, _) in &members {
            if !known.contains(&key.name.as_str()) {
                let summary = format!("unknown key `{}` in {noun}", key.name);
                return Err(Fault::new(ErrorKind::UnknownKey, key.at, summary)
                    .did_you_mean(&key.name, known.iter().copied()));
            }
        }
        Ok(Self { at, noun, members })
    }

    /// Where the mapping stands.
    pub(super) fn at(&self) -> Place {
        self.at
    }

    /// The value of a key that may be absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let at = self.members.iter().position(|(k, _)| k.name == key)?;
        Some(self.members.remove(at).1)
    }

    /// The value of a key that must be there.
    pub(super) fn need(&mut self, key: &str) -> Result<Node, Fault> {
        let (at, noun) = (self.at, self.noun);
        self.take(key).ok_or_else(|| {
            Fault::new(ErrorKind::MissingKey, at, format!("key `{key}` is missing in {noun}"))
        })
    }
}

fn wrong(node: &Node, what: &str, expected: &str) -> Fault {
    let summary = format!("{what} must be {expected}, not {}", node.value.noun());
    Fault::new(ErrorKind::WrongType, node.at, summary)
}

/// A mapping with keys of the user's choice.
pub(super) fn mapping(node: Node, what: &str) -> Result<Vec<(Key, Node)>, Fault> {
    match node.value {
        Value::Map(members) => Ok(members),
        _ => Err(wrong(&node, what, "a mapping")),
    }
}

pub(super) fn list(node: Node, what: &str) -> Result<Vec<Node>, Fault> {
    match node.value {
        Value::List(items) => Ok(items),
        _ => Err(wrong(&node, what, "a list")),
    }
}

pub(super) fn text(node: Node, what: &str) -> Result<String, Fault> {
    match node.value {
        Value::Text(text) | Value::Filled(text) => Ok(text),
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => {
            Err(wrong(&node, what, "text").hint("put it in quotes"))
        }
        _ => Err(wrong(&node, what, "text")),
    }
}

pub(super) fn boolean(node: &Node, what: &str) -> Result<bool, Fault> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        Value::Filled(text) if text == "true" => Ok(true),
        Value::Filled(text) if text == "false" => Ok(false),
        _ => Err(wrong(node, what, "true or false")),
    }
}

pub(super) fn number(node: &Node, what: &str, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    let value = match &node.value {
        Value::UInt(value) => Some(*value),
        Value::Int(value) => u64::try_from(*value).ok(),
        Value::Filled(text) => text.parse().ok(),
        _ => return Err(wrong(node, what, "a whole number")),
    };
    value.filter(|value| range.contains(value)).ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        let summary = format!("{what} must be a whole number from {low} to {high}");
        Fault::new(ErrorKind::BadValue, node.at, summary)
    })
}

pub(super) fn small(node: &Node, what: &str, range: RangeInclusive<u32>) -> Result<u32, Fault> {
    let wide = u64::from(*range.start())..=u64::from(*range.end());
    Ok(u32::try_from(number(node, what, wide)?).unwrap_or(u32::MAX))
}

pub(super) fn percent(node: &Node, what: &str) -> Result<u8, Fault> {
    Ok(u8::try_from(number(node, what, 1..=100)?).unwrap_or(100))
}

pub(super) fn duration(node: Node, what: &str) -> Result<Duration, Fault> {
    let at = node.at;
    let hint = "a duration is a whole number with ms, s, m, h or d: 250ms, 30s, 5m";
    let text = text(node, what).map_err(|fault| fault.hint(hint))?;
    units::duration(&text).ok_or_else(|| {
        Fault::new(ErrorKind::BadValue, at, format!("{what}: `{text}` isn't a duration")).hint(hint)
    })
}

pub(super) fn bytes(node: Node, what: &str, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    let at = node.at;
    let hint = "a size is a whole number with b, kb, mb or gb: 512kb, 5mb";
    let text = text(node, what).map_err(|fault| fault.hint(hint))?;
    let bad = |summary: String| Fault::new(ErrorKind::BadValue, at, summary);
    let size = units::bytes(&text)
        .ok_or_else(|| bad(format!("{what}: `{text}` isn't a size")).hint(hint))?;
    if range.contains(&size) {
        Ok(size)
    } else {
        let (low, high) = (range.start(), range.end());
        Err(bad(format!("{what} must be from {low} to {high} bytes")))
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(node: Node, what: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    let at = node.at;
    let text = text(node, what)?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Fault::new(ErrorKind::BadValue, at, format!("{what} can't be `{text}`"))
            .did_you_mean(&text, names)
    })
}

/// Whether a path may go into lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    Allowed,
    Refused,
}

pub(super) fn path(node: Node, what: &str, lists: Lists) -> Result<Path, Fault> {
    let at = node.at;
    parse_path(&text(node, what)?, at, what, lists)
}

pub(super) fn paths(node: Node, what: &str, lists: Lists) -> Result<Vec<Path>, Fault> {
    list(node, what)?.into_iter().map(|item| path(item, what, lists)).collect()
}

pub(super) fn parse_path(text: &str, at: Place, what: &str, lists: Lists) -> Result<Path, Fault> {
    let bad = |summary: String| Fault::new(ErrorKind::Path, at, summary);
    let path = Path::parse(text)
        .map_err(|error| bad(format!("{what}: `{text}` isn't a path")).cause(error.to_string()))?;
    if lists == Lists::Refused && path.has_list() {
        return Err(bad(format!("{what}: `{text}` can't go into a list (`[]`)")));
    }
    Ok(path)
}

/// A constant that goes into documents or settings.
pub(super) fn constant(node: &Node, what: &str) -> Result<serde_json::Value, Fault> {
    use serde_json::Value as Out;
    Ok(match &node.value {
        Value::Null => Out::Null,
        Value::Bool(value) => Out::Bool(*value),
        Value::Int(value) => Out::from(*value),
        Value::UInt(value) => Out::from(*value),
        Value::Float(value) => float(*value, node.at, what)?,
        Value::Text(text) | Value::Filled(text) => Out::String(text.clone()),
        Value::List(items) => {
            Out::Array(items.iter().map(|item| constant(item, what)).collect::<Result<_, _>>()?)
        }
        Value::Map(members) => {
            let member = |(key, item): &(Key, Node)| Ok((key.name.clone(), constant(item, what)?));
            Out::Object(members.iter().map(member).collect::<Result<_, Fault>>()?)
        }
    })
}

/// A float whose digits survived being read. Whole numbers beyond 64 bits arrive as floats, too.
fn float(value: f64, at: Place, what: &str) -> Result<serde_json::Value, Fault> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match serde_json::Number::from_f64(value) {
        Some(number) if value.abs() < EXACT => Ok(serde_json::Value::Number(number)),
        _ => Err(Fault::new(ErrorKind::BadValue, at, format!("{what}: number out of range"))
            .cause("it can't be kept to the last digit".to_owned())),
    }
}

pub(super) fn json(node: &Node, what: &str) -> Result<Json, Fault> {
    Ok(Json::from_value(&constant(node, what)?))
}
