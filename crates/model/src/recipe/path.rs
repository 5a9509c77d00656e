//! A place in a JSON document.

use std::fmt;

/// A place in a JSON document: names from the root down, such as `metadata.creators[].name`.
///
/// Segments are split at dots. `[]` after a segment goes into each value of a list; a value that
/// isn't a list counts as a list of one, null and absent as an empty one. A name with a dot, bracket, quote or white
/// space is put in double quotes, where `\"` and `\\` stand for a quote and a backslash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    segments: Vec<Segment>,
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    /// Name of the member.
    pub name: String,
    /// Whether to go into each value of the list found there (`[]`).
    pub each: bool,
}

/// Why a text isn't a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing between two dots, or nothing at all.
    #[error("a name is missing (empty path, or a dot too many)")]
    Empty,
    /// A quote without its partner.
    #[error("a quoted name isn't closed")]
    Unclosed,
    /// Something other than a dot or `[]` after a name.
    #[error("after a name only `.` or `[]` can follow")]
    Trailing,
    /// A character that needs quotes.
    #[error("`{0}` in a name needs double quotes around the name")]
    NeedsQuotes(char),
    /// Deeper than the engines go.
    #[error("more than {MAX_SEGMENTS} names")]
    TooDeep,
}

const MAX_SEGMENTS: usize = 64;

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// [`PathError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = name(rest)?;
            let (each, after) = match after.strip_prefix("[]") {
                Some(after) => (true, after),
                None => (false, after),
            };
            segments.push(Segment { name, each });
            if segments.len() > MAX_SEGMENTS {
                return Err(PathError::TooDeep);
            }
            if after.is_empty() {
                return Ok(Self { segments });
            }
            rest = after.strip_prefix('.').ok_or(PathError::Trailing)?;
        }
    }

    /// The names from the root down; at least one.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether a segment has `[]`.
    #[must_use]
    pub fn has_list(&self) -> bool {
        self.segments.iter().any(|segment| segment.each)
    }

    /// The names joined by dots, as engines spell fields: without `[]` and quotes.
    #[must_use]
    pub fn dotted(&self) -> String {
        dotted(&self.segments)
    }

    /// The field around the first `names` names of this one; at least one of them.
    #[must_use]
    pub fn around(&self, names: usize) -> Self {
        let names = names.clamp(1, self.segments.len());
        Self { segments: self.segments[..names].to_vec() }
    }

    /// Whether this is `other`, or holds it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.segments.len() <= other.segments.len() && self.overlaps(other)
    }

    /// Whether one of the two is the other, or holds it.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.segments.iter().zip(&other.segments).all(|(a, b)| a.name == b.name)
    }
}

/// Names joined by dots, as engines spell fields.
fn dotted(segments: &[Segment]) -> String {
    let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
    names.join(".")
}

fn name(text: &str) -> Result<(String, &str), PathError> {
    match text.strip_prefix('"') {
        Some(inner) => quoted(inner),
        None => bare(text),
    }
}

fn bare(text: &str) -> Result<(String, &str), PathError> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Err(PathError::Empty);
    }
    match name.chars().find(|c| needs_quotes(*c)) {
        Some(c) => Err(PathError::NeedsQuotes(c)),
        None => Ok((name.to_owned(), rest)),
    }
}

fn needs_quotes(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '.' | '[' | ']' | '"' | '\\' | '{' | '}')
}

fn quoted(text: &str) -> Result<(String, &str), PathError> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if name.is_empty() => return Err(PathError::Empty),
            '"' => return Ok((name, &text[at + 1..])),
            '\\' => name.push(chars.next().ok_or(PathError::Unclosed)?.1),
            c => name.push(c),
        }
    }
    Err(PathError::Unclosed)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            if segment.name.chars().any(needs_quotes) {
                let escaped = segment.name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "\"{escaped}\"")?;
            } else {
                f.write_str(&segment.name)?;
            }
            if segment.each {
                f.write_str("[]")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Vec<(String, bool)> {
        let path = Path::parse(text).unwrap();
        path.segments().iter().map(|s| (s.name.clone(), s.each)).collect()
    }

    #[test]
    fn paths_are_read_and_spelled_the_same_way() {
        for (text, expected) in [
            ("a", vec![("a", false)]),
            ("a.b", vec![("a", false), ("b", false)]),
            ("a[].b[]", vec![("a", true), ("b", true)]),
            ("@v", vec![("@v", false)]),
            (
                "x.journal:journal.title",
                vec![("x", false), ("journal:journal", false), ("title", false)],
            ),
            (r#"x."a.b"[].c"#, vec![("x", false), ("a.b", true), ("c", false)]),
            (r#""q\"\\""#, vec![("q\"\\", false)]),
            ("größe-1_2", vec![("größe-1_2", false)]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(n, e)| ((*n).to_owned(), *e)).collect();
            assert_eq!(shape(text), expected, "{text}");
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        // Quotes that aren't needed are dropped.
        assert_eq!(Path::parse(r#""a:b".c"#).unwrap().to_string(), "a:b.c");
    }

    #[test]
    fn wrong_paths_say_why() {
        for (text, expected) in [
            ("", PathError::Empty),
            (".", PathError::Empty),
            ("a.", PathError::Empty),
            ("a..b", PathError::Empty),
            ("[]", PathError::Empty),
            (r#""""#, PathError::Empty),
            ("a[0]", PathError::Trailing),
            ("a[]b", PathError::Trailing),
            ("a[", PathError::Trailing),
            (r#""a"#, PathError::Unclosed),
            (r#""a\"#, PathError::Unclosed),
            (r#""a"b"#, PathError::Trailing),
            ("a b", PathError::NeedsQuotes(' ')),
            ("a]", PathError::NeedsQuotes(']')),
        ] {
            assert_eq!(Path::parse(text), Err(expected), "{text}");
        }
        assert_eq!(Path::parse(&vec!["a"; 65].join(".")), Err(PathError::TooDeep));
    }

    #[test]
    fn overlap_is_equality_or_containment() {
        for (a, b, expected) in
            [("a", "a", true), ("a", "a.b", true), ("a.b", "a.c", false), ("ab", "a", false)]
        {
            let (a, b) = (Path::parse(a).unwrap(), Path::parse(b).unwrap());
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected), "{a} {b}");
        }
    }
}
