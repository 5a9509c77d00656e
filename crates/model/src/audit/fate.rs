//! What becomes of a candidate.

use crate::id::{SeqNo, Shard};
use crate::version::{Incarnation, Op, OpOverflow, Provenance, Rewrite};

/// What the source holds under a candidate's id and routing, realtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// Nothing.
    Absent,
    /// The document, at this number.
    At(SeqNo),
    /// A document of the same id with another routing, at this number. The source keeps one of the
    /// two; a target with other shards may keep both.
    OtherRouting(SeqNo),
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A pass has read a later operation of the document, and so has replaced it in the target or
    /// taken it away: settled.
    Superseded,
    /// The next pass brings the document again: looked at once more after that. Not settled,
    /// because a delete before that pass would leave no other trace.
    Waits,
    /// What the target holds of it goes, as of this number: above every older write of the document,
    /// below every newer one. Settled once that is done.
    Delete(SeqNo),
    /// A live document was never read. Nothing may be switched on top of that.
    Missed(SeqNo),
}

/// Decides about the candidate `number` of a shard that is carried up to `checkpoint`. `read` says
/// whether a number up to there was read.
///
/// A delete stands at the checkpoint where the source has nothing: whatever is created after the
/// look gets a higher number. Where the source has a document that must not be touched, because
/// another routing can mean the same document of the target, it stands just below that document.
pub fn fate(number: SeqNo, now: Now, checkpoint: SeqNo, read: impl FnOnce(SeqNo) -> bool) -> Fate {
    match now {
        Now::Absent => Fate::Delete(checkpoint),
        Now::At(at) if at == number || at > checkpoint => Fate::Waits,
        Now::At(at) if at > number && read(at) => Fate::Superseded,
        Now::OtherRouting(at) if at > number => Fate::Delete(SeqNo(at.0 - 1).min(checkpoint)),
        // A number can only go where a higher one came.
        Now::At(at) | Now::OtherRouting(at) => Fate::Missed(at),
    }
}

/// The provenance of a delete found at `seq_no` of `shard`.
pub fn gone_at(
    incarnation: Incarnation,
    seq_no: SeqNo,
    shard: Shard,
    shards: u32,
) -> Result<Provenance, OpOverflow> {
    let op = Op::of(seq_no, shard, shards)?;
    Ok(Provenance { incarnation, op, delete: true, rewrite: Rewrite::FIRST })
}

/// The provenance of the delete that takes away what the target may hold of a document that the
/// recipe leaves out, or that was refused, where it would have been written with `write`.
///
/// It stands just below that write, so that a dead letter can still be written. In a later rewrite
/// there is nothing between the former writes of the same operation and this one: it stands in this
/// one's place. It never has the delete bit at the operation itself, which would outrank the next
/// rewrite.
pub fn left_out(write: Provenance, shards: u32) -> Provenance {
    let (seq_no, shard) = write.op.source(shards);
    if write.rewrite != Rewrite::FIRST {
        return write;
    }
    gone_at(write.incarnation, SeqNo(seq_no.0 - 1), shard, shards).unwrap_or(write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_one_fate() {
        let checkpoint = SeqNo(90);
        let table = [
            (Now::Absent, Fate::Delete(SeqNo(90))),
            (Now::OtherRouting(SeqNo(40)), Fate::Delete(SeqNo(39))),
            (Now::OtherRouting(SeqNo(95)), Fate::Delete(SeqNo(90))),
            (Now::OtherRouting(SeqNo(10)), Fate::Missed(SeqNo(10))),
            (Now::At(SeqNo(91)), Fate::Waits),
            (Now::At(SeqNo(30)), Fate::Waits),
            (Now::At(SeqNo(90)), Fate::Superseded),
            (Now::At(SeqNo(61)), Fate::Missed(SeqNo(61))),
            (Now::At(SeqNo(10)), Fate::Missed(SeqNo(10))),
        ];
        for (now, expected) in table {
            assert_eq!(fate(SeqNo(30), now, checkpoint, |n| n != SeqNo(61)), expected, "{now:?}");
        }
    }

    fn write(seq: i64, rewrite: Rewrite) -> Provenance {
        Provenance {
            incarnation: Incarnation::FIRST.next().unwrap(),
            op: Op::of(SeqNo(seq), Shard(1), 3).unwrap(),
            delete: false,
            rewrite,
        }
    }

    #[test]
    fn a_delete_stands_above_what_is_older_and_below_what_is_newer() {
        let last = std::iter::successors(Some(Rewrite::FIRST), |r| r.next()).last().unwrap();
        let incarnation = Incarnation::FIRST.next().unwrap();
        let delete = gone_at(incarnation, SeqNo(59), Shard(1), 3).unwrap().version();
        assert!(write(59, last).version() < delete);
        assert!(delete < write(60, Rewrite::FIRST).version());
    }

    #[test]
    fn what_is_left_out_goes_and_its_own_write_stays_possible() {
        let second = Rewrite::FIRST.next().unwrap();
        for seq in [1, 60] {
            let delete = left_out(write(seq, Rewrite::FIRST), 3);
            assert!(write(seq - 1, second) < delete);
            assert!(delete < write(seq, Rewrite::FIRST));
        }
        let first = left_out(write(0, Rewrite::FIRST), 3);
        assert!(Provenance { incarnation: Incarnation::FIRST, ..write(90, second) } < first);
        let again = left_out(write(60, second), 3);
        assert!(write(60, Rewrite::FIRST) < again);
        assert!(again < write(60, second.next().unwrap()), "the next rewrite outranks it");
    }
}
