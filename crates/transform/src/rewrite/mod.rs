//! Rewriting single values: what the steps `convert`, `date`, `split`, `join`, `map` and `truncate` do
//! to the value at a field's end.

mod date;
mod map;
mod text;
mod time;

use std::borrow::Cow;

use segue_model::recipe::{ConvertKind, DateRule, SplitRule, ValueTable};

use crate::convert::convert;
use crate::edit::Change;
use crate::json::Elements;

/// How a value is rewritten.
#[derive(Debug)]
pub(crate) enum Rewrite {
    /// Into another type.
    Convert(ConvertKind),
    /// A point in time into another spelling.
    Date(DateRule),
    /// A text into a list.
    Split(SplitRule),
    /// A list into a text.
    Join(String),
    /// By a table.
    Map(ValueTable),
    /// A text to so many characters.
    Truncate(usize),
}

impl Rewrite {
    /// What becomes of a value. Null stays null.
    ///
    /// # Errors
    /// Why the document must be refused, naming the value but not the field.
    pub(crate) fn change(&self, raw: &[u8]) -> Result<Change, String> {
        let rewritten = match self {
            Self::Convert(kind) => convert(raw, *kind)?,
            Self::Date(rule) => each(raw, "a point in time", &|raw| date::rewrite(raw, rule))?,
            Self::Split(rule) => text::split(raw, rule)?,
            Self::Join(by) => text::join(raw, by)?,
            Self::Map(table) => each(raw, "a value of a table", &|raw| map::look_up(raw, table))?,
            Self::Truncate(characters) => text::truncate_each(raw, *characters),
        };
        let same = *rewritten == *raw;
        Ok(if same { Change::Keep } else { Change::Put(rewritten.into_owned()) })
    }
}

type Rewritten<'a> = Result<Cow<'a, [u8]>, String>;

/// Rewrites a scalar, or every scalar of a list; null stays null.
fn each<'a>(
    raw: &'a [u8],
    what: &str,
    rewrite: &dyn Fn(&[u8]) -> Rewritten<'static>,
) -> Rewritten<'a> {
    match raw.first() {
        Some(b'n') => Ok(Cow::Borrowed(raw)),
        Some(b'{') => Err(format!("an object isn't {what}")),
        Some(b'[') => {
            let mut out = vec![b'['];
            let mut elements = Elements::of(raw);
            while let Some(element) = next(&mut elements) {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(&each(element, what, rewrite)?);
            }
            out.push(b']');
            Ok(Cow::Owned(out))
        }
        _ => rewrite(raw),
    }
}

/// The next element of a list that is known to be well-formed.
fn next<'a>(elements: &mut Option<Elements<'a>>) -> Option<&'a [u8]> {
    elements.as_mut()?.advance().ok().flatten()
}
