//! Enriching in place: after the switch the application goes on writing documents in the old shape into
//! the target, and each is put through the pipeline where it stands.
//!
//! The target is read like any shard log, from its numbers at the switch up to the global checkpoint, and
//! a document is replaced only if it is exactly as it was read. No record is kept of what was written: it
//! comes back with a higher number, and the pipeline has nothing to add to it
//! ([`segue_model::enrich`]; `docs/concepts/protocol.md`, "keep enriching").

mod batch;
mod shard;
mod stable;

use std::fmt;

use segue_cluster::{Class, Fetch};
use segue_model::balance::Balance;
use segue_model::checkpoint::Checkpoint;
use segue_model::enrich::{Enriched, OVERTAKEN, Rule};
use segue_model::id::{IndexName, SeqNo};
use segue_model::part::{Cutover, PartState};
use segue_model::pass::holds;
use segue_model::phase::Phase;
use segue_model::stamp::Versioning;
use segue_transform::Bound;
use serde::Serialize;

pub(crate) use batch::Batch;
use shard::{EnrichedShard, resume};
pub(crate) use stable::{check_stable, probe_stable};

use crate::checkpoint_store::CheckpointStore;
use crate::error::{Doing, Error, chain};
use crate::page::PageReader;
use crate::part_run::PartRun;
use crate::pass::{DeadLetter, DeadLetters, identities, log, look};
use crate::session::Session;

/// How many documents may be behind for one more pass to be as good as none.
const NEAR: u64 = 5_000;
/// How many passes may follow each other; writers faster than that are left to the next turn.
const PASSES: u32 = 20;
/// How many documents that were left are named.
const NAMED: usize = 20;

/// The enrichment of one part's target, open.
#[derive(Debug)]
pub(crate) struct Enrichment {
    session: Session,
    source: IndexName,
    target: IndexName,
    program: Bound,
    shards: Vec<EnrichedShard>,
    letters: DeadLetters,
    syncs_lazily: bool,
}

/// What is known of the enrichment of a part without taking part in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What was done so far.
    #[serde(flatten)]
    pub done: Enriched,
    /// Documents that are listed as left as written.
    pub listed: u64,
    /// The first of them.
    pub named: Vec<DeadLetter>,
    /// Operations of the target that were not looked at yet.
    pub behind: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress { done, listed, behind, .. } = self;
        write!(
            f,
            "{} enriched since the switch, {} written anew meanwhile, {listed} listed as left, {behind} \
             operations to be looked at",
            done.enriched, done.overtaken
        )
    }
}

/// Whether what applications write to the target is enriched there.
pub(crate) fn is_enriched(run: &PartRun) -> bool {
    // Where versions of the source were preserved, nothing of ours may raise them.
    run.session.recipe().enriches_in_place() && run.state.versioning == Versioning::Ours
}

/// The name under which the positions in `target`, and the documents that were left, are kept: no index
/// can have it.
fn kept_as(target: &IndexName) -> IndexName {
    IndexName::new(format!("{target}#enriched"))
}

/// The target's numbers before any write of an application.
fn begins_at(cutover: &Cutover) -> Option<&Vec<SeqNo>> {
    match &cutover.redirect {
        Some(redirect) => Some(&redirect.cursor),
        None => cutover.cursor.as_ref(),
    }
}

fn store_of(session: &Session, target: &IndexName) -> CheckpointStore {
    CheckpointStore::new(session.cluster().clone(), session.migration().clone(), kept_as(target))
}

