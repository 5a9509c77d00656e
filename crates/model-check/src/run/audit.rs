//! The audit of deletes: what was carried and is not listed any more is asked for by id, and what the
//! source does not have is deleted in the target, with a version between the older writes and the
//! newer ones.

use segue_model::audit::{Fate, Now, fate, gone_at};
use segue_model::id::{SeqNo, Shard};
use segue_model::position::Window;

use super::{At, Sent};
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::scenario::Way;
use crate::world::World;
use crate::world::target::{Bulk, Item};

impl Model {
    /// Lists the source up to the position, and compares with what was carried.
    pub fn list(&self, world: &mut World, number: usize) {
        let run = &mut world.runs[number];
        let only_before = !self.keeps(Sabotage::AuditOnlyBefore) && run.in_window;
        if only_before || !self.keeps(Sabotage::NoAudit) {
            return self.audited(world, number);
        }
        let listed = world.source.search(Window { from: SeqNo::NONE, to: run.position() });
        let mut gone = 0u8;
        for (id, carried) in (0u8..).zip(&run.inventory) {
            let listed = listed.iter().any(|hit| hit.id == id && Some(hit.seq_no) == *carried);
            if carried.is_some() && !listed {
                gone |= 1 << id;
            }
        }
        run.at = At::Ask(gone);
        if gone == 0 {
            self.audited(world, number);
        }
    }

    /// Asks for what is gone, and deletes what the source does not have.
    pub fn ask(&self, world: &mut World, number: usize, gone: u8) {
        let known = world.runs[number].known;
        let (epoch, (incarnation, _)) = (self.journals().epoch(known), self.lineage(known));
        let run = &world.runs[number];
        let mut documents = Vec::new();
        for id in (0..8u8).filter(|id| gone & (1 << id) != 0) {
            let held = run.inventory[usize::from(id)];
            let now = world.source.at(id).map_or(Now::Absent, |at| Now::At(SeqNo(at)));
            let candidate = SeqNo(held.unwrap_or(-1));
            match fate(candidate, now, run.position(), |at| Some(at.0) == held) {
                Fate::Waits | Fate::Superseded => {}
                Fate::Delete(at) => documents.push((id, at.0)),
                Fate::Missed(_) => return self.fail(world, number),
            }
        }
        if documents.is_empty() {
            return self.audited(world, number);
        }
        let item = |(id, at): &(u8, i64)| {
            let gone = gone_at(incarnation, SeqNo(*at), Shard(0), 1);
            Item { id: *id, value: None, version: gone.map_or(0, |gone| gone.version().0) }
        };
        let bulk = Bulk { epoch, items: documents.iter().map(item).collect(), seen: None };
        let run = &mut world.runs[number];
        run.lanes[0] = Some(Sent { window: None, documents, bulk });
        run.at = At::Delete;
    }

    /// The deletes are answered.
    pub fn deleted(&self, world: &mut World, number: usize, sent: &Sent) {
        for (id, _) in &sent.documents {
            world.runs[number].inventory[usize::from(*id)] = None;
        }
        self.audited(world, number);
    }

    /// What comes after the audit, or after a sweep.
    pub fn audited(&self, world: &mut World, number: usize) {
        let run = &world.runs[number];
        let next = match (run.in_window, self.scenario.way) {
            (true, Way::Forward) => At::NoteSwitching,
            (false, Way::Forward) => At::NoteVerified,
            // The copy holds every document of the target: where there are as many, they are the same.
            (true, _) if !self.keeps(Sabotage::NoCounts) || world.counts_agree() => At::Move,
            (true, _) if run.swept => return self.fail(world, number),
            (false, _) if run.swept => At::NoteCutover,
            _ => At::Sweep,
        };
        world.runs[number].at = next;
    }
}
