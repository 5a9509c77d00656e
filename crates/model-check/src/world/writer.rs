//! The application: one hand for each document, and what it was told.

use super::{Value, World};
use crate::world::source::Stage;

/// What a hand is doing. A hand has one write under way at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hand {
    /// Nothing.
    Idle,
    /// Its request has resolved its pipeline: to the source, or (true) on to the target.
    Resolved(Value, bool),
    /// Its write has passed the source's block and waits there.
    Accepted(Value),
    /// Its write has a number.
    Numbered(Value, u8),
    /// Its write is on the primary.
    OnPrimary(Value, u8),
    /// Its write is on both copies, and not acknowledged yet.
    OnBoth(Value),
}

impl Hand {
    /// What the write under way would leave.
    pub fn under_way(self) -> Option<Value> {
        match self {
            Hand::Idle => None,
            Hand::Resolved(value, _)
            | Hand::Accepted(value)
            | Hand::Numbered(value, _)
            | Hand::OnPrimary(value, _)
            | Hand::OnBoth(value) => Some(value),
        }
    }
}

/// What the application knows of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Truth {
    /// What the last acknowledged write left.
    pub acknowledged: Value,
    /// What later writes may have left whose answer was lost, as bits; the highest is "no document".
    pub possible: u32,
    /// Whether the last acknowledged write was sent on to the target.
    pub redirected: bool,
}

const ABSENT: u32 = 1 << 31;

impl Truth {
    fn acknowledge(&mut self, value: Value) {
        *self = Truth { acknowledged: value, possible: 0, redirected: false };
    }

    fn lose(&mut self, value: Value) {
        self.possible |= value.map_or(ABSENT, |stamp| 1 << stamp);
    }

    /// What may be there, besides what was acknowledged.
    pub fn possible(self, hand: Hand) -> Vec<Value> {
        let stamps = (0..31u8).filter(|stamp| self.possible & (1 << stamp) != 0).map(Some);
        let absent = (self.possible & ABSENT != 0).then_some(None);
        stamps.chain(absent).chain(hand.under_way()).collect()
    }
}

impl World {
    /// The application writes, or deletes.
    /// `resolves` = its request first goes through a pipeline, which may take long.
    pub fn send(&mut self, id: u8, delete: bool, resolves: bool) {
        let value = (!delete).then_some(self.next_stamp);
        self.next_stamp += 1;
        self.left.writes -= 1;
        if self.name_on_target {
            self.target.write(id, value);
            self.truth[usize::from(id)].acknowledge(value);
        } else if resolves {
            self.hands[usize::from(id)] = Hand::Resolved(value, self.source.redirecting);
        } else {
            self.hands[usize::from(id)] = Hand::Accepted(value);
        }
    }

    /// Whether a write would be taken by whatever the name stands for.
    pub fn is_open(&self) -> bool {
        self.name_on_target && !self.target.closed
            || self.source.redirecting
            || !(self.name_on_target || self.source.closed || self.source.removed)
    }

    /// The write under way gets one step further.
    pub fn advance(&mut self, id: u8, gaps: bool) {
        let index = usize::from(id);
        let splits = self.left.failovers > 0;
        if let Hand::Resolved(value, redirected) = self.hands[index] {
            return self.arrive(id, value, redirected);
        }
        if let Hand::Accepted(value) = self.hands[index] {
            let number = self.source.number(id, value);
            self.hands[index] = Hand::Numbered(value, number);
            if gaps {
                return;
            }
        }
        if let Hand::Numbered(value, number) = self.hands[index] {
            self.source.log[usize::from(number)].stage = Stage::Primary;
            self.hands[index] = Hand::OnPrimary(value, number);
            if splits {
                return;
            }
        }
        if let Hand::OnPrimary(value, number) = self.hands[index] {
            self.source.log[usize::from(number)].stage = Stage::Both;
            self.hands[index] = Hand::OnBoth(value);
            if splits {
                return;
            }
        }
        if let Hand::OnBoth(value) = self.hands[index] {
            self.truth[index].acknowledge(value);
            self.hands[index] = Hand::Idle;
        }
    }

    /// A request leaves its pipeline: for the target, or for a source that may be closed by now.
    fn arrive(&mut self, id: u8, value: Value, redirected: bool) {
        let index = usize::from(id);
        if redirected {
            self.target.write(id, value);
            self.truth[index].acknowledge(value);
            self.truth[index].redirected = true;
            self.hands[index] = Hand::Idle;
        } else if self.source.closed || self.source.removed {
            self.refused = true;
            self.hands[index] = Hand::Idle;
        } else {
            self.hands[index] = Hand::Accepted(value);
        }
    }

    /// The replica becomes primary. What was not acknowledged is sent once more by the node that had
    /// taken it, or its answer never comes.
    pub fn fail_over(&mut self, again: bool) {
        self.left.failovers -= 1;
        self.source.fail_over();
        for (hand, truth) in self.hands.iter_mut().zip(&mut self.truth) {
            let Some(value) = hand.under_way() else { continue };
            if again {
                *hand = Hand::Accepted(value);
            } else {
                truth.lose(value);
                *hand = Hand::Idle;
            }
        }
    }

    /// What the application wrote since the switch stays behind: somebody has accepted that.
    pub fn leave_behind(&mut self) {
        for (id, truth) in (0u8..).zip(&mut self.truth) {
            truth.acknowledge(self.target.get(id));
        }
    }

    /// The source is gone: what waited there fails.
    pub fn refuse_waiting(&mut self) {
        for (hand, truth) in self.hands.iter_mut().zip(&mut self.truth) {
            if let Some(value) = hand.under_way() {
                truth.lose(value);
                *hand = Hand::Idle;
            }
        }
    }
}
