//! A process of ours: what `segue run` does with one part, one request to the engine at a step.

pub mod at;
pub mod audit;
pub mod back;
pub mod cutover;
pub mod give_up;
pub mod pass;
pub mod undo;
pub mod way_back;

use segue_model::cutover::supersede;
use segue_model::id::{Epoch, SeqNo};
use segue_model::journal::{Event, VerifySummary};
use segue_model::phase::Phase;
use segue_model::position::{Window, Windows};

use crate::journals::JournalId;
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::scenario::Way;
use crate::world::target::{Bulk, Target, bit};
use crate::world::{IDS, World};
pub use at::At;
use back::Back;
use give_up::GiveUp;

/// A window that was read, and the bulk that was sent for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    /// The window; `None` = deletes of an audit.
    pub window: Option<Window>,
    /// Documents with their numbers.
    pub documents: Vec<(u8, i64)>,
    /// What was sent.
    pub bulk: Bulk,
}

/// A process of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// What it does next.
    pub at: At,
    /// The journal as it knows it.
    pub known: JournalId,
    /// Whether it has closed the source, or is about to.
    pub in_window: bool,
    /// The primary term at the beginning of the pass.
    pub term: u8,
    /// The primary term that the position was reached under.
    pub reached_under: u8,
    /// The highest number given out when the last pass had ended.
    pub shown_to: Option<i64>,
    /// Where the first pass began that can't be relied upon yet.
    pub pass_from: i64,
    /// The same, once the pass has held.
    pub then_from: i64,
    /// The windows of the pass.
    pub windows: Windows,
    /// Windows in flight.
    pub lanes: Vec<Option<Sent>>,
    /// The checkpoint's number of changes as it knows it.
    pub changes: u8,
    /// What it knows to be carried: each document's number.
    pub inventory: [Option<i64>; IDS],
    /// Passes to go before the cutover.
    pub passes: u8,
    /// The source's highest number once every write was redirected.
    pub ends: Option<i64>,
    /// Whether it has looked for documents that only the kept copy has.
    pub swept: bool,
    /// Whether it was started to give the part up.
    pub gives_up: bool,
    /// Whether it begins from the start once it has ended what another process left.
    pub goes_on: bool,
}

impl Run {
    /// A process that does not run.
    pub fn off(known: JournalId) -> Run {
        Run {
            at: At::Off,
            known,
            in_window: false,
            term: 0,
            reached_under: 0,
            shown_to: None,
            pass_from: -1,
            then_from: -1,
            windows: Windows::new(SeqNo::NONE, SeqNo::NONE, 1),
            lanes: Vec::new(),
            changes: 0,
            inventory: [None; IDS],
            passes: 0,
            ends: None,
            swept: false,
            gives_up: false,
            goes_on: false,
        }
    }

    /// A process that is started.
    pub fn begun(known: JournalId) -> Run {
        Run { at: At::Start, ..Run::off(known) }
    }

    /// Everything up to which it has carried.
    pub fn position(&self) -> SeqNo {
        self.windows.position()
    }

    /// Whether an answer is waited for.
    pub fn waits(&self) -> bool {
        self.lanes.iter().any(Option::is_some)
    }
}

impl Model {
    /// One step of process `number`.
    pub fn step(&self, world: &mut World, number: usize) {
        match world.runs[number].at.clone() {
            At::Off => {}
            At::Start => self.start(world, number),
            At::NoteEpoch => {
                let epoch = self.journals().state(world.runs[number].known).next_epoch();
                self.note_or_end(world, number, &[Event::EpochOpened { epoch }], self.marked(true));
            }
            At::LookMarks => {
                let (write, opening) = (world.target.write, world.target.opening);
                let none = write | opening == 0 && self.scenario.way == Way::Forward;
                world.runs[number].at = match none && self.keeps(Sabotage::NoFirstMark) {
                    true => At::FirstMark,
                    false => At::SwapMarks { write, opening },
                };
            }
            At::FirstMark if world.target.gone => self.end(world, number),
            At::FirstMark => {
                world.target.opening |= bit(0);
                world.runs[number].at = At::LookMarks;
            }
            At::SwapMarks { write, opening } => self.swap_marks(world, number, write, opening),
            At::Open => self.open(world, number),
            At::Terms | At::Stats | At::Refresh | At::Lanes | At::Save | At::Check => {
                self.pass(world, number);
            }
            At::List => self.list(world, number),
            At::Ask(gone) => self.ask(world, number, gone),
            At::Delete => {}
            At::NoteVerified => {
                let positions = vec![world.runs[number].position()];
                let summary = VerifySummary::default();
                let events = [Event::VerifyStarted, Event::Verified { positions, summary }];
                self.note_or_end(world, number, &events, At::NoteCutover);
            }
            At::Back(back) => self.step_back(world, number, back),
            At::GivingUp(step) => self.give_up(world, number, step),
            At::NoteFeed
            | At::OpenKept
            | At::Base
            | At::Sweep
            | At::CloseKept
            | At::LookKept
            | At::UnmarkKept { .. }
            | At::NoteEnd => self.go_back(world, number),
            _ => self.cut_over(world, number),
        }
    }