/// How far the enrichment of a part is; none where nothing was ever enriched.
///
/// # Errors
/// Failures of requests.
pub async fn progress(session: &Session, state: &PartState) -> Result<Option<Progress>, Error> {
    let cutover = state.cutover.as_ref().filter(|_| state.phase.is_switched());
    let (Some(cutover), Some(target)) = (cutover, &state.target) else { return Ok(None) };
    let Some(begins) = begins_at(cutover) else { return Ok(None) };
    let shards = u32::try_from(begins.len()).unwrap_or(u32::MAX);
    let mut checkpoints = Vec::new();
    for kept in store_of(session, target).load(shards).await? {
        checkpoints.extend(kept.checkpoint);
    }
    if checkpoints.is_empty() {
        return Ok(None);
    }
    let mut balance = Balance::default();
    checkpoints.iter().for_each(|checkpoint| balance.add(&checkpoint.balance));
    // Once the watch is over nobody looks at what is written any more.
    let behind = match state.phase {
        Phase::Watching => behind(session, target, &checkpoints).await?,
        _ => 0,
    };
    let letters = DeadLetters::of(session, &kept_as(target));
    let (named, listed) = letters.list(NAMED).await?;
    Ok(Some(Progress { done: Enriched::of(&balance), listed, named, behind }))
}

/// Operations beyond the positions; none where the target is not there.
async fn behind(
    session: &Session,
    target: &IndexName,
    checkpoints: &[Checkpoint],
) -> Result<u64, Error> {
    let stats = match session.cluster().shard_stats(target.as_str()).await {
        Err(error) if error.class() == Class::NotFound => return Ok(0),
        answer => answer.doing(|| format!("looking at the shards of {target}"))?,
    };
    let behind = checkpoints.iter().map(|checkpoint| {
        let primary = stats.primaries.iter().find(|p| p.shard == checkpoint.shard.0);
        let highest = primary.map_or(checkpoint.position.0, |primary| primary.max_seq_no);
        u64::try_from(highest - checkpoint.position.0).unwrap_or(0)
    });
    Ok(behind.sum())
}

/// As [`progress`], for a report, which nothing is to keep from being made.
pub(crate) async fn reported(run: &PartRun) -> Option<Progress> {
    match progress(&run.session, &run.state).await {
        Ok(progress) => progress,
        Err(error) => {
            tracing::warn!(error = chain(&error), "how far the enrichment is cannot be seen");
            None
        }
    }
}

impl Enrichment {
    /// Opens the enrichment where it stands.
    ///
    /// # Errors
    /// A pipeline that is not the one that made the target; a target that is another index by now.
    pub(crate) async fn open(run: &PartRun, program: &Bound) -> Result<Enrichment, Error> {
        let (session, target) = (run.session.clone(), run.target().clone());
        let cutover = run.state.cutover.as_ref();
        check_pipeline(run, cutover)?;
        let looking = || format!("looking at {target}");
        let (stats, terms) = look(&session, &target).await?;
        let index = session.cluster().index(target.as_str()).await.doing(looking)?;
        if run.state.target_uuid.as_ref().is_some_and(|uuid| uuid.as_str() != stats.uuid) {
            let what = format!("{target} is another index than the one that was made");
            return Err(Error::Contradiction(vec![what]));
        }
        let last = index.as_ref().and_then(|index| index.settings["index.final_pipeline"].as_str());
        if let Some(last) = last.filter(|name| *name != "_none") {
            return Err(Error::Recipe(format!(
                "{target} has the final pipeline {last}, which would change each enriched document once \
                 more (SEG-P163)"
            )));
        }
        let Some(begins) = cutover.and_then(begins_at) else {
            let what =
                format!("the journal does not say which documents of {target} segue did not write");
            return Err(Error::Contradiction(vec![what]));
        };
        let identities = identities(&stats, &terms);
        let count = u32::try_from(identities.len()).unwrap_or(u32::MAX);
        let store = store_of(&session, &target);
        let mut shards = Vec::new();
        for ((number, kept), now) in (0u32..).zip(store.load(count).await?).zip(identities) {
            let begin = begins.get(number as usize).copied();
            shards.push(resume(store.clone(), kept, number, now, begin));
        }
        let letters = DeadLetters::of(&session, &kept_as(&target));
        let syncs_lazily = index.is_some_and(|index| {
            index.settings["index.translog.durability"].as_str() == Some("async")
        });
        let (source, program) = (run.source().clone(), program.clone());
        Ok(Enrichment { session, source, target, program, shards, letters, syncs_lazily })
    }

