//! The events of one pair of member and group, and what a change adds to them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Instant;

/// What an event says. Of two of the same instant that were written at the same time the later one of this
/// order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The member joined the group.
    Added,
    /// It left.
    Removed,
}

/// An event that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What it says.
    pub kind: Kind,
    /// When that was.
    pub at: Instant,
    /// When it is written, milliseconds since 1970.
    pub written: i64,
}

/// All events of a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// When it was, when it was written, and what it says.
    events: BTreeSet<(i64, i64, Kind)>,
}

impl History {
    /// Notes an event: when it was, and when it was written, in milliseconds since 1970.
    pub fn note(&mut self, kind: Kind, at: i64, written: i64) {
        self.events.insert((at, written, kind));
    }

    /// Whether there is no event at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What the last event says that is not later than `at`, milliseconds since 1970.
    #[must_use]
    pub fn at(&self, at: i64) -> Option<Kind> {
        let until = ..=(at, i64::MAX, Kind::Removed);
        self.events.range(until).next_back().map(|(_, _, kind)| *kind)
    }

    /// Carries changes out in their order; what was added, and by which of them. Of several of one instant
    /// only the last counts: there is no time between them for the others to have been true.
    pub fn change_all(&mut self, changes: &[(Kind, Instant)], now: i64) -> Vec<(usize, Written)> {
        let mut new = Vec::new();
        for (number, (kind, at)) in changes.iter().enumerate() {
            let later = changes.get(number + 1..).unwrap_or_default();
            if later.iter().all(|(_, other)| other.ms() != at.ms()) {
                new.extend(self.change(*kind, at, now).into_iter().map(|new| (number, new)));
            }
        }
        new
    }

    /// Adds what it takes for the member to be in the group, or out of it, from `at` on; what was added.
    ///
    /// Who is in it already is not added again, and who has left does not leave again. Who leaves without
    /// ever having joined had joined a second before: otherwise nothing would show that it was there. What
    /// stands there already, by whomever it was written, is not written again, so that the same changes
    /// once more add nothing. `now` is when it is written, milliseconds since 1970.
    pub fn change(&mut self, wanted: Kind, at: &Instant, now: i64) -> Vec<Written> {
        let alone = |(ms, _, kind): &(i64, i64, Kind)| *ms == at.ms() && *kind == Kind::Removed;
        let new = match (self.at(at.ms()), wanted) {
            // The joining that the leaving stands for was refused, or its writer died before it.
            (Some(Kind::Removed), Kind::Removed) if self.events.first().is_some_and(alone) => {
                vec![(Kind::Added, at.second_before())]
            }
            (Some(Kind::Added), Kind::Added) | (Some(Kind::Removed), Kind::Removed) => Vec::new(),
            (None, Kind::Removed) => {
                vec![(Kind::Added, at.second_before()), (Kind::Removed, at.clone())]
            }
            _ => vec![(wanted, at.clone())],
        };
        let new = new.into_iter().filter_map(|(kind, at)| self.add(kind, at, now));
        new.collect()
    }

    fn add(&mut self, kind: Kind, at: Instant, now: i64) -> Option<Written> {
        let of_then = (at.ms(), i64::MIN, Kind::Added)..=(at.ms(), i64::MAX, Kind::Removed);
        let mut latest = None;
        for (_, written, there) in self.events.range(of_then) {
            if *there == kind {
                return None;
            }
            latest = latest.max(Some(*written));
        }
        // Of the same instant, what is written later counts.
        let written = latest.map_or(now, |latest| now.max(latest.saturating_add(1)));
        self.note(kind, at.ms(), written);
        Some(Written { kind, at, written })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Kind::{Added, Removed};
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(&format!("2024-01-01T{text}")).unwrap()
    }

    fn changed(changes: &[(Kind, &str)]) -> (History, Vec<(Kind, String)>) {
        let mut history = History::default();
        let mut all = Vec::new();
        for (now, (kind, when)) in changes.iter().enumerate() {
            let now = i64::try_from(now).unwrap();
            for new in history.change(*kind, &at(when), now) {
                all.push((new.kind, new.at.as_str()[11..].to_owned()));
            }
        }
        (history, all)
    }

