//! Changes inside a value: along a path, leaving every other byte alone.

use segue_model::recipe::Segment;

use crate::json::{Elements, Members, name_is, push_quoted};

/// What becomes of a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It stays.
    Keep,
    /// It goes, with its name or its place in a list.
    Gone,
    /// This comes in its place.
    Put(Vec<u8>),
}

/// Decides what becomes of the value at a path's end, or why the document is refused.
pub(crate) type Leaf<'l> = &'l mut dyn FnMut(&[u8]) -> Result<Change, String>;

/// Follows a path from a value and lets `leaf` decide at its end. A path that ends early changes
/// nothing.
///
/// # Errors
/// What `leaf` says, or that the path goes into a list without saying `[]`.
pub(crate) fn change(
    value: &[u8],
    into: bool,
    rest: &[Segment],
    leaf: Leaf<'_>,
) -> Result<Change, String> {
    if into && value.first() == Some(&b'[') {
        return change_elements(value, rest, leaf);
    }
    let Some((segment, rest)) = rest.split_first() else { return leaf(value) };
    match value.first() {
        Some(b'{') => change_member(value, segment, rest, leaf),
        Some(b'[') => Err(format!("`{}` is inside a list here (`[]` goes into it)", segment.name)),
        _ => Ok(Change::Keep),
    }
}

fn change_elements(array: &[u8], rest: &[Segment], leaf: Leaf<'_>) -> Result<Change, String> {
    let Some(mut elements) = Elements::of(array) else { return Ok(Change::Keep) };
    let (mut out, mut changed) = (vec![b'['], false);
    while let Ok(Some(element)) = elements.advance() {
        let change = change(element, false, rest, leaf)?;
        changed |= change != Change::Keep;
        let kept: &[u8] = match &change {
            Change::Gone => continue,
            Change::Keep => element,
            Change::Put(value) => value,
        };
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(kept);
    }
    out.push(b']');
    Ok(if changed { Change::Put(out) } else { Change::Keep })
}

fn change_member(
    object: &[u8],
    segment: &Segment,
    rest: &[Segment],
    leaf: Leaf<'_>,
) -> Result<Change, String> {
    let mut rebuilt = Rebuilt::new(object);
    let mut changed = false;
    if let Some(mut members) = Members::of(object) {
        while let Ok(Some(member)) = members.advance() {
            let value = &object[member.value.clone()];
            let change = if name_is(&object[member.name.clone()], &segment.name) {
                change(value, segment.each, rest, leaf)?
            } else {
                Change::Keep
            };
            changed |= change != Change::Keep;
            let lead = &object[member.start..member.value.start];
            let tail = &object[member.value.end..member.end];
            match change {
                Change::Keep => rebuilt.push(&[lead, value, tail]),
                Change::Put(value) => rebuilt.push(&[lead, &value, tail]),
                Change::Gone => {}
            }
        }
    }
    Ok(if changed { Change::Put(rebuilt.close()) } else { Change::Keep })
}

/// Writes a value at a path below another one; objects that are missing on the way are made.
///
/// # Errors
/// That something on the way is neither an object nor absent nor null.
pub(crate) fn put(value: Option<&[u8]>, rest: &[Segment], new: &[u8]) -> Result<Vec<u8>, String> {
    let Some((segment, rest)) = rest.split_first() else { return Ok(new.to_vec()) };
    let object = match value {
        None | Some(b"null") => b"{}".as_slice(),
        Some(object) if object.first() == Some(&b'{') => object,
        Some(_) => return Err(format!("`{}` can't be set: it isn't in an object", segment.name)),
    };
    let mut rebuilt = Rebuilt::new(object);
    let mut put_already = false;
    if let Some(mut members) = Members::of(object) {
        while let Ok(Some(member)) = members.advance() {
            let value = &object[member.value.clone()];
            let lead = &object[member.start..member.value.start];
            let tail = &object[member.value.end..member.end];
            if name_is(&object[member.name.clone()], &segment.name) {
                if !std::mem::replace(&mut put_already, true) {
                    rebuilt.push(&[lead, &put(Some(value), rest, new)?, tail]);
                }
            } else {
                rebuilt.push(&[lead, value, tail]);
            }
        }
    }
    if !put_already {
        let mut name = Vec::with_capacity(segment.name.len() + 3);
        push_quoted(&mut name, segment.name.as_bytes());
        name.push(b':');
        rebuilt.push(&[&name, &put(None, rest, new)?]);
    }
    Ok(rebuilt.close())
}

/// An object being put together again from its members.
struct Rebuilt {
    out: Vec<u8>,
}

impl Rebuilt {
    fn new(object: &[u8]) -> Self {
        let mut out = Vec::with_capacity(object.len() + 32);
        out.push(b'{');
        Self { out }
    }

    fn push(&mut self, parts: &[&[u8]]) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        for part in parts {
            self.out.extend_from_slice(part);
        }
    }

    fn close(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segue_model::recipe::Path;

    fn path(text: &str) -> Vec<Segment> {
        Path::parse(text).unwrap().segments().to_vec()
    }

    #[test]
    fn values_are_put_where_the_path_leads() {
        for (value, rest, expected) in [
            (None, "a", Ok(r#"{"a":7}"#)),
            (None, "a.b", Ok(r#"{"a":{"b":7}}"#)),
            (Some("null"), "a", Ok(r#"{"a":7}"#)),
            (Some(r#"{ "x" : 1.0 }"#), "a", Ok(r#"{ "x" : 1.0 ,"a":7}"#)),
            (Some(r#"{"x":1,"a" : 2 ,"y":3}"#), "a", Ok(r#"{"x":1,"a" : 7 ,"y":3}"#)),
            (Some(r#"{"a":{"b":1e3}}"#), "a.c", Ok(r#"{"a":{"b":1e3,"c":7}}"#)),
            (Some("5"), "a", Err(())),
            (Some("[]"), "a", Err(())),
        ] {
            let got = put(value.map(str::as_bytes), &path(rest), b"7").map_err(|_| ());
            let got = got.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap());
            assert_eq!(got.ok(), expected.ok(), "{value:?} {rest}");
        }
    }

    #[test]
    fn members_go_and_the_rest_stays_byte_for_byte() {
        for (value, rest, expected) in [
            (r#"{"a":1}"#, "a", Some("{}")),
            (r#"{ "a":1 , "b" : 1.0 }"#, "a", Some(r#"{ "b" : 1.0 }"#)),
            (r#"{"b":[1, 2],"a":1}"#, "a", Some(r#"{"b":[1, 2]}"#)),
            (r#"{"a":1,"b":2,"\u0061":3}"#, "a", Some(r#"{"b":2}"#)),
            (r#"{"b":2}"#, "a", None),
            (r#"{"a":[{"b":1,"c":2},5,{"c":3}]}"#, "a[].b", Some(r#"{"a":[{"c":2},5,{"c":3}]}"#)),
            (r#"{"a":5}"#, "a.b", None),
        ] {
            let got = change(value.as_bytes(), false, &path(rest), &mut |_| Ok(Change::Gone));
            let expected =
                expected.map_or(Change::Keep, |text| Change::Put(text.as_bytes().to_vec()));
            assert_eq!(got, Ok(expected), "{value} {rest}");
        }
        let list = change(br#"{"a":[{"b":1}]}"#, false, &path("a.b"), &mut |_| Ok(Change::Gone));
        assert!(list.unwrap_err().contains("list"));
    }
}
