//! What must hold before the switch.

use super::Path;

/// What must hold before the switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifySpec {
    /// Whether numbers of documents are compared.
    pub counts: CountCheck,
    /// Fields that every target document must have, other than null.
    pub required: Vec<Path>,
    /// Whether contents are compared.
    pub content: ContentCheck,
}

/// Whether numbers of documents are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountCheck {
    /// They must be equal, filtered and dead-lettered documents accounted for.
    #[default]
    Exact,
}

/// Whether contents are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentCheck {
    /// Every document, both ways.
    #[default]
    Full,
    /// Not at all.
    None,
}