    /// What stands in the journal decides how a process begins.
    fn start(&self, world: &mut World, number: usize) {
        let state = self.journals().state(world.journal).clone();
        let back = self.scenario.way != Way::Forward;
        let fed = state.reverse.is_some() || self.scenario.way == Way::BackAlone;
        let run = &mut world.runs[number];
        run.known = world.journal;
        run.passes = self.scenario.passes;
        run.lanes = vec![None; self.scenario.lanes];
        let left = matches!(state.phase, Phase::CuttingOver { .. } | Phase::RollingBack);
        run.goes_on = left && (back || run.gives_up);
        let epoch = self.journals().epoch(run.known);
        run.at = match &state.phase {
            Phase::CuttingOver { .. } | Phase::RollingBack => At::Back(Back::of_any(epoch)),
            phase if phase.is_given_up() => At::GivingUp(GiveUp::Mark),
            phase if run.gives_up && phase.may_stop() => At::GivingUp(GiveUp::Note),
            _ if run.gives_up => return self.end(world, number),
            phase if phase.is_copying() => At::NoteEpoch,
            phase if phase.is_switched() && back && fed => At::NoteEpoch,
            phase if phase.is_switched() && back => At::NoteFeed,
            _ => return self.end(world, number),
        };
    }

    /// What comes after the announcement of an epoch, and after its mark is in force.
    fn marked(&self, announced: bool) -> At {
        let late = !self.keeps(Sabotage::LateMark);
        match (self.scenario.way, announced) {
            (Way::BackAlone, true) if late => At::NoteCutover,
            (_, true) => At::LookMarks,
            (Way::Forward, false) => At::Open,
            (Way::BackAlone, false) if !late => At::NoteCutover,
            (Way::Back | Way::BackAlone, false) => At::OpenKept,
        }
    }

    fn swap_marks(&self, world: &mut World, number: usize, write: u16, opening: u16) {
        let target = &mut world.target;
        let epoch = self.journals().epoch(world.runs[number].known);
        let marks = Target::marks(write, opening);
        // On a kept copy there is a mark as long as there is a way back.
        let unmarked = self.scenario.way != Way::Forward
            && marks.is_empty()
            && self.keeps(Sabotage::NoFirstMark);
        if unmarked || target.gone || supersede(&marks, Epoch(u32::from(epoch))).is_none() {
            return self.fail(world, number);
        }
        if target.write & write != write || target.opening & opening != opening {
            world.runs[number].at = At::LookMarks;
            return;
        }
        target.write = (target.write & !write) | bit(epoch);
        target.opening &= !opening;
        world.runs[number].at = self.marked(false);
        self.drop_fenced(world);
    }

    /// Appends to the journal. Who was not the first to write that number is told so.
    pub fn note(&self, world: &mut World, number: usize, events: &[Event]) -> bool {
        let run = &mut world.runs[number];
        if world.journal != run.known && self.keeps(Sabotage::JournalOverwrites) {
            return false;
        }
        let mut journal = run.known;
        for event in events {
            let Some(longer) = self.journals_mut().append(journal, event) else { return false };
            journal = longer;
        }
        run.known = journal;
        world.journal = journal;
        true
    }

    /// Appends to the journal and goes on with `next`, or ends.
    pub fn note_or_end(&self, world: &mut World, number: usize, events: &[Event], next: At) {
        if self.note(world, number, events) {
            world.runs[number].at = next;
        } else {
            self.end(world, number);
        }
    }

    /// The process ends; what it has sent may still arrive.
    pub fn end(&self, world: &mut World, number: usize) {
        let lanes = std::mem::take(&mut world.runs[number].lanes);
        for sent in lanes.into_iter().flatten() {
            world.leave(sent.bulk);
        }
        world.runs[number] = Run::off(self.journals().empty());
        self.drop_fenced(world);
    }

    /// Something failed: who may have closed the source takes the cutover back, others just end.
    pub fn fail(&self, world: &mut World, number: usize) {
        let run = &mut world.runs[number];
        if !run.in_window {
            return self.end(world, number);
        }
        let lanes = std::mem::replace(&mut run.lanes, vec![None; self.scenario.lanes]);
        run.at = At::Back(Back::of(self.journals().epoch(run.known)));
        for sent in lanes.into_iter().flatten() {
            world.leave(sent.bulk);
        }
        self.drop_fenced(world);
    }

    /// Late bulks whose mark is gone are dropped, unless a sabotage could let them in.
    pub fn drop_fenced(&self, world: &mut World) {
        if self.keeps(Sabotage::UnfencedBulks) && self.keeps(Sabotage::JournalOverwrites) {
            world.drop_fenced();
        }
    }
}
