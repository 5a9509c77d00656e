//! Generations: indices that are made whole from files, one after the other, behind one alias.
//!
//! Each has a number, which stands in its name. What is loaded next follows from the journal: one that
//! was begun goes on if its files are still the same, and files that a generation holds already are not
//! loaded again.

pub mod gate;

use crate::id::IndexName;
use crate::journal::SourceIdentity;
use crate::part::PartState;
use crate::phase::Phase;
use crate::recipe::{Captures, NameError, NameTemplate};

/// Digits of a number in a name: so that names sort as their numbers do.
const DIGITS: usize = 6;

/// The name of generation `number`.
///
/// # Errors
/// A name that the engines would refuse.
pub fn name(template: &NameTemplate, number: u64) -> Result<IndexName, NameError> {
    let captures = Captures::from([("generation".to_owned(), format!("{number:0DIGITS$}"))]);
    template.render(&captures, "").map(IndexName::new)
}

/// The number of the generation of this name; none if it is no generation's.
#[must_use]
pub fn number(template: &NameTemplate, name: &str) -> Option<u64> {
    let digits = template.read_back(name)?;
    let plain = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A new generation of this number.
    New(u64),
    /// The generation of this number goes on.
    GoOn(u64),
    /// Nothing: the generation of this number holds these files, and serves or served them.
    Done(u64),
    /// Nothing: the generation of this number held these files and was rolled back.
    RolledBack(u64),
}

/// What to do with files of this identity, after `journal` (each generation with its number) and
/// with `taken` the highest number that an index has.
#[must_use]
pub fn next<'a>(
    journal: impl IntoIterator<Item = (u64, &'a PartState)>,
    taken: u64,
    identity: &SourceIdentity,
) -> Next {
    let last = journal.into_iter().max_by_key(|(number, _)| *number);
    let Some((number, state)) = last else { return Next::New(taken + 1) };
    let new = Next::New(number.max(taken) + 1);
    let same = state.source.as_ref() == Some(identity);
    match &state.phase {
        // Names may be half-way: that has to end first, whatever the files are by now.
        Phase::CuttingOver { .. } | Phase::RollingBack => Next::GoOn(number),
        phase if phase.is_given_up() => new,
        Phase::RolledBack if same => Next::RolledBack(number),
        phase if phase.is_switched() && same => Next::Done(number),
        Phase::RolledBack | Phase::Watching | Phase::Finished => new,
        Phase::Planned => Next::GoOn(number),
        _ if same => Next::GoOn(number),
        _ => new,
    }
}

/// By how many percent of `live` the number of documents differs; none where `live` is 0.
#[must_use]
pub fn drift(live: u64, new: u64) -> Option<u64> {
    let difference = u128::from(live.abs_diff(new)) * 100;
    // What is left over counts: 10.1 % is more than 10 %.
    let percent = difference.div_ceil(u128::from(live).max(1));
    (live > 0).then(|| u64::try_from(percent).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{HistoryUuid, IndexUuid};

    fn template() -> NameTemplate {
        NameTemplate::new("zip-{generation}-v1").unwrap()
    }

    #[test]
    fn names_and_numbers_go_both_ways() {
        for (number_, name_) in [(1, "zip-000001-v1"), (1_234_567, "zip-1234567-v1")] {
            assert_eq!(name(&template(), number_).unwrap().as_str(), name_);
            assert_eq!(number(&template(), name_), Some(number_));
        }
        for other in ["zip-1-v1", "zip-00000a-v1", "zip-000001", "000001", "zip--v1", ""] {
            assert_eq!(number(&template(), other), None, "{other}");
        }
    }

    fn identity(text: &str) -> SourceIdentity {
        SourceIdentity {
            uuid: IndexUuid::new(text),
            histories: vec![HistoryUuid::new("h")],
            also: vec![],
        }
    }

    fn state(phase: Phase, files: &str) -> PartState {
        PartState { phase, source: Some(identity(files)), ..PartState::default() }
    }

    #[test]
    fn what_comes_next_follows_from_the_last_generation() {
        let failed = |at| Phase::Failed { at: Box::new(at), reason: String::new() };
        let table = [
            (Phase::Backfilling, "a", Next::GoOn(4)),
            (Phase::Backfilling, "b", Next::New(8)),
            (failed(Phase::Backfilling), "a", Next::GoOn(4)),
            (failed(Phase::Backfilling), "b", Next::New(8)),
            (Phase::Finished, "a", Next::Done(4)),
            (Phase::Finished, "b", Next::New(8)),
            (Phase::RolledBack, "a", Next::RolledBack(4)),
            (Phase::RolledBack, "b", Next::New(8)),
            (Phase::Abandoned, "a", Next::New(8)),
            (Phase::RollingBack, "b", Next::GoOn(4)),
        ];
        for (phase, files, expected) in table {
            let (old, last) = (state(Phase::Finished, "a"), state(phase.clone(), "a"));
            let got = next([(3, &old), (4, &last)], 7, &identity(files));
            assert_eq!(got, expected, "{phase} {files}");
        }
        assert_eq!(next([], 0, &identity("a")), Next::New(1));
        assert_eq!(next([], 7, &identity("a")), Next::New(8));
    }

    #[test]
    fn drift_is_a_part_of_what_is_live() {
        for (live, new, expected) in [
            (100, 90, Some(10)),
            (100, 110, Some(10)),
            (1000, 1101, Some(11)),
            (3, 3, Some(0)),
            (0, 5, None),
            (1, u64::MAX, Some(u64::MAX)),
        ] {
            assert_eq!(drift(live, new), expected, "{live} {new}");
        }
    }
}
