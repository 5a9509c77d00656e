//! The target: documents with versions, and the marks on it.

use segue_model::conflict::{Conflict, judge};
use segue_model::cutover::Mark;
use segue_model::id::Epoch;
use segue_model::redirect::{Decision, decide};
use segue_model::version::{Origin, Provenance, Version};

use super::{IDS, Value};

/// A document, or what is left of a deleted one until it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Document {
    /// Its version.
    pub version: u64,
    /// What it holds; `None` = deleted.
    pub value: Value,
}

/// One write of a bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item {
    /// The document.
    pub id: u8,
    /// What it is to hold.
    pub value: Value,
    /// The version it is written with.
    pub version: u64,
}

/// A bulk request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bulk {
    /// Whose write mark it goes through.
    pub epoch: u8,
    /// What it writes.
    pub items: Vec<Item>,
    /// The versions that were seen before, for a bulk by creation and compare-and-set; `None` = a bulk
    /// with versions of ours.
    pub seen: Option<Vec<Option<u64>>>,
}

/// What became of a bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every item is there.
    Settled,
    /// What was seen has changed: it has to be looked at again.
    Changed,
    /// The mark is gone.
    Fenced,
    /// Somebody else's document stood in the way.
    Foreign,
}

/// The target index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// What it holds.
    pub documents: [Option<Document>; IDS],
    /// The epochs whose write mark is on it, as bits.
    pub write: u16,
    /// The epochs whose opening mark is on it, as bits.
    pub opening: u16,
    /// Whether it refuses writes.
    pub closed: bool,
    /// Whether it was deleted.
    pub gone: bool,
}

/// The bit of an epoch.
pub fn bit(epoch: u8) -> u16 {
    1 << epoch
}

impl Target {
    /// A target as it is made: with the opening mark of epoch 0, so that there is always a mark.
    pub fn made(marked: bool) -> Target {
        Target { opening: u16::from(marked), ..Target::default() }
    }

    /// The copy that is kept for the way back, of a source with one document. The source was the target
    /// of an earlier migration, so that versions of ours are in it.
    pub fn kept(marked: bool, version: u64) -> Target {
        let mut kept = Target { closed: true, ..Target::made(marked) };
        kept.documents[0] = Some(Document { version, value: Some(0) });
        kept
    }

    /// The marks, from their bits.
    pub fn marks(write: u16, opening: u16) -> Vec<Mark> {
        let epochs = |bits: u16| (0..16u32).filter(move |epoch| bits & (1 << epoch) != 0);
        let write = epochs(write).map(|epoch| Mark::Write(Epoch(epoch)));
        write.chain(epochs(opening).map(|epoch| Mark::Opening(Epoch(epoch)))).collect()
    }

    /// Takes a bulk. `fenced` = the write mark has to be there; `strict` = only a higher version wins.
    pub fn bulk(&mut self, bulk: &Bulk, fenced: bool, strict: bool) -> Answer {
        if fenced && self.write & bit(bulk.epoch) == 0 || self.closed || self.gone {
            return Answer::Fenced;
        }
        if let Some(seen) = &bulk.seen {
            return self.carry(&bulk.items, seen);
        }
        let mut answer = Answer::Settled;
        for item in &bulk.items {
            let there = &mut self.documents[usize::from(item.id)];
            let current = there.map(|document| document.version);
            if strict && current.is_some_and(|current| current >= item.version) {
                if let Origin::Ours(ours) = Version(item.version).origin()
                    && judge(ours, current.map(Version), ours.incarnation) != Conflict::AlreadyThere
                {
                    answer = Answer::Foreign;
                }
                continue;
            }
            *there = Some(Document { version: item.version, value: item.value });
        }
        answer
    }

    /// The versions of what stands there for `items`.
    pub fn seen(&self, items: &[Item]) -> Vec<Option<u64>> {
        let live = |item: &Item| {
            let there = self.documents[usize::from(item.id)]?;
            there.value.map(|_| there.version)
        };
        items.iter().map(live).collect()
    }

    /// Creates and replaces as was decided by what was seen; what has changed since stays.
    fn carry(&mut self, items: &[Item], seen: &[Option<u64>]) -> Answer {
        let now = self.seen(items);
        let mut answer = Answer::Settled;
        for ((item, seen), now) in items.iter().zip(seen).zip(now) {
            let Origin::Ours(ours) = Version(item.version).origin() else { continue };
            if !matches!(decide(ours, seen.map(Version)), Decision::Create | Decision::Replace) {
                continue;
            }
            if *seen == now {
                self.write(item.id, item.value);
            } else {
                answer = Answer::Changed;
            }
        }
        answer
    }

    /// A write of the application.
    pub fn write(&mut self, id: u8, value: Value) {
        let there = &mut self.documents[usize::from(id)];
        let version = there.map_or(1, |document| document.version + 1);
        *there = Some(Document { version, value });
    }

    /// What a look by id finds.
    pub fn get(&self, id: u8) -> Value {
        self.documents[usize::from(id)].and_then(|document| document.value)
    }

    /// Forgets what was deleted.
    pub fn forget(&mut self) {
        for document in &mut self.documents {
            *document = document.filter(|document| document.value.is_some());
        }
    }

    /// Whether something deleted is remembered.
    pub fn remembers(&self) -> bool {
        self.documents.iter().flatten().any(|document| document.value.is_none())
    }

    /// What we wrote of `id`, if it is exactly as we wrote it.
    pub fn ours(&self, id: u8) -> Option<Provenance> {
        match Version(self.documents[usize::from(id)]?.version).origin() {
            Origin::Ours(provenance) => Some(provenance),
            Origin::Touched { .. } | Origin::Foreign => None,
        }
    }
}
