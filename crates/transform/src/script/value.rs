//! JSON as values of the script language and back, without changing one of them.

use std::sync::Arc;

use rhai::{Dynamic, Map};
use rust_decimal::Decimal as Computed;

use crate::json::number::Decimal;
use crate::json::{Elements, Members, push_quoted};

/// A value that the language has none for: a number of too many digits, or a text with half of a
/// surrogate pair. It can be moved, copied and removed, and is written as it is spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact(Arc<str>);

/// Deepest nesting that is written; the engines' own parser stops at a thousand.
const MAX_DEPTH: u32 = 900;
/// The longest document a script may make, bytes; the engines take requests of 100 MB.
const MAX_BYTES: usize = 64 << 20;

/// The members of a document.
///
/// # Errors
/// Why it isn't an object, or that it has a name twice.
pub(super) fn object(raw: &[u8]) -> Result<Map, String> {
    let mut members = Members::of(raw).ok_or("the source isn't a json object")?;
    let mut map = Map::new();
    while let Some(member) = members.advance().map_err(|error| error.to_string())? {
        let quoted = &raw[member.name.start - 1..member.name.end + 1];
        let name: String = serde_json::from_slice(quoted)
            .map_err(|_| format!("{} can't be a name in a script", crate::error::shown(quoted)))?;
        let value = read(&raw[member.value])?;
        if map.insert(name.as_str().into(), value).is_some() {
            return Err(format!("`{name}` is there twice, which no script can tell apart"));
        }
    }
    Ok(map)
}

/// A value.
///
/// # Errors
/// As [`object`].
pub(super) fn read(raw: &[u8]) -> Result<Dynamic, String> {
    Ok(match raw.first() {
        Some(b'{') => Dynamic::from_map(object(raw)?),
        Some(b'[') => {
            let mut list = Vec::new();
            if let Some(mut elements) = Elements::of(raw) {
                while let Some(element) = elements.advance().map_err(|error| error.to_string())? {
                    list.push(read(element)?);
                }
            }
            Dynamic::from_array(list)
        }
        Some(b'"') => match serde_json::from_slice::<String>(raw) {
            Ok(text) => text.into(),
            Err(_) => exact(raw),
        },
        Some(b't') => true.into(),
        Some(b'f') => false.into(),
        Some(b'n') | None => Dynamic::UNIT,
        Some(_) => number(raw),
    })
}

fn exact(raw: &[u8]) -> Dynamic {
    Dynamic::from(Exact(Arc::from(String::from_utf8_lossy(raw))))
}

/// A number that can be computed with, if nothing of it is lost.
fn number(raw: &[u8]) -> Dynamic {
    let Some(text) = std::str::from_utf8(raw).ok().filter(|text| *text != "-0") else {
        return exact(raw);
    };
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    let computed = match text.contains(['e', 'E']) {
        true => Computed::from_scientific(text),
        false => text.parse(),
    };
    match computed {
        // Zero with a sign, and digits beyond what fits, would be lost.
        Ok(computed)
            if Decimal::parse(computed.to_string().as_bytes()) == Decimal::parse(raw)
                && !(computed.is_zero() && text.starts_with('-')) =>
        {
            Dynamic::from_decimal(computed)
        }
        _ => exact(raw),
    }
}

/// Whether two values are the same.
pub(super) fn same(a: &Dynamic, b: &Dynamic) -> bool {
    if b.is_shared() {
        return same(a, &b.flatten_clone());
    }
    if a.type_id() != b.type_id() {
        return false;
    }
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b));
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        let mut members = a.iter().zip(b.iter());
        return a.len() == b.len() && members.all(|((n, a), (m, b))| n == m && same(a, b));
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return *a == *b;
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Exact>(), b.read_lock::<Exact>()) {
        return *a == *b;
    }
    a.is_unit()
        || a.as_int().is_ok_and(|a| b.as_int() == Ok(a))
        || a.as_bool().is_ok_and(|a| b.as_bool() == Ok(a))
        || a.as_decimal().is_ok_and(|a| b.as_decimal() == Ok(a))
}

/// Appends a value as JSON.
///
/// # Errors
/// That it is of a kind that no document can hold, or too large.
pub(super) fn push(out: &mut Vec<u8>, value: &Dynamic, depth: u32) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("what it made is nested too deeply".to_owned());
    }
    if out.len() > MAX_BYTES {
        return Err("what it made is too large".to_owned());
    }
    if value.is_shared() {
        return push(out, &value.flatten_clone(), depth);
    }
    if value.is_unit() {
        out.extend_from_slice(b"null");
    } else if let Ok(truth) = value.as_bool() {
        out.extend_from_slice(if truth { b"true" } else { b"false" });
    } else if let Ok(whole) = value.as_int() {
        out.extend_from_slice(whole.to_string().as_bytes());
    } else if let Ok(decimal) = value.as_decimal() {
        out.extend_from_slice(decimal.to_string().as_bytes());
    } else if let Ok(text) = value.as_immutable_string_ref() {
        push_quoted(out, text.as_bytes());
    } else if let Ok(character) = value.as_char() {
        push_quoted(out, character.to_string().as_bytes());
    } else if let Some(exact) = value.read_lock::<Exact>() {
        out.extend_from_slice(exact.0.as_bytes());
    } else if let Ok(list) = value.as_array_ref() {
        out.push(b'[');
        for (at, element) in list.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push(out, element, depth + 1)?;
        }
        out.push(b']');
    } else if let Ok(map) = value.as_map_ref() {
        out.push(b'{');
        for (at, (name, member)) in map.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_quoted(out, name.as_bytes());
            out.push(b':');
            push(out, member, depth + 1)?;
        }
        out.push(b'}');
    } else {
        return Err(format!("a value of type {} can't stand in a document", value.type_name()));
    }
    Ok(())
}
