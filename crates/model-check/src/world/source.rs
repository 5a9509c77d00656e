//! The source: one shard of an index, as a log on a primary and a replica.

use segue_model::id::SeqNo;
use segue_model::pass::Log;
use segue_model::position::Window;

use super::{IDS, Value};

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// It has a number, and nothing else yet: a gap in the log.
    Numbered,
    /// On the primary.
    Primary,
    /// On both copies.
    Both,
}

/// Which copies have shown an operation to searches by the last refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// None.
    Nowhere,
    /// The primary's alone.
    Primary,
    /// Both.
    Both,
}

/// One operation of the log; its place is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The document; `None` = a number that a new primary filled with nothing.
    pub id: Option<u8>,
    /// What it leaves.
    pub value: Value,
    /// Where it is.
    pub stage: Stage,
    /// Who shows it.
    pub shown: Shown,
}

/// The source index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Every operation, by number.
    pub log: Vec<Entry>,
    /// Counts the times that another copy has become primary.
    pub term: u8,
    /// Whether it refuses writes.
    pub closed: bool,
    /// The epochs whose closing mark is on it, as bits.
    pub closing: u16,
    /// The processes whose mark is on it as they give the part up, as bits.
    pub giving_up: u8,
    /// Whether its pipeline sends writes on to the target.
    pub redirecting: bool,
    /// Whether it is gone: its name stands for the target.
    pub removed: bool,
}

/// A live document, as a search shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hit {
    /// The document.
    pub id: u8,
    /// Its number.
    pub seq_no: i64,
    /// What it holds.
    pub value: Value,
}

impl Source {
    /// A source with one document, on both copies and shown.
    pub fn with_one_document() -> Source {
        let value = Some(0);
        let entry = Entry { id: Some(0), value, stage: Stage::Both, shown: Shown::Both };
        Source {
            log: vec![entry],
            term: 1,
            closed: false,
            closing: 0,
            giving_up: 0,
            redirecting: false,
            removed: false,
        }
    }

    /// Gives `value` of `id` a number.
    pub fn number(&mut self, id: u8, value: Value) -> u8 {
        let (id, stage, shown) = (Some(id), Stage::Numbered, Shown::Nowhere);
        self.log.push(Entry { id, value, stage, shown });
        u8::try_from(self.log.len() - 1).unwrap_or(u8::MAX)
    }

    /// What the primary says about its log.
    pub fn look(&self) -> Log {
        let both = self.log.iter().take_while(|entry| entry.stage == Stage::Both).count();
        Log { global_checkpoint: before(both), max_seq_no: before(self.log.len()) }
    }

    /// Makes searchable what each copy has.
    pub fn refresh(&mut self) {
        for entry in &mut self.log {
            entry.shown = match entry.stage {
                Stage::Numbered => Shown::Nowhere,
                Stage::Primary => Shown::Primary,
                Stage::Both => Shown::Both,
            };
        }
    }

    /// What a search on the primary finds in `window`.
    pub fn search(&self, window: Window) -> Vec<Hit> {
        let mut last: [Option<Hit>; IDS] = [None; IDS];
        for (seq_no, entry) in (0i64..).zip(&self.log) {
            if entry.shown != Shown::Nowhere
                && let Some(id) = entry.id
            {
                last[usize::from(id)] = Some(Hit { id, seq_no, value: entry.value });
            }
        }
        let inside = |hit: &Hit| hit.seq_no > window.from.0 && hit.seq_no <= window.to.0;
        let mut hits: Vec<_> =
            last.into_iter().flatten().filter(|hit| hit.value.is_some() && inside(hit)).collect();
        hits.sort_by_key(|hit| hit.seq_no);
        hits
    }

    /// What a look by id finds: realtime, on the primary.
    pub fn get(&self, id: u8) -> Value {
        self.last(id).and_then(|(_, entry)| entry.value)
    }

    /// The number of what a look by id finds.
    pub fn at(&self, id: u8) -> Option<i64> {
        let (at, _) = self.last(id).filter(|(_, entry)| entry.value.is_some())?;
        i64::try_from(at).ok()
    }

    fn last(&self, id: u8) -> Option<(usize, &Entry)> {
        let done =
            |(_, entry): &(usize, &Entry)| entry.id == Some(id) && entry.stage != Stage::Numbered;
        self.log.iter().enumerate().rfind(done)
    }

    /// The replica becomes primary: what it does not have is gone, and the numbers are used again.
    pub fn fail_over(&mut self) {
        while self.log.last().is_some_and(|entry| entry.stage != Stage::Both) {
            self.log.pop();
        }
        for entry in &mut self.log {
            if entry.stage != Stage::Both {
                (entry.id, entry.value, entry.stage) = (None, None, Stage::Both);
                entry.shown = Shown::Nowhere;
            } else if entry.shown == Shown::Primary {
                entry.shown = Shown::Nowhere;
            }
        }
        self.term += 1;
    }
}

fn before(count: usize) -> SeqNo {
    SeqNo(i64::try_from(count).unwrap_or(i64::MAX) - 1)
}
