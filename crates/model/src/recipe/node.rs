//! The recipe's text as a tree in which every value and key knows where it stands.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::error::{ErrorKind, Fault, Place};
use super::expand::{ExpandError, expand};

/// Largest recipe that is read, bytes. Far above any honest one.
const MAX_BYTES: usize = 1 << 20;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(String),
    /// Text that an environment variable took part in; may also be read as a number.
    Filled(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: Place,
    pub(super) name: String,
}

/// Reads the text. Aliases are followed within fixed bounds; merge keys are refused.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::yaml(Place::START, "the recipe has more than 1 MiB".to_owned()).hint(
            "a recipe says what is wanted; rows belong into a lookup's index, data into files",
        ));
    }
    let read = serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options());
    match read {
        Ok(spanned) => Ok(spanned.into()),
        Err(error) => Err(unreadable(error.without_snippet())),
    }
}

fn unreadable(error: &serde_saphyr::Error) -> Fault {
    let at = error.location().map_or(Place::START, |location| Place::of(&location));
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        let key = key.as_deref().unwrap_or("?");
        return Fault::new(ErrorKind::DuplicateKey, at, format!("key `{key}` is there twice"))
            .hint("take one of the two away");
    }
    // The place is said by the fault itself.
    let message = error.to_string();
    let cause = message.split(" at line ").next().unwrap_or_default();
    let known = ADVICE.iter().find(|(sign, _, _)| cause.contains(sign));
    match known {
        Some((_, better, hint)) => Fault::yaml(at, better.unwrap_or(cause).to_owned()).hint(*hint),
        None => Fault::yaml(at, cause.to_owned()).hint(
            "see this line and the ones before it: quotes, brackets, colons, and what stands how far in",
        ),
    }
}

/// By what the reader of YAML says: another word for it, and what to do.
const ADVICE: [(&str, Option<&str>, &str); 13] = [
    (
        "tabs disallowed",
        Some("a tab stands where the line begins"),
        "YAML takes blanks only: two for each level",
    ),
    (
        "merge keys",
        Some("merge keys (`<<`) aren't taken"),
        "write the keys out; `*name` for a whole value is taken",
    ),
    (
        "unknown anchor",
        Some("an alias (`*name`) without an anchor (`&name`) before it"),
        "a value that begins with `*` stands in quotes",
    ),
    (
        "Documents",
        Some("there is more than one document (`---`)"),
        "a recipe is one document: make a file for each",
    ),
    (
        "Depth",
        Some("more than 32 levels"),
        "write less within less; documents may be as deep as they are",
    ),
    ("alias", Some("aliases repeat too much"), "write values out, or fewer of them"),
    (
        "budget breached",
        Some("it has more values than a recipe may have"),
        "rows belong into a lookup's index",
    ),
    ("tag", None, "write the value without `!…`; text stands in quotes"),
    (
        "':' indicator",
        Some("a colon where none can stand"),
        "a bracket, brace or quote before this place may not be closed",
    ),
    (
        "quoted scalar",
        Some("a quote isn't closed"),
        "it may begin further up; in single quotes a quote is written twice",
    ),
    (
        "expected ':'",
        Some("a key without its value"),
        "a blank stands after the colon: `name: products`",
    ),
    (
        "did not find expected key",
        Some("what stands here is neither a key of the mapping nor its end"),
        "keys of one mapping stand equally far in; a value that begins with `{` or `[` stands in quotes",
    ),
    ("unexpected character", None, "put the value in quotes"),
];

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 50_000,
            max_aliases: 100,
            max_anchors: 100,
            max_recorded_anchor_events: 50_000,
            max_recorded_anchor_bytes: 4 << 20,
            max_depth: 32,
            max_documents: 1,
            max_nodes: 20_000,
            max_total_scalar_bytes: 4 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 100,
        },
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

impl Node {
    /// Fills environment variables into every text below.
    pub(super) fn expand(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<(), Fault> {
        match &mut self.value {
            Value::Text(text) => {
                let filled = match expand(text, env) {
                    Ok(Cow::Borrowed(_)) => return Ok(()),
                    Ok(Cow::Owned(filled)) => filled,
                    Err(error) => return Err(unexpanded(self.at, &error)),
                };
                self.value = Value::Filled(filled);
                Ok(())
            }
            Value::List(items) => items.iter_mut().try_for_each(|item| item.expand(env)),
            Value::Map(members) => members.iter_mut().try_for_each(|(_, item)| item.expand(env)),
            _ => Ok(()),
        }
    }
}

fn unexpanded(at: Place, error: &ExpandError) -> Fault {
    let fault = |summary: String| Fault::new(ErrorKind::Environment, at, summary);
    match error {
        ExpandError::Unclosed => fault("`${` isn't closed".to_owned())
            .hint("write `$${` if a dollar sign and a brace are meant"),
        ExpandError::BadName(name) => {
            fault(format!("`{name}` can't be the name of an environment variable"))
                .hint("letters, digits and `_`; write `$${` if a dollar sign and a brace are meant")
        }
        ExpandError::Unset(name) => fault(format!("environment variable `{name}` isn't set"))
            .hint(format!("set it, or give a default: ${{{name}:-…}}")),
    }
}

impl Value {
    /// What it is, as a message calls it.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::UInt(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) | Self::Filled(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { at: Place::of(&spanned.referenced), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::UInt(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            list.push(item.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let key = Key { at: Place::of(&key.referenced), name: key.value };
            members.push((key, map.next_value::<Spanned<Value>>()?.into()));
        }
        Ok(Value::Map(members))
    }
}
