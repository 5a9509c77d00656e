//! Taking a cutover back, by the process itself, its watchdog or a later process. What is done follows
//! from [`segue_model::cutover::back_out`].

use segue_model::cutover::{BackOut, Evidence, back_out};
use segue_model::id::Epoch;

use super::At;
use super::undo::Undo;
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::scenario::Way;
use crate::world::World;
use crate::world::target::{Target, bit};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackAt {
    /// Looks at the marks.
    Marks,
    /// Looks at the names, having seen these marks.
    Names(u16, u16),
    /// Takes these write marks and puts the opening mark of the epoch on.
    Take(u16, u8),
    /// Takes the closing marks away, by the opening mark of the epoch.
    Unmark(u8),
    /// Opens the source by the opening mark of the epoch.
    Open(u8),
    /// Opens the source by the attempt's closing mark, if it has that: there is no other mark.
    ByClosing,
    /// Takes that closing mark away.
    UnmarkSeen,
    /// Opens the source, whoever may have closed it.
    OpenUnmarked,
    /// Lets the kept copy take no writes any more, by the opening mark of the epoch.
    CloseKept(u8),
    /// Takes a redirect back.
    Undo(Undo),
}

/// A back-out under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Back {
    /// The epoch that is taken back; none = whichever there is.
    pub own: Option<u8>,
    /// The epoch of the attempt, by what is known of it.
    pub attempt: u8,
    /// How far it is.
    pub at: BackAt,
}

/// How a back-out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The source is open.
    Back,
    /// The names had moved.
    Switched,
    /// A later epoch is in force.
    Superseded,
}

impl Back {
    /// A back-out of the epoch `own`.
    pub fn of(own: u8) -> Back {
        Back { own: Some(own), attempt: own, at: BackAt::Marks }
    }

    /// A back-out of whichever epoch there is, by who knows from the journal of `attempt`.
    pub fn of_any(attempt: u8) -> Back {
        Back { own: None, attempt, at: BackAt::Marks }
    }
}

impl Model {
    /// One step of a back-out.
    pub fn take_back(&self, world: &mut World, back: Back) -> Result<Back, Ended> {
        let at = match back.at {
            BackAt::Marks => BackAt::Names(world.target.write, world.target.opening),
            BackAt::Names(write, opening) => {
                let marks = Target::marks(write, opening);
                let own = back.own.map(|epoch| Epoch(u32::from(epoch)));
                let seen = Evidence { marks: &marks, switched: world.name_on_target, own };
                match back_out(seen) {
                    BackOut::Switched => return Err(Ended::Switched),
                    BackOut::Superseded => return Err(Ended::Superseded),
                    BackOut::Take { marks, epoch } => {
                        let bits = marks.iter().map(|mark| bit(short(mark.epoch())));
                        BackAt::Take(bits.fold(0, |all, bit| all | bit), short(epoch))
                    }
                    BackOut::Open { epoch } => self.opening(world, short(epoch)),
                    BackOut::OpenUnmarked if self.keeps(Sabotage::OpenWithoutMarks) => {
                        BackAt::ByClosing
                    }
                    BackOut::OpenUnmarked => BackAt::OpenUnmarked,
                }
            }
            BackAt::Take(marks, epoch) if world.target.write & marks == marks => {
                world.target.write &= !marks;
                world.target.opening |= bit(epoch);
                self.drop_fenced(world);
                self.opening(world, epoch)
            }
            BackAt::Unmark(epoch) if world.target.opening & bit(epoch) != 0 => {
                world.source.closing = 0;
                BackAt::Open(epoch)
            }
            BackAt::Open(epoch) if world.target.opening & bit(epoch) != 0 => {
                world.source.closed = false;
                match self.scenario.way {
                    Way::BackAlone => BackAt::CloseKept(epoch),
                    _ => self.opened(world, back)?,
                }
            }
            BackAt::ByClosing if world.source.closing & bit(back.attempt) != 0 => {
                world.source.closed = false;
                BackAt::UnmarkSeen
            }
            BackAt::ByClosing => return Err(Ended::Back),
            BackAt::UnmarkSeen => {
                world.source.closing &= !bit(back.attempt);
                return Err(Ended::Back);
            }
            BackAt::OpenUnmarked => {
                (world.source.closed, world.source.closing) = (false, 0);
                return Err(Ended::Back);
            }
            BackAt::CloseKept(epoch) => {
                let fenced = world.target.opening & bit(epoch) != 0;
                if fenced || !self.keeps(Sabotage::UnfencedKept) {
                    world.target.closed = true;
                }
                return Err(Ended::Back);
            }
            BackAt::Undo(step) => self.undo(world, back, step)?,
            // Somebody else was faster: everything is looked at again.
            BackAt::Take(..) | BackAt::Unmark(_) | BackAt::Open(_) => BackAt::Marks,
        };
        Ok(Back { at, ..back })
    }

    fn opening(&self, world: &World, epoch: u8) -> BackAt {
        match world.source.closing {
            _ if !self.keeps(Sabotage::UnfencedOpening) => BackAt::OpenUnmarked,
            0 => BackAt::Open(epoch),
            _ => BackAt::Unmark(epoch),
        }
    }

    /// One step of the back-out of process `number`.
    pub fn step_back(&self, world: &mut World, number: usize, back: Back) {
        world.runs[number].at = match self.take_back(world, back) {
            Ok(further) => At::Back(further),
            Err(Ended::Switched) => At::NoteSwitched,
            Err(Ended::Superseded) if back.own.is_some() => return self.end(world, number),
            Err(Ended::Back | Ended::Superseded) => At::NoteBackedOut,
        };
    }

    /// One step of a watchdog that takes back.
    pub fn step_dog(&self, world: &mut World, dog: usize) {
        let back = world.dogs[dog].back.unwrap_or(Back::of(world.dogs[dog].epoch));
        match self.take_back(world, back) {
            Ok(further) => world.dogs[dog].back = Some(further),
            Err(_) => {
                world.dogs.remove(dog);
            }
        }
        world.dogs.sort();
    }
}

fn short(epoch: Epoch) -> u8 {
    u8::try_from(epoch.0).unwrap_or(u8::MAX)
}
