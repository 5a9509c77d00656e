//! What a write of ours may do in a target that the application writes to as well: create what is not
//! there, and replace what stands exactly as we wrote it. Everything else is the application's
//! (`docs/concepts/protocol.md`, "redirect").

use crate::version::{Origin, Provenance, Version};

/// What may be done with one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is not there: create it.
    Create,
    /// It stands as we wrote it from an older operation: replace it if it still does.
    Replace,
    /// It stands as we wrote it from this operation or a later one.
    AlreadyThere,
    /// The application wrote it: it stays.
    Theirs,
}

/// Decides for the operation `ours` where `there` stands in the target.
///
/// "As we wrote it" is exactly a version of this incarnation and rewrite. A bump of 0 alone would not
/// do: enough updates of an application carry over into the rewrite.
pub fn decide(ours: Provenance, there: Option<Version>) -> Decision {
    let Some(there) = there else { return Decision::Create };
    match there.origin() {
        Origin::Ours(theirs) if is_same_lineage(ours, theirs) => {
            if theirs.op >= ours.op {
                Decision::AlreadyThere
            } else {
                Decision::Replace
            }
        }
        _ => Decision::Theirs,
    }
}

fn is_same_lineage(ours: Provenance, theirs: Provenance) -> bool {
    theirs.incarnation == ours.incarnation && theirs.rewrite == ours.rewrite && !theirs.delete
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SeqNo, Shard};
    use crate::version::{Incarnation, Op, Rewrite};

    fn at(seq: i64) -> Provenance {
        Provenance {
            incarnation: Incarnation::FIRST,
            op: Op::of(SeqNo(seq), Shard(0), 1).unwrap(),
            delete: false,
            rewrite: Rewrite::FIRST,
        }
    }

    #[test]
    fn only_what_is_absent_or_exactly_ours_is_written() {
        let touched = Version(at(5).version().0 + 1);
        let carried_over = Version(at(5).version().0 + (1 << 13));
        let table = [
            ("absent", None, Decision::Create),
            ("older of ours", Some(at(5).version()), Decision::Replace),
            ("the same", Some(at(9).version()), Decision::AlreadyThere),
            ("later", Some(at(10).version()), Decision::AlreadyThere),
            ("updated once by the application", Some(touched), Decision::Theirs),
            ("updated 8,192 times", Some(carried_over), Decision::Theirs),
            ("made by the application", Some(Version(1)), Decision::Theirs),
            (
                "a delete of ours",
                Some(Provenance { delete: true, ..at(5) }.version()),
                Decision::Theirs,
            ),
        ];
        for (what, there, expected) in table {
            assert_eq!(decide(at(9), there), expected, "{what}");
        }
    }
}
