//! Writing dead letters once more.
//!
//! Before the switch a letter is what a pass would have carried: the document is read in real time, goes
//! through the pipeline and is written with the version of its number, by the holder of the part's lease,
//! through the write alias of an epoch of its own. Only the very operation that was refused is written: a
//! document that has changed since is a pass's, which carries it under its later number.
//!
//! Killed anywhere it is repeated: what is about to be sent is noted in the letter (the number of the
//! retry) and in the inventory first, then sent, then moved in the balance, whose checkpoint takes the
//! number of the retry, and only then is the letter removed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{Document, Hit};
use segue_model::audit::Now;
use segue_model::balance::Balance;
use segue_model::id::{IndexName, SeqNo};
use segue_model::letter::Standing;
use segue_model::part::PartState;
use segue_model::phase::Phase;
use segue_model::version::Op;
use segue_transform::{Document as Read, Worker};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::PAGE;
use super::after::After;
use super::look::{Looked, Sides};
use crate::audit::ask;
use crate::error::{Doing, Ending, Error, chain};
use crate::inventory::{Class as Kind, Run};
use crate::lookup::{Pinned, Pinning, pin};
use crate::migrate::worse;
use crate::part_run::PartRun;
use crate::pass::{
    Batch, Carrier, DeadLetter, DeadLetters, Settled, ShardCarrier, noted as noted_keyed,
    source_identity,
};
use crate::prepare::open_epoch;
use crate::report::PartError;
use crate::session::Session;
use crate::turn;

/// Which letters are retried.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Their kinds and groups; none = all.
    pub groups: Option<BTreeSet<(String, String)>>,
    /// After the switch: whoever asks knows that the application has not deleted any of the documents.
    pub not_deleted: bool,
}

/// What a retry did with the letters of one part.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Retried {
    /// The part.
    pub source: String,
    /// Documents that were written.
    pub written: u64,
    /// Documents that the target held already.
    pub already_there: u64,
    /// Documents that the recipe leaves out by now.
    pub filtered: u64,
    /// Documents that were refused again.
    pub refused: u64,
    /// Letters that said nothing any more and were removed, by what had become of them.
    pub void: BTreeMap<Standing, u64>,
    /// Letters that were left as they are, by reason.
    pub left: BTreeMap<String, u64>,
    /// Why it stopped, if it did.
    pub error: Option<PartError>,
}

impl Retried {
    pub(super) fn leave(&mut self, why: &str) {
        *self.left.entry(why.to_owned()).or_default() += 1;
    }

    pub(super) fn void(&mut self, standing: Standing) {
        *self.void.entry(standing).or_default() += 1;
    }
}

/// Retries the letters of `parts`, one after the other.
pub async fn retry(
    session: &Session,
    parts: Vec<(IndexName, PartState)>,
    chosen: &Chosen,
) -> Result<(Vec<Retried>, Option<Ending>), Error> {
    session.healthy().await?;
    session.leases().ensure().await?;
    DeadLetters::ensure(session.cluster()).await?;
    let (mut all, mut ending) = (Vec::new(), None);
    for (source, state) in parts {
        let mut done = Retried { source: source.to_string(), ..Retried::default() };
        if let Err(error) = retry_part(session, &source, state, chosen, &mut done).await {
            ending = worse(ending, Some(error.ending()));
            done.error = Some(PartError { code: error.code(), message: chain(&error) });
        } else if done.refused > 0 || !done.left.is_empty() {
            ending = worse(ending, Some(Ending::Refused));
        }
        all.push(done);
    }
    Ok((all, ending))
}

async fn retry_part(
    session: &Session,
    source: &IndexName,
    state: PartState,
    chosen: &Chosen,
    done: &mut Retried,
) -> Result<(), Error> {
    let no = |why: &str| Error::NoRetry { part: source.clone(), why: why.to_owned() };
    if session.recipe().source.files().is_some() {
        return Err(no("its source is files, which segue does not change: correct them, or the \
             recipe, and load anew with `segue run`"));
    }
    let mut run = PartRun::known(session, source, state);
    let permits = Semaphore::new(1);
    let turn = turn::take(&mut run, &permits, true).await?;
    let work = async {
        let mut journal = session.journal().read().await?;
        let pinned = pin(session, &mut journal, Pinning::Kept).await?;
        if run.state.phase.is_switched() && session.recipe().is_keyed() {
            Err(no(
                "its names have moved, and the pipeline makes keys: nothing says what an application \
                 has done under them since; correct the documents in the target",
            ))
        } else if run.state.phase.is_switched() {
            After::open(&run, pinned, chosen).await?.retry(done).await
        } else {
            before(&mut run, pinned, chosen, done).await
        }
    };
    let worked = tokio::select! {
        worked = work => worked,
        () = turn.held.lost() => {
            let how = "its lease is another process's, or could not be kept".to_owned();
            Err(Error::TakenOver { part: source.clone(), how })
        }
    };
    turn.held.give_back().await;
    worked
}

