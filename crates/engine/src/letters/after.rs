//! Retrying after the switch: the application writes to the target by now, so nothing of ours has a
//! version there. A document is created if there is none of its id; one that the application has written
//! stands. That it has not *deleted* it cannot be seen from the document: it is told from the target's
//! numbers, which have no gap as long as nothing was replaced or deleted since the switch.

use std::time::{Duration, Instant};

use segue_cluster::{BulkBody, CountRequest};
use segue_model::id::{IndexName, SeqNo};
use segue_model::letter::Standing;
use segue_model::part::Cutover;
use segue_transform::{Document, Outcome, Worker};

use super::look::{Looked, Sides};
use super::retry::{Chosen, Queue, Retried};
use crate::cutover::redirect::writer::{Fate, How, Place, Write, try_write};
use crate::error::{Doing, Error};
use crate::lookup::Pinned;
use crate::part_run::PartRun;
use crate::pass::{DeadLetter, DeadLetters, REFUSED};
use crate::sabotage;

/// How long the cluster may refuse to take writes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A part whose names have moved.
pub(super) struct After<'a> {
    run: &'a PartRun,
    target: IndexName,
    sides: Option<Sides>,
    worker: Worker,
    letters: DeadLetters,
    chosen: &'a Chosen,
}

impl<'a> After<'a> {
    pub(super) async fn open(
        run: &'a PartRun,
        pinned: Pinned,
        chosen: &'a Chosen,
    ) -> Result<After<'a>, Error> {
        let source = run.source();
        let no = |why: &str| Error::NoRetry { part: source.clone(), why: why.to_owned() };
        if run.state.cutover.as_ref().is_some_and(Cutover::is_redirect_pending) {
            return Err(no("its redirected documents are not done yet: `segue run` first"));
        }
        let sides = Sides::of(&run.session, source, &run.state).await?;
        if sides.as_ref().is_none_or(|sides| sides.source.is_none()) {
            return Err(no("the copy of the old index, which holds the documents, is gone"));
        }
        let lineage = run.lineage();
        Ok(After {
            run,
            target: run.target().clone(),
            sides,
            worker: pinned.program.worker(),
            letters: DeadLetters::under(&run.session, source, &lineage),
            chosen,
        })
    }

    pub(super) async fn retry(&mut self, done: &mut Retried) -> Result<(), Error> {
        let session = &self.run.session;
        let mut queue = Queue::of(session, self.run.source(), self.chosen).await?;
        while let Some(letters) = queue.next().await? {
            session.check_stop()?;
            let Some(sides) = &self.sides else { return Ok(()) };
            let looked = sides.look_in_full(&letters).await?;
            if sabotage::lacks("create-after-switch") {
                self.by_version(&letters, &looked).await?;
                continue;
            }
            // After the look: what was absent then, and has left no gap by now, was not deleted before.
            let untouched = self.chosen.not_deleted || self.is_without_gaps().await?;
            self.some(&letters, looked, untouched, done).await?;
        }
        Ok(())
    }

    /// Whether the target's numbers since the switch are all live: then nothing that it held, or was asked
    /// to delete, is gone.
    async fn is_without_gaps(&self) -> Result<bool, Error> {
        let Some(cursor) = self.run.state.cutover.as_ref().and_then(|c| c.cursor.clone()) else {
            return Ok(false);
        };
        let (session, target) = (&self.run.session, self.target.as_str());
        let looking = || format!("looking at what was written to {target} since the switch");
        let stats = session.cluster().shard_stats(target).await.doing(looking)?;
        session.cluster().refresh(target).await.doing(looking)?;
        if stats.primaries.len() != cursor.len() {
            return Ok(false);
        }
        for (primary, SeqNo(from)) in stats.primaries.iter().zip(&cursor) {
            let stretches = [(*from, primary.max_seq_no)];
            let request =
                CountRequest { index: target, shard: primary.shard, stretches: &stretches };
            let live = session.cluster().count_numbers(&request, session.distribution()).await;
            let given_out = u64::try_from(primary.max_seq_no - from).unwrap_or(0);
            if live.doing(looking)? < given_out {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn some(
        &mut self,
        letters: &[DeadLetter],
        looked: Vec<Looked>,
        untouched: bool,
        done: &mut Retried,
    ) -> Result<(), Error> {
        let (mut void, mut writes, mut of, mut refused) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (letter, looked) in letters.iter().zip(looked) {
            let document = match (looked.standing, looked.source) {
                (Standing::Open, Some(document)) => document,
                (Standing::Open | Standing::Waits, _) => {
                    done.leave("the copy of the old index does not hold it as it was refused");
                    continue;
                }
                (standing, _) => {
                    done.void(standing);
                    void.push(letter);
                    continue;
                }
            };
            if !untouched {
                done.leave(
                    "documents were replaced or deleted since the switch, and this may be one of \
                     them: give --not-deleted if it is not",
                );
                continue;
            }
            let mut out = Vec::new();
            let raw = document.source.as_ref().map_or("", |source| source.get());
            let routing = document.routing.as_deref();
            let read = Document { id: &document.id, routing, source: raw.as_bytes() };
            match self.worker.apply(read, &mut out)? {
                Outcome::Written => {
                    let (id, routing) = (letter.document.clone(), letter.routing.clone());
                    writes.push(Write { id, routing, how: How::Create, source: out });
                    of.push(letter);
                }
                Outcome::Filtered { .. } => {
                    done.filtered += 1;
                    void.push(letter);
                }
                Outcome::Refused { reason } => {
                    done.refused += 1;
                    refused.push(again(letter, REFUSED, &reason));
                }
            }
        }
        let cluster = self.run.session.cluster();
        let place = Place::Index(self.target.as_str());
        let fates = try_write(cluster, place, &writes, Instant::now() + PATIENCE).await?;
        let fates = fates.map_err(|untaken| Error::GivenUp {
            what: format!("writing to {}", self.target),
            attempts: untaken.attempts,
            waited_s: PATIENCE.as_secs(),
            reason: untaken.reason,
        })?;
        self.run.session.drill("retry_sent")?;
        for ((letter, write), fate) in of.into_iter().zip(&writes).zip(fates) {
            match fate {
                Fate::Applied => {
                    done.written += 1;
                    void.push(letter);
                }
                // The application has made it meanwhile, or an earlier attempt of ours: it stands.
                Fate::Conflict => {
                    done.void(Standing::Written);
                    void.push(letter);
                }
                Fate::Refused { kind, reason } => {
                    done.refused += 1;
                    refused.push(again(letter, &kind, &reason).sent(&write.source));
                }
            }
        }
        self.letters.keep(&refused).await?;
        self.letters.remove(&void).await
    }

    /// What must not be done: with a version, whatever the application has written since.
    async fn by_version(&mut self, letters: &[DeadLetter], looked: &[Looked]) -> Result<(), Error> {
        let shards = self.run.state.source.as_ref().map_or(1, |source| source.histories.len());
        let shards = u32::try_from(shards).unwrap_or(1);
        let mut body = BulkBody::default();
        for (letter, looked) in letters.iter().zip(looked) {
            let Some(document) = &looked.source else { continue };
            let raw = document.source.as_ref().map_or("", |source| source.get());
            let routing = letter.routing.as_deref();
            let read = Document { id: &letter.document, routing, source: raw.as_bytes() };
            let lineage = self.run.lineage();
            let stamp = lineage.stamp(letter.seq_no, letter.shard, shards, document.version)?;
            let out = body.begin_index(&letter.document, routing, stamp.version().0);
            match self.worker.apply(read, out)? {
                Outcome::Written => body.finish(),
                _ => body.cancel(),
            }
        }
        let (bytes, items) = body.take();
        let target = self.target.as_str();
        let sent = self.run.session.cluster().bulk_to_index(target, bytes, items).await;
        sent.doing(|| format!("writing to {target}")).map(drop)
    }
}

/// The letter of a document that is refused again.
fn again(letter: &DeadLetter, kind: &str, reason: &str) -> DeadLetter {
    let key = (letter.document.as_str(), letter.routing.as_deref());
    DeadLetter::new(key, (letter.shard, letter.seq_no), kind, reason)
}
