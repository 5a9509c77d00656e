//! The model: a scenario, perhaps sabotaged, as a system that can be explored.

use std::cell::{Ref, RefCell, RefMut};

use segue_model::invariants::Broken;
use segue_model::phase::Phase;
use segue_model::version::{Incarnation, Rewrite};

use crate::action::Action;
use crate::explore::System;
use crate::journals::Journals;
use crate::run::at::name;
use crate::run::pass::version;
use crate::run::{At, Run};
use crate::sabotage::Sabotage;
use crate::scenario::{Begins, Scenario, Way};
use crate::world::World;
use crate::world::target::Document;
use crate::world::writer::Hand;

/// A scenario with all guards, or without one of them.
pub struct Model {
    /// What may happen.
    pub scenario: Scenario,
    sabotage: Option<Sabotage>,
    journals: RefCell<Journals>,
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

    fn processes(&self, world: &World, into: &mut Vec<Action>) {
        for (number, run) in (0u8..).zip(&world.runs) {
            if run.at == At::Off {
                // Two processes that do not run are one and the same.
                let first = world.runs[..usize::from(number)].iter().all(|run| run.at != At::Off);
                let allowed =
                    !self.scenario.alone || world.runs.iter().all(|run| run.at == At::Off);
                let starts = first && allowed && world.left.starts > 0;
                into.extend(starts.then_some(Action::Start(number)));
                let abandons = first && world.left.abandons > 0;
                into.extend(abandons.then_some(Action::Abandon(number)));
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
            let holds = run.at == At::Close && world.left.late_closes > 0;
            into.extend(holds.then_some(Action::HoldClose(number)));
            let ends = run.at == At::Base && world.left.watch_ends > 0;
            into.extend(ends.then_some(Action::EndWatch(number)));
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
        into.extend(world.late_close.is_some().then_some(Action::LateClose));
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
            let lineage = (Incarnation::FIRST, Rewrite::FIRST);
            version(lineage, i64::try_from(seq_no).unwrap_or(0)) + (1 << 13)
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
        self.first_moment()
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
            Action::HoldClose(run) => {
                world.left.late_closes -= 1;
                world.late_close = Some(self.journals().epoch(world.runs[at(run)].known));
                self.fail(&mut world, at(run));
            }
            Action::LateClose => {
                if let Some(epoch) = world.late_close.take() {
                    self.close(&mut world, epoch);
                }
            }
            Action::EndWatch(run) => {
                world.left.watch_ends -= 1;
                world.runs[at(run)].at = At::CloseKept;
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
                world.runs[at(run)] = Run::begun(world.journal);
            }
            Action::Abandon(run) => {
                world.left.abandons -= 1;
                world.runs[at(run)] = Run { gives_up: true, ..Run::begun(world.journal) };
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
        let journals = self.journals();
        let state = journals.state(world.journal);
        let switched = world.name_on_target && state.phase == Phase::Finished;
        match (self.scenario.way, self.scenario.begins) {
            (Way::Forward, Begins::Made) if self.scenario.budget.abandons > 0 => {
                state.phase == Phase::Abandoned && world.is_as_before()
            }
            (Way::Forward, Begins::Made) => switched,
            // Given up, and begun anew.
            (Way::Forward, _) => switched && state.incarnation > Incarnation::FIRST,
            _ => world.name_on_target && state.phase == Phase::RolledBack,
        }
    }
}