/// Retries before the switch.
async fn before(
    run: &mut PartRun,
    pinned: Pinned,
    chosen: &Chosen,
    done: &mut Retried,
) -> Result<(), Error> {
    let source = run.source().clone();
    let session = run.session.clone();
    let no = |why: String| Error::NoRetry { part: source.clone(), why };
    let goes_on = match &run.state.phase {
        Phase::Paused { at, .. } | Phase::Failed { at, .. } => at.is_copying(),
        phase => phase.is_copying(),
    };
    if !goes_on {
        return Err(no(format!("it is {}", run.state.phase)));
    }
    if run.state.pipeline.as_deref() != Some(&pinned.fingerprint) {
        return Err(no(
            "the pipeline or its lookups are others than those that wrote the target: \
             `segue run` projects every document anew, these among them"
                .to_owned(),
        ));
    }
    let looking = || format!("looking at the shards of {source}");
    let stats = session.cluster().shard_stats(run.all_sources().as_str()).await.doing(looking)?;
    if run.state.source.as_ref() != Some(&source_identity(&stats)) {
        return Err(no(
            "the source is another index than the one that was read: `segue run` carries \
             it anew"
                .to_owned(),
        ));
    }
    run.resume().await?;
    open_epoch(run).await?;
    let carrier = Carrier::open(run, pinned.program.clone()).await?;
    let Some(sides) = Sides::of(&session, &source, &run.state).await? else { return Ok(()) };
    let mut retry = Before {
        carrier: &carrier,
        sides,
        worker: pinned.program.worker(),
        batch: Batch::new(1 << 20),
        done,
    };
    let mut letters = Queue::of(&session, &source, chosen).await?;
    while let Some(some) = letters.next().await? {
        session.check_stop()?;
        session.healthy().await?;
        for shard in carrier.shards() {
            let of_shard = some.iter().filter(|letter| letter.shard == shard.shard());
            let of_shard: Vec<_> = of_shard.cloned().collect();
            retry.shard(shard, &of_shard).await?;
        }
    }
    Ok(())
}

/// The chosen letters of a part, page by page. What is kept meanwhile may come twice, what is removed is
/// not missed.
pub(super) struct Queue<'a> {
    letters: DeadLetters,
    after: Option<Value>,
    ended: bool,
    chosen: &'a Chosen,
}

impl<'a> Queue<'a> {
    pub(super) async fn of(
        session: &Session,
        source: &IndexName,
        chosen: &'a Chosen,
    ) -> Result<Queue<'a>, Error> {
        let letters = DeadLetters::of(session, source);
        let ended = !letters.refresh().await?;
        Ok(Queue { letters, after: None, ended, chosen })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Vec<DeadLetter>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let (mut letters, next) = self.letters.page(self.after.take(), PAGE, false).await?;
        (self.ended, self.after) = (next.is_none(), next);
        if let Some(groups) = &self.chosen.groups {
            letters.retain(|l| groups.contains(&(l.kind.clone(), l.group.clone())));
        }
        Ok(Some(letters))
    }
}

struct Before<'a> {
    carrier: &'a Carrier,
    sides: Sides,
    worker: Worker,
    batch: Batch,
    done: &'a mut Retried,
}

/// A letter that is sent, with its document.
type Sent<'a> = (&'a DeadLetter, Document);