    /// Passes until what applications write is as good as enriched, or writers prove faster.
    pub(crate) async fn catch_up(&mut self) -> Result<Enriched, Error> {
        let mut sum = Balance::default();
        for _ in 0..PASSES {
            self.session.check_stop()?;
            let (balance, operations) = self.pass().await?;
            let overtaken = balance.filtered.contains_key(OVERTAKEN);
            sum.add(&balance);
            if operations <= NEAR && !overtaken {
                break;
            }
        }
        Ok(Enriched::of(&sum))
    }

    /// One pass over all shards; a primary that changed meanwhile has its pass repeated. What was done,
    /// and how many operations it went over.
    async fn pass(&mut self) -> Result<(Balance, u64), Error> {
        let (mut sum, mut operations) = (Balance::default(), 0);
        loop {
            self.session.healthy().await?;
            let (cluster, target) = (self.session.cluster().clone(), self.target.clone());
            if self.syncs_lazily {
                let flushing = || format!("flushing {target}");
                cluster.flush(target.as_str()).await.doing(flushing)?;
            }
            let (stats, terms) = look(&self.session, &target).await?;
            let identities = identities(&stats, &terms);
            if identities.len() != self.shards.len() {
                let what = format!("{} shards instead of {}", identities.len(), self.shards.len());
                return Err(Error::SourceChanged { part: target, what });
            }
            for ((shard, primary), now) in
                self.shards.iter_mut().zip(&stats.primaries).zip(identities)
            {
                operations += shard.begin(&target, now, log(primary))?;
            }
            // After the checkpoints were asked for: what lies below them can be seen from here on.
            cluster.refresh(target.as_str()).await.doing(|| format!("refreshing {target}"))?;
            for at in 0..self.shards.len() {
                sum.add(&self.pass_shard(at).await?);
            }
            let (stats, after) = look(&self.session, &target).await?;
            let held = holds(&terms, &after);
            let ends = stats.primaries.iter().map(log);
            for ((shard, log), (now, before)) in
                self.shards.iter_mut().zip(ends).zip(after.iter().zip(&terms))
            {
                match held {
                    true => shard.end(log.max_seq_no),
                    false if now != before => shard.step_back(),
                    false => {}
                }
                shard.save().await?;
            }
            if held {
                return Ok((sum, operations));
            }
            self.session.listener().note(&self.source, "a primary changed: the pass is repeated");
        }
    }

    async fn pass_shard(&mut self, at: usize) -> Result<Balance, Error> {
        let mut sum = Balance::default();
        let mut pages = PageReader::new(&self.session, &self.target, Fetch::Source);
        let mut worker = self.program.worker();
        let (number, end) = (self.shards[at].shard(), self.shards[at].end_of_pass());
        let mut after = Some(self.shards[at].position()).filter(|position| *position < end);
        while let Some(from) = after {
            self.session.check_stop()?;
            let turned = pages.turn(number, from, end).await?;
            let mut batch = Batch::default();
            for hit in turned.page.hits() {
                batch.take(&mut worker, Rule::Fixpoint, number, &hit)?;
            }
            self.session.keep_pace(batch.writes()).await?;
            self.session.drill("enriching")?;
            batch.write(self.session.cluster(), self.target.as_str()).await?;
            self.session.drill("enriched_some")?;
            // Listed before the position moves past them.
            if !batch.left.is_empty() {
                self.letters.keep(&batch.left).await?;
            }
            let shard = &mut self.shards[at];
            shard.finish(turned.next.unwrap_or(end), &batch.balance)?;
            shard.save_if_due().await?;
            sum.add(&batch.balance);
            after = turned.next;
        }
        Ok(sum)
    }
}

/// What stands in the target was made by one pipeline; another one would not leave it as it is.
fn check_pipeline(run: &PartRun, cutover: Option<&Cutover>) -> Result<(), Error> {
    let before = cutover.and_then(|cutover| cutover.before.as_deref());
    let made_by = before.map(|before| before.pipeline.as_str());
    if made_by.is_none_or(|made_by| made_by == run.session.recipe().pipeline_fingerprint()) {
        return Ok(());
    }
    Err(Error::Recipe(format!(
        "the recipe's pipeline is not the one that {} was made with: nothing can be enriched there \
         before it is again",
        run.target()
    )))
}
