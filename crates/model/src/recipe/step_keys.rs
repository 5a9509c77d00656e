//! Steps that decide which documents of the target a document becomes, and what these are called.
//!
//! Everywhere else a document of the target has the id and routing of the document that it came from.
//! A pipeline with one of these steps is **keyed**: it makes keys of its own.

use std::fmt;

use super::{Path, PathError};

/// Makes one document of each value of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explode {
    /// The field that holds the list; it is gone from the documents that are made. A single value
    /// counts as a list of one.
    pub field: Path,
    /// The field that takes the value instead.
    pub into: Path,
    /// What happens to a document without any value there.
    pub on_empty: OnEmpty,
}

/// What happens to a document that there is nothing to make of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEmpty {
    /// It is left out, with the reason counted.
    #[default]
    Filter,
    /// It is refused and listed.
    DeadLetter,
}

/// A text with values of the document in it, such as `{record.id}-{community}`.
///
/// `{_id}` and `{_routing}` are those of the document that was read. Other holes are paths to single
/// values of the document as it is after all steps.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    pieces: Vec<KeyPiece>,
}

/// A piece of a [`KeyTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPiece {
    /// Stands as it is.
    Text(String),
    /// The id of the document that was read.
    Id,
    /// Its routing.
    Routing,
    /// The value of a field.
    Field(Path),
}

/// The routing of a document that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingRule {
    /// It has none.
    None,
    /// It is worked out.
    Made(KeyTemplate),
}

/// Why a text isn't a [`KeyTemplate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// No hole: every document would have one and the same key.
    #[error("nothing in it differs from document to document")]
    Constant,
    /// A brace without its partner.
    #[error("a brace isn't closed, or closed twice")]
    Brace,
    /// What stands in braces isn't a path.
    #[error("`{0}` isn't a path: {1}")]
    Path(String, #[source] PathError),
    /// What stands in braces goes into a list.
    #[error("`{0}` can't go into a list")]
    List(String),
}

impl KeyTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            let after = after.strip_prefix('{').ok_or(KeyError::Brace)?;
            if !before.is_empty() {
                pieces.push(KeyPiece::Text(before.to_owned()));
            }
            let end = closing(after).ok_or(KeyError::Brace)?;
            pieces.push(hole(&after[..end])?);
            rest = &after[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(KeyPiece::Text(rest.to_owned()));
        }
        match pieces.iter().all(|piece| matches!(piece, KeyPiece::Text(_))) {
            true if pieces.is_empty() => Err(KeyError::Empty),
            true => Err(KeyError::Constant),
            false => Ok(Self { pieces }),
        }
    }

    /// Its pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> &[KeyPiece] {
        &self.pieces
    }
}

/// Where the hole ends that `text` begins in. A quoted name may have braces.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at),
            '{' if !quoted => return None,
            _ => {}
        }
    }
    None
}

fn hole(text: &str) -> Result<KeyPiece, KeyError> {
    match text {
        "_id" => Ok(KeyPiece::Id),
        "_routing" => Ok(KeyPiece::Routing),
        _ => {
            let path = Path::parse(text).map_err(|error| KeyError::Path(text.to_owned(), error))?;
            if path.has_list() {
                return Err(KeyError::List(text.to_owned()));
            }
            Ok(KeyPiece::Field(path))
        }
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            KeyPiece::Text(text) => f.write_str(text),
            KeyPiece::Id => f.write_str("{_id}"),
            KeyPiece::Routing => f.write_str("{_routing}"),
            KeyPiece::Field(path) => write!(f, "{{{path}}}"),
        })
    }
}

impl fmt::Debug for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyTemplate({:?})", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_shown() {
        for text in ["{_id}", "{a.b}-{_routing}", "x{\"a}.{b\".c}y", "{_id}/{n}"] {
            assert_eq!(KeyTemplate::parse(text).unwrap().to_string(), text);
        }
        let pieces = KeyTemplate::parse("r-{a.b}").unwrap().pieces().to_vec();
        let path = Path::parse("a.b").unwrap();
        assert_eq!(pieces, [KeyPiece::Text("r-".to_owned()), KeyPiece::Field(path)]);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, expected) in [
            ("", KeyError::Empty),
            ("always", KeyError::Constant),
            ("{a", KeyError::Brace),
            ("a}", KeyError::Brace),
            ("{a{b}}", KeyError::Brace),
            ("{a[]}", KeyError::List("a[]".to_owned())),
            ("{}", KeyError::Path(String::new(), PathError::Empty)),
        ] {
            assert_eq!(KeyTemplate::parse(text), Err(expected), "{text}");
        }
    }
}
