//! The world: one engine with a source and a target, an application, two processes of ours with their
//! watchdogs, and what is still on its way.

pub mod source;
pub mod target;
pub mod writer;

use segue_model::cutover::{BackOut, Evidence, back_out};
use segue_model::id::Epoch;
use segue_model::invariants::{self, Broken, Invariant};
use segue_model::phase::Phase;
use segue_model::version::Incarnation;

use crate::journals::{JournalId, Journals};
use crate::run::back::Back;
use crate::run::undo::Note;
use crate::run::{At, Run};
use crate::scenario::Budget;
use source::Source;
use target::{Bulk, Target, bit};
use writer::{Hand, Truth};

/// How many documents there are.
pub const IDS: usize = 2;
/// How many processes of ours there are.
pub const RUNS: usize = 2;

/// What a document holds: the number of the write that made it; `None` = no document.
pub type Value = Option<u8>;

/// A watchdog.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dog {
    /// The process that started it.
    pub of: u8,
    /// The epoch it watches over.
    pub epoch: u8,
    /// How far it is with taking the cutover back; `None` = it watches.
    pub back: Option<Back>,
}

/// The checkpoint as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// Everything up to here is carried.
    pub position: i64,
    /// Where the pass began that moved it here.
    pub pass_from: i64,
    /// The primary term it was read under.
    pub term: u8,
    /// Counts its changes: compare-and-set.
    pub changes: u8,
    /// Which meaning the numbers have.
    pub incarnation: Incarnation,
}

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The source index.
    pub source: Source,
    /// The target index.
    pub target: Target,
    /// Whether the name that the application uses stands for the target.
    pub name_on_target: bool,
    /// The journal.
    pub journal: JournalId,
    /// The checkpoint.
    pub kept: Option<Kept>,
    /// Our processes.
    pub runs: [Run; RUNS],
    /// Their watchdogs.
    pub dogs: Vec<Dog>,
    /// Bulks that nobody waits for any more, and that may still arrive.
    pub late: Vec<Bulk>,
    /// A request to switch that may still arrive: whose epoch.
    pub late_switch: Option<u8>,
    /// A request to close that may still arrive: whose epoch.
    pub late_close: Option<u8>,
    /// The note of a redirect that is neither over nor taken back.
    pub note: Option<Note>,
    /// The application.
    pub hands: [Hand; IDS],
    /// What it was told.
    pub truth: [Truth; IDS],
    /// What may still happen.
    pub left: Budget,
    /// The number of the next write.
    pub next_stamp: u8,
    /// Whether a whole machine was lost, a process together with its watchdog.
    pub machine_lost: bool,
    /// Whether a conflict was taken for somebody else's document.
    pub foreign: bool,
    /// Whether a write of the application was refused though writes were redirected.
    pub refused: bool,
}

impl World {
    /// Which promise does not hold.
    pub fn judge(&self, journals: &Journals) -> Option<Broken> {
        let judged = self.documents().and_then(|()| {
            invariants::one_taker(&self.takers())?;
            let openers = match (self.name_on_target, self.source.closed) {
                (false, true) => Some(self.openers(journals)),
                (true, _) if self.target.closed => Some(0),
                _ => None,
            };
            invariants::not_left_closed(openers.is_some(), openers.unwrap_or(0))?;
            let begins =
                |run: &Run| run.at == At::Off || journals.begins_with(self.journal, run.known);
            invariants::one_journal(self.runs.iter().all(begins))?;
            if self.foreign {
                let shows =
                    "a conflict with a write of ours was taken for somebody else's".to_owned();
                return Err(Broken { invariant: Invariant::OwnConflicts, shows });
            }
            invariants::nothing_refused(self.refused)
        });
        judged.err()
    }

    fn documents(&self) -> Result<(), Broken> {
        for id in 0..IDS {
            let number = u8::try_from(id).unwrap_or(0);
            // While it is taken back a redirected document may be in either.
            let redirected = self.truth[id].redirected && self.note.is_some();
            let acknowledged = self.truth[id].acknowledged;
            if redirected && !self.name_on_target && self.source.get(number) == acknowledged {
                continue;
            }
            let on_target = self.name_on_target || redirected;
            let found = if on_target { self.target.get(number) } else { self.source.get(number) };
            if found != acknowledged {
                let possible = self.truth[id].possible(self.hands[id]);
                invariants::document(acknowledged.as_ref(), &possible, found.as_ref())?;
            }
        }
        Ok(())
    }

    /// The indices that take writes of the name.
    fn takers(&self) -> Vec<&'static str> {
        let waiting =
            self.hands.iter().any(|hand| !matches!(hand, Hand::Idle | Hand::Resolved(..)));
        let source = waiting || !(self.name_on_target || self.source.closed || self.source.removed);
        let source = source.then_some("the source");
        source.into_iter().chain(self.name_on_target.then_some("the target")).collect()
    }

    /// How many there are who will open the source.
    fn openers(&self, journals: &Journals) -> usize {
        let marks = Target::marks(self.target.write, self.target.opening);
        let able = |own: Option<u8>, attempt: u8| {
            let own = own.map(|epoch| Epoch(u32::from(epoch)));
            let seen = Evidence { marks: &marks, switched: false, own };
            match back_out(seen) {
                BackOut::Superseded => false,
                BackOut::OpenUnmarked => self.source.closing & bit(attempt) != 0,
                _ => true,
            }
        };
        let dogs = self.dogs.iter().filter(|dog| able(Some(dog.epoch), dog.epoch)).count();
        let runs = self.runs.iter().filter(|run| match &run.at {
            At::Back(back) => able(back.own, back.attempt),
            _ => {
                let epoch = journals.epoch(run.known);
                run.in_window && able(Some(epoch), epoch)
            }
        });
        let phase = &journals.state(self.journal).phase;
        let next =
            self.machine_lost && matches!(phase, Phase::CuttingOver { .. } | Phase::RollingBack);
        dogs + runs.count() + usize::from(next)
    }

    /// Whether both indices hold as many documents.
    pub fn counts_agree(&self) -> bool {
        let held =
            |get: &dyn Fn(u8) -> Value| (0u8..).take(IDS).filter(|id| get(*id).is_some()).count();
        held(&|id| self.source.get(id)) == held(&|id| self.target.get(id))
    }

    /// Whether nothing of ours is left, and the source takes writes.
    pub fn is_as_before(&self) -> bool {
        let Source { closed, closing, removed, .. } = self.source;
        !closed && closing == 0 && !removed && self.target.gone && self.kept.is_none()
    }

    /// Whether the stored checkpoint is behind what `run` has carried.
    pub fn is_behind(&self, run: &Run) -> bool {
        self.kept.map_or(-1, |kept| kept.position) < run.position().0
    }

    /// A bulk may still arrive, though nobody waits for it.
    pub fn leave(&mut self, bulk: Bulk) {
        if !self.late.contains(&bulk) {
            self.late.push(bulk);
            self.late.sort();
        }
    }

    /// Forgets late bulks that can't do anything any more: their mark never comes back.
    pub fn drop_fenced(&mut self) {
        let write = self.target.write;
        self.late.retain(|bulk| write & bit(bulk.epoch) != 0);
    }
}
