//! A pass, as `segue_engine::pass` makes it.

use segue_model::checkpoint::{Checkpoint, ShardIdentity};
use segue_model::id::{HistoryUuid, IndexUuid, SeqNo, Shard};
use segue_model::journal::Event;
use segue_model::pass::{Reach, holds};
use segue_model::phase::Phase;
use segue_model::position::Windows;
use segue_model::version::{Incarnation, Op, Provenance, Rewrite};

use super::{At, Sent};
use crate::journals::JournalId;
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::scenario::Way;
use crate::world::target::{Answer, Bulk, Item};
use crate::world::{IDS, Kept, World};

fn identity(term: u8) -> ShardIdentity {
    ShardIdentity {
        index: IndexUuid::new("source"),
        history: HistoryUuid::new("history"),
        primary_term: u64::from(term),
    }
}

/// The version that the operation `seq_no` is written with.
pub fn version((incarnation, rewrite): (Incarnation, Rewrite), seq_no: i64) -> u64 {
    let op = Op::of(SeqNo(seq_no), Shard(0), 1);
    op.map_or(0, |op| Provenance { incarnation, op, delete: false, rewrite }.version().0)
}

impl Model {
    /// The numbers that a process with the journal `known` writes with.
    pub fn lineage(&self, known: JournalId) -> (Incarnation, Rewrite) {
        let journals = self.journals();
        let state = journals.state(known);
        if self.scenario.way == Way::Forward {
            return (state.incarnation, state.rewrite);
        }
        (state.reverse.unwrap_or(Incarnation::FIRST), Rewrite::FIRST)
    }

    /// Loads the checkpoint; the inventory is rebuilt from the target.
    pub fn open(&self, world: &mut World, number: usize) {
        let lineage = self.lineage(world.runs[number].known);
        let phase = self.journals().state(world.runs[number].known).phase.clone();
        let again = matches!(phase, Phase::Verifying | Phase::Ready);
        let noted = !again || self.note(world, number, &[Event::CatchUpStarted]);
        if world.source.removed || !noted {
            return self.end(world, number);
        }
        let now = identity(world.source.term);
        let at = |term: u8, incarnation: Incarnation, position: SeqNo, pass_from: SeqNo| {
            let start = Checkpoint::start(Shard(0), identity(term), incarnation, lineage.1);
            Checkpoint { position, pass_from, ..start }
        };
        let kept = world.kept.map(|kept| {
            at(kept.term, kept.incarnation, SeqNo(kept.position), SeqNo(kept.pass_from))
        });
        // The way back begins at the target's numbers from before the switch.
        let back = self.scenario.way == Way::Back;
        let cursor = SeqNo(0);
        let begin = back.then(|| at(world.source.term, lineage.0, cursor, cursor));
        let kept = kept.filter(|kept| !back || kept.incarnation == lineage.0).or(begin);
        let Some(checkpoint) = Checkpoint::resume(kept, Shard(0), now, lineage) else {
            return self.end(world, number);
        };
        let mut inventory = [None; IDS];
        for (id, carried) in (0u8..).zip(&mut inventory) {
            let ours = world.target.ours(id).filter(|_| world.target.get(id).is_some() && !back);
            *carried = ours.map(|provenance| provenance.op.source(1).0.0);
        }
        let run = &mut world.runs[number];
        run.windows = Windows::new(checkpoint.position, checkpoint.position, 1);
        (run.pass_from, run.then_from) = (checkpoint.pass_from.0, checkpoint.pass_from.0);
        run.reached_under = world.source.term;
        run.changes = world.kept.map_or(0, |kept| kept.changes);
        run.inventory = inventory;
        run.at = At::Terms;
    }

    /// One step of a pass.
    pub fn pass(&self, world: &mut World, number: usize) {
        if world.source.removed {
            return self.fail(world, number);
        }
        let refresh_first = !self.keeps(Sabotage::RefreshFirst);
        let may_fail_over = world.left.failovers > 0;
        let (run, source) = (&mut world.runs[number], &mut world.source);
        match run.at {
            At::Terms => {
                run.term = source.term;
                run.at = if refresh_first { At::Refresh } else { At::Stats };
                if !may_fail_over {
                    self.pass(world, number);
                }
            }
            At::Stats => {
                let log = source.look();
                if run.in_window && !log.is_settled() {
                    return;
                }
                let by_max = !self.keeps(Sabotage::EndAtMaxSeqNo);
                let end = if by_max { log.max_seq_no } else { log.pass_end() };
                let other_primary =
                    run.reached_under != run.term && self.keeps(Sabotage::TrustOldPrimary);
                let reach = Reach {
                    position: run.position(),
                    pass_from: SeqNo(run.pass_from),
                    shown_to: run.shown_to.map(SeqNo),
                };
                let begun = reach.begin(log, other_primary);
                run.then_from = if self.keeps(Sabotage::RelyAtOnce) {
                    begun.pass_from.0
                } else {
                    run.pass_from = begun.pass_from.0;
                    run.pass_from
                };
                (run.reached_under, run.shown_to) = (run.term, None);
                run.windows = Windows::new(begun.position, end, 1);
                run.at = if refresh_first { At::Lanes } else { At::Refresh };
            }
            At::Refresh => {
                source.refresh();
                run.at = if refresh_first { At::Stats } else { At::Lanes };
            }
            At::Lanes => self.read(world, number),
            At::Save => {
                if self.save(world, number) {
                    world.runs[number].at = At::Check;
                    if !may_fail_over {
                        self.check(world, number);
                    }
                }
            }
            _ => self.check(world, number),
        }
    }

