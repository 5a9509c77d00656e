//! Random histories of writes, updates, deletes and re-creations: after every run the ledger's periods are
//! rolled as they are, and nothing was rolled for nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::id::{HistoryUuid, IndexName, IndexUuid, SeqNo};
use crate::rollup::work::{Firsts, Part, Span, missing, pieces, stretches, work};
use crate::rollup::{Coverage, Ledger, Look, Period, PeriodStart, ShardMark};

const DAY: i64 = 86_400_000;

fn day(n: i64) -> PeriodStart {
    PeriodStart(n * DAY)
}

/// An index of one shard: what stands under each id (day, number of the operation).
#[derive(Clone, Debug)]
struct Index {
    documents: BTreeMap<u8, (i64, i64)>,
    operations: i64,
    life: u32,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Write { id: u8, day: i64 },
    Delete { id: u8 },
    Recreate,
    Run,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0u8..12, 0i64..5).prop_map(|(id, day)| Event::Write { id, day }),
        3 => (0u8..12).prop_map(|id| Event::Delete { id }),
        1 => Just(Event::Recreate),
        3 => Just(Event::Run),
    ]
}

impl Index {
    fn by_day(&self) -> BTreeMap<PeriodStart, BTreeMap<u8, i64>> {
        let mut days: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (id, (at, number)) in &self.documents {
            days.entry(day(*at)).or_default().insert(*id, *number);
        }
        days
    }

    fn marks(&self) -> Vec<ShardMark> {
        let history = HistoryUuid::new(format!("h{}", self.life));
        vec![ShardMark { history, position: SeqNo(self.operations - 1) }]
    }

    fn uuid(&self) -> IndexUuid {
        IndexUuid::new(format!("u{}", self.life))
    }

    fn look(&self, ledger: &Ledger) -> Look {
        let position = match ledger.continues(&self.uuid(), "", &self.marks()) {
            true => ledger.shards[0].position,
            false => SeqNo::NONE,
        };
        let days = self.by_day();
        let newer = |documents: &BTreeMap<u8, i64>| documents.values().any(|n| *n > position.0);
        Look {
            uuid: self.uuid(),
            filter: String::new(),
            shards: self.marks(),
            counts: days.iter().map(|(at, of)| (*at, of.len() as u64)).collect(),
            changed: days.iter().filter(|(_, of)| newer(of)).map(|(at, _)| *at).collect(),
        }
    }
}

proptest! {
    #[test]
    fn exactly_what_changed_is_rolled_again(events in proptest::collection::vec(event(), 1..60)) {
        let mut index = Index { documents: BTreeMap::new(), operations: 0, life: 0 };
        let mut ledger = Ledger::new("view", IndexName::new("i"));
        // What the roll-ups hold: the documents of each day with their numbers, as last rolled.
        let mut rolled: BTreeMap<PeriodStart, BTreeMap<u8, i64>> = BTreeMap::new();
        let mut life = 0;
        for event in events.into_iter().chain([Event::Run]) {
            match event {
                Event::Write { id, day } => {
                    index.documents.insert(id, (day, index.operations));
                    index.operations += 1;
                }
                Event::Delete { id } => {
                    if index.documents.remove(&id).is_some() {
                        index.operations += 1;
                    }
                }
                Event::Recreate => {
                    let life = index.life + 1;
                    index = Index { documents: BTreeMap::new(), operations: 0, life };
                }
                Event::Run => {
                    let now = index.by_day();
                    if ledger.is_current(&index.uuid(), "", &index.marks()) {
                        prop_assert_eq!(&rolled, &now, "called current, but is not");
                        continue;
                    }
                    ledger.advance(&index.look(&ledger));
                    let differs = |at: &PeriodStart| rolled.get(at) != now.get(at);
                    let known: BTreeSet<_> = rolled.keys().chain(now.keys()).copied().collect();
                    let changed: BTreeSet<_> = known.iter().copied().filter(differs).collect();
                    prop_assert!(ledger.stale.is_superset(&changed), "{:?} {:?}", ledger, changed);
                    if index.life == life {
                        prop_assert_eq!(&ledger.stale, &changed, "rolled for nothing");
                    }
                    life = index.life;
                    for at in ledger.stale.clone() {
                        let documents = now.get(&at).cloned().unwrap_or_default();
                        ledger.settle(at, documents.len() as u64);
                        rolled.insert(at, documents);
                    }
                    rolled.retain(|_, documents| !documents.is_empty());
                    prop_assert_eq!(&rolled, &now);
                    prop_assert!(ledger.stale.is_empty());
                }
            }
        }
    }

    #[test]
    fn pieces_hold_every_period_once_and_stay_small(
        counts in proptest::collection::btree_map(0i64..200, 0u64..100, 0..60), most in 1usize..10
    ) {
        let periods: Vec<_> = counts.keys().map(|n| day(*n)).collect();
        let count = |at: PeriodStart| counts[&(at.0 / DAY)];
        let pieces = pieces(&periods, count, 150, most);
        prop_assert_eq!(pieces.concat(), periods);
        for piece in pieces {
            let sum: u64 = piece.iter().map(|at| count(*at)).sum();
            prop_assert!(piece.len() <= most && (piece.len() == 1 || sum <= 150));
            let covered: Vec<_> = stretches(Period::Day, &piece)
                .iter()
                .flat_map(|(from, to)| Period::Day.range(*from, PeriodStart(to.0 - 1)))
                .collect();
            prop_assert_eq!(covered, piece);
        }
    }
}

