//! The way back, as `segue_engine::rollback` and `segue_engine::watch` make it, as far as it differs from
//! a copy and a cutover: passes, audit, block, last pass and back-out are the same.

use segue_model::id::SeqNo;
use segue_model::journal::Event;
use segue_model::position::Window;
use segue_model::version::{Incarnation, Op, Origin, Provenance, Rewrite, Version};

use super::{At, Sent};
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::scenario::Way;
use crate::world::target::{Bulk, Item, bit};
use crate::world::{IDS, World};

impl Model {
    /// One step that only the way back has.
    pub fn go_back(&self, world: &mut World, number: usize) {
        match world.runs[number].at {
            At::NoteFeed => {
                let incarnation = self.above(world);
                let event = Event::ReverseFeedStarted { incarnation };
                self.note_or_end(world, number, &[event], At::NoteEpoch);
            }
            At::OpenKept => self.open_kept(world, number),
            At::Base => self.note_base(world, number),
            At::Sweep => self.sweep(world, number),
            At::CloseKept => {
                let epoch = self.journals().epoch(world.runs[number].known);
                let fenced = world.target.write & bit(epoch) != 0;
                if !fenced && self.keeps(Sabotage::UnfencedKept) {
                    return self.end(world, number);
                }
                world.target.closed = true;
                world.runs[number].at = At::LookKept;
            }
            At::LookKept => {
                let (write, opening) = (world.target.write, world.target.opening);
                world.runs[number].at = At::UnmarkKept { write, opening };
            }
            At::UnmarkKept { write, opening } => self.unmark_kept(world, number, write, opening),
            At::NoteEnd => {
                self.note(world, number, &[Event::WatchEnded]);
                self.end(world, number);
            }
            _ => {}
        }
    }

    /// The incarnation above every version that the kept copy holds.
    fn above(&self, world: &World) -> Incarnation {
        let held = world.target.documents.iter().flatten().filter_map(|document| {
            match Version(document.version).origin() {
                Origin::Ours(was) | Origin::Touched { was, .. } => Some(was.incarnation),
                Origin::Foreign => None,
            }
        });
        let held = held.max().unwrap_or(Incarnation::FIRST);
        let next = held.next().filter(|_| self.keeps(Sabotage::SameIncarnation));
        next.unwrap_or(held)
    }

    /// Lets writes into the kept copy, by the write mark.
    fn open_kept(&self, world: &mut World, number: usize) {
        let epoch = self.journals().epoch(world.runs[number].known);
        if world.target.write & bit(epoch) == 0 {
            return self.fail(world, number);
        }
        world.target.closed = false;
        let alone = self.scenario.way == Way::BackAlone;
        world.runs[number].at = if alone { At::MarkClosing } else { At::Open };
    }

    /// Notes every document that the target holds up to the position.
    fn note_base(&self, world: &mut World, number: usize) {
        world.source.refresh();
        let to = world.runs[number].position();
        for hit in world.source.search(Window { from: SeqNo::NONE, to }) {
            world.runs[number].inventory[usize::from(hit.id)] = Some(hit.seq_no);
        }
        world.runs[number].at = At::List;
    }

    /// Looks every document of the kept copy up in the target, and deletes what is gone there.
    fn sweep(&self, world: &mut World, number: usize) {
        let known = world.runs[number].known;
        let (epoch, (incarnation, _)) = (self.journals().epoch(known), self.lineage(known));
        let first = Op::of(SeqNo(0), segue_model::id::Shard(0), 1).ok();
        let gone = (0u8..).take(IDS).filter_map(|id| {
            world.target.get(id)?;
            let there = world.target.documents[usize::from(id)]?;
            let carried = match Version(there.version).origin() {
                Origin::Ours(was) if was.incarnation == incarnation => Some(was.op),
                _ => first,
            };
            let (op, rewrite) = (carried?, Rewrite::FIRST);
            let delete = Provenance { incarnation, op, delete: true, rewrite };
            let item = Item { id, value: None, version: delete.version().0 };
            world.source.get(id).is_none().then_some(item)
        });
        let items: Vec<_> = gone.collect();
        let run = &mut world.runs[number];
        run.swept = true;
        if items.is_empty() {
            return self.audited(world, number);
        }
        let documents = items.iter().map(|item| (item.id, -1)).collect();
        run.lanes[0] =
            Some(Sent { window: None, documents, bulk: Bulk { epoch, items, seen: None } });
        run.at = At::Delete;
    }

    /// Takes every mark it saw from the kept copy. One is left, so that there always is one.
    fn unmark_kept(&self, world: &mut World, number: usize, write: u16, opening: u16) {
        let epoch = self.journals().epoch(world.runs[number].known);
        let target = &mut world.target;
        if target.write & write != write || target.opening & opening != opening {
            return self.end(world, number);
        }
        target.write &= !write;
        target.opening &= !opening;
        if self.keeps(Sabotage::NoFirstMark) {
            target.opening |= bit(epoch);
        }
        world.runs[number].at = At::NoteEnd;
        self.drop_fenced(world);
    }
}
