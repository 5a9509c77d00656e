//! Following a path into JSON text.

use segue_model::recipe::Segment;

use super::{Elements, Members, is_null, name_is};

/// What stands at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// Nothing, or null.
    Nothing,
    /// This value.
    Value(&'a [u8]),
    /// The path goes on, but into a list without saying `[]`. The number of segments up to there.
    List(usize),
}

/// The value of the last member of this name; engines, too, let the last one count.
fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut members = Members::of(object)?;
    let mut found = None;
    while let Ok(Some(member)) = members.advance() {
        if name_is(&object[member.name], name) {
            found = Some(&object[member.value]);
        }
    }
    found
}

/// The one value at the end of a path without `[]`.
pub(crate) fn find<'a>(value: &'a [u8], path: &[Segment]) -> Found<'a> {
    let mut value = value;
    for (depth, segment) in path.iter().enumerate() {
        if value.first() == Some(&b'[') {
            return Found::List(depth);
        }
        match member(value, &segment.name) {
            Some(next) => value = next,
            None => return Found::Nothing,
        }
    }
    if is_null(value) { Found::Nothing } else { Found::Value(value) }
}

/// Hands over each value at the end of a path, in order, nulls left out.
///
/// # Errors
/// The number of segments up to a list that the path goes into without saying `[]`.
pub(crate) fn each<'a>(
    value: &'a [u8],
    path: &[Segment],
    give: &mut dyn FnMut(&'a [u8]),
) -> Result<(), usize> {
    let Some((segment, rest)) = path.split_first() else {
        if !is_null(value) {
            give(value);
        }
        return Ok(());
    };
    if value.first() == Some(&b'[') {
        return Err(0);
    }
    let Some(next) = member(value, &segment.name) else { return Ok(()) };
    spread(next, segment.each, rest, give).map_err(|depth| depth + 1)
}

/// Goes on from a value, into each of its elements if the path says so.
pub(crate) fn spread<'a>(
    value: &'a [u8],
    into: bool,
    rest: &[Segment],
    give: &mut dyn FnMut(&'a [u8]),
) -> Result<(), usize> {
    let Some(mut elements) = Elements::of(value).filter(|_| into) else {
        return each(value, rest, give);
    };
    while let Ok(Some(element)) = elements.advance() {
        each(element, rest, give)?;
    }
    Ok(())
}