fn ledger(index: &str, rolled: &[(i64, u64)], stale: &[i64]) -> Ledger {
    let mut ledger = Ledger::new("view", IndexName::new(index));
    ledger.rolled = rolled.iter().map(|(n, count)| (day(*n), *count)).collect();
    ledger.stale = stale.iter().map(|n| day(*n)).collect();
    ledger
}

const SPAN: Span = Span { first: PeriodStart(0), last: PeriodStart(9 * DAY) };

#[test]
fn what_is_gone_with_its_index_stays_as_it_was() {
    let gone = ledger("events-01", &[(1, 5), (2, 7)], &[]);
    let there = ledger("events-02", &[(2, 1), (3, 4)], &[2, 3]);
    let counts = BTreeMap::from([(day(2), 2), (day(3), 5)]);
    let parts = [
        Part { ledger: &gone, counts: None, held: false },
        Part { ledger: &there, counts: Some(&counts), held: false },
    ];
    let none = BTreeSet::new();
    let found = work(&parts, SPAN, &none, &none);
    assert_eq!((found.periods, found.kept), (vec![day(3)], BTreeSet::from([day(2)])));
    // Another index has them all now, as after a migration.
    let new = ledger("events-01-v2", &[], &[1, 2]);
    let moved = BTreeMap::from([(day(1), 5), (day(2), 6)]);
    let parts = [
        Part { ledger: &gone, counts: None, held: false },
        Part { ledger: &there, counts: Some(&counts), held: false },
        Part { ledger: &new, counts: Some(&moved), held: false },
    ];
    let found = work(&parts, SPAN, &none, &none);
    assert_eq!((found.periods, found.kept), (vec![day(1), day(2), day(3)], none));
}

#[test]
fn what_waits_for_its_migration_is_held_back() {
    let old = ledger("events-01", &[], &[1, 2]);
    let new = ledger("events-02", &[], &[2, 3]);
    let (old_counts, new_counts) = (
        BTreeMap::from([(day(1), 1), (day(2), 1)]),
        BTreeMap::from([(day(2), 1), (day(3), 1), (day(11), 1)]),
    );
    let parts = [
        Part { ledger: &old, counts: Some(&old_counts), held: true },
        Part { ledger: &new, counts: Some(&new_counts), held: false },
    ];
    let asked = BTreeSet::from([day(4), day(10)]);
    let found = work(&parts, SPAN, &BTreeSet::new(), &asked);
    assert_eq!(found.periods, [day(3), day(4)], "what lies outside the span is not for this run");
    assert_eq!(found.held, BTreeSet::from([day(1), day(2)]));
}

#[test]
fn gaps_are_found_and_drawn() {
    let firsts: Firsts = [("global".to_owned(), day(0)), ("c".to_owned(), day(3))].into();
    let mut there: BTreeMap<_, u64> =
        (0..10).map(|n| (day(n), if n < 3 { 1 } else { 2 })).collect();
    let coverage = |there: &BTreeMap<_, _>| Coverage::new(Period::Day, SPAN, &firsts, there);
    assert_eq!(coverage(&there).gaps(), []);
    assert_eq!(coverage(&there).bar(10), "██████████");
    there.insert(day(4), 1);
    there.remove(&day(6));
    there.remove(&day(7));
    let found = coverage(&there);
    assert_eq!(found.bar(10), "████▒█··██");
    assert_eq!(found.bar(5), "██▒·█");
    let gaps: Vec<_> =
        found.gaps().into_iter().map(|gap| (gap.first, gap.last, gap.periods)).collect();
    let days = |a: &str, b: &str, n| (format!("1970-01-{a}"), format!("1970-01-{b}"), n);
    assert_eq!(gaps, [days("05", "05", 1), days("07", "08", 2)]);
    assert_eq!(missing(Period::Day, SPAN, &firsts, &there).len(), 3);
}
