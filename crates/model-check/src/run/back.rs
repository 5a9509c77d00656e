//! Taking a cutover back, by the process itself, its watchdog or a later process. What is done follows
//! from [`segue_model::cutover::back_out`].

use segue_model::cutover::{BackOut, Evidence, back_out};
use segue_model::id::Epoch;

use super::At;
use crate::model::Model;
use crate::sabotage::Sabotage;
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
    /// Opens the source by the opening mark of the epoch.
    Open(u8),
    /// Opens the source.
    OpenUnmarked,
}

/// A back-out under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Back {
    /// The epoch that is taken back; none = whichever there is.
    pub own: Option<u8>,
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
    /// A back-out of the epoch `own`, or of whichever there is.
    pub fn of(own: Option<u8>) -> Back {
        Back { own, at: BackAt::Marks }
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
                    BackOut::Open { epoch } => self.opening(short(epoch)),
                    BackOut::OpenUnmarked => BackAt::OpenUnmarked,
                }
            }
            BackAt::Take(marks, epoch) if world.target.write & marks == marks => {
                world.target.write &= !marks;
                world.target.opening |= bit(epoch);
                self.drop_fenced(world);
                self.opening(epoch)
            }
            BackAt::Open(epoch) if world.target.opening & bit(epoch) != 0 => {
                world.source.closed = false;
                return Err(Ended::Back);
            }
            BackAt::OpenUnmarked => {
                world.source.closed = false;
                return Err(Ended::Back);
            }
            // Somebody else was faster: everything is looked at again.
            BackAt::Take(..) | BackAt::Open(_) => BackAt::Marks,
        };
        Ok(Back { at, ..back })
    }

    fn opening(&self, epoch: u8) -> BackAt {
        if self.keeps(Sabotage::UnfencedOpening) {
            BackAt::Open(epoch)
        } else {
            BackAt::OpenUnmarked
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
        let back = world.dogs[dog].back.unwrap_or(Back::of(Some(world.dogs[dog].epoch)));
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
