//! A pass: everything that changed in a source since a position is carried into its target.
//!
//! Backfill and catch-up are the same loop; the backfill is the pass that begins before all
//! operations. Each shard is read from its position up to the primary's **global checkpoint**, which
//! is asked for *before* the refresh that makes everything below it searchable. Never up to
//! `max_seq_no`: operations below that may not be visible yet, and would be skipped for good
//! (`docs/concepts/protocol.md`, "reading").

mod batch;
mod dead_letter;
mod keyed;
mod lane;
mod remove;
mod shard;

use std::sync::Arc;
use std::time::Instant;

use segue_cluster::{IndexShards, IndexState, ShardStats};
use segue_model::balance::Balance;
use segue_model::checkpoint::{Checkpoint, ShardIdentity};
use segue_model::id::{AliasName, Epoch, HistoryUuid, IndexName, IndexUuid, SeqNo, Shard};
use segue_model::journal::SourceIdentity;
use segue_model::observe::versions::is_numbered_by_us;
use segue_model::pass::{Log, holds};
use segue_model::recipe::Versions as Vouch;
use segue_model::stamp::{Stamp, Versioning};
use segue_model::version::{Incarnation, Op, OpOverflow, Provenance, Rewrite, Version};
use segue_transform::Bound;
use tokio::task::JoinSet;

pub(crate) use batch::{Batch, Sender, Settled};
pub use dead_letter::{DEAD_LETTER_INDEX, DeadLetter, DeadLetters};
pub(crate) use keyed::noted;
pub(crate) use lane::REFUSED;
pub use remove::Gone;
pub(crate) use shard::ShardCarrier;

use crate::checkpoint_store::CheckpointStore;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::progress::Progress;
use crate::session::Session;
use crate::sources::Sources;

/// Which operation numbers a part writes, and who wrote before.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// Counts the processes that may write: only in the first nobody wrote before.
    pub epoch: Epoch,
    /// Which meaning operation numbers have.
    pub incarnation: Incarnation,
    /// Which projection of them is being written.
    pub rewrite: Rewrite,
    /// Whose versions are written.
    pub versioning: Versioning,
}

impl Lineage {
    /// What the document is written with that stands at `seq_no` of `shard` with `version`.
    pub fn stamp(
        &self,
        seq_no: SeqNo,
        shard: Shard,
        shards: u32,
        version: u64,
    ) -> Result<Stamp, OpOverflow> {
        match self.versioning {
            Versioning::Ours => self.provenance(seq_no, shard, shards).map(Stamp::Ours),
            Versioning::Preserved => Ok(Stamp::Preserved(Version(version))),
        }
    }

    /// The provenance of the operation `seq_no` of `shard`.
    pub fn provenance(
        &self,
        seq_no: SeqNo,
        shard: Shard,
        shards: u32,
    ) -> Result<Provenance, OpOverflow> {
        let op = Op::of(seq_no, shard, shards)?;
        let (incarnation, rewrite) = (self.incarnation, self.rewrite);
        Ok(Provenance { incarnation, op, delete: false, rewrite })
    }
}

/// Carries one part: reads its source, transforms, writes its target.
#[derive(Debug)]
pub struct Carrier {
    session: Session,
    source: IndexName,
    sources: Sources,
    write_alias: AliasName,
    lineage: Lineage,
    program: Bound,
    shards: Vec<ShardCarrier>,
    dead_letters: DeadLetters,
    syncs_lazily: bool,
    way: Way,
    versions: Versions,
}

/// Which way documents are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the source to the target.
    Forward,
    /// From the target into the kept copy.
    Back,
}

/// What is asked of the versions of the source's documents.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Versions {
    /// Nothing: the recipe vouches that no writer sends any, or it is too late to ask.
    Vouched,
    /// That the engine counted them, but for those of segue where it made the index.
    Counted {
        /// Whether it did, by shard.
        ours: Vec<bool>,
    },
}

