//! Documents whose keys the pipeline makes, any number of each document of the source.
//!
//! The balance counts documents of the source. One of which a document is refused is a dead letter; what
//! else was made of it stands, and is there already when the letter is retried. What an older operation
//! wrote under keys that the newer one does not make is the delete audit's, which knows the keys of every
//! operation: so they are noted before anything is sent.

use std::ops::Range;

use segue_cluster::Hit;
use segue_model::audit::Numbers;
use segue_model::id::SeqNo;
use segue_model::version::Op;

use super::Carrier;
use super::batch::Settled;
use super::lane::Lane;
use super::shard::ShardCarrier;
use crate::error::Error;
use crate::inventory::{Class, Entry, Run};

impl Lane<'_> {
    /// Writes the documents of a page.
    pub(super) async fn write_keyed(
        &mut self,
        shard: &ShardCarrier,
        hits: &[Hit<'_>],
        settled: &mut Settled,
    ) -> Result<(), Error> {
        let limits = self.carrier.session().limits();
        settled.begin_fans(hits.len());
        let mut begun = 0;
        for (number, hit) in hits.iter().enumerate() {
            settled.balance.read += 1;
            self.put(shard.shard(), number, hit, settled)?;
            if self.batch.is_full(limits) || number + 1 == hits.len() {
                self.send_keyed(shard, hits, begun..number + 1, settled).await?;
                begun = number + 1;
            }
        }
        settled.classes.clear();
        settled.fans.clear();
        Ok(())
    }

    /// Sends what is made of `numbers`.
    async fn send_keyed(
        &mut self,
        shard: &ShardCarrier,
        hits: &[Hit<'_>],
        numbers: Range<usize>,
        settled: &mut Settled,
    ) -> Result<(), Error> {
        let before = settled.classes[numbers.clone()].to_vec();
        shard.note(&noted(hits, settled, numbers.clone()))?;
        self.carrier.sender().send(shard.shard(), &mut self.batch, hits, settled).await?;
        settled.count_fans(numbers.clone());
        let now = &settled.classes[numbers.clone()];
        let changed =
            numbers.zip(before.iter().zip(now)).filter(|(_, (before, now))| before != now);
        let changed: Vec<_> = changed.map(|(number, _)| number).collect();
        shard.note(&noted(hits, settled, changed))
    }
}

impl Carrier {
    /// What was noted of the operation `op`; none if it is settled, or was never read.
    pub(crate) fn entry_of(&self, op: Op) -> Result<Option<Entry>, Error> {
        let (number, shard) = op.source(self.shard_count());
        let of = self.shards.iter().find(|carrier| carrier.shard() == shard);
        let Some(of) = of.filter(|of| of.with_held(|held| held.contains(number))) else {
            return Ok(None);
        };
        let wanted: Numbers = [number].into_iter().collect();
        for place in of.places(&wanted).into_iter().rev() {
            let mut entries = of.entries(place)?.into_iter();
            if let Some(entry) = entries.find(|entry| entry.seq_no == number) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// How many documents of the target were made: of the documents that are written, and of the refused
    /// ones, of which some may stand there.
    pub(crate) fn made(&self) -> (u64, u64) {
        let each = self.shards.iter().map(ShardCarrier::made);
        each.fold((0, 0), |sum, (written, refused)| (sum.0 + written, sum.1 + refused))
    }
}

/// What is noted of `numbers` of a page.
pub(crate) fn noted(
    hits: &[Hit<'_>],
    settled: &Settled,
    numbers: impl IntoIterator<Item = usize>,
) -> Run {
    let mut run = Run::default();
    for number in numbers {
        if let Some(hit) = hits.get(number) {
            let class = settled.classes.get(number).copied().unwrap_or(Class::Written);
            let keys = settled.fans.get(number).map_or(&[][..], |fan| &fan.keys);
            let key = (hit.id.as_ref(), hit.routing.as_deref());
            run.push_keyed(SeqNo(hit.seq_no), key, class, keys);
        }
    }
    run
}
