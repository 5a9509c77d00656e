//! Steps that rewrite single values, and the script.

use std::fmt;

use super::date::{DateFormat, Offset};
use super::{Json, Path};

/// Rewrites points in time from one spelling into another.
#[derive(Clone, Debug, PartialEq)]
pub struct Date {
    /// Field and rule, in the order of the recipe.
    pub fields: Vec<(Path, DateRule)>,
}

/// How points in time are read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateRule {
    /// Formats to try, in this order; at least one.
    pub from: Vec<DateFormat>,
    /// The format to write.
    pub to: DateFormat,
    /// What holds for a text that states no offset.
    pub zone: Offset,
    /// The offset to write in.
    pub to_zone: Offset,
}

/// Takes texts apart into lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Field and rule, in the order of the recipe.
    pub fields: Vec<(Path, SplitRule)>,
}

/// How a text is taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitRule {
    /// What stands between two parts; not empty.
    pub by: String,
    /// Whether white space around the parts goes.
    pub trim: bool,
    /// Whether empty parts go.
    pub skip_empty: bool,
}

/// Makes one text of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Field and what comes between two values, in the order of the recipe.
    pub fields: Vec<(Path, String)>,
}

/// Replaces values by those of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct MapValues {
    /// Field and table, in the order of the recipe.
    pub fields: Vec<(Path, ValueTable)>,
}

/// A table of values.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueTable {
    /// What a value says (a text, or the digits of a number, or `true`, `false`), and what comes in
    /// its place.
    pub values: Vec<(String, Json)>,
    /// What happens to a value that isn't in the table.
    pub otherwise: Otherwise,
}

/// What happens to a value that a table doesn't have.
#[derive(Clone, Debug, PartialEq)]
pub enum Otherwise {
    /// The document is refused and listed.
    DeadLetter,
    /// It stays.
    Keep,
    /// This comes in its place.
    Put(Json),
}

/// Sets fields that are absent or null.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Field and value, in the order of the recipe.
    pub fields: Vec<(Path, Json)>,
}

/// Shortens texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Truncate {
    /// Field and the most characters it keeps, in the order of the recipe.
    pub fields: Vec<(Path, u32)>,
}

/// A small program that changes the document.
#[derive(Clone, PartialEq, Eq)]
pub struct Script {
    /// The program's text.
    pub code: String,
    /// Where the value stands in the recipe: line and column from 1, in characters.
    pub at: (u64, u64),
}

impl fmt::Debug for Script {
    /// Without the place: a recipe's fingerprint is of what the script says, not of where it stands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("code", &self.code).finish()
    }
}

impl Script {
    /// Where a place of the script (line and column from 1) stands in the recipe. For texts that the
    /// recipe spells otherwise than they are (folded, or with escapes) it is near.
    #[must_use]
    pub fn place_in(&self, recipe: &str, line: u64, column: u64) -> (u64, u64) {
        let (at_line, at_column) = self.at;
        let lines = |from: u64| recipe.lines().skip(usize::try_from(from).unwrap_or(usize::MAX));
        let first = lines(at_line - 1).next().unwrap_or_default();
        let opening = first.chars().nth(usize::try_from(at_column - 1).unwrap_or(usize::MAX));
        // The place of a block is that of its mark, or of its first line.
        let block = matches!(opening, Some('|' | '>'));
        let in_block = at_line >= 2
            && lines(at_line - 2).next().is_some_and(|before| {
                before.trim_end().ends_with(['|', '>', '-', '+'])
                    && before.contains([':', '|', '>'])
            });
        if block || in_block {
            let start = if block { at_line + 1 } else { at_line };
            let body = lines(start - 1).find(|text| !text.trim().is_empty()).unwrap_or_default();
            let indent = body.chars().take_while(|c| *c == ' ').count() as u64;
            return (start + line - 1, indent + column);
        }
        match (line, opening) {
            (1, Some('"' | '\'')) => (at_line, at_column + column),
            (1, _) => (at_line, at_column + column - 1),
            _ => (at_line, at_column),
        }
    }
}