/// What a pass did.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// What became of the documents that were read.
    pub balance: Balance,
    /// Bulk requests sent.
    pub batches: u64,
    /// Operations between the old positions and the new ones.
    pub operations: u64,
}

impl Passed {
    /// Adds another pass.
    pub fn add(&mut self, other: &Passed) {
        self.balance.add(&other.balance);
        self.batches += other.batches;
        self.operations += other.operations;
    }
}

/// What each shard of `source` is now.
pub fn identities(shards: &IndexShards, terms: &[u64]) -> Vec<ShardIdentity> {
    shards
        .primaries
        .iter()
        .zip(terms)
        .map(|(primary, term)| ShardIdentity {
            index: IndexUuid::new(shards.uuid.as_str()),
            history: HistoryUuid::new(primary.history_uuid.as_str()),
            primary_term: *term,
        })
        .collect()
}

/// What `source` is now, without what a failover changes.
pub fn source_identity(shards: &IndexShards) -> SourceIdentity {
    let mut also: Vec<_> =
        shards.primaries.iter().map(|p| IndexName::new(p.index.as_str())).collect();
    also.dedup();
    SourceIdentity {
        also: also.split_off(1.min(also.len())),
        uuid: IndexUuid::new(shards.uuid.as_str()),
        histories: shards
            .primaries
            .iter()
            .map(|p| HistoryUuid::new(p.history_uuid.as_str()))
            .collect(),
    }
}

impl Carrier {
    /// Loads the checkpoints of the part and opens its inventories.
    pub async fn open(run: &PartRun, program: Bound) -> Result<Carrier, Error> {
        let part = (run.source(), run.all_sources());
        let (alias, lineage) = (run.write_alias(), run.lineage());
        Self::open_after(&run.session, part, alias, lineage, program, None).await
    }

    /// As [`Carrier::open`], for the way back: `source` is the target, of which nothing up to `cursor`
    /// is carried.
    pub async fn open_back(
        session: &Session,
        source: &IndexName,
        write_alias: AliasName,
        lineage: Lineage,
        program: Bound,
        cursor: &[SeqNo],
    ) -> Result<Carrier, Error> {
        let part = (source, source.clone());
        Self::open_after(session, part, write_alias, lineage, program, Some(cursor)).await
    }

    async fn open_after(
        session: &Session,
        (source, all): (&IndexName, IndexName),
        write_alias: AliasName,
        lineage: Lineage,
        program: Bound,
        cursor: Option<&[SeqNo]>,
    ) -> Result<Carrier, Error> {
        let (stats, terms) = look(session, &all).await?;
        let identities = identities(&stats, &terms);
        let count = u32::try_from(identities.len()).unwrap_or(u32::MAX);
        let store = CheckpointStore::new(
            session.cluster().clone(),
            session.migration().clone(),
            source.clone(),
        );
        let folder = session.part_dir(source);
        let mut shards = Vec::new();
        for ((number, kept), identity) in (0u32..).zip(store.load(count).await?).zip(identities) {
            let written = (lineage.incarnation, lineage.rewrite);
            let begin = cursor.and_then(|cursor| cursor.get(number as usize)).copied();
            let begin = begin.map(|from| {
                let start = Checkpoint::start(
                    Shard(number),
                    identity.clone(),
                    lineage.incarnation,
                    lineage.rewrite,
                );
                Checkpoint { position: from, pass_from: from, ..start }
            });
            let same = |kept: &Checkpoint| (kept.incarnation, kept.rewrite) == written;
            let kept_one = kept.checkpoint.clone().filter(same).or(begin);
            let Some(checkpoint) = Checkpoint::resume(kept_one, Shard(number), identity, written)
            else {
                return Err(Error::SourceChanged {
                    part: source.clone(),
                    what: format!("shard {number} follows another history"),
                });
            };
            shards.push(ShardCarrier::open(
                store.clone(),
                kept,
                checkpoint,
                &folder,
                lineage.epoch,
            )?);
        }
        let dead_letters = DeadLetters::under(session, source, &lineage);
        let looking = || format!("looking at the settings of {all}");
        let indices = session.cluster().indices(all.as_str()).await.doing(looking)?;
        let syncs_lazily = indices.iter().any(syncs_lazily);
        let sources = Sources::of(all, &stats);
        let versions = match session.recipe().target.versions {
            Some(Vouch::Segue | Vouch::Preserve) => Versions::Vouched,
            // What is switched already cannot be spared anything by stopping.
            None if cursor.is_some() => Versions::Vouched,
            None => {
                let made = |shard: u32| {
                    let (of, _) = sources.place(Shard(shard));
                    let index = indices.iter().find(|index| index.name == of.as_str());
                    index.is_some_and(|index| is_numbered_by_us(&index.mappings))
                };
                Versions::Counted { ours: (0..count).map(made).collect() }
            }
        };
        let (session, source) = (session.clone(), source.clone());
        Ok(Carrier {
            session,
            source,
            sources,
            write_alias,
            lineage,
            program,
            shards,
            dead_letters,
            syncs_lazily,
            way: if cursor.is_some() { Way::Back } else { Way::Forward },
            versions,
        })
    }

