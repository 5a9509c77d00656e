//! Deletes where the pipeline makes the keys.
//!
//! The source knows none of the keys in the target, and what one of its documents became may stand under
//! other keys than before. So each number is settled for itself: once it is gone, everything that was made
//! of it goes, **at that very number**. A later write of the same key, by the same document or by another
//! one, has a higher version and stays, whether it came before the delete or comes after it.

use std::collections::{BTreeMap, BTreeSet};

use segue_model::audit::{Fate, Numbers, fate, gone_at};
use segue_model::id::SeqNo;
use segue_model::stamp::Removal;
use segue_transform::DocumentKey;

use super::{AT_ONCE, Audit, Audited, Remove, ask};
use crate::error::Error;
use crate::pass::Gone;

/// What was made of a number that is gone, under which document of the source.
struct Left {
    id: String,
    routing: Option<String>,
    keys: BTreeSet<DocumentKey>,
}

impl<R: Remove> Audit<'_, R> {
    /// Settles the documents that stood at `gone`.
    pub(super) async fn settle_keyed(
        &self,
        gone: &Numbers,
        checkpoint: SeqNo,
    ) -> Result<Audited, Error> {
        let mut audited = Audited::default();
        let mut numbers = gone.iter().peekable();
        while numbers.peek().is_some() {
            let some: Numbers = numbers.by_ref().take(AT_ONCE).collect();
            let left = self.left_of(&some)?;
            audited.add(self.settle_some_keyed(&left, checkpoint).await?);
        }
        Ok(audited)
    }

    /// What was made of each of `gone`.
    fn left_of(&self, gone: &Numbers) -> Result<Vec<(SeqNo, Left)>, Error> {
        let mut left: BTreeMap<SeqNo, Left> = BTreeMap::new();
        for place in self.shard.places(gone) {
            let entries = tokio::task::block_in_place(|| self.shard.entries(place))?;
            for entry in entries.into_iter().filter(|entry| gone.contains(entry.seq_no)) {
                // A number that another projection has read too may have made other keys then.
                let one = left.entry(entry.seq_no).or_insert_with(|| Left {
                    id: entry.id,
                    routing: entry.routing,
                    keys: BTreeSet::new(),
                });
                one.keys.extend(entry.keys.unwrap_or_default());
            }
        }
        if let Some(number) = gone.iter().find(|number| !left.contains_key(number)) {
            let what = format!("number {number} is in no run of the inventory");
            return Err(Error::Task(what));
        }
        Ok(left.into_iter().collect())
    }

    async fn settle_some_keyed(
        &self,
        some: &[(SeqNo, Left)],
        checkpoint: SeqNo,
    ) -> Result<Audited, Error> {
        self.carrier.session().check_stop()?;
        let keys: Vec<_> =
            some.iter().map(|(_, left)| (left.id.as_str(), left.routing.as_deref())).collect();
        // A delete may be known to the primary alone, and go with it: then the number is live again.
        let now = ask::ask(self.carrier, self.shard.shard(), &keys).await?;
        let mut audited = Audited::default();
        let (mut gone, mut settled, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        for ((number, left), now) in some.iter().zip(now) {
            let read = |number| self.shard.with_held(|held| held.contains(number));
            match fate(*number, now, checkpoint, read) {
                Fate::Waits => {
                    audited.waiting += 1;
                    continue;
                }
                Fate::Missed(at) => missed.push(at),
                Fate::Superseded | Fate::Delete(_) => {
                    gone.extend(self.at_number(*number, &left.keys)?);
                }
            }
            settled.push(*number);
        }
        if !missed.is_empty() {
            return Err(self.missed(&missed));
        }
        self.remove.remove(&gone).await?;
        audited.deleted += gone.len() as u64;
        self.shard.settle(&settled)?;
        Ok(audited)
    }

    /// What takes away what was made of `number`.
    fn at_number(&self, number: SeqNo, keys: &BTreeSet<DocumentKey>) -> Result<Vec<Gone>, Error> {
        let (shard, shards) = (self.shard.shard(), self.carrier.shard_count());
        let incarnation = self.carrier.lineage().incarnation;
        let delete = Removal::Below(gone_at(incarnation, number, shard, shards)?);
        let gone =
            |key: &DocumentKey| Gone { id: key.id.clone(), routing: key.routing.clone(), delete };
        Ok(keys.iter().map(gone).collect())
    }
}
