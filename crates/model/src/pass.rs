//! What a pass goes by: where it ends, when it counts, and when a closed source has come to rest.
//!
//! A shard's primary knows two numbers. Every operation up to its **global checkpoint** is on every
//! copy; beyond, up to the highest number given out, some may not be searchable yet, or be taken back
//! when another copy becomes primary, and their numbers then mean something else
//! (`docs/concepts/protocol.md`, "reading").

use crate::id::SeqNo;

/// What a primary says about its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Up to here every copy has everything.
    pub global_checkpoint: SeqNo,
    /// The highest number given out.
    pub max_seq_no: SeqNo,
}

impl Log {
    /// Where a pass that begins now ends. The source is to be refreshed *after* this was asked.
    pub fn pass_end(self) -> SeqNo {
        self.global_checkpoint
    }

    /// Whether everything up to `seq_no` is on every copy.
    pub fn covers(self, seq_no: SeqNo) -> bool {
        self.global_checkpoint >= seq_no
    }

    /// Whether every operation is on every copy. A closed source comes to this rest.
    pub fn is_settled(self) -> bool {
        self.global_checkpoint >= self.max_seq_no
    }
}

/// How far a shard is carried, and how far back that may have to be taken.
///
/// A search on the primary can show an operation that no other copy has yet. Such an operation hides
/// the one before it, of the same document, which a pass then steps over. If another copy becomes
/// primary before it has got the operation, the hidden one is back, below the position. So a pass can
/// be relied upon only once everything it may have been shown is on every copy; until then its
/// beginning is kept, and a new primary sends us back there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Everything up to here is carried.
    pub position: SeqNo,
    /// Where the first pass began that can't be relied upon yet.
    pub pass_from: SeqNo,
    /// The highest number given out when the last pass had ended; `None` = not known.
    pub shown_to: Option<SeqNo>,
}

/// How a pass begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// After which number.
    pub position: SeqNo,
    /// Where the first pass began that can't be relied upon, once this one has proved to hold. Not
    /// before: what the primary said may be another primary's word than we think.
    pub pass_from: SeqNo,
}

impl Reach {
    /// How the next pass begins, given what the primary says now and whether it is another one than
    /// that of the last pass.
    pub fn begin(self, log: Log, other_primary: bool) -> Begun {
        let Reach { position, pass_from, shown_to } = self;
        if other_primary {
            Begun { position: pass_from, pass_from }
        } else if log.covers(shown_to.unwrap_or(log.max_seq_no)) {
            Begun { position, pass_from: position }
        } else {
            Begun { position, pass_from }
        }
    }
}

/// Whether a pass counts: the same copies were primary at its beginning and its end.
pub fn holds(terms_before: &[u64], terms_after: &[u64]) -> bool {
    terms_before == terms_after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_ends_at_the_global_checkpoint() {
        let log = Log { global_checkpoint: SeqNo(4), max_seq_no: SeqNo(6) };
        assert_eq!(log.pass_end(), SeqNo(4));
        assert!(!log.is_settled());
        assert!(Log { max_seq_no: SeqNo(4), ..log }.is_settled());
        let empty = Log { global_checkpoint: SeqNo::NONE, max_seq_no: SeqNo::NONE };
        assert!(empty.is_settled());
    }

    #[test]
    fn a_pass_is_relied_upon_once_all_it_was_shown_is_on_every_copy() {
        let log = |global_checkpoint, max_seq_no| Log {
            global_checkpoint: SeqNo(global_checkpoint),
            max_seq_no: SeqNo(max_seq_no),
        };
        let reach = |shown_to: Option<i64>| Reach {
            position: SeqNo(9),
            pass_from: SeqNo(4),
            shown_to: shown_to.map(SeqNo),
        };
        let table = [
            ("all is everywhere", Some(11), log(11, 20), false, (9, 9)),
            ("something shown is on the primary alone", Some(11), log(10, 20), false, (9, 4)),
            ("what was shown is not known", None, log(11, 12), false, (9, 4)),
            ("not known, but all is everywhere", None, log(12, 12), false, (9, 9)),
            ("another primary", Some(11), log(11, 11), true, (4, 4)),
        ];
        for (what, shown_to, log, other, (position, pass_from)) in table {
            let begun = reach(shown_to).begin(log, other);
            let (position, pass_from) = (SeqNo(position), SeqNo(pass_from));
            assert_eq!(begun, Begun { position, pass_from }, "{what}");
        }
    }

    #[test]
    fn another_primary_makes_a_pass_void() {
        assert!(holds(&[1, 3], &[1, 3]));
        assert!(!holds(&[1, 3], &[1, 4]));
    }
}
