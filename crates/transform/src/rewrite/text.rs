//! Taking texts apart, joining and shortening them.

use std::borrow::Cow;

use segue_model::recipe::SplitRule;

use super::{Rewritten, next};
use crate::error::shown;
use crate::json::{Elements, push_quoted, scalar_text};

/// What a text says. None if it isn't one, or has half of a surrogate pair, which no text can hold.
pub(crate) fn said(raw: &[u8]) -> Option<String> {
    if raw.first() != Some(&b'"') {
        return None;
    }
    serde_json::from_slice(raw).ok()
}

fn unreadable<T>(raw: &[u8], what: &str) -> Result<T, String> {
    let why =
        if raw.first() == Some(&b'"') { "half of a surrogate pair is in it" } else { "not text" };
    Err(format!("{} can't be {what}: {why}", shown(raw)))
}

/// The list of a text's parts; of a list, those of all its texts in one list.
pub(super) fn split<'a>(raw: &'a [u8], rule: &SplitRule) -> Rewritten<'a> {
    if raw.first() == Some(&b'n') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = vec![b'['];
    if raw.first() == Some(&b'[') {
        let mut elements = Elements::of(raw);
        while let Some(element) = next(&mut elements) {
            if element.first() != Some(&b'n') {
                push_parts(&mut out, element, rule)?;
            }
        }
    } else {
        push_parts(&mut out, raw, rule)?;
    }
    out.push(b']');
    Ok(Cow::Owned(out))
}

fn push_parts(out: &mut Vec<u8>, raw: &[u8], rule: &SplitRule) -> Result<(), String> {
    let Some(text) = said(raw) else { return unreadable(raw, "split") };
    for part in text.split(rule.by.as_str()) {
        let part = if rule.trim { part.trim() } else { part };
        if rule.skip_empty && part.is_empty() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        push_quoted(out, part.as_bytes());
    }
    Ok(())
}

/// One text of a list's values, nulls left out; a single value counts as a list of one.
pub(super) fn join<'a>(raw: &'a [u8], by: &str) -> Rewritten<'a> {
    let mut text: Vec<u8> = Vec::new();
    let mut first = true;
    match raw.first() {
        Some(b'n' | b'"') => return Ok(Cow::Borrowed(raw)),
        Some(b'[') => {
            let mut elements = Elements::of(raw);
            while let Some(element) = next(&mut elements) {
                if element.first() == Some(&b'n') {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    text.extend_from_slice(by.as_bytes());
                }
                push_said(&mut text, element)?;
            }
        }
        _ => push_said(&mut text, raw)?,
    }
    let mut out = Vec::with_capacity(text.len() + 2);
    push_quoted(&mut out, &text);
    Ok(Cow::Owned(out))
}

fn push_said(text: &mut Vec<u8>, raw: &[u8]) -> Result<(), String> {
    match raw.first() {
        Some(b'"') => match said(raw) {
            Some(part) => text.extend_from_slice(part.as_bytes()),
            None => return unreadable(raw, "joined"),
        },
        _ => match scalar_text(raw) {
            Some(part) => text.extend_from_slice(&part),
            None => return Err(format!("{} can't be joined: not a single value", shown(raw))),
        },
    }
    Ok(())
}

/// A text with at most so many characters; in a list, each text. Other values stay.
pub(super) fn truncate_each(raw: &[u8], most: usize) -> Cow<'_, [u8]> {
    match raw.first() {
        Some(b'"') => truncate(raw, most),
        Some(b'[') => {
            let mut out = vec![b'['];
            let mut same = true;
            let mut elements = Elements::of(raw);
            while let Some(element) = next(&mut elements) {
                if out.len() > 1 {
                    out.push(b',');
                }
                let shorter = truncate_each(element, most);
                same &= *shorter == *element;
                out.extend_from_slice(&shorter);
            }
            out.push(b']');
            if same { Cow::Borrowed(raw) } else { Cow::Owned(out) }
        }
        _ => Cow::Borrowed(raw),
    }
}

/// Cut between two characters, escapes and all; what is kept stays byte for byte.
fn truncate(raw: &[u8], most: usize) -> Cow<'_, [u8]> {
    let (mut at, end) = (1, raw.len() - 1);
    for _ in 0..most {
        if at >= end {
            return Cow::Borrowed(raw);
        }
        at += character(&raw[at..end]);
    }
    if at >= end {
        return Cow::Borrowed(raw);
    }
    let mut out = raw[..at].to_vec();
    out.push(b'"');
    Cow::Owned(out)
}

/// The length of the character at the start of what stands between quotes, in bytes.
fn character(raw: &[u8]) -> usize {
    let unit = |at: usize| {
        let digits = raw.get(at + 2..at + 6).filter(|_| raw[at..].starts_with(b"\\u"))?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match raw[0] {
        b'\\' => match (unit(0), if raw.len() >= 12 { unit(6) } else { None }) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => 6,
            (None, _) => 2,
        },
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    }
}
