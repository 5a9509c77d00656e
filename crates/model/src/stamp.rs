//! What a write to a target carries as its version: where the document came from, or the version that
//! the document has in the source.
//!
//! Versions of the source are kept for applications that give them themselves
//! (`version_type=external`) and go on doing so after the switch. They order the writes of one
//! document as long as the application never gives it a lower version than before; that they do not
//! say which operation they came from is made up for by comparing documents by id, version and
//! content. Source of the rules: `docs/concepts/protocol.md`, "preserved versions".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::conflict::{Conflict, judge};
use crate::version::{Incarnation, Provenance, Version};

/// Whose versions the documents of a target carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Versioning {
    /// segue's, which say where a document came from.
    #[default]
    Ours,
    /// Those of the source's documents.
    Preserved,
}

impl fmt::Display for Versioning {
    /// The word of the recipe for it (`target.versions`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Versioning::Ours => "segue",
            Versioning::Preserved => "preserve",
        })
    }
}

/// What a document is written with. The engine takes it only where a lower version stands, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The operation that it came from.
    Ours(Provenance),
    /// The version that it has in the source.
    Preserved(Version),
}

impl Stamp {
    /// The version to write with.
    pub fn version(self) -> Version {
        match self {
            Stamp::Ours(provenance) => provenance.version(),
            Stamp::Preserved(version) => version,
        }
    }

    /// What `version` is, said in the terms of this one.
    pub fn beside(self, version: Version) -> String {
        match self {
            Stamp::Ours(_) => version.to_string(),
            Stamp::Preserved(_) => format!("version {}", version.0),
        }
    }

    /// Judges the version that stood in the way of a write with this one.
    ///
    /// `latest` is the highest incarnation that the journal knows for the target.
    ///
    /// A preserved version that stands there, or a higher one, is what a replay meets, or a write
    /// that came after a later one of the same document. It may also be a tombstone, or a document
    /// that the source held before it was created again with a lower version: that is told by
    /// nothing but the comparison of the final state, which matches by version *and* content and
    /// refuses the switch.
    pub fn judge(self, current: Option<Version>, latest: Incarnation) -> Conflict {
        match self {
            Stamp::Ours(provenance) => judge(provenance, current, latest),
            Stamp::Preserved(ours) if current.is_some_and(|there| there >= ours) => {
                Conflict::AlreadyThere
            }
            Stamp::Preserved(_) => Conflict::Divergence { current },
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stamp::Ours(provenance) => provenance.version().fmt(f),
            Stamp::Preserved(version) => write!(f, "version {}", version.0),
        }
    }
}

/// What a delete is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Takes away what has a lower version, and leaves a tombstone of this one.
    Below(Provenance),
    /// Takes away what has this version or a lower one, and leaves a tombstone of this one: so the
    /// write that it undoes stays undone when it arrives late, and the application's next version
    /// passes.
    UpTo(Version),
}

impl Removal {
    /// What takes away the versions of a document that stood there before the one that is left out
    /// now, which the source holds with `version`. It leaves room for that one, which may be a dead
    /// letter that is written later. `None`: no version is lower.
    pub fn before(version: Version) -> Option<Removal> {
        version.0.checked_sub(1).map(|below| Removal::UpTo(Version(below)))
    }

    /// Judges the version that stood in the way of the delete.
    pub fn judge(self, current: Option<Version>, latest: Incarnation) -> Conflict {
        match self {
            Removal::Below(delete) => judge(delete, current, latest),
            Removal::UpTo(version) if current.is_some_and(|there| there > version) => {
                Conflict::AlreadyThere
            }
            Removal::UpTo(_) => Conflict::Divergence { current },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATEST: Incarnation = Incarnation::FIRST;

    #[test]
    fn a_preserved_version_gives_way_to_itself_and_to_higher_ones_only() {
        let diverged = |current| Conflict::Divergence { current };
        let table = [
            ("a replay, or a tombstone of it", Some(7), Conflict::AlreadyThere),
            ("a later write of the document", Some(8), Conflict::AlreadyThere),
            ("as high as versions get", Some(u64::MAX), Conflict::AlreadyThere),
            ("a lower one, which cannot conflict", Some(6), diverged(Some(Version(6)))),
            ("nothing that the engine tells", None, diverged(None)),
        ];
        for (what, there, expected) in table {
            let stamp = Stamp::Preserved(Version(7));
            assert_eq!(stamp.judge(there.map(Version), LATEST), expected, "{what}");
        }
    }

    #[test]
    fn a_delete_gives_way_to_higher_versions_only() {
        let delete = Removal::UpTo(Version(7));
        assert_eq!(delete.judge(Some(Version(8)), LATEST), Conflict::AlreadyThere);
        for there in [None, Some(Version(7)), Some(Version(6))] {
            assert_eq!(delete.judge(there, LATEST), Conflict::Divergence { current: there });
        }
    }

    #[test]
    fn what_is_left_out_leaves_room_for_itself() {
        assert_eq!(Removal::before(Version(7)), Some(Removal::UpTo(Version(6))));
        assert_eq!(Removal::before(Version(1)), Some(Removal::UpTo(Version(0))));
        assert_eq!(Removal::before(Version(0)), None);
    }

    #[test]
    fn ours_is_judged_by_provenance() {
        let ours = crate::audit::gone_at(LATEST, crate::id::SeqNo(4), crate::id::Shard(0), 1);
        let ours = ours.unwrap();
        let foreign = Some(Version(9));
        let there = Some(ours.version());
        assert_eq!(Stamp::Ours(ours).judge(there, LATEST), Conflict::AlreadyThere);
        let diverged = Conflict::Divergence { current: foreign };
        assert_eq!(Stamp::Ours(ours).judge(foreign, LATEST), diverged);
        assert_eq!(Removal::Below(ours).judge(foreign, LATEST), diverged);
        assert_eq!(Removal::Below(ours).judge(there, LATEST), Conflict::AlreadyThere);
    }
}
