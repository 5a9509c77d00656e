//! Taking a redirect back, as `segue_engine::cutover::redirect` does once the source is open again. It is
//! made for scenarios with one document.

use super::back::{Back, BackAt, Ended};
use crate::model::Model;
use crate::sabotage::Sabotage;
use crate::world::source::Stage;
use crate::world::target::{Document, Target};
use crate::world::writer::Hand;
use crate::world::{Value, World};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Undo {
    /// Waits for requests that began before the redirect, and notes where the source's own writes end.
    Ends,
    /// Lets writes through to the source again.
    LetThrough,
    /// Waits for requests that are still being sent on.
    Drain,
    /// Looks at the target, above the cursor.
    Look,
    /// Writes this document back, where the source has nothing newer.
    Write(u64, Value),
    /// Removes the document from the target, if it still has this version.
    Remove(u64),
    /// Sets the source's own pipelines back.
    SetBack,
    /// Forgets the note.
    Forget,
}

/// The note of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Whose it is.
    pub epoch: u8,
    /// The source's highest number once all writes were redirected.
    pub ends: Option<i64>,
    /// What we wrote ourselves since, as bits.
    pub prints: u32,
}

impl Note {
    /// Notes that we write `value` ourselves.
    pub fn print(&mut self, value: Value) {
        self.prints |= value.map_or(0, |stamp| 1 << stamp);
    }
}

impl Model {
    /// What comes after the source was opened.
    pub fn opened(&self, world: &World, back: Back) -> Result<BackAt, Ended> {
        match world.note {
            Some(note) if note.epoch == back.attempt => Ok(BackAt::Undo(Undo::Ends)),
            _ => Err(Ended::Back),
        }
    }

    /// One step.
    pub fn undo(&self, world: &mut World, back: Back, step: Undo) -> Result<BackAt, Ended> {
        let Some(note) = world.note.filter(|note| note.epoch == back.attempt) else {
            return Err(Ended::Back);
        };
        let marks = Target::marks(world.target.write, world.target.opening);
        // A later epoch means that somebody else has finished this and gone on.
        let ours = world.target.write == 0
            && marks.iter().all(|mark| mark.epoch().0 <= u32::from(back.attempt));
        if !ours {
            return Err(Ended::Superseded);
        }
        let next = match step {
            Undo::Ends => {
                let ended = |hand: &Hand| matches!(hand, Hand::Idle | Hand::Resolved(_, true));
                if world.source.redirecting && !world.hands.iter().all(ended) {
                    return Ok(BackAt::Undo(step));
                }
                let now = world.source.look().max_seq_no.0;
                world.note = Some(Note { ends: note.ends.or(Some(now)), ..note });
                Undo::LetThrough
            }
            Undo::LetThrough => {
                world.source.redirecting = false;
                Undo::Drain
            }
            Undo::Drain => {
                let sent_on = |hand: &Hand| matches!(hand, Hand::Resolved(_, true));
                if self.keeps(Sabotage::NoUndoDrain) && world.hands.iter().any(sent_on) {
                    return Ok(BackAt::Undo(step));
                }
                if self.keeps(Sabotage::NoFeedBack) { Undo::Look } else { Undo::SetBack }
            }
            Undo::Look => match world.target.documents[0] {
                Some(Document { version, value })
                    if value.is_some() && world.target.ours(0).is_none() =>
                {
                    Undo::Write(version, value)
                }
                _ => Undo::SetBack,
            },
            Undo::Write(version, value) => {
                let printed = value.is_some_and(|stamp| note.prints & (1 << stamp) != 0);
                let ends = if self.keeps(Sabotage::UndoOverwrites) { note.ends } else { None };
                let is_newer = |at: i64| ends.is_some_and(|ends| at > ends);
                if !printed && !world.source.at(0).is_some_and(is_newer) {
                    let number = world.source.number(0, value);
                    world.source.log[usize::from(number)].stage = Stage::Both;
                }
                Undo::Remove(version)
            }
            Undo::Remove(version) => {
                let there = &mut world.target.documents[0];
                if there.is_some_and(|there| there.version == version) {
                    *there = Some(Document { version: version + 1, value: None });
                }
                Undo::Look
            }
            Undo::SetBack => {
                world.source.redirecting = false;
                Undo::Forget
            }
            Undo::Forget => {
                world.note = None;
                return Err(Ended::Back);
            }
        };
        Ok(BackAt::Undo(next))
    }
}
