//! The model: a scenario, perhaps sabotaged, as a system that can be explored.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;

use segue_model::id::{HistoryUuid, IndexName, IndexUuid};
use segue_model::invariants::Broken;
use segue_model::journal::{Event, SourceIdentity};
use segue_model::phase::Phase;
use segue_model::stamp::Versioning;
use segue_model::version::{Incarnation, Rewrite};

use crate::explore::System;
use crate::journals::{JournalId, Journals};
use crate::run::pass::version;
use crate::run::{At, Run};
use crate::sabotage::Sabotage;
use crate::scenario::Scenario;
use crate::world::source::Source;
use crate::world::target::{Document, Target};
use crate::world::writer::{Hand, Truth};
use crate::world::{IDS, RUNS, World};

/// A scenario with all guards, or without one of them.
pub struct Model {
    /// What may happen.
    pub scenario: Scenario,
    sabotage: Option<Sabotage>,
    journals: RefCell<Journals>,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The application writes a document.
    Write(u8),
    /// The application deletes a document.
    Delete(u8),
    /// The write of a document gets further.
    Advance(u8),
    /// A process does what it does next.
    Step(u8, &'static str),
    /// A process moves the checkpoint in the middle of a pass.
    Save(u8),
    /// A bulk arrives and is answered.
    Deliver(u8, u8),
    /// A bulk arrives and its answer is lost.
    LoseAnswer(u8, u8),
    /// A bulk is given up and sent again; the first may still arrive.
    TimeOut(u8, u8),
    /// A bulk arrives that nobody waits for.
    Late(u8),
    /// A process gives the cutover up.
    GiveUp(u8),
    /// The request to switch is held up.
    HoldSwitch(u8),
    /// The request to switch arrives late.
    LateSwitch,
    /// A process dies.
    Crash(u8),
    /// A process dies with its watchdogs.
    LoseMachine(u8),
    /// A process is started.
    Start(u8),
    /// A watchdog begins to take back.
    Bark(u8),
    /// A watchdog does what it does next.
    Dog(u8),
    /// The source's replica becomes primary; writes under way are made again, or not.
    FailOver(bool),
    /// The source refreshes by itself.
    Refresh,
    /// The target forgets what was deleted.
    Forget,
    /// A dead letter is written after the switch.
    Replay(u8),
}

impl Model {
    /// `scenario`, without the guard that `sabotage` takes away.
    pub fn new(scenario: Scenario, sabotage: Option<Sabotage>) -> Model {
        Model { scenario, sabotage, journals: RefCell::new(Journals::default()) }
    }

    /// Whether a guard is in place.
    pub fn keeps(&self, sabotage: Sabotage) -> bool {
        self.sabotage != Some(sabotage)
    }

    /// The journals that were met.
    pub fn journals(&self) -> Ref<'_, Journals> {
        self.journals.borrow()
    }