    type Row = (&'static [(Kind, &'static str)], &'static [(Kind, &'static str)]);

    #[test]
    fn changes_become_events() {
        let table: [Row; 9] = [
            (&[(Added, "10:00:00")], &[(Added, "10:00:00")]),
            (
                &[(Added, "10:00:00"), (Removed, "11:00:00")],
                &[(Added, "10:00:00"), (Removed, "11:00:00")],
            ),
            (&[(Removed, "11:00:00")], &[(Added, "10:59:59"), (Removed, "11:00:00")]),
            (&[(Added, "10:00:00"), (Added, "11:00:00")], &[(Added, "10:00:00")]),
            (
                &[(Removed, "11:00:00"), (Removed, "12:00:00")],
                &[(Added, "10:59:59"), (Removed, "11:00:00")],
            ),
            (
                &[(Removed, "11:00:00"), (Added, "12:00:00")],
                &[(Added, "10:59:59"), (Removed, "11:00:00"), (Added, "12:00:00")],
            ),
            // Late ones are judged by what was then.
            (
                &[(Added, "10:00:00"), (Removed, "12:00:00"), (Removed, "11:00:00")],
                &[(Added, "10:00:00"), (Removed, "12:00:00"), (Removed, "11:00:00")],
            ),
            (
                &[(Added, "12:00:00"), (Added, "10:00:00")],
                &[(Added, "12:00:00"), (Added, "10:00:00")],
            ),
            (
                &[(Added, "10:00:00"), (Removed, "12:00:00"), (Added, "11:00:00")],
                &[(Added, "10:00:00"), (Removed, "12:00:00")],
            ),
        ];
        for (changes, expected) in table {
            let expected: Vec<_> =
                expected.iter().map(|(kind, at)| (*kind, (*at).to_owned())).collect();
            assert_eq!(changed(changes).1, expected, "{changes:?}");
        }
    }

    /// Of the two events that a leaving without history becomes, the first may have been refused.
    #[test]
    fn a_leaving_that_stands_alone_is_completed_when_it_is_said_again() {
        let eleven = at("11:00:00");
        let mut history = History::default();
        history.note(Removed, eleven.ms(), 0);
        let new = history.change(Removed, &eleven, 1);
        let new: Vec<_> = new.iter().map(|new| (new.kind, new.at.as_str())).collect();
        assert_eq!(new, [(Added, "2024-01-01T10:59:59")]);
        assert!(history.change(Removed, &eleven, 2).is_empty());
        // Said of another time, it is a leaving after a leaving.
        assert!(history.change(Removed, &at("12:00:00"), 3).is_empty());
    }

    #[test]
    fn of_one_instant_the_later_written_counts() {
        let ten = at("10:00:00").ms();
        let (history, _) = changed(&[(Added, "10:00:00"), (Removed, "10:00:00")]);
        assert_eq!(history.at(ten), Some(Removed));
        let mut history = History::default();
        for wanted in [Removed, Added] {
            history.change(wanted, &at("10:00:00"), 5);
            assert_eq!(history.at(ten), Some(wanted), "though both were written at once");
        }
        assert_eq!(history.change(Removed, &at("10:00:00"), 9), [], "it stands there");
        let mut tied = History::default();
        tied.note(Removed, ten, 5);
        tied.note(Added, ten, 5);
        assert_eq!(tied.at(ten), Some(Removed));
    }

    /// Whether a member is in the group, minute by minute, by the changes alone.
    fn oracle(changes: &[(i64, bool)], minutes: i64) -> Vec<bool> {
        let mut state = vec![false; usize::try_from(minutes).unwrap()];
        for (minute, member) in changes {
            for at in *minute..minutes {
                state[usize::try_from(at).unwrap()] = *member;
            }
        }
        state
    }

    fn kind(member: bool) -> Kind {
        if member { Added } else { Removed }
    }

    fn apply(history: &mut History, changes: &[(i64, bool)], now: i64) -> usize {
        let changes: Vec<_> = changes
            .iter()
            .map(|(minute, member)| (kind(*member), Instant::of_ms(minute * 60_000)))
            .collect();
        history.change_all(&changes, now).len()
    }

    proptest! {
        #[test]
        fn histories_say_what_the_changes_said(
            mut minutes in proptest::collection::vec((0i64..60, any::<bool>()), 0..25)
        ) {
            minutes.sort_by_key(|(minute, _)| *minute);
            minutes.dedup_by_key(|(minute, _)| *minute);
            let mut history = History::default();
            apply(&mut history, &minutes, 1000);
            let expected = oracle(&minutes, 60);
            for (minute, member) in expected.iter().enumerate() {
                let end = i64::try_from(minute).unwrap() * 60_000 + 58_000;
                prop_assert_eq!(history.at(end) == Some(Added), *member, "minute {}", minute);
            }
            // Nothing is said twice, and it begins with joining.
            let kinds: Vec<_> = history.events.iter().map(|(_, _, kind)| *kind).collect();
            prop_assert!(kinds.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", kinds);
            prop_assert!(kinds.first().is_none_or(|kind| *kind == Added));
            let before = history.clone();
            prop_assert_eq!(apply(&mut history, &minutes, 5000), 0, "once more");
            prop_assert_eq!(history, before);
        }

        #[test]
        fn what_is_repeated_adds_nothing_also_at_one_instant(
            mut minutes in proptest::collection::vec((0i64..8, any::<bool>()), 0..25)
        ) {
            minutes.sort_by_key(|(minute, _)| *minute);
            let mut history = History::default();
            apply(&mut history, &minutes, 7);
            for (minute, member) in oracle(&minutes, 8).iter().enumerate() {
                let end = i64::try_from(minute).unwrap() * 60_000 + 58_000;
                prop_assert_eq!(history.at(end) == Some(Added), *member, "minute {}", minute);
            }
            let before = history.clone();
            prop_assert_eq!(apply(&mut history, &minutes, 9000), 0);
            prop_assert_eq!(history, before);
        }

        /// A late change may make one count that had nothing to say before: repeated until nothing is new,
        /// any order says the same.
        #[test]
        fn in_any_order_repeating_puts_it_right(
            order in proptest::collection::vec(any::<bool>(), 0..12).prop_flat_map(|members| {
                let changes: Vec<_> = (1..).zip(members).collect();
                Just(changes).prop_shuffle()
            })
        ) {
            let mut history = History::default();
            let passes = (0..20).take_while(|now| apply(&mut history, &order, *now) > 0).count();
            prop_assert!(passes <= order.len() + 1);
            let mut sorted = order;
            sorted.sort_unstable();
            for (minute, member) in oracle(&sorted, 20).iter().enumerate() {
                let end = i64::try_from(minute).unwrap() * 60_000 + 58_000;
                prop_assert_eq!(history.at(end) == Some(Added), *member, "minute {}", minute);
            }
        }
    }
}
