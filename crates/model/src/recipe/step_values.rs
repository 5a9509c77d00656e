//! Steps that rewrite single values.

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