    /// The journals that were met, for one more.
    pub fn journals_mut(&self) -> RefMut<'_, Journals> {
        self.journals.borrow_mut()
    }

    /// The journal of a part whose target was made.
    fn prepared(&self) -> JournalId {
        let source = SourceIdentity {
            uuid: IndexUuid::new("source"),
            histories: vec![HistoryUuid::new("history")],
        };
        let target = IndexName::new("target");
        let events = [
            Event::PrepareStarted {
                source,
                target,
                pipeline: String::new(),
                versioning: Versioning::Ours,
            },
            Event::Prepared {
                target_uuid: IndexUuid::new("target"),
                incarnation: Incarnation::FIRST,
                rewrite: Rewrite::FIRST,
            },
        ];
        let mut journals = self.journals_mut();
        let empty = journals.empty();
        let longer = |id, event| journals.append(id, event).unwrap_or(id);
        events.iter().fold(empty, longer)
    }

    fn processes(&self, world: &World, into: &mut Vec<Action>) {
        for (number, run) in (0u8..).zip(&world.runs) {
            if run.at == At::Off {
                // Two processes that do not run are one and the same.
                let first = world.runs[..usize::from(number)].iter().all(|run| run.at != At::Off);
                let allowed =
                    !self.scenario.alone || world.runs.iter().all(|run| run.at == At::Off);
                let starts = first && allowed && world.left.starts > 0;
                into.extend(starts.then_some(Action::Start(number)));
                continue;
            }
            if !matches!(run.at, At::Delete) {
                into.push(Action::Step(number, name(&run.at)));
            }
            if self.scenario.saves && run.at == At::Lanes && world.is_behind(run) {
                into.push(Action::Save(number));
            }
            for (lane, sent) in (0u8..).zip(&run.lanes) {
                if sent.is_some() {
                    into.push(Action::Deliver(number, lane));
                    if world.left.faults > 0 {
                        into.push(Action::LoseAnswer(number, lane));
                        into.push(Action::TimeOut(number, lane));
                    }
                }
            }
            let gives_up = run.in_window && !matches!(run.at, At::Back(_) | At::NoteBackedOut);
            let gives_up = gives_up && !matches!(run.at, At::Look | At::NoteSwitched);
            into.extend((gives_up && world.left.give_ups > 0).then_some(Action::GiveUp(number)));
            let holds = run.at == At::Move && world.left.late_switches > 0;
            into.extend(holds.then_some(Action::HoldSwitch(number)));
            let crashes = world.left.crashes > 0 && !(run.in_window && self.scenario.calm);
            into.extend(crashes.then_some(Action::Crash(number)));
            into.extend((world.left.machines > 0).then_some(Action::LoseMachine(number)));
        }
        for (number, dog) in (0u8..).zip(&world.dogs) {
            let next = if dog.back.is_some() { Action::Dog } else { Action::Bark };
            into.push(next(number));
        }
    }

    fn surroundings(&self, world: &World, into: &mut Vec<Action>) {
        for id in 0..self.scenario.ids {
            let index = usize::from(id);
            if world.hands[index] != Hand::Idle {
                into.push(Action::Advance(id));
            } else if world.left.writes > 0 && world.is_open() {
                into.push(Action::Write(id));
                let there =
                    if world.name_on_target { world.target.get(id) } else { world.source.get(id) };
                let deletes = there.is_some() && !self.scenario.redirect;
                into.extend(deletes.then_some(Action::Delete(id)));
            }
            let replays = world.left.replays > 0 && world.name_on_target;
            into.extend(replays.then_some(Action::Replay(id)));
        }
        let late = u8::try_from(world.late.len()).unwrap_or(u8::MAX);
        into.extend((0..late).map(Action::Late));
        into.extend(world.late_switch.is_some().then_some(Action::LateSwitch));
        if world.left.failovers > 0 && !world.source.removed {
            into.extend([Action::FailOver(true), Action::FailOver(false)]);
        }
        into.extend((world.left.refreshes > 0).then_some(Action::Refresh));
        // Deletes are remembered for longer than any request of ours can be late.
        let forgets =
            world.late.is_empty() || world.name_on_target || !self.keeps(Sabotage::ForgetEarly);
        into.extend((forgets && world.target.remembers()).then_some(Action::Forget));
    }

    /// A dead letter after the switch: written only over exactly what we wrote ourselves.
    fn replay(&self, world: &mut World, id: u8) {
        world.left.replays -= 1;
        let last = |(_, entry): &(usize, &crate::world::source::Entry)| entry.id == Some(id);
        let found = world.source.log.iter().enumerate().rfind(last);
        let Some((seq_no, entry)) = found.map(|(seq_no, entry)| (seq_no, *entry)) else { return };
        let there = world.target.documents[usize::from(id)];
        let version = if self.keeps(Sabotage::ReplayByVersion) {
            match (world.target.ours(id), there) {
                (Some(_), Some(there)) => there.version + 1,
                _ => return,
            }
        } else {
            version(i64::try_from(seq_no).unwrap_or(0)) + (1 << 13)
        };
        if there.is_none_or(|there| there.version < version) {
            let value = entry.value;
            world.target.documents[usize::from(id)] = Some(Document { version, value });
        }
    }
}

impl System for Model {
    type State = World;
    type Action = Action;

    fn first(&self) -> World {
        let journal = self.prepared();
        let empty = self.journals().empty();
        let mut runs: [Run; RUNS] = std::array::from_fn(|_| Run::off(empty));
        runs[0].at = At::Start;
        let mut truth = [Truth::default(); IDS];
        truth[0].acknowledged = Some(0);
        World {
            source: Source::with_one_document(),
            target: Target::made(self.keeps(Sabotage::NoFirstMark)),
            name_on_target: false,
            journal,
            kept: None,
            runs,
            dogs: Vec::new(),
            late: Vec::new(),
            late_switch: None,
            hands: [Hand::Idle; IDS],
            truth,
            left: self.scenario.budget,
            next_stamp: 1,
            machine_lost: false,
            foreign: false,
            refused: false,
        }
    }

    fn actions(&self, world: &World, into: &mut Vec<Action>) {
        self.processes(world, into);
        self.surroundings(world, into);
    }