    /// Moves the stored checkpoint to the position; who finds that somebody else has moved it stops.
    pub fn save(&self, world: &mut World, number: usize) -> bool {
        let (incarnation, _) = self.lineage(world.runs[number].known);
        let run = &mut world.runs[number];
        if world.kept.map_or(0, |kept| kept.changes) != run.changes {
            self.fail(world, number);
            return false;
        }
        run.changes += 1;
        world.kept = Some(Kept {
            position: run.position().0,
            pass_from: run.pass_from,
            term: run.term,
            changes: run.changes,
            incarnation,
        });
        true
    }

    fn check(&self, world: &mut World, number: usize) {
        let (run, term) = (&mut world.runs[number], world.source.term);
        if !holds(&[u64::from(run.term)], &[u64::from(term)]) {
            let from = SeqNo(run.pass_from);
            run.windows = Windows::new(from, from, 1);
            run.at = At::Terms;
            return;
        }
        run.pass_from = run.then_from;
        run.shown_to = Some(world.source.look().max_seq_no.0);
        run.passes = run.passes.saturating_sub(1);
        let back = self.scenario.way != Way::Forward;
        let (in_window, passes) = (run.in_window, run.passes);
        let next = match (in_window, passes) {
            (false, 1..) => At::Terms,
            (false, 0) if back => At::Base,
            (true, _) if back && world.counts_agree() && self.keeps(Sabotage::NoCounts) => At::Move,
            _ => At::List,
        };
        let run = &mut world.runs[number];
        run.at = next;
        let backfilling = self.journals().state(run.known).phase == Phase::Backfilling;
        if backfilling && !self.note(world, number, &[Event::Backfilled]) {
            self.end(world, number);
        }
    }

    /// Takes the next window, reads it, and sends what it holds.
    fn read(&self, world: &mut World, number: usize) {
        let known = world.runs[number].known;
        let (epoch, lineage) = (self.journals().epoch(known), self.lineage(known));
        let run = &mut world.runs[number];
        let Some(idle) = run.lanes.iter().position(Option::is_none) else { return };
        let Some(window) = run.windows.next_window() else {
            if !run.waits() {
                run.at = At::Save;
            }
            return;
        };
        let hits = world.source.search(window);
        if hits.is_empty() {
            // A window that was handed out can be finished.
            run.windows.finish(window, 0).ok();
            return;
        }
        let item = |hit: &crate::world::source::Hit| Item {
            id: hit.id,
            value: hit.value,
            version: version(lineage, hit.seq_no),
        };
        let items: Vec<_> = hits.iter().map(item).collect();
        let looks =
            self.scenario.redirect && run.in_window && self.keeps(Sabotage::RedirectByVersion);
        let seen = looks.then(|| world.target.seen(&items));
        if let (true, Some(note)) = (looks, &mut world.note) {
            items.iter().for_each(|item| note.print(item.value));
        }
        run.lanes[idle] = Some(Sent {
            window: Some(window),
            documents: hits.iter().map(|hit| (hit.id, hit.seq_no)).collect(),
            bulk: Bulk { epoch, items, seen },
        });
    }

    /// The bulk of a lane arrives; its answer may be lost, and then it is sent again.
    pub fn deliver(&self, world: &mut World, number: usize, lane: usize, answered: bool) {
        let Some(sent) = world.runs[number].lanes[lane].clone() else { return };
        let (fenced, strict) =
            (self.keeps(Sabotage::UnfencedBulks), self.keeps(Sabotage::PlainWrites));
        let answer = world.target.bulk(&sent.bulk, fenced, strict);
        if !answered {
            world.left.faults -= 1;
            return;
        }
        let run = &mut world.runs[number];
        match answer {
            Answer::Settled => {
                run.lanes[lane] = None;
                match sent.window {
                    Some(window) => {
                        for (id, seq_no) in &sent.documents {
                            run.inventory[usize::from(*id)] = Some(*seq_no);
                        }
                        run.windows.finish(window, sent.documents.len() as u64).ok();
                    }
                    None => self.deleted(world, number, &sent),
                }
            }
            Answer::Changed => {
                let seen = world.target.seen(&sent.bulk.items);
                let bulk = Bulk { seen: Some(seen), ..sent.bulk };
                run.lanes[lane] = Some(Sent { bulk, ..sent });
            }
            Answer::Fenced => self.fail(world, number),
            Answer::Foreign => {
                world.foreign = true;
                self.fail(world, number);
            }
        }
    }
}
