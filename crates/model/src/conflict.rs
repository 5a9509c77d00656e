//! What a 409 on a versioned write means.

use crate::version::{Incarnation, Origin, Provenance, Version};

/// What the target already holds where we wanted to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The same operation, or a later one of ours: a replay. Counted as "already there".
    AlreadyThere,
    /// Somebody else's document. Never counted as success.
    Divergence {
        /// What stands there; `None` if the engine did not say.
        current: Option<Version>,
    },
}

/// Judges the version that stood in the way of `ours`.
///
/// `latest` is the highest incarnation that the journal knows for this target: a version that
/// decodes to a later one was not written by us.
pub fn judge(ours: Provenance, current: Option<Version>, latest: Incarnation) -> Conflict {
    match current.map(Version::origin) {
        Some(Origin::Ours(theirs)) if theirs >= ours && theirs.incarnation <= latest => {
            Conflict::AlreadyThere
        }
        _ => Conflict::Divergence { current },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SeqNo, Shard};
    use crate::version::{Op, Rewrite};

    fn at(incarnation: u8, seq: i64, rewrite: bool) -> Provenance {
        Provenance {
            incarnation: Incarnation::try_from(incarnation).unwrap(),
            op: Op::of(SeqNo(seq), Shard(0), 1).unwrap(),
            delete: false,
            rewrite: if rewrite { Rewrite::FIRST.next().unwrap() } else { Rewrite::FIRST },
        }
    }

    #[test]
    fn only_our_own_equal_or_later_writes_are_already_there() {
        let ours = at(2, 10, false);
        let latest = Incarnation::try_from(2).unwrap();
        let there = Conflict::AlreadyThere;
        let version = |p: Provenance| p.version();
        let table = [
            ("the same operation", version(at(2, 10, false)), true),
            ("rewritten since", version(at(2, 10, true)), true),
            ("a later operation", version(at(2, 11, false)), true),
            ("an incarnation nobody journalled", version(at(3, 1, false)), false),
            ("touched by an application", Version(version(at(2, 10, false)).0 + 1), false),
            ("an application's own version", Version(4_000), false),
            ("an older one, which cannot conflict", version(at(2, 9, false)), false),
        ];
        for (what, current, expected) in table {
            assert_eq!(judge(ours, Some(current), latest) == there, expected, "{what}");
        }
        assert_eq!(judge(ours, None, latest), Conflict::Divergence { current: None });
    }
}