    fn after(&self, world: &World, action: Action) -> World {
        let mut world = world.clone();
        let at = usize::from;
        match action {
            Action::Write(id) => world.send(id, false, self.scenario.redirect),
            Action::Delete(id) => world.send(id, true, self.scenario.redirect),
            Action::Advance(id) => world.advance(id, self.scenario.gaps),
            Action::Step(run, _) => self.step(&mut world, at(run)),
            Action::Save(run) => {
                self.save(&mut world, at(run));
            }
            Action::Deliver(run, lane) => self.deliver(&mut world, at(run), at(lane), true),
            Action::LoseAnswer(run, lane) => self.deliver(&mut world, at(run), at(lane), false),
            Action::TimeOut(run, lane) => {
                world.left.faults -= 1;
                if let Some(sent) = world.runs[at(run)].lanes[at(lane)].clone() {
                    world.leave(sent.bulk);
                }
                self.drop_fenced(&mut world);
            }
            Action::Late(number) => {
                let bulk = world.late.remove(at(number));
                let fenced = self.keeps(Sabotage::UnfencedBulks);
                world.target.bulk(&bulk, fenced, self.keeps(Sabotage::PlainWrites));
            }
            Action::GiveUp(run) => {
                world.left.give_ups -= 1;
                self.fail(&mut world, at(run));
            }
            Action::HoldSwitch(run) => {
                world.left.late_switches -= 1;
                world.late_switch = Some(self.journals().epoch(world.runs[at(run)].known));
                world.runs[at(run)].at = At::Look;
            }
            Action::LateSwitch => {
                if let Some(epoch) = world.late_switch.take() {
                    self.switch(&mut world, epoch);
                }
            }
            Action::Crash(run) => {
                world.left.crashes -= 1;
                self.end(&mut world, at(run));
            }
            Action::LoseMachine(run) => {
                world.left.machines -= 1;
                world.machine_lost = true;
                world.dogs.retain(|dog| dog.of != run);
                self.end(&mut world, at(run));
            }
            Action::Start(run) => {
                world.left.starts -= 1;
                world.runs[at(run)].at = At::Start;
                world.runs[at(run)].known = world.journal;
            }
            Action::Bark(dog) | Action::Dog(dog) => self.step_dog(&mut world, at(dog)),
            Action::FailOver(again) => world.fail_over(again),
            Action::Refresh => {
                world.left.refreshes -= 1;
                world.source.refresh();
            }
            Action::Forget => world.target.forget(),
            Action::Replay(id) => self.replay(&mut world, id),
        }
        world
    }

    fn judge(&self, world: &World) -> Option<Broken> {
        world.judge(&self.journals())
    }

    fn is_goal(&self, world: &World) -> bool {
        world.name_on_target && self.journals().state(world.journal).phase == Phase::Finished
    }
}

fn name(at: &At) -> &'static str {
    match at {
        At::Off => "is off",
        At::Start => "reads the journal",
        At::NoteEpoch => "announces the next epoch",
        At::LookMarks => "looks at the marks",
        At::SwapMarks { .. } => "puts its write mark in force",
        At::Open => "reads the checkpoint",
        At::Terms => "looks at the primary term",
        At::Stats => "asks where the pass ends",
        At::Refresh => "refreshes the source",
        At::Lanes => "reads a window and sends it",
        At::Save => "moves the checkpoint",
        At::Check => "looks at the primary term again",
        At::List => "lists the source for the audit",
        At::Ask(_) => "asks for what is gone and deletes it",
        At::Delete => "waits for its deletes",
        At::NoteVerified => "notes that both are equal",
        At::NoteCutover => "starts the watchdog and notes the cutover",
        At::Redirect => "sends the source's writes on to the target",
        At::DrainRequests => "waits for requests that began before",
        At::Close => "closes the source",
        At::Drain => "waits for writes under way",
        At::NoteSwitching => "notes that names will move",
        At::Move => "moves the names",
        At::Look => "looks at the names",
        At::NoteSwitched => "notes the switch",
        At::Back(_) => "takes the cutover back, one step",
        At::NoteBackedOut => "notes that it was taken back",
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Write(id) => write!(f, "application: writes document {id}"),
            Action::Delete(id) => write!(f, "application: deletes document {id}"),
            Action::Advance(id) => write!(f, "source: the write of document {id} gets further"),
            Action::Step(run, what) => write!(f, "process {run}: {what}"),
            Action::Save(run) => write!(f, "process {run}: moves the checkpoint meanwhile"),
            Action::Deliver(run, _) => write!(f, "target: takes a bulk of process {run}"),
            Action::LoseAnswer(run, _) => {
                write!(f, "target: takes a bulk of process {run}; the answer is lost")
            }
            Action::TimeOut(run, _) => {
                write!(f, "process {run}: gives a bulk up and sends it again; the first is late")
            }
            Action::Late(_) => f.write_str("target: a late bulk arrives"),
            Action::GiveUp(run) => write!(f, "process {run}: gives the cutover up"),
            Action::HoldSwitch(run) => write!(f, "process {run}: its switch is held up"),
            Action::LateSwitch => f.write_str("cluster: a late switch arrives"),
            Action::Crash(run) => write!(f, "process {run}: dies"),
            Action::LoseMachine(run) => write!(f, "process {run}: dies with its watchdog"),
            Action::Start(run) => write!(f, "process {run}: is started"),
            Action::Bark(dog) => write!(f, "watchdog {dog}: begins to take back"),
            Action::Dog(dog) => write!(f, "watchdog {dog}: takes back, one step"),
            Action::FailOver(true) => {
                f.write_str("source: the replica becomes primary; writes under way are made again")
            }
            Action::FailOver(false) => {
                f.write_str("source: the replica becomes primary; writes under way are lost")
            }
            Action::Refresh => f.write_str("source: refreshes"),
            Action::Forget => f.write_str("target: forgets what was deleted"),
            Action::Replay(id) => write!(f, "process: writes the dead letter of document {id}"),
        }
    }
}
