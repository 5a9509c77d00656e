//! One way of documents into a scratch index: as a run's, but that nothing is kept of it.

use segue_cluster::Hit;
use segue_model::id::{AliasName, Epoch, IndexName, SeqNo, Shard};
use segue_model::version::{Incarnation, Rewrite};
use segue_transform::{Bound, Worker, has_fields};

use super::report::Found;
use crate::error::Error;
use crate::load::sample::Records;
use crate::pass::{Batch, DeadLetter, Lineage, Sender, Settled};
use crate::session::Session;
use crate::sources::Sources;

/// What the lanes of a part share.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub session: Session,
    pub part: IndexName,
    /// What it is read from.
    pub sources: Sources,
    /// What stands for the scratch index.
    pub alias: AliasName,
    pub program: Bound,
    /// Shards or files of the source.
    pub shards: u32,
}

/// The most that is set aside for a request body before it is known to be needed, in bytes.
const BODY_BYTES: u64 = 8 << 20;

pub(super) struct Lane {
    way: Way,
    worker: Worker,
    batch: Batch,
    lineage: Lineage,
    pub found: Found,
}

impl Lane {
    pub(super) fn new(way: &Way) -> Lane {
        let room = way.session.limits().batch_bytes.min(BODY_BYTES);
        let lineage = Lineage {
            epoch: Epoch(1),
            incarnation: Incarnation::FIRST,
            rewrite: Rewrite::FIRST,
            versioning: way.session.recipe().target.versioning(),
        };
        Lane {
            worker: way.program.worker(),
            batch: Batch::new(usize::try_from(room).unwrap_or(0)),
            found: Found::default(),
            way: way.clone(),
            lineage,
        }
    }

    /// Carries documents of an index.
    pub(super) async fn carry(&mut self, shard: Shard, hits: &[Hit<'_>]) -> Result<(), Error> {
        let letters = self.write(shard, hits).await?;
        letters.iter().for_each(|letter| self.found.refuse(letter));
        Ok(())
    }

    /// Carries records of a file.
    pub(super) async fn load(&mut self, records: &Records) -> Result<(), Error> {
        for (kind, letter) in records.unfit() {
            self.found.balance.read += 1;
            self.found.balance.dead_letter(kind);
            self.found.refuse(&letter);
        }
        let mut letters = self.write(records.file(), &records.hits()).await?;
        for letter in &mut letters {
            records.name_place(letter);
            self.found.refuse(letter);
        }
        Ok(())
    }

    /// Transforms and writes; what is refused comes back.
    async fn write(&mut self, shard: Shard, hits: &[Hit<'_>]) -> Result<Vec<DeadLetter>, Error> {
        let session = self.way.session.clone();
        session.check_stop()?;
        session.healthy().await?;
        let mut settled = Settled::of(hits.len());
        if self.worker.is_keyed() {
            settled.begin_fans(hits.len());
        }
        for (number, hit) in hits.iter().enumerate() {
            settled.balance.read += 1;
            let (seq_no, shards) = (SeqNo(hit.seq_no), self.way.shards);
            let stamp = self.lineage.stamp(seq_no, shard, shards, hit.version)?;
            self.batch.put(&mut self.worker, shard, (number, hit), stamp, &mut settled)?;
            self.look_for_required(number, hit);
            if self.batch.is_full(session.limits()) {
                self.send(shard, hits, &mut settled).await?;
            }
        }
        self.send(shard, hits, &mut settled).await?;
        settled.count_fans(0..hits.len());
        let unbalanced = settled.balance.check();
        unbalanced.map_err(|source| Error::Unbalanced { shard, source })?;
        self.found.balance.add(&settled.balance);
        Ok(settled.dead_letters)
    }

    async fn send(
        &mut self,
        shard: Shard,
        hits: &[Hit<'_>],
        settled: &mut Settled,
    ) -> Result<(), Error> {
        let sender = Sender {
            session: &self.way.session,
            part: &self.way.part,
            write_alias: &self.way.alias,
            latest: self.lineage.incarnation,
        };
        sender.send(shard, &mut self.batch, hits, settled).await
    }

    /// Verification would find it, and stop the part before its switch.
    fn look_for_required(&mut self, number: usize, hit: &Hit<'_>) {
        let required = &self.way.session.recipe().verify.required;
        if required.is_empty() {
            return;
        }
        // All that was made of one document stands at the end.
        let made = self.batch.items.iter().rev().take_while(|item| item.hit == number);
        let lacks = made.into_iter().any(|item| {
            let lines = &self.batch.body.written()[item.range.clone()];
            // The action, and then the document.
            let document = lines.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
            has_fields(document, required).is_some()
        });
        if lacks {
            self.found.lacks(&hit.id);
        }
    }
}
