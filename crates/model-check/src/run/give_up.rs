//! Giving a part up before its switch, and beginning it anew, as `segue_engine::abandon` does.

use segue_model::id::{HistoryUuid, IndexName, IndexUuid};
use segue_model::journal::{Event, SourceIdentity};
use segue_model::phase::Phase;
use segue_model::stamp::Versioning;
use segue_model::version::{Incarnation, Rewrite};

use super::{At, Run};
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::world::World;
use crate::world::target::Target;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiveUp {
    /// Notes that the part is given up.
    Note,
    /// Marks the source with a mark of its own, by which it fences and deletes.
    Mark,
    /// Looks whether the journal is still as it knows it.
    Claim,
    /// Looks at the marks on the target.
    Look,
    /// Takes the marks it saw.
    Fence {
        /// Write marks it saw, as bits.
        write: u16,
        /// Opening marks it saw, as bits.
        opening: u16,
    },
    /// Deletes the target.
    Delete,
    /// Removes the checkpoint.
    Forget,
    /// Notes that it is done.
    NoteEnd,
    /// Takes the marks from the source, also those of others.
    Unmark,
    /// Notes that the part is begun anew.
    NoteAnew,
    /// Takes the marks of all who give the part up from the source.
    UnmarkAll,
    /// Makes the new target, and notes that.
    Make,
}

/// What becomes of the source of this world in the journal.
pub fn identity() -> SourceIdentity {
    SourceIdentity {
        uuid: IndexUuid::new("source"),
        histories: vec![HistoryUuid::new("history")],
        also: vec![],
    }
}

/// The events that announce a target and tell of it.
pub fn making(incarnation: Incarnation) -> [Event; 2] {
    let (source, target) = (identity(), IndexName::new("target"));
    let (target_uuid, rewrite) = (IndexUuid::new("target"), Rewrite::FIRST);
    [
        Event::PrepareStarted {
            source,
            target,
            pipeline: String::new(),
            versioning: Versioning::Ours,
        },
        Event::Prepared { target_uuid, incarnation, rewrite },
    ]
}

impl Model {
    /// One step.
    pub fn give_up(&self, world: &mut World, number: usize, step: GiveUp) {
        let known = world.runs[number].known;
        let phase = self.journals().state(known).phase.clone();
        let own = 1 << number;
        // By its mark: who begins the part anew takes it away before the new target is made.
        let fenced = world.source.giving_up & own != 0 || !self.keeps(Sabotage::UnfencedDelete);
        let next = match step {
            GiveUp::Note | GiveUp::Mark if world.source.removed => return self.end(world, number),
            GiveUp::Note if self.note(world, number, &[Event::AbandonStarted]) => GiveUp::Mark,
            // Somebody was faster: from the beginning.
            GiveUp::Note => return self.again(world, number),
            GiveUp::Mark => {
                world.source.giving_up |= own;
                GiveUp::Claim
            }
            GiveUp::Claim if world.journal != known => return self.again(world, number),
            GiveUp::Claim if world.target.gone => GiveUp::Forget,
            GiveUp::Claim => GiveUp::Look,
            GiveUp::Look => match (world.target.write, world.target.opening) {
                (0, 0) => GiveUp::Delete,
                (write, opening) => GiveUp::Fence { write, opening },
            },
            GiveUp::Fence { .. } | GiveUp::Delete if !fenced => return self.again(world, number),
            GiveUp::Fence { write, opening } => {
                let target = &mut world.target;
                if target.write & write == write && target.opening & opening == opening {
                    target.write &= !write;
                    target.opening &= !opening;
                    self.drop_fenced(world);
                }
                GiveUp::Look
            }
            GiveUp::Delete => {
                world.target = Target { gone: true, ..Target::default() };
                self.drop_fenced(world);
                GiveUp::Forget
            }
            GiveUp::Forget => {
                world.kept = None;
                GiveUp::NoteEnd
            }
            GiveUp::NoteEnd => {
                let noted =
                    phase != Phase::Abandoning || self.note(world, number, &[Event::Abandoned]);
                match (noted, world.runs[number].gives_up) {
                    (false, _) => return self.end(world, number),
                    (true, true) => GiveUp::Unmark,
                    (true, false) => GiveUp::NoteAnew,
                }
            }
            GiveUp::Unmark => {
                world.source.giving_up = 0;
                return self.end(world, number);
            }
            GiveUp::NoteAnew => {
                let incarnation = self.lineage(known).0.next().unwrap_or(Incarnation::FIRST);
                let [announced, _] = making(incarnation);
                let events = [Event::BegunAnew { incarnation }, announced];
                if !self.note(world, number, &events) {
                    return self.end(world, number);
                }
                GiveUp::UnmarkAll
            }
            GiveUp::UnmarkAll => {
                world.source.giving_up = 0;
                GiveUp::Make
            }
            GiveUp::Make => return self.make(world, number),
        };
        world.runs[number].at = At::GivingUp(next);
    }

    fn make(&self, world: &mut World, number: usize) {
        let (incarnation, _) = self.lineage(world.runs[number].known);
        if !world.target.gone {
            return self.end(world, number);
        }
        world.target = Target::made(self.keeps(Sabotage::NoFirstMark));
        let [_, made] = making(incarnation);
        self.note_or_end(world, number, &[made], At::NoteEpoch);
    }

    fn again(&self, world: &mut World, number: usize) {
        let gives_up = world.runs[number].gives_up;
        world.runs[number] = Run { gives_up, ..Run::begun(world.journal) };
    }
}
