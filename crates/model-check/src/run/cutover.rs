//! The cutover in modes `block` and `redirect`, as `segue_engine::cutover` makes it.

use segue_model::id::{Epoch, IndexName, SeqNo};
use segue_model::journal::{CutoverWindow, Event};

use super::undo::Note;
use super::{At, Run};
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::scenario::Way;
use crate::world::target::bit;
use crate::world::writer::Hand;
use crate::world::{Dog, World};

impl Model {
    /// One step of a cutover.
    pub fn cut_over(&self, world: &mut World, number: usize) {
        let epoch = self.journals().epoch(world.runs[number].known);
        match world.runs[number].at {
            At::NoteCutover => self.begin(world, number, epoch),
            At::Redirect => {
                // By the closing mark, which needs the write alias.
                if world.target.write & bit(epoch) == 0 {
                    return self.fail(world, number);
                }
                world.source.redirecting = true;
                world.runs[number].at = At::DrainRequests;
            }
            At::DrainRequests => self.redirected(world, number),
            At::MarkClosing => {
                if world.target.write & bit(epoch) == 0 {
                    return self.fail(world, number);
                }
                world.source.closing |= bit(epoch);
                world.runs[number].at = At::Close;
            }
            At::Close => {
                if !self.close(world, epoch) {
                    return self.fail(world, number);
                }
                world.runs[number].at = At::Drain;
            }
            At::Drain => {
                let waits = self.keeps(Sabotage::BlockBySettings) && self.keeps(Sabotage::NoBlock);
                let waits = waits && self.keeps(Sabotage::RedirectUnblocked);
                // A block does not wait for requests that are still in their pipeline.
                let past = |hand: &Hand| matches!(hand, Hand::Idle | Hand::Resolved(..));
                if !waits || world.hands.iter().all(past) {
                    let ends = world.runs[number].ends;
                    if ends.is_some_and(|ends| ends != world.source.look().max_seq_no.0) {
                        return self.fail(world, number);
                    }
                    let last = self.scenario.way != Way::BackAlone;
                    let last = last && self.keeps(Sabotage::NoLastFeed);
                    world.runs[number].at = if last { At::Terms } else { At::Move };
                }
            }
            At::NoteSwitching => {
                let event = Event::Switching { cursor: vec![SeqNo::NONE] };
                if self.note(world, number, &[event]) {
                    world.runs[number].at = At::Move;
                } else {
                    self.fail(world, number);
                }
            }
            At::Move => {
                if self.switch(world, epoch) {
                    world.runs[number].at = At::Look;
                } else {
                    self.fail(world, number);
                }
            }
            At::Look if world.name_on_target => world.runs[number].at = At::NoteSwitched,
            At::Look => self.fail(world, number),
            At::NoteSwitched => {
                self.dismiss(world, number, epoch);
                let window = CutoverWindow::default();
                let events = match self.scenario.way {
                    Way::Forward => vec![Event::Switched { window }, Event::WatchEnded],
                    Way::Back | Way::BackAlone => vec![Event::RolledBack { window }],
                };
                self.note(world, number, &events);
                self.end(world, number);
            }
            At::NoteBackedOut => {
                self.dismiss(world, number, epoch);
                let reason = String::new();
                let event = match self.scenario.way {
                    Way::Forward => Event::BackedOut { reason },
                    Way::Back | Way::BackAlone => Event::RollbackBackedOut { reason },
                };
                if self.note(world, number, &[event]) && world.runs[number].goes_on {
                    let gives_up = world.runs[number].gives_up;
                    world.runs[number] = Run { gives_up, ..Run::begun(world.journal) };
                } else {
                    self.end(world, number);
                }
            }
            _ => {}
        }
    }

    /// The watchdog stands ready before the journal knows of the cutover.
    fn begin(&self, world: &mut World, number: usize, epoch: u8) {
        if self.keeps(Sabotage::NoWatchdog) && !self.scenario.calm {
            let of = u8::try_from(number).unwrap_or(0);
            world.dogs.push(Dog { of, epoch, back: None });
            world.dogs.sort();
        }
        if self.scenario.way != Way::Forward {
            let discards = self.scenario.way == Way::BackAlone;
            let next = match (discards, self.keeps(Sabotage::LateMark)) {
                (true, true) => At::OpenKept,
                (true, false) => At::LookMarks,
                (false, _) => At::MarkClosing,
            };
            let events = [Event::RollbackStarted { discards }];
            self.note_or_end(world, number, &events, next.clone());
            world.runs[number].in_window = world.runs[number].at == next;
            world.runs[number].swept = false;
            return;
        }
        let event = Event::CutoverStarted {
            epoch: Epoch(u32::from(epoch)),
            keep: IndexName::new("kept"),
            aliases: Vec::new(),
            before: None,
        };
        let redirect = Event::RedirectStarted {
            cursor: vec![SeqNo::NONE],
            pipeline: String::new(),
            default_pipeline: None,
            final_pipeline: None,
        };
        let (events, next) = if self.scenario.redirect {
            world.note = Some(Note { epoch, ends: None, prints: 0 });
            (vec![event, redirect], At::Redirect)
        } else {
            (vec![event], At::MarkClosing)
        };
        self.note_or_end(world, number, &events, next.clone());
        world.runs[number].in_window = world.runs[number].at == next;
    }

    /// Every request that has resolved the source's own pipeline has ended: the source stands still.
    fn redirected(&self, world: &mut World, number: usize) {
        let ended = |hand: &Hand| matches!(hand, Hand::Idle | Hand::Resolved(_, true));
        let waits = self.keeps(Sabotage::NoDrain) && self.keeps(Sabotage::RedirectUnblocked);
        if waits && !world.hands.iter().all(ended) {
            return;
        }
        let now = Some(world.source.look().max_seq_no.0);
        if let Some(note) = &mut world.note {
            note.ends = note.ends.or(now);
        }
        world.runs[number].ends = now;
        if self.note(world, number, &[Event::Redirected]) {
            world.runs[number].at = At::MarkClosing;
        } else {
            self.fail(world, number);
        }
    }

    /// The request that closes, by the closing mark; whether it was carried out.
    pub fn close(&self, world: &mut World, epoch: u8) -> bool {
        let marked = world.source.closing & bit(epoch) != 0 || !self.keeps(Sabotage::LateClose);
        if !marked || world.source.removed {
            return false;
        }
        world.source.closed =
            self.keeps(Sabotage::NoBlock) && self.keeps(Sabotage::RedirectUnblocked);
        true
    }

    /// The request that moves the names; whether it was carried out.
    pub fn switch(&self, world: &mut World, epoch: u8) -> bool {
        let fenced = world.target.write & bit(epoch) != 0 || !self.keeps(Sabotage::UnfencedSwitch);
        if !fenced || world.name_on_target || world.target.gone {
            return false;
        }
        world.target.write &= !bit(epoch);
        world.name_on_target = true;
        world.source.closing = 0;
        if self.scenario.way == Way::BackAlone {
            world.leave_behind();
        }
        if !self.scenario.alias {
            world.source.removed = true;
            world.refuse_waiting();
        }
        self.drop_fenced(world);
        true
    }

    fn dismiss(&self, world: &mut World, number: usize, epoch: u8) {
        let of = u8::try_from(number).unwrap_or(0);
        world.dogs.retain(|dog| (dog.of, dog.epoch) != (of, epoch) || dog.back.is_some());
    }
}
