//! Who may switch, who may take back, and who may open: decisions about the marks on a target.
//!
//! A **mark** is a hidden alias that belongs to one epoch. Requests that must not come
//! late name the mark they rely on, so the engine itself refuses them once it is gone:
//!
//! - The *write* mark is in force while the epoch carries documents. Bulks go through it; a switch
//!   takes it away, and so does a back-out. So exactly one of the two succeeds.
//! - The *opening* mark is put there by the back-out, in the request that takes the write mark. The
//!   request that lifts the source's block goes through it too. The next epoch removes it, so whoever
//!   was held up between the two can't open a source that somebody else has closed since.
//! - The *closing* mark stands on the index that is to be closed, put there while the write mark is in
//!   force. Requests that close or redirect name it in place of the index: once a back-out has taken it
//!   away, or the switch the whole index, a late one finds nothing. By the index's name it would close
//!   whatever that name stands for by then.
//!
//! - The *giving-up* mark stands on the source while the part is given up. Requests that fence or delete
//!   the target name it; whoever begins the part anew takes it away first.
//!
//! A target is made with the opening mark of epoch 0, and so is the kept copy, which has the marks after
//! the switch. So until the switch, and until the way back is done, there is always a mark, and whoever
//! puts another one there has to take one that he saw.

use crate::id::{AliasName, Epoch, IndexName};

/// A hidden alias, and what it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// To write, to switch, and to take back.
    Write(Epoch),
    /// To open the source: the epoch was taken back.
    Opening(Epoch),
}

/// What the names of write marks begin with.
pub const WRITE_ALIAS: &str = "segue-write-";
/// What the names of opening marks begin with.
pub const OPENING_ALIAS: &str = "segue-open-";

/// What the names of closing marks begin with.
pub const CLOSING_ALIAS: &str = "segue-close-";

/// The name of the closing mark of `epoch` on `index`.
pub fn closing_mark(index: &IndexName, epoch: Epoch) -> AliasName {
    AliasName::new(format!("{CLOSING_ALIAS}{index}-{epoch}"))
}

/// What the names of the marks begin with that stand on a source that is being given up.
pub const GIVING_UP_ALIAS: &str = "segue-abandon-";

/// The name of the mark on `source` by which the process `by` removes what was made for it.
pub fn giving_up_mark(source: &IndexName, by: &str) -> AliasName {
    AliasName::new(format!("{GIVING_UP_ALIAS}{source}-{by}"))
}

/// Whether `alias` is a mark of whoever gives a part up.
pub fn is_giving_up_mark(alias: &str) -> bool {
    alias.starts_with(GIVING_UP_ALIAS)
}

/// Whether `alias` is a closing mark of any part.
pub fn is_closing_mark(alias: &str) -> bool {
    alias.starts_with(CLOSING_ALIAS)
}

impl Mark {
    /// Whose it is.
    pub fn epoch(self) -> Epoch {
        match self {
            Mark::Write(epoch) | Mark::Opening(epoch) => epoch,
        }
    }

    /// Its name, for a part with this target.
    pub fn alias(self, target: &IndexName) -> AliasName {
        match self {
            Mark::Write(epoch) => epoch.write_alias(target),
            Mark::Opening(epoch) => AliasName::new(format!("{OPENING_ALIAS}{target}-{epoch}")),
        }
    }

    /// The mark that `alias` is, if it is one of a part with this target.
    pub fn of(alias: &str, target: &IndexName) -> Option<Mark> {
        let epoch = |begin: &str| {
            let rest = alias.strip_prefix(begin)?.strip_prefix(target.as_str())?;
            rest.strip_prefix('-')?.parse().ok().map(Epoch)
        };
        epoch(WRITE_ALIAS).map(Mark::Write).or_else(|| epoch(OPENING_ALIAS).map(Mark::Opening))
    }

    /// Whether `alias` is a mark of any part.
    pub fn is_one(alias: &str) -> bool {
        [WRITE_ALIAS, OPENING_ALIAS, CLOSING_ALIAS, GIVING_UP_ALIAS]
            .iter()
            .any(|begin| alias.starts_with(begin))
    }
}

/// The marks that go when `epoch` is put in force: all older ones there are, in the request that puts
/// its own there. They must exist then, so of two processes that saw the same marks one succeeds; the
/// other looks again. `None` where a later epoch is there already, or this one was taken back: who is
/// older never takes over from who is newer.
pub fn supersede(marks: &[Mark], epoch: Epoch) -> Option<Vec<Mark>> {
    let is_older = |mark: &Mark| mark.epoch() < epoch;
    let may = |mark: &Mark| is_older(mark) || *mark == Mark::Write(epoch);
    marks.iter().all(may).then(|| marks.iter().copied().filter(is_older).collect())
}

/// What a back-out sees. The names are looked at *after* the marks: where the write mark is gone,
/// taken by the switch or by an earlier back-out, that look is final.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The target's marks.
    pub marks: &'a [Mark],
    /// Whether the source's name stands for the target.
    pub switched: bool,
    /// The epoch that is taken back; none = whichever there is.
    pub own: Option<Epoch>,
}