    /// Everything up to which each shard is carried.
    pub fn positions(&self) -> Vec<SeqNo> {
        self.shards.iter().map(ShardCarrier::position).collect()
    }

    /// What became of all documents read so far, also by earlier processes.
    pub fn balance(&self) -> Balance {
        let mut sum = Balance::default();
        for shard in &self.shards {
            sum.add(&shard.balance());
        }
        sum
    }

    /// What the carrier shares with the rest of the run.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The part, by its source; of several sources by the first.
    pub fn source(&self) -> &IndexName {
        &self.source
    }

    /// What is read.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The number of shards of the source.
    pub fn shard_count(&self) -> u32 {
        u32::try_from(self.shards.len()).unwrap_or(u32::MAX)
    }

    /// What sends the part's batches.
    pub(crate) fn sender(&self) -> Sender<'_> {
        Sender {
            session: &self.session,
            part: &self.source,
            write_alias: &self.write_alias,
            latest: self.lineage.incarnation,
        }
    }

    /// Each shard.
    pub(crate) fn shards(&self) -> &[ShardCarrier] {
        &self.shards
    }

    /// Whether the next delete audit knows of the operation that wrote `provenance`, and so takes
    /// what it wrote away if the source does not hold it.
    pub(crate) fn will_audit(&self, provenance: Provenance) -> bool {
        let (seq_no, shard) = provenance.op.source(self.shard_count());
        provenance.incarnation == self.lineage.incarnation
            && self.shards.iter().any(|carrier| {
                carrier.shard() == shard && carrier.with_held(|h| h.contains(seq_no))
            })
    }

    /// The part's dead letters.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// The numbers that the part writes with.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Whether the source's global checkpoint moves only when it is flushed or some seconds have passed.
    pub(crate) fn syncs_lazily(&self) -> bool {
        self.syncs_lazily
    }

    /// The part's pipeline.
    pub fn program(&self) -> &Bound {
        &self.program
    }

    /// Which way documents are carried.
    pub fn way(&self) -> Way {
        self.way
    }

    /// How many operations of the source are not carried yet.
    pub async fn lag(&self) -> Result<u64, Error> {
        let (stats, _) = look(&self.session, self.sources.all()).await?;
        let behind = stats.primaries.iter().zip(self.positions()).map(|(primary, position)| {
            u64::try_from(primary.global_checkpoint - position.0).unwrap_or(0)
        });
        Ok(behind.sum())
    }

    /// One pass over all shards. A primary that changed meanwhile has its pass repeated.
    pub async fn pass(self: &Arc<Self>) -> Result<Passed, Error> {
        let begun = Instant::now();
        let mut passed = Passed::default();
        loop {
            if self.syncs_lazily {
                let all = self.sources.all();
                let flushing = || format!("flushing {all}");
                self.session.cluster().flush(all.as_str()).await.doing(flushing)?;
            }
            let (stats, terms) = look(&self.session, self.sources.all()).await?;
            self.begin(&stats, &terms, &mut passed)?;
            self.session
                .cluster()
                .refresh(self.sources.all().as_str())
                .await
                .doing(|| format!("refreshing {}", self.sources.all()))?;
            passed.add(&self.run_lanes().await?);
            for shard in &self.shards {
                shard.save().await?;
            }
            let (stats, after) = look(&self.session, self.sources.all()).await?;
            if holds(&terms, &after) {
                for (shard, primary) in self.shards.iter().zip(&stats.primaries) {
                    shard.end(log(primary).max_seq_no);
                }
                break;
            }
            self.session.listener().note(&self.source, "a primary changed: the pass is repeated");
            for ((shard, now), before) in self.shards.iter().zip(&after).zip(&terms) {
                if now != before {
                    shard.step_back();
                }
            }
        }
        let part = Some(self.source.clone());
        self.session.listener().tell(Progress::Step { part, step: "pass", took: begun.elapsed() });
        Ok(passed)
    }

    fn begin(&self, stats: &IndexShards, terms: &[u64], passed: &mut Passed) -> Result<(), Error> {
        let identities = identities(stats, terms);
        if identities.len() != self.shards.len() {
            let what = format!("{} shards instead of {}", identities.len(), self.shards.len());
            return Err(Error::SourceChanged { part: self.source.clone(), what });
        }
        for ((shard, primary), identity) in self.shards.iter().zip(&stats.primaries).zip(identities)
        {
            if !shard.follows(&identity) {
                let what = format!("shard {} follows another history", primary.shard);
                return Err(Error::SourceChanged { part: self.source.clone(), what });
            }
            let wanted = u64::from(self.session.limits().batch_docs);
            let operations = shard.begin(identity, log(primary), wanted);
            passed.operations += operations;
        }
        Ok(())
    }

    async fn run_lanes(self: &Arc<Self>) -> Result<Passed, Error> {
        let mut lanes = JoinSet::new();
        for number in 0..self.session.limits().lanes.max(1) {
            lanes.spawn(lane::work(Arc::clone(self), number));
        }
        let mut passed = Passed::default();
        let mut first_error = None;
        while let Some(ended) = lanes.join_next().await {
            match ended {
                Ok(Ok(lane)) => passed.add(&lane),
                // Who is to stop ends its window first: what is finished need not be repeated.
                Ok(Err(error @ Error::Stopped(_))) => {
                    first_error.get_or_insert(error);
                }
                // Any other error stops the others; what they had in flight is safe to repeat.
                Ok(Err(error)) => {
                    lanes.abort_all();
                    first_error.get_or_insert(error);
                }
                Err(join) if join.is_cancelled() => {}
                Err(join) => {
                    lanes.abort_all();
                    first_error.get_or_insert(Error::Task(join.to_string()));
                }
            }
        }
        match first_error {
            None => Ok(passed),
            Some(error) => {
                // What is finished stays finished: the next run need not repeat it.
                for shard in &self.shards {
                    shard.save().await.ok();
                }
                Err(error)
            }
        }
    }
}

/// Whether the source's global checkpoint moves only when it is flushed or some seconds have passed.
fn syncs_lazily(index: &IndexState) -> bool {
    index.settings["index.translog.durability"] == "async"
}

/// What the primary says about its log.
pub(crate) fn log(primary: &ShardStats) -> Log {
    Log {
        global_checkpoint: SeqNo(primary.global_checkpoint),
        max_seq_no: SeqNo(primary.max_seq_no),
    }
}

pub(crate) async fn look(
    session: &Session,
    source: &IndexName,
) -> Result<(IndexShards, Vec<u64>), Error> {
    let looking = || format!("looking at the shards of {source}");
    let terms = session.cluster().primary_terms(source.as_str()).await.doing(looking)?;
    let stats = session.cluster().shard_stats(source.as_str()).await.doing(looking)?;
    Ok((stats, terms))
}
