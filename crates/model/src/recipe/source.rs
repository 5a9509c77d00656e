//! Which indices are migrated, and what they become.

use super::{NamePattern, NameTemplate, Path};
use crate::stamp::Versioning;

/// Which indices are migrated.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Names of the source indices.
    pub index: NamePattern,
    /// Fields that the target's shape has and the old one hasn't. A source whose mapping already
    /// has all of them needs no migration. Empty: not asked.
    pub done_if_mapped: Vec<Path>,
}

/// What the source indices become.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetSpec {
    /// Name of the target index.
    pub index: NameTemplate,
    /// File with `settings` and `mappings`, relative to the recipe. None: as the source has them.
    pub template: Option<NameTemplate>,
    /// Index settings that win over the template's.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Whose versions its documents carry, if the recipe says so.
    pub versions: Option<Versions>,
}

/// Whose versions the documents of a target carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// segue's, which say where a document came from. Stated, it means that no writer sends versions of
    /// its own, whatever the source looks like.
    Segue,
    /// Those that the source's documents have, for applications that give them.
    Preserve,
}

impl TargetSpec {
    /// Whose versions the documents of a target are to carry.
    #[must_use]
    pub fn versioning(&self) -> Versioning {
        match self.versions {
            None | Some(Versions::Segue) => Versioning::Ours,
            Some(Versions::Preserve) => Versioning::Preserved,
        }
    }
}
