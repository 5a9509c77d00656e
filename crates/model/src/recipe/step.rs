//! Steps of a pipeline.

use std::fmt::Write as _;

use super::{
    Date, Defaults, Explode, Join, Json, KeyTemplate, MapValues, NameTemplate, Path, RoutingRule,
    Script, Split, Truncate,
};

/// One step. Steps run in the order of the recipe.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Finds the row that belongs to the document.
    Lookup(Lookup),
    /// Copies values into fields.
    Copy(Copy),
    /// Sets fields to constants.
    Set(Set),
    /// Moves fields.
    Rename(Rename),
    /// Takes fields away.
    Remove(Remove),
    /// Changes the type of values.
    Convert(Convert),
    /// Leaves documents out.
    Filter(Filter),
    /// Rewrites points in time.
    Date(Date),
    /// Takes texts apart into lists.
    Split(Split),
    /// Makes one text of a list.
    Join(Join),
    /// Replaces values by those of a table.
    Map(MapValues),
    /// Sets fields that are absent or null.
    Default(Defaults),
    /// Shortens texts.
    Truncate(Truncate),
    /// Runs a script.
    Script(Script),
    /// Makes one document of each value of a list.
    Explode(Explode),
    /// Makes the id. Only `Routing` follows it.
    Id(KeyTemplate),
    /// Makes the routing. Only `Id` follows it.
    Routing(RoutingRule),
}

/// Finds the row of another index that belongs to the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Index or alias to read rows from.
    pub index: NameTemplate,
    /// Field of the document that holds the key.
    pub key: Path,
    /// Field of the row that must be equal to it. Numbers and texts with the same digits are equal.
    pub matching: Path,
    /// The name that later steps call the row by.
    pub name: String,
    /// Which state of the rows counts.
    pub as_of: AsOf,
    /// What happens to a document without a row.
    pub on_missing: OnMissing,
    /// None: one row per key, several are an error. Some: the row is a list of rows.
    pub multiple: Option<Multiple>,
}

/// Which state of a lookup's rows counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsOf {
    /// The one at the start of the run, for every document.
    #[default]
    Start,
}

/// What happens to a document that a lookup has no row for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// It goes on; copied fields are null, their default, or `[]` where they are lists.
    #[default]
    Keep,
    /// It is refused and listed.
    DeadLetter,
    /// It is left out, with the reason counted.
    Filter,
}

/// A lookup that may find several rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiple {
    /// Field of the row to sort by; rows without it come last.
    pub sort: Path,
    /// Which end comes first.
    pub order: Order,
    /// Rows kept per key. Default 100.
    pub limit: u32,
}

/// Which end of a sort comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

/// Copies values into fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// In the order of the recipe; no two have the same target.
    pub fields: Vec<CopyField>,
}

/// One copied field.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyField {
    /// Field to write, without `[]`.
    pub target: Path,
    /// Where the value comes from.
    pub from: CopyFrom,
    /// Members to keep of each copied object. Empty: all.
    pub pick: Vec<Path>,
    /// What is written when there is nothing to copy. None: null, or `[]` for lists.
    pub default: Option<Json>,
}

impl CopyField {
    /// Whether the field always becomes a list: several sources, or `[]` in the path.
    #[must_use]
    pub fn is_list(&self) -> bool {
        match &self.from {
            CopyFrom::One(from) => from.path.has_list(),
            CopyFrom::Many(_) => true,
        }
    }

    /// The places the value comes from, in order.
    #[must_use]
    pub fn sources(&self) -> &[CopyPath] {
        match &self.from {
            CopyFrom::One(from) => std::slice::from_ref(from),
            CopyFrom::Many(from) => from,
        }
    }
}

/// Where a copied value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyFrom {
    /// One place.
    One(CopyPath),
    /// Several places, their values one after another in one list.
    Many(Vec<CopyPath>),
}

/// A place in the document or in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPath {
    /// What the first segment means.
    pub root: Root,
    /// The whole path; its first segment names the root.
    pub path: Path,
}

/// What the first segment of a copied path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `doc`: the document itself, as it is at this step.
    Document,
    /// The lookup of this name.
    Lookup(String),
}

/// Sets fields to constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Field and value, in the order of the recipe.
    pub fields: Vec<(Path, Json)>,
}

/// Moves fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Rename {
    /// Old and new name, in the order of the recipe.
    pub fields: Vec<(Path, Path)>,
}

/// Takes fields away.
#[derive(Clone, Debug, PartialEq)]
pub struct Remove {
    /// Fields that go.
    pub fields: Vec<Path>,
}

/// Changes the type of values, exactly or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Convert {
    /// Field and new type, in the order of the recipe.
    pub fields: Vec<(Path, ConvertKind)>,
}

/// The type a value becomes; ranges are those of the engine's field types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvertKind {
    /// Whole number, 8 bits.
    Byte,
    /// Whole number, 16 bits.
    Short,
    /// Whole number, 32 bits.
    Integer,
    /// Whole number, 64 bits.
    Long,
    /// Whole number from 0, 64 bits.
    UnsignedLong,
    /// Number within 32-bit floating range.
    Float,
    /// Number within 64-bit floating range.
    Double,
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
}

impl ConvertKind {
    /// All kinds with the names the recipe calls them by.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("byte", Self::Byte),
        ("short", Self::Short),
        ("integer", Self::Integer),
        ("long", Self::Long),
        ("unsigned_long", Self::UnsignedLong),
        ("float", Self::Float),
        ("double", Self::Double),
        ("boolean", Self::Boolean),
        ("string", Self::String),
    ];

    /// The name the recipe calls it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| *name)
    }
}

/// Leaves documents out.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Whether the test names those that go or those that stay.
    pub when: FilterWhen,
    /// The reason they are counted under.
    pub reason: String,
}

/// Which documents a filter leaves out.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterWhen {
    /// Those that the test holds for.
    Drop(Predicate),
    /// Those that it doesn't hold for.
    Keep(Predicate),
}

/// A test of one field. A list satisfies it if one of its values does.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// The field has this value; numbers are compared by value, not by spelling.
    Equals(Path, Json),
    /// The field has one of these values.
    In(Path, Vec<Json>),
    /// The field is there and not null.
    Exists(Path),
    /// The field is absent or null.
    Missing(Path),
}

impl Step {
    /// Appends the step in a fixed spelling, one line, for the pipeline's fingerprint.
    pub(super) fn describe(&self, out: &mut String) {
        // The derived Debug form of these types has every field in a fixed order and quotes all
        // text, so equal lines mean equal steps.
        let _ = writeln!(out, "{self:?}");
    }
}