/// What a back-out does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackOut {
    /// Nothing: the names have moved.
    Switched,
    /// Nothing: a later epoch is in force, somebody else works on the part.
    Superseded,
    /// Take these marks away, which must be there, and put the opening mark of `epoch` on, in one
    /// request; then open by it.
    Take {
        /// Every write mark.
        marks: Vec<Mark>,
        /// Whose opening mark.
        epoch: Epoch,
    },
    /// Open the source by a request that also names this epoch's opening mark.
    Open {
        /// Whose opening mark.
        epoch: Epoch,
    },
    /// Open the source by the closing mark it bears, if it bears one: somebody removed the other marks by
    /// hand, or the target is gone. Without one nothing of this cutover is closed any more, and who opened
    /// all the same could open what a later one has closed.
    OpenUnmarked,
}

/// What a back-out does next.
pub fn back_out(seen: Evidence<'_>) -> BackOut {
    if seen.switched {
        return BackOut::Switched;
    }
    if let Some(own) = seen.own
        && seen.marks.iter().any(|mark| mark.epoch() > own)
    {
        return BackOut::Superseded;
    }
    let in_force = seen.marks.iter().filter(|mark| matches!(mark, Mark::Write(_)));
    let marks: Vec<_> = in_force.copied().collect();
    let newest = |marks: &[Mark]| marks.iter().map(|mark| mark.epoch()).max();
    match (newest(&marks), newest(seen.marks)) {
        (Some(epoch), _) => BackOut::Take { marks, epoch },
        (None, Some(epoch)) => BackOut::Open { epoch },
        (None, None) => BackOut::OpenUnmarked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_by_its_name() {
        let target = IndexName::new("events-v2-1");
        for mark in [Mark::Write(Epoch(3)), Mark::Opening(Epoch(12)), Mark::Opening(Epoch(0))] {
            let alias = mark.alias(&target);
            assert_eq!(Mark::of(alias.as_str(), &target), Some(mark));
            assert!(Mark::is_one(alias.as_str()));
        }
        let giving_up = giving_up_mark(&target, "77-1");
        assert!(Mark::is_one(giving_up.as_str()) && is_giving_up_mark(giving_up.as_str()));
        assert_eq!(Mark::of(giving_up.as_str(), &target), None, "it is on another index");
        let closing = closing_mark(&target, Epoch(3));
        assert!(Mark::is_one(closing.as_str()) && is_closing_mark(closing.as_str()));
        assert_eq!(Mark::of(closing.as_str(), &target), None, "it is on another index");
        for other in ["events", "segue-write-events-v2-1-x", "segue-open-other-1"] {
            assert_eq!(Mark::of(other, &target), None, "{other}");
        }
    }

    #[test]
    fn only_a_later_epoch_takes_over() {
        let marks = [Mark::Opening(Epoch(1)), Mark::Write(Epoch(2))];
        assert_eq!(supersede(&marks, Epoch(3)), Some(marks.to_vec()));
        assert_eq!(supersede(&marks, Epoch(1)), None);
        // The answer to its own request was lost.
        assert_eq!(supersede(&marks, Epoch(2)), Some(vec![Mark::Opening(Epoch(1))]));
        assert_eq!(supersede(&[Mark::Write(Epoch(2))], Epoch(2)), Some(vec![]));
        assert_eq!(supersede(&[Mark::Opening(Epoch(2))], Epoch(2)), None);
    }

    #[test]
    fn what_a_back_out_does_follows_from_what_it_sees() {
        let (write, opening) = (|n| Mark::Write(Epoch(n)), |n| Mark::Opening(Epoch(n)));
        let take = |n| BackOut::Take { marks: vec![write(n)], epoch: Epoch(n) };
        let table = [
            ("switched", vec![], true, Some(1), BackOut::Switched),
            ("switched, whoever asks", vec![], true, None, BackOut::Switched),
            ("in force", vec![write(1)], false, Some(1), take(1)),
            ("any epoch", vec![write(4)], false, None, take(4)),
            ("a later epoch", vec![write(2)], false, Some(1), BackOut::Superseded),
            ("a later one taken back", vec![opening(2)], false, Some(1), BackOut::Superseded),
            ("taken already", vec![opening(1)], false, Some(1), BackOut::Open { epoch: Epoch(1) }),
            ("an old opening mark", vec![opening(1), write(2)], false, None, take(2)),
            ("an older epoch came back", vec![write(1)], false, Some(2), take(1)),
            ("no marks", vec![], false, Some(1), BackOut::OpenUnmarked),
        ];
        for (what, marks, switched, own, expected) in table {
            let seen = Evidence { marks: &marks, switched, own: own.map(Epoch) };
            assert_eq!(back_out(seen), expected, "{what}");
        }
    }
}
