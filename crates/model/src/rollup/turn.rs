//! When something came and went: its beginning, its end, and the changes of membership between.
//!
//! Changes are told by whoever made them, and some are told twice, or not at all: what counts is a **turn**,
//! a change that found the opposite before it. So what came and is there still is never counted
//! twice, and nothing goes that was not there.

use std::collections::BTreeMap;

/// A change of membership as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What tells it from every other.
    pub id: String,
    /// Of what membership changed.
    pub key: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether it became a member.
    pub into: bool,
}

/// What made something come or go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It began.
    From,
    /// It ended.
    Until,
    /// The change with this id.
    Change(String),
}

/// A coming or a going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// For which key.
    pub key: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether it came.
    pub into: bool,
    /// Why.
    pub cause: Cause,
}

/// All that is known of the comings and goings of one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// When it began, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// When it ended. From then on it is a member of nothing, whatever changes say.
    pub until_ms: Option<i64>,
    /// In any order.
    pub changes: Vec<Change>,
}

impl Life {
    /// The turns, by key and in the order of time. The key of everything, `all`, goes by beginning and
    /// end alone. Of two changes at the same time the coming is first.
    #[must_use]
    pub fn turns(&self, all: Option<&str>) -> Vec<Turn> {
        let mut turns = Vec::new();
        if let (Some(all), Some(from)) = (all, self.from_ms)
            && self.until_ms.is_none_or(|until| from <= until)
        {
            let (key, cause) = (all.to_owned(), Cause::From);
            turns.push(Turn { key, at_ms: from, into: true, cause });
            turns.extend(self.end(all));
        }
        let mut by_key: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        for change in self.changes.iter().filter(|change| Some(change.key.as_str()) != all) {
            by_key.entry(&change.key).or_default().push(change);
        }
        for (key, mut changes) in by_key {
            changes.sort_by(|a, b| {
                (a.at_ms, !a.into, a.id.as_str()).cmp(&(b.at_ms, !b.into, b.id.as_str()))
            });
            let mut is_member = false;
            for change in changes {
                let is_over = self.until_ms.is_some_and(|until| change.at_ms >= until);
                if change.into != is_member && !is_over {
                    is_member = change.into;
                    let cause = Cause::Change(change.id.clone());
                    let (key, at_ms) = (key.to_owned(), change.at_ms);
                    turns.push(Turn { key, at_ms, into: is_member, cause });
                }
            }
            if is_member {
                turns.extend(self.end(key));
            }
        }
        turns
    }

    fn end(&self, key: &str) -> Option<Turn> {
        let at_ms = self.until_ms?;
        Some(Turn { key: key.to_owned(), at_ms, into: false, cause: Cause::Until })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Changes of one key, as `+time` and `-time`.
    fn life(until_ms: Option<i64>, changes: &[(bool, i64)]) -> Life {
        let change = |(n, (into, at_ms)): (usize, &(bool, i64))| Change {
            id: n.to_string(),
            key: "c".to_owned(),
            at_ms: *at_ms,
            into: *into,
        };
        let changes = changes.iter().enumerate().map(change).collect();
        Life { from_ms: Some(1), until_ms, changes }
    }

    fn of_key(life: &Life, key: &str) -> Vec<(bool, i64)> {
        let turns = life.turns(Some("all")).into_iter().filter(|turn| turn.key == key);
        turns.map(|turn| (turn.into, turn.at_ms)).collect()
    }

    #[test]
    fn only_turns_count() {
        for (until, changes, expected) in [
            (None, vec![(true, 5)], vec![(true, 5)]),
            (None, vec![(true, 5), (true, 6)], vec![(true, 5)]),
            (None, vec![(false, 5)], vec![]),
            (None, vec![(false, 7), (true, 5), (true, 9)], vec![(true, 5), (false, 7), (true, 9)]),
            (None, vec![(false, 5), (true, 5)], vec![(true, 5), (false, 5)]),
            (Some(8), vec![(true, 5)], vec![(true, 5), (false, 8)]),
            (Some(8), vec![(true, 5), (false, 6)], vec![(true, 5), (false, 6)]),
            (Some(8), vec![(true, 5), (false, 8)], vec![(true, 5), (false, 8)]),
            (Some(8), vec![(true, 9)], vec![]),
        ] {
            let life = life(until, &changes);
            assert_eq!(of_key(&life, "c"), expected, "{until:?} {changes:?}");
            let mut all = vec![(true, 1)];
            all.extend(until.map(|until| (false, until)));
            assert_eq!(of_key(&life, "all"), all);
        }
    }

    #[test]
    fn the_key_of_everything_is_nobodys_member() {
        let mut life = life(None, &[(true, 5)]);
        life.changes[0].key = "all".to_owned();
        assert_eq!(of_key(&life, "all"), vec![(true, 1)]);
        life.from_ms = None;
        assert_eq!(of_key(&life, "all"), vec![]);
    }

    proptest! {
        /// Looked at at any moment, the turns up to then say what the last change up to then says.
        #[test]
        fn turns_tell_who_is_there(
            until in proptest::option::of(0i64..20),
            changes in proptest::collection::vec((any::<bool>(), 0i64..20), 0..12),
            at in 0i64..25,
        ) {
            let life = life(until, &changes);
            let net: i32 = of_key(&life, "c").iter().filter(|(_, when)| *when <= at)
                .map(|(into, _)| if *into { 1 } else { -1 }).sum();
            let last = changes.iter().filter(|(_, when)| *when <= at).map(|(into, when)| (*when, !*into)).max();
            let is_over = until.is_some_and(|until| at >= until);
            let expected = last.is_some_and(|(_, gone)| !gone) && !is_over;
            prop_assert_eq!(net, i32::from(expected));
        }
    }
}
