//! A lane: reads a window, transforms it, writes it, and takes the next one. Several lanes work at
//! once, so that reading, transforming and writing overlap.

use std::sync::Arc;

use segue_cluster::{Fetch, Hit};
use segue_model::id::{SeqNo, Shard};
use segue_model::observe::versions::Sampled;
use segue_model::position::Window;
use segue_transform::Worker;

use super::batch::{Batch, Settled};
use super::shard::ShardCarrier;
use super::{Carrier, Passed, Versions, Way};
use crate::error::Error;
use crate::inventory::{Class as Kind, Run};
use crate::page::PageReader;

/// The most that is set aside for a request body before it is known to be needed, in bytes.
const BODY_BYTES: usize = 8 << 20;

/// Works until no window is left.
pub(super) async fn work(carrier: Arc<Carrier>, number: u32) -> Result<Passed, Error> {
    let limits = carrier.session.limits();
    let mut lane = Lane {
        worker: carrier.program.worker(),
        batch: Batch::new(
            usize::try_from(limits.batch_bytes).unwrap_or(usize::MAX).min(BODY_BYTES),
        ),
        pages: PageReader::new(&carrier.session, &carrier.sources, Fetch::Source),
        passed: Passed::default(),
        carrier: &carrier,
    };
    // Lanes begin at different shards, so that all shards are read at once.
    let shards = carrier.shards.len();
    let mut at = usize::try_from(number).unwrap_or(0);
    let mut exhausted = 0;
    while exhausted < shards {
        carrier.session.check_stop()?;
        let Some(shard) = carrier.shards.get(at % shards) else { break };
        at += 1;
        carrier.session.reserve_batch()?;
        let Some(window) = shard.next_window() else {
            carrier.session.release_batch();
            exhausted += 1;
            continue;
        };
        exhausted = 0;
        carrier.session.healthy().await?;
        lane.carry(shard, window).await?;
    }
    Ok(lane.passed)
}

pub(super) struct Lane<'a> {
    pub(super) carrier: &'a Carrier,
    worker: Worker,
    pub(super) batch: Batch,
    pages: PageReader,
    passed: Passed,
}

impl Lane<'_> {
    async fn carry(&mut self, shard: &ShardCarrier, window: Window) -> Result<(), Error> {
        let mut settled = Settled::default();
        let mut after = Some(window.from);
        while let Some(from) = after {
            let turned = self.pages.turn(shard.shard(), from, window.to).await?;
            let hits: Vec<_> = turned.page.hits().collect();
            if self.worker.is_keyed() {
                self.write_keyed(shard, &hits, &mut settled).await?;
                settled.keep_many(&self.carrier.dead_letters).await?;
                after = turned.next;
                continue;
            }
            // Before any of it is sent, so that the inventory holds all that the target may hold.
            shard.note(&noted(hits.iter().map(|hit| (hit, Kind::Written))))?;
            self.write(shard.shard(), &hits, &mut settled).await?;
            let classes: Vec<_> = settled.classes.drain(..).collect();
            let left_out = || {
                hits.iter().zip(classes.iter().copied()).filter(|(_, kind)| *kind != Kind::Written)
            };
            shard.note(&noted(left_out()))?;
            // On the way back the kept copy keeps what it has of a document that cannot go back.
            if shard.written_before() && self.carrier.way == Way::Forward {
                self.carrier.leave_out(shard.shard(), left_out().map(|(hit, _)| hit)).await?;
            }
            settled.keep_many(&self.carrier.dead_letters).await?;
            after = turned.next;
        }
        settled.keep(&self.carrier.dead_letters).await?;
        shard.finish(window, &settled.balance)?;
        self.passed.balance.add(&settled.balance);
        self.passed.batches += settled.batches;
        shard.save_if_due().await
    }

    async fn write(
        &mut self,
        shard: Shard,
        hits: &[Hit<'_>],
        settled: &mut Settled,
    ) -> Result<(), Error> {
        let limits = self.carrier.session.limits();
        settled.classes = vec![Kind::Written; hits.len()];
        for (number, hit) in hits.iter().enumerate() {
            settled.balance.read += 1;
            self.put(shard, number, hit, settled)?;
            if self.batch.is_full(limits) {
                self.carrier.sender().send(shard, &mut self.batch, hits, settled).await?;
            }
        }
        self.carrier.sender().send(shard, &mut self.batch, hits, settled).await
    }

    /// The plan has looked at some documents only. One whose version the application must have given
    /// stops the part before anything is switched.
    fn check_version(&self, shard: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        let Versions::Counted { ours } = &self.carrier.versions else { return Ok(()) };
        let ours = usize::try_from(shard.0).ok().and_then(|at| ours.get(at)).copied();
        let ours = ours.unwrap_or(false);
        let read = Sampled { seq_no: hit.seq_no, version: hit.version };
        if !read.is_unexplained(ours) {
            return Ok(());
        }
        Err(Error::GivenVersion {
            part: self.carrier.source.clone(),
            id: hit.id.to_string(),
            version: hit.version,
            seq_no: SeqNo(hit.seq_no),
        })
    }

    /// Transforms one document into the batch, or settles it.
    pub(super) fn put(
        &mut self,
        shard: Shard,
        number: usize,
        hit: &Hit<'_>,
        settled: &mut Settled,
    ) -> Result<(), Error> {
        self.check_version(shard, hit)?;
        let seq_no = SeqNo(hit.seq_no);
        let shards = self.carrier.shard_count();
        let stamp = self.carrier.lineage.stamp(seq_no, shard, shards, hit.version)?;
        self.batch.put(&mut self.worker, shard, (number, hit), stamp, settled)
    }
}

fn noted<'a>(hits: impl Iterator<Item = (&'a Hit<'a>, Kind)>) -> Run {
    let mut run = Run::default();
    for (hit, kind) in hits {
        run.push(SeqNo(hit.seq_no), &hit.id, hit.routing.as_deref(), kind);
    }
    run
}

/// The kind of a dead letter that the pipeline itself refused.
pub(crate) const REFUSED: &str = "refused_by_pipeline";