impl Before<'_> {
    /// Retries letters of one shard.
    async fn shard(&mut self, shard: &ShardCarrier, letters: &[DeadLetter]) -> Result<(), Error> {
        let looked = self.sides.look_in_full(letters).await?;
        let gone = self.ask_again(shard, letters, &looked).await?;
        let (mut open, mut void, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for ((letter, looked), gone) in letters.iter().zip(looked).zip(gone) {
            let standing = match looked.standing {
                Standing::Open if self.was_made(shard, letter)? => Standing::Written,
                standing => standing,
            };
            match (standing, looked.source) {
                (Standing::Open, Some(document)) if letter.seq_no <= shard.position() => {
                    open.push((letter, document));
                }
                (Standing::Open | Standing::Waits, _) => {
                    self.done.leave("it changed, or was read again: `segue run` carries it");
                }
                (Standing::Gone, _) if !gone => {
                    self.done.leave("the source's copies do not agree on it: retry again");
                }
                (standing, _) => {
                    // An earlier retry has written it, and died before it could say so.
                    if standing == Standing::Written && letter.retry > shard.retries() {
                        settled.push(letter);
                    }
                    void.push(letter);
                    self.done.void(standing);
                }
            }
        }
        if !settled.is_empty() {
            let written = settled.len() as u64;
            let number = settled.iter().map(|letter| letter.retry).max().unwrap_or(0);
            let outcome = Balance { written, ..Balance::default() };
            shard.retried(number, settled.iter().map(|l| l.kind.as_str()), &outcome)?;
            shard.save().await?;
        }
        self.carrier.dead_letters().remove(&void).await?;
        if open.is_empty() { Ok(()) } else { self.send(shard, &open).await }
    }

    /// Which of the documents that were not found are gone for good: a delete may be known to the primary
    /// alone, and go with it.
    async fn ask_again(
        &self,
        shard: &ShardCarrier,
        letters: &[DeadLetter],
        looked: &[Looked],
    ) -> Result<Vec<bool>, Error> {
        let absent = letters.iter().zip(looked).filter(|(_, l)| l.standing == Standing::Gone);
        let keys: Vec<_> =
            absent.map(|(l, _)| (l.document.as_str(), l.routing.as_deref())).collect();
        let mut now = ask(self.carrier, shard.shard(), &keys).await?.into_iter();
        let gone =
            |looked: &Looked| looked.standing == Standing::Gone && now.next() == Some(Now::Absent);
        Ok(looked.iter().map(gone).collect())
    }

    async fn send(&mut self, shard: &ShardCarrier, sent: &[Sent<'_>]) -> Result<(), Error> {
        let session = self.carrier.session();
        let number = shard.retries() + 1;
        let letters: Vec<_> = sent.iter().map(|(letter, _)| *letter).collect();
        self.carrier.dead_letters().begin_retry(&letters, number).await?;
        let mut hits: Vec<_> = sent.iter().map(|(_, document)| hit(document)).collect();
        hits.sort_by_key(|hit| hit.seq_no);
        let mut settled = Settled::of(hits.len());
        if self.worker.is_keyed() {
            settled.begin_fans(hits.len());
        }
        let noted = self.noted(&hits)?;
        // Before any of it is sent: what is deleted later has to be found in the target.
        shard.note(&noted)?;
        shard.save().await?;
        session.drill("retry_noted")?;
        for (at, hit) in hits.iter().enumerate() {
            let (shard, shards) = (shard.shard(), self.carrier.shard_count());
            let lineage = self.carrier.lineage();
            let stamp = lineage.stamp(SeqNo(hit.seq_no), shard, shards, hit.version)?;
            self.batch.put(&mut self.worker, shard, (at, hit), stamp, &mut settled)?;
            if self.batch.is_full(session.limits()) {
                self.carrier.sender().send(shard, &mut self.batch, &hits, &mut settled).await?;
            }
        }
        self.carrier.sender().send(shard.shard(), &mut self.batch, &hits, &mut settled).await?;
        settled.count_fans(0..hits.len());
        if self.worker.is_keyed() {
            shard.note(&noted_keyed(&hits, &settled, 0..hits.len()))?;
        }
        session.drill("retry_sent")?;
        settled.keep(self.carrier.dead_letters()).await?;
        let outcome = settled.balance.clone();
        shard.retried(number, letters.iter().map(|letter| letter.kind.as_str()), &outcome)?;
        shard.save().await?;
        session.drill("retry_settled")?;
        let by_number: BTreeMap<_, _> =
            hits.iter().zip(&settled.classes).map(|(hit, kind)| (hit.seq_no, *kind)).collect();
        let accepted = |letter: &&&DeadLetter| {
            by_number.get(&letter.seq_no.0).is_some_and(|kind| *kind != Kind::Refused)
        };
        let accepted: Vec<_> = letters.iter().filter(accepted).copied().collect();
        self.carrier.dead_letters().remove(&accepted).await?;
        self.done.written += outcome.written;
        self.done.already_there += outcome.already_there;
        self.done.filtered += outcome.filtered();
        self.done.refused += outcome.dead_lettered();
        Ok(())
    }
}

impl Before<'_> {
    /// Whether all that is made of the letter's document was taken since, where the target cannot show that
    /// because the pipeline makes the keys.
    fn was_made(&self, shard: &ShardCarrier, letter: &DeadLetter) -> Result<bool, Error> {
        if !self.worker.is_keyed() {
            return Ok(false);
        }
        let op = Op::of(letter.seq_no, shard.shard(), self.carrier.shard_count())?;
        let entry = tokio::task::block_in_place(|| self.carrier.entry_of(op))?;
        Ok(entry.is_some_and(|entry| entry.class == Kind::Written))
    }

    /// What is noted of `hits` before anything of them is sent.
    fn noted(&mut self, hits: &[Hit<'_>]) -> Result<Run, Error> {
        let (mut noted, mut sources, mut made) = (Run::default(), Vec::new(), Vec::new());
        for hit in hits {
            let (number, routing) = (SeqNo(hit.seq_no), hit.routing.as_deref());
            if !self.worker.is_keyed() {
                noted.push(number, &hit.id, routing, Kind::Written);
                continue;
            }
            sources.clear();
            let read = Read { id: &hit.id, routing, source: hit.source };
            // What is made of nothing is settled below.
            self.worker.make(read, &mut sources, &mut made)?;
            let keys: Vec<_> = made.drain(..).map(|made| made.key).collect();
            // As long as it is a letter: of the others that are made of it some may stand there.
            noted.push_keyed(number, (&hit.id, routing), Kind::Refused, &keys);
        }
        Ok(noted)
    }
}

/// A document that was looked up, as one that was read.
pub(super) fn hit(document: &Document) -> Hit<'_> {
    Hit {
        id: Cow::Borrowed(&document.id),
        routing: document.routing.as_deref().map(Cow::Borrowed),
        version: document.version,
        seq_no: document.seq_no,
        primary_term: document.primary_term,
        source: document.source.as_ref().map_or(b"", |source| source.get().as_bytes()),
    }
}
