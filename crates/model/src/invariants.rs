//! The promises, as functions: what must hold in every moment of a migration.
//!
//! The same functions judge the small world that `segue-model-check` walks through, and can judge what
//! was seen of a real cluster. Numbers and names are stable; they stand in `ARCHITECTURE.md`.

use std::fmt;

use serde::Serialize;

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// P1: a document whose write was acknowledged is there.
    NothingLost,
    /// P2: a document whose delete was acknowledged is not there.
    NothingResurrected,
    /// P3: a document is as the last acknowledged write left it.
    NothingStale,
    /// P4: at most one index takes the writes of a name.
    OneTaker,
    /// P5: a source that is closed has somebody who will open it. So has whatever serves by its name.
    NotLeftClosed,
    /// P6: everybody who works knows a beginning of the one journal.
    OneJournal,
    /// P7: what stands in the way of a write of ours is ours, as long as only we write.
    OwnConflicts,
    /// P8: a redirect refuses no write of an application that only indexes.
    NothingRefused,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Invariant; 8] = [
        Invariant::NothingLost,
        Invariant::NothingResurrected,
        Invariant::NothingStale,
        Invariant::OneTaker,
        Invariant::NotLeftClosed,
        Invariant::OneJournal,
        Invariant::OwnConflicts,
        Invariant::NothingRefused,
    ];

    /// Its number in `ARCHITECTURE.md`.
    pub fn number(self) -> &'static str {
        match self {
            Invariant::NothingLost => "P1",
            Invariant::NothingResurrected => "P2",
            Invariant::NothingStale => "P3",
            Invariant::OneTaker => "P4",
            Invariant::NotLeftClosed => "P5",
            Invariant::OneJournal => "P6",
            Invariant::OwnConflicts => "P7",
            Invariant::NothingRefused => "P8",
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Invariant::NothingLost => "nothing_lost",
            Invariant::NothingResurrected => "nothing_resurrected",
            Invariant::NothingStale => "nothing_stale",
            Invariant::OneTaker => "one_taker",
            Invariant::NotLeftClosed => "not_left_closed",
            Invariant::OneJournal => "one_journal",
            Invariant::OwnConflicts => "own_conflicts",
            Invariant::NothingRefused => "nothing_refused",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

/// A promise that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub shows: String,
}

/// P1, P2, P3: what is found of a document is what was acknowledged last, or what a later write may
/// have left whose answer nobody got. `None` is "no document".
pub fn document<T: PartialEq + fmt::Debug>(
    acknowledged: Option<&T>,
    possible: &[Option<T>],
    found: Option<&T>,
) -> Result<(), Broken> {
    if found == acknowledged || possible.iter().any(|other| other.as_ref() == found) {
        return Ok(());
    }
    let (invariant, shows) = match (acknowledged, found) {
        (_, None) => (Invariant::NothingLost, format!("{acknowledged:?} is not there")),
        (None, Some(_)) => (Invariant::NothingResurrected, format!("{found:?} was deleted")),
        (Some(_), Some(_)) => {
            (Invariant::NothingStale, format!("{found:?} instead of {acknowledged:?}"))
        }
    };
    Err(Broken { invariant, shows })
}

/// P4: of the indices that a name may stand for, at most one takes writes.
pub fn one_taker(takers: &[&str]) -> Result<(), Broken> {
    if takers.len() <= 1 {
        return Ok(());
    }
    let shows = format!("{} take the writes of one name", takers.join(" and "));
    Err(Broken { invariant: Invariant::OneTaker, shows })
}

/// P5: whoever closed the source, or somebody who stands in, is there to open it.
pub fn not_left_closed(closed: bool, openers: usize) -> Result<(), Broken> {
    if !closed || openers > 0 {
        return Ok(());
    }
    let shows = "the source is closed, and nobody is left to open it".to_owned();
    Err(Broken { invariant: Invariant::NotLeftClosed, shows })
}

/// P6: `knows_a_beginning` = what a process holds for the journal's first records are its first records.
pub fn one_journal(knows_a_beginning: bool) -> Result<(), Broken> {
    if knows_a_beginning {
        return Ok(());
    }
    let shows = "two processes go by different records of the same numbers".to_owned();
    Err(Broken { invariant: Invariant::OneJournal, shows })
}

/// P8: no write was refused while writes were redirected.
pub fn nothing_refused(refused: bool) -> Result<(), Broken> {
    if !refused {
        return Ok(());
    }
    let shows = "a write was refused, though a redirect refuses none".to_owned();
    Err(Broken { invariant: Invariant::NothingRefused, shows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_judged_by_what_was_acknowledged() {
        use Invariant::{NothingLost, NothingResurrected, NothingStale};
        type Row = (Option<u8>, &'static [Option<u8>], Option<u8>, Option<Invariant>);
        let table: [Row; 8] = [
            (Some(1), &[], Some(1), None),
            (None, &[], None, None),
            (Some(1), &[Some(2)], Some(2), None),
            (Some(1), &[None], None, None),
            (Some(1), &[], None, Some(NothingLost)),
            (None, &[], Some(1), Some(NothingResurrected)),
            (Some(2), &[], Some(1), Some(NothingStale)),
            (Some(2), &[Some(3)], Some(1), Some(NothingStale)),
        ];
        for (acknowledged, possible, found, expected) in table {
            let judged = document(acknowledged.as_ref(), possible, found.as_ref());
            assert_eq!(judged.err().map(|broken| broken.invariant), expected);
        }
    }

    #[test]
    fn a_name_has_one_taker_and_a_closed_source_an_opener() {
        assert!(one_taker(&["a"]).is_ok() && one_taker(&[]).is_ok());
        assert!(one_taker(&["a", "b"]).is_err());
        assert!(not_left_closed(true, 1).is_ok() && not_left_closed(false, 0).is_ok());
        assert!(not_left_closed(true, 0).is_err());
        assert!(one_journal(true).is_ok() && one_journal(false).is_err());
    }

    #[test]
    fn numbers_and_names_are_one_each() {
        let numbers: std::collections::BTreeSet<_> =
            Invariant::ALL.iter().map(|i| i.number()).collect();
        let names: std::collections::BTreeSet<_> =
            Invariant::ALL.iter().map(|i| i.name()).collect();
        assert_eq!((numbers.len(), names.len()), (8, 8));
    }
}
