//! Fields that a document must have.

use segue_model::recipe::{Path, Segment};

use crate::json::{Found, Members, find, is_null, name_is, scalar_text, trim};

/// The first of the paths that the document doesn't have, or has only as null. A list on the way
/// counts as the field being there if the path ends at it, and as missing if it goes on.
#[must_use]
pub fn has_fields<'p>(source: &[u8], paths: &'p [Path]) -> Option<&'p Path> {
    let source = trim(source);
    paths.iter().find(|path| !is_there(source, path.segments()))
}

/// What the text, the number or the truth at a path says; none where there is none of them.
#[must_use]
pub fn field_text(source: &[u8], path: &Path) -> Option<String> {
    match find(trim(source), path.segments()) {
        Found::Value(value) => {
            scalar_text(value).map(|text| String::from_utf8_lossy(&text).into_owned())
        }
        Found::Nothing | Found::List(_) => None,
    }
}

/// Looks no further than the first member that settles it: required fields tend to stand in front.
fn is_there(value: &[u8], path: &[Segment]) -> bool {
    let Some((segment, rest)) = path.split_first() else { return !is_null(value) };
    let Some(mut members) = Members::of(value) else { return false };
    while let Ok(Some(member)) = members.advance() {
        if name_is(&value[member.name], &segment.name) && is_there(&value[member.value], rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_null_are_named() {
        let paths: Vec<Path> = ["a", "b.c"].iter().map(|path| Path::parse(path).unwrap()).collect();
        for (source, expected) in [
            (r#"{"a":1,"b":{"c":0}}"#, None),
            (r#" {"b":{"c":[]},"a":false}"#, None),
            (r#"{"\u0061":1,"b":{"c":""}}"#, None),
            (r#"{"a":null,"b":{"c":0}}"#, Some("a")),
            (r#"{"b":{"c":0}}"#, Some("a")),
            (r#"{"a":1,"b":{"c":null}}"#, Some("b.c")),
            (r#"{"a":1,"b":5}"#, Some("b.c")),
            (r#"{"a":1,"b":[{"c":1}]}"#, Some("b.c")),
            ("[]", Some("a")),
            ("", Some("a")),
        ] {
            let missing = has_fields(source.as_bytes(), &paths).map(ToString::to_string);
            assert_eq!(missing.as_deref(), expected, "{source}");
        }
    }
}
