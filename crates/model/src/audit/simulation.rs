//! The audit against a plain model of a source, a target, passes and writers in between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Fate, Hunt, Now, Numbers, fate, first_shift, gone_at, left_out};
use crate::id::{SeqNo, Shard};
use crate::position::Window;
use crate::version::{Incarnation, Op, Provenance, Rewrite};

/// What an audit finds gone of `held`, up to `position`, where `live` is there.
pub(super) fn gone(live: &Numbers, held: &Numbers, position: i64) -> Numbers {
    let checkpoint = SeqNo(position);
    let all = [Window { from: SeqNo::NONE, to: checkpoint }];
    let first = live.histogram(&all, first_shift(checkpoint));
    let mut hunt = Hunt::begin(checkpoint, held, &first);
    while let Some(probe) = hunt.ask() {
        hunt.answer(held, &live.histogram(&probe.windows, probe.shift));
    }
    let found = hunt.end();
    assert!(found.unknown.is_empty());
    found.gone
}

#[derive(Clone, Debug)]
enum Step {
    /// Index this document; even contents are kept, odd ones filtered.
    Index(u8, bool),
    Delete(u8),
    /// Whether it is killed before its checkpoint moves.
    Pass(bool),
    /// An audit, during which a writer does this between what was listed and what is asked.
    Audit(Vec<(u8, Option<bool>)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..12, prop::bool::weighted(0.3)).prop_map(|(d, f)| Step::Index(d, f)),
        4 => (0u8..12).prop_map(Step::Delete),
        2 => prop::bool::weighted(0.3).prop_map(Step::Pass),
        2 => prop::collection::vec((0u8..12, prop::option::of(any::<bool>())), 0..3)
            .prop_map(Step::Audit),
    ]
}

#[derive(Default)]
struct World {
    next: i64,
    /// Document → number, whether the recipe filters it.
    source: BTreeMap<u8, (i64, bool)>,
    /// Document → version, present or a tombstone.
    target: BTreeMap<u8, (Provenance, bool)>,
    /// Number → document.
    inventory: BTreeMap<i64, u8>,
    held: Numbers,
    position: i64,
    passes: u32,
}

fn write(number: i64) -> Provenance {
    let op = Op::of(SeqNo(number), Shard(0), 1).unwrap();
    Provenance { incarnation: Incarnation::FIRST, op, delete: false, rewrite: Rewrite::FIRST }
}

impl World {
    fn change(&mut self, document: u8, filtered: Option<bool>) {
        match filtered {
            Some(filtered) => self.source.insert(document, (self.next, filtered)),
            None => self.source.remove(&document),
        };
        self.next += 1;
    }

    fn put(&mut self, document: u8, version: Provenance, present: bool) {
        if self.target.get(&document).is_none_or(|(there, _)| version > *there) {
            self.target.insert(document, (version, present));
        }
    }

    /// A pass, perhaps killed before its checkpoint: what it read is in the inventory before it is
    /// written.
    fn pass(&mut self, killed: bool) {
        let live: Vec<_> = self.source.iter().map(|(d, (n, f))| (*n, *d, *f)).collect();
        for (number, document, filtered) in live {
            if number <= self.position {
                continue;
            }
            self.inventory.insert(number, document);
            self.held.insert(SeqNo(number));
            if !filtered {
                self.put(document, write(number), true);
            } else if self.passes > 0 {
                self.put(document, left_out(write(number), 1), false);
            }
        }
        self.passes += 1;
        if !killed {
            self.position = self.next - 1;
        }
    }

    fn live(&self) -> Numbers {
        self.source.values().map(|(number, _)| SeqNo(*number)).collect()
    }

    fn gone(&self) -> Numbers {
        gone(&self.live(), &self.held, self.position)
    }

    fn audit(&mut self, meanwhile: &[(u8, Option<bool>)]) {
        let gone = self.gone();
        for (document, filtered) in meanwhile {
            self.change(*document, *filtered);
        }
        for number in gone.iter() {
            let document = self.inventory[&number.0];
            let now = match self.source.get(&document) {
                None => Now::Absent,
                Some((at, _)) => Now::At(SeqNo(*at)),
            };
            let checkpoint = SeqNo(self.position);
            match fate(number, now, checkpoint, |at| self.held.contains(at)) {
                Fate::Superseded => {
                    self.held.remove(number);
                }
                Fate::Waits => {}
                Fate::Delete(at) => {
                    let delete = gone_at(Incarnation::FIRST, at, Shard(0), 1).unwrap();
                    self.put(document, delete, false);
                    self.held.remove(number);
                }
                Fate::Missed(at) => panic!("{at} was read"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever writers do and whenever passes and audits come: with the source closed, one pass
    /// and one audit make the target hold exactly what the source holds and the recipe keeps; and
    /// then the counts prove it.
    #[test]
    fn nothing_is_resurrected_and_nothing_is_lost(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World { position: -1, ..World::default() };
        for step in &steps {
            match step {
                Step::Index(document, filtered) => world.change(*document, Some(*filtered)),
                Step::Delete(document) => world.change(*document, None),
                Step::Pass(killed) => world.pass(*killed),
                Step::Audit(meanwhile) => world.audit(meanwhile),
            }
        }
        world.pass(false);
        world.audit(&[]);
        let expected: Vec<u8> =
            world.source.iter().filter(|(_, (_, f))| !f).map(|(d, _)| *d).collect();
        let there: Vec<u8> =
            world.target.iter().filter(|(_, (_, present))| *present).map(|(d, _)| *d).collect();
        prop_assert_eq!(there, expected);
        for (document, (number, filtered)) in &world.source {
            if !filtered {
                prop_assert_eq!(world.target[document].0, write(*number));
            }
        }
        prop_assert_eq!(&world.held, &world.live(), "the count alone proves it from now on");
    }
}
