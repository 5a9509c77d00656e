//! Which indices are migrated, and what they become.

use super::{Captures, FilesSpec, NamePattern, NameTemplate, Path};
use crate::stamp::Versioning;

/// What documents come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Indices of the cluster, each with a target of its own.
    Indices(SourceSpec),
    /// Files, all of them into a new generation of one index.
    Files(Box<FilesSpec>),
}

impl Source {
    /// The indices; none where the source is files.
    #[must_use]
    pub fn indices(&self) -> Option<&SourceSpec> {
        match self {
            Source::Indices(indices) => Some(indices),
            Source::Files(_) => None,
        }
    }

    /// The files; none where the source is indices.
    #[must_use]
    pub fn files(&self) -> Option<&FilesSpec> {
        match self {
            Source::Indices(_) => None,
            Source::Files(files) => Some(files),
        }
    }

    /// Names of what the names of source indices hold.
    #[must_use]
    pub fn captures(&self) -> &[String] {
        self.indices().map_or(&[], |source| source.index.captures())
    }

    /// What the name of a source index holds, if it belongs to the recipe.
    #[must_use]
    pub fn matches(&self, index: &str) -> Option<Captures> {
        self.indices()?.index.matches(index)
    }
}

/// Which indices are migrated.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Names of the source indices.
    pub index: NamePattern,
    /// Fields that the target's shape has and the old one hasn't. A source whose mapping already
    /// has all of them needs no migration. Empty: not asked.
    pub done_if_mapped: Vec<Path>,
    /// Whether it is no mistake if there is no such index at all: then there is nothing to do.
    pub may_be_empty: bool,
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
    /// Whether several sources may go into one target.
    pub merge: bool,
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
