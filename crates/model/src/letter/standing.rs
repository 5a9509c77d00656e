//! What a dead letter is by now: the document may have been written, changed or deleted since.

use std::fmt;

use serde::Serialize;

use crate::audit::Now;
use crate::id::SeqNo;
use crate::version::{Incarnation, Rewrite};

/// Under which numbers a document was refused: one projection of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Which meaning operation numbers have.
    pub incarnation: Incarnation,
    /// Which projection of them it was.
    pub rewrite: Rewrite,
}

/// What is known of a letter's document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its number when it was refused.
    pub refused_at: SeqNo,
    /// The projection that was refused; none in a letter of an older version, which did not say.
    pub refused_in: Option<Projection>,
    /// The projection that is being written.
    pub current: Projection,
    /// Up to where its shard is carried.
    pub position: SeqNo,
    /// What the source holds of it.
    pub source: Now,
    /// Whether the target holds it as of the same operation or a later one.
    pub in_target: bool,
}

/// What a dead letter is by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The source holds the very document that was refused, and the target has none of it. What the
    /// verification counts as a dead letter, and the gate judges.
    Open,
    /// The document has changed in the source, or everything is projected anew, and that is not
    /// carried yet: the next pass decides.
    Waits,
    /// The target holds it.
    Written,
    /// A later operation of the document was carried, which was not refused.
    Superseded,
    /// The source does not hold it any more.
    Gone,
    /// A later projection has carried it, and did not refuse it.
    Projected,
}

impl Standing {
    /// Whether the letter says nothing any more and may be removed.
    pub fn is_void(self) -> bool {
        !matches!(self, Standing::Open | Standing::Waits)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Standing::Open => "open",
            Standing::Waits => "not carried yet since it changed: the next run decides",
            Standing::Written => "written since",
            Standing::Superseded => "superseded by a later operation of the document",
            Standing::Gone => "the source does not hold the document any more",
            Standing::Projected => "projected anew since, and not refused",
        })
    }
}

/// What the letter is by now (`docs/concepts/protocol.md`, "dead letters").
pub fn standing(facts: &Facts) -> Standing {
    let Facts { refused_at, refused_in, current, position, source, in_target } = *facts;
    if let Some(then) = refused_in.filter(|then| *then != current) {
        // Numbers of another incarnation are other operations: the letter speaks of none of these.
        let carried = then.incarnation != current.incarnation || position >= refused_at;
        return if carried { Standing::Projected } else { Standing::Waits };
    }
    match source {
        Now::Absent => Standing::Gone,
        Now::At(at) if at == refused_at && in_target => Standing::Written,
        Now::At(at) if at == refused_at => Standing::Open,
        Now::At(at) | Now::OtherRouting(at) if at > refused_at && at <= position => {
            Standing::Superseded
        }
        Now::At(_) | Now::OtherRouting(_) => Standing::Waits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Projection =
        Projection { incarnation: Incarnation::FIRST, rewrite: Rewrite::FIRST };

    fn facts(source: Now, position: i64) -> Facts {
        Facts {
            refused_at: SeqNo(10),
            refused_in: Some(FIRST),
            current: FIRST,
            position: SeqNo(position),
            source,
            in_target: false,
        }
    }

    #[test]
    fn a_letter_is_open_only_while_its_very_document_is_in_the_source_alone() {
        let (at, other) = (|n| Now::At(SeqNo(n)), |n| Now::OtherRouting(SeqNo(n)));
        let table = [
            ("as it was refused", at(10), 20, Standing::Open),
            ("deleted", Now::Absent, 20, Standing::Gone),
            ("changed and carried", at(15), 20, Standing::Superseded),
            ("changed, at the very end", at(20), 20, Standing::Superseded),
            ("changed and not carried", at(21), 20, Standing::Waits),
            ("an older primary", at(9), 20, Standing::Waits),
            ("with another routing, carried", other(15), 20, Standing::Superseded),
            ("with another routing, not carried", other(21), 20, Standing::Waits),
        ];
        for (what, source, position, expected) in table {
            assert_eq!(standing(&facts(source, position)), expected, "{what}");
        }
    }

    #[test]
    fn what_the_target_holds_is_written_only_if_it_is_the_same_document() {
        let there = |source| Facts { in_target: true, ..facts(source, 20) };
        assert_eq!(standing(&there(Now::At(SeqNo(10)))), Standing::Written);
        assert_eq!(standing(&there(Now::At(SeqNo(21)))), Standing::Waits);
        assert_eq!(standing(&there(Now::Absent)), Standing::Gone);
    }

    #[test]
    fn a_later_projection_decides_anew() {
        let rewritten = Projection { rewrite: Rewrite::FIRST.next().unwrap(), ..FIRST };
        let now = |position| Facts { current: rewritten, ..facts(Now::At(SeqNo(10)), position) };
        assert_eq!(standing(&now(9)), Standing::Waits);
        assert_eq!(standing(&now(10)), Standing::Projected);
        let again = Facts { refused_in: Some(rewritten), ..now(10) };
        assert_eq!(standing(&again), Standing::Open);
        let other = Projection { incarnation: Incarnation::try_from(2).unwrap(), ..FIRST };
        let recreated = Facts { current: other, ..facts(Now::At(SeqNo(10)), -1) };
        assert_eq!(standing(&recreated), Standing::Projected);
        let unsaid = Facts { refused_in: None, ..now(20) };
        assert_eq!(standing(&unsaid), Standing::Open);
    }
}
