//! The audit where versions of the source are preserved: an application that gives its documents
//! versions, passes, audits, and bulks of ours that arrive again, late.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::simulation::gone;
use super::{Fate, Now, Numbers, fate};
use crate::conflict::Conflict;
use crate::id::SeqNo;
use crate::stamp::{Removal, Stamp};
use crate::version::{Incarnation, Version};

const DOCUMENTS: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// The application writes (or deletes, `None`) a document with a version so much higher than the
    /// last it gave; 0 is a late one, which the source refuses. `Some(true)`: the recipe filters it.
    Give(u8, u64, Option<bool>),
    /// The source forgets its deletes.
    Forget,
    /// Whether it is killed before its checkpoint moves.
    Pass(bool),
    Audit,
    /// A write that was sent earlier arrives once more.
    Late(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let given = prop_oneof![3 => Just(None), 5 => Just(Some(false)), 2 => Just(Some(true))];
    prop_oneof![
        8 => (0..DOCUMENTS, 0u64..4, given).prop_map(|(d, up, w)| Step::Give(d, up, w)),
        1 => Just(Step::Forget),
        2 => prop::bool::weighted(0.3).prop_map(Step::Pass),
        2 => Just(Step::Audit),
        3 => any::<usize>().prop_map(Step::Late),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Live {
    number: i64,
    version: u64,
    filtered: bool,
}

/// Document → version, number that its content came from.
type Seen = BTreeMap<u8, (u64, i64)>;

#[derive(Default)]
struct World {
    next: i64,
    /// The highest version that the application has given each document.
    given: BTreeMap<u8, u64>,
    source: BTreeMap<u8, Live>,
    /// Versions of deletes that the source remembers.
    tombstones: BTreeMap<u8, u64>,
    /// Document → version, number of the source it came from; `None` = a tombstone.
    target: BTreeMap<u8, (u64, Option<i64>)>,
    sent: Vec<(u8, u64, i64)>,
    inventory: BTreeMap<i64, u8>,
    held: Numbers,
    position: i64,
    passes: u32,
}

impl World {
    fn give(&mut self, document: u8, version: u64, write: Option<bool>) {
        let there = self.source.get(&document).map(|live| live.version);
        let there = there.max(self.tombstones.get(&document).copied());
        if there.is_some_and(|there| version <= there) {
            return;
        }
        let number = self.next;
        self.next += 1;
        match write {
            Some(filtered) => {
                self.tombstones.remove(&document);
                self.source.insert(document, Live { number, version, filtered });
            }
            None => {
                self.source.remove(&document);
                self.tombstones.insert(document, version);
            }
        }
    }

    /// As the engine does it, and as what comes back is judged.
    fn put(&mut self, document: u8, version: u64, number: i64) {
        let there = self.target.get(&document).map(|(there, _)| *there);
        if there.is_none_or(|there| version > there) {
            self.target.insert(document, (version, Some(number)));
        } else {
            let judged =
                Stamp::Preserved(Version(version)).judge(there.map(Version), Incarnation::FIRST);
            assert_eq!(judged, Conflict::AlreadyThere);
        }
    }

    fn remove(&mut self, document: u8, removal: Removal) {
        let Removal::UpTo(Version(version)) = removal else { panic!("{removal:?}") };
        let there = self.target.get(&document).map(|(there, _)| *there);
        if there.is_none_or(|there| version >= there) {
            self.target.insert(document, (version, None));
        } else {
            let judged = removal.judge(there.map(Version), Incarnation::FIRST);
            assert_eq!(judged, Conflict::AlreadyThere);
        }
    }

    fn pass(&mut self, killed: bool) {
        let live: Vec<_> = self.source.iter().map(|(d, live)| (*d, *live)).collect();
        for (document, Live { number, version, filtered }) in live {
            if number <= self.position {
                continue;
            }
            self.inventory.insert(number, document);
            self.held.insert(SeqNo(number));
            if !filtered {
                self.sent.push((document, version, number));
                self.put(document, version, number);
            } else if self.passes > 0
                && let Some(removal) = Removal::before(Version(version))
            {
                self.remove(document, removal);
            }
        }
        self.passes += 1;
        if !killed {
            self.position = self.next - 1;
        }
    }

    fn live(&self) -> Numbers {
        self.source.values().map(|live| SeqNo(live.number)).collect()
    }

    fn audit(&mut self) {
        let checkpoint = SeqNo(self.position);
        for number in gone(&self.live(), &self.held, self.position).iter() {
            let document = self.inventory[&number.0];
            let now = self.source.get(&document);
            let now = now.map_or(Now::Absent, |live| Now::At(SeqNo(live.number)));
            match fate(number, now, checkpoint, |at| self.held.contains(at)) {
                Fate::Superseded => {
                    self.held.remove(number);
                }
                Fate::Waits => {}
                Fate::Delete(_) => {
                    // What stands there, by its version.
                    if let Some(&(version, Some(_))) = self.target.get(&document) {
                        self.remove(document, Removal::UpTo(Version(version)));
                    }
                    self.held.remove(number);
                }
                Fate::Missed(at) => panic!("{at} was read"),
            }
        }
    }

    fn work(steps: &[Step], rises: bool) -> World {
        let mut world = World { position: -1, ..World::default() };
        for step in steps {
            match step {
                Step::Give(document, up, write) => {
                    let given = world.given.entry(*document).or_insert(5);
                    let version = *given + up;
                    *given = if rises { version } else { 5 };
                    world.give(*document, version, *write);
                }
                Step::Forget => world.tombstones.clear(),
                Step::Pass(killed) => world.pass(*killed),
                Step::Audit => world.audit(),
                Step::Late(which) => {
                    let late = which.checked_rem(world.sent.len()).map(|at| world.sent[at]);
                    if let Some((document, version, number)) = late {
                        world.put(document, version, number);
                    }
                }
            }
        }
        world.pass(false);
        world.audit();
        world
    }

    /// What the comparison looks at: id, version and content.
    fn compared(&self) -> (Seen, Seen) {
        let source = self.source.iter().filter(|(_, live)| !live.filtered);
        let source = source.map(|(d, live)| (*d, (live.version, live.number)));
        let target = self.target.iter().filter_map(|(d, (v, n))| Some((*d, (*v, (*n)?))));
        (source.collect(), target.collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    /// An application whose versions rise, deletes included: with the source closed, one pass and one
    /// audit make the target hold what the source holds, with its versions; its next version is taken
    /// by the target whatever was deleted there, and one that is as old as what stands there is not.
    #[test]
    fn versions_that_rise_are_preserved(steps in prop::collection::vec(step(), 0..80)) {
        let world = World::work(&steps, true);
        let (source, target) = world.compared();
        prop_assert_eq!(target, source);
        for (document, given) in &world.given {
            let there = world.target.get(document).map_or(0, |(there, _)| *there);
            prop_assert!(given + 1 > there, "{} is blocked", document);
            let held = world.source.get(document).filter(|live| !live.filtered);
            prop_assert!(held.is_none_or(|live| live.version == there));
        }
        prop_assert_eq!(&world.held, &world.live(), "the count alone proves it from now on");
    }

    /// Versions that fall, once the source has forgotten a delete, cannot always be preserved. That
    /// upsets no bookkeeping, and the target then holds another version, another content or nothing
    /// where the comparison expects a document, or one too many: it is never taken for the same.
    #[test]
    fn versions_that_fall_upset_nothing_but_the_comparison(
        steps in prop::collection::vec(step(), 0..80)
    ) {
        let world = World::work(&steps, false);
        prop_assert_eq!(&world.held, &world.live());
        let (source, target) = world.compared();
        // What the source does not hold is not left standing.
        prop_assert!(target.keys().all(|document| world.source.contains_key(document)));
        let highest = |document| world.target.get(document).map_or(0, |(there, _)| *there);
        for (document, (version, number)) in &source {
            if target.get(document) != Some(&(*version, *number)) {
                prop_assert!(highest(document) >= *version, "{} was not tried", document);
            }
        }
    }
}
