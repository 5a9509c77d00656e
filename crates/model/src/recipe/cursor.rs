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
            let fault =
                Fault::new(ErrorKind::MissingKey, at, format!("key `{key}` is missing in {noun}"));
            match example(noun, key) {
                Some(example) => fault.hint(format!("for example {example}")),
                None => fault,
            }
        })
    }
}

/// How a key that must be there may look.
fn example(noun: &str, key: &str) -> Option<&'static str> {
    Some(match (noun, key) {
        (_, "segue") => "`segue: 1`, the version of the recipe language",
        (_, "name") => "`name: products-v2`, the key of the migration's journal",
        (_, "cluster") => "`cluster: { url: http://localhost:9200 }`",
        (_, "source") => "`source: { index: products }`, or `source: { files: \"*.csv\" }`",
        (_, "target") => "`target: { index: \"{source}-v2\" }`",
        (_, "cutover") => {
            "`cutover: { alias: products }`, the name under which the files are served"
        }
        (_, "alias") => "`alias: products`, the name under which the files are served",
        (_, "url") => "`url: http://localhost:9200`",
        (_, "user") => "`user: segue`",
        (_, "password") => "`password: { env: SEGUE_PASSWORD }`",
        ("`target`", "index") => {
            "`index: \"{source}-v2\"`; for files `index: \"products-{generation}\"`"
        }
        (_, "index") => "`index: products`",
        ("`lookup`", "key") => "`key: brand_id`, the field of the document",
        ("`lookup`", "match") => "`match: id`, the field of the row that must be equal to `key`",
        ("`lookup`", "as") => "`as: brand`, the name by which later steps call the row",
        (_, "sort") => "`sort: updated`, the field of the rows to sort by",
        ("a date", "from") => "`from: iso`, or `from: [iso, dd.MM.yyyy]`",
        (_, "from") => "`from: brand.name`",
        (_, "by") => "`by: \",\"`",
        (_, "values") => "`values: { P: published, D: draft }`",
        (_, "reason") => "`reason: robots`, under which what is left out is counted",
        (_, "field") => "`field: is_robot`",
        (_, "fields") => "`fields: [zip_code]`",
        _ => return None,
    })
}

fn wrong(node: &Node, what: &str, expected: &str) -> Fault {
    let summary = format!("{what} must be {expected}, not {}", node.value.noun());
    Fault::new(ErrorKind::WrongType, node.at, summary)
}

/// A mapping with keys of the user's choice.
pub(super) fn mapping(node: Node, what: &str) -> Result<Vec<(Key, Node)>, Fault> {
    match node.value {
        Value::Map(members) => Ok(members),
        _ => Err(wrong(&node, what, "a mapping").hint(
            "a mapping is keys with values: `{ key: value }`, or a line for each, further in",
        )),
    }
}

pub(super) fn list(node: Node, what: &str) -> Result<Vec<Node>, Fault> {
    match node.value {
        Value::List(items) => Ok(items),
        _ => Err(wrong(&node, what, "a list")
            .hint("a list stands in brackets: `[a, b]`, or is a line with a dash for each")),
    }
}

pub(super) fn text(node: Node, what: &str) -> Result<String, Fault> {
    match node.value {
        Value::Text(text) | Value::Filled(text) => Ok(text),
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => {
            Err(wrong(&node, what, "text").hint("put it in quotes"))
        }
        Value::Null => Err(wrong(&node, what, "text").hint("write a value, or take the key away")),
        Value::Map(_) => Err(wrong(&node, what, "text")
            .hint("a text that begins with a brace stands in quotes: \"{prefix}products\"")),
        Value::List(_) => {
            Err(wrong(&node, what, "text").hint("one text is wanted here, without brackets"))
        }
    }
}

pub(super) fn boolean(node: &Node, what: &str) -> Result<bool, Fault> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        Value::Filled(text) if text == "true" => Ok(true),
        Value::Filled(text) if text == "false" => Ok(false),
        _ => Err(wrong(node, what, "true or false").hint("without quotes: `true` or `false`")),
    }
}

pub(super) fn number(node: &Node, what: &str, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    let value = match &node.value {
        Value::UInt(value) => Some(*value),
        Value::Int(value) => u64::try_from(*value).ok(),
        Value::Filled(text) => text.parse().ok(),
        _ => {
            return Err(
                wrong(node, what, "a whole number").hint("digits alone, without quotes or unit")
            );
        }
    };
    value.filter(|value| range.contains(value)).ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        let summary = match *high {
            u64::MAX => format!("{what} must be a whole number, {low} or more"),
            high => format!("{what} must be a whole number from {low} to {high}"),
        };
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

fn measured(node: Node, what: &str, expected: &str) -> Result<String, Fault> {
    match node.value {
        Value::Text(text) | Value::Filled(text) => Ok(text),
        _ => Err(wrong(&node, what, expected)),
    }
}

pub(super) fn duration(node: Node, what: &str) -> Result<Duration, Fault> {
    let at = node.at;
    let hint =
        "a duration is a whole number with ms, s, m, h or d, at most ten years: 250ms, 30s, 5m";
    let text = measured(node, what, "a duration").map_err(|fault| fault.hint(hint))?;
    units::duration(&text).ok_or_else(|| {
        Fault::new(ErrorKind::BadValue, at, format!("{what}: `{text}` isn't a duration")).hint(hint)
    })
}

pub(super) fn bytes(node: Node, what: &str, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    let at = node.at;
    let hint = "a size is a whole number with b, kb, mb or gb: 512kb, 5mb";
    let text = measured(node, what, "a size").map_err(|fault| fault.hint(hint))?;
    let bad = |summary: String| Fault::new(ErrorKind::BadValue, at, summary);
    let size = units::bytes(&text)
        .ok_or_else(|| bad(format!("{what}: `{text}` isn't a size")).hint(hint))?;
    if range.contains(&size) {
        Ok(size)
    } else {
        let (low, high) = (range.start(), range.end());
        let (low, high) = (low >> 10, high >> 20);
        Err(bad(format!("{what} must be from {low}kb to {high}mb")).hint(hint))
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(node: Node, what: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    let at = node.at;
    let names = words.iter().map(|(word, _)| *word);
    let text = text(node, what).map_err(|fault| fault.did_you_mean("", names.clone()))?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
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
        .map_err(|error| bad(format!("{what}: `{text}` isn't a path")).cause(error.to_string()))
        .map_err(|fault| {
            fault.hint("names with dots: metadata.title, creators[].name, \"a.b\".c")
        })?;
    if lists == Lists::Refused && path.has_list() {
        return Err(bad(format!("{what}: `{text}` can't go into a list (`[]`)"))
            .hint("name the field alone, without `[]`"));
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
            .cause("it can't be kept to the last digit")
            .hint("in quotes it is a text, and stays as it is")),
    }
}

pub(super) fn json(node: &Node, what: &str) -> Result<Json, Fault> {
    Ok(Json::from_value(&constant(node, what)?))
}
