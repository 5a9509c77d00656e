//! The delete audit: takes out of the target what the source does not hold any more.
//!
//! It compares the numbers that were read (the inventory) with those that are live, in steps that
//! cost little where nothing is gone: one count a shard; a histogram of the shard; the short buckets
//! in ever finer ones. Only what is gone is then asked for in the source, by id, and only what the
//! source does not have is deleted in the target. The rules are `segue_model::audit`'s; how a
//! document is deleted is up to who calls ([`Remove`]).

mod ask;
mod keyed;
mod preserved;
mod rebuild;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Instant;

use segue_cluster::CountRequest;
use segue_model::audit::{Fate, Found, Hunt, Numbers, Probe, fate, first_shift, gone_at};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::position::Window;
use segue_model::stamp::{Removal, Versioning};

pub(crate) use ask::ask;
pub(crate) use preserved::pending;
pub use rebuild::rebuild;

use crate::error::{Doing, Error};
use crate::inventory::Entry;
use crate::pass::{Carrier, Gone, ShardCarrier};
use crate::progress::Progress;
use crate::sabotage;

/// How many documents are asked for at once.
const AT_ONCE: usize = 1000;

/// How the target is rid of documents.
pub trait Remove: Sync {
    /// Deletes `gone` from the target; returns when all of it is done. Where something newer stands
    /// there is nothing to do.
    fn remove(&self, gone: &[Gone]) -> impl Future<Output = Result<(), Error>> + Send;
}

/// By version, through the write alias: right until an application may write to the target.
impl Remove for Carrier {
    async fn remove(&self, gone: &[Gone]) -> Result<(), Error> {
        Carrier::remove(self, gone).await
    }
}

/// What an audit found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Documents that were deleted in the target, or were not there.
    pub deleted: u64,
    /// Documents that the next pass brings again.
    pub waiting: u64,
}

impl Audited {
    fn add(&mut self, other: Audited) {
        self.deleted += other.deleted;
        self.waiting += other.waiting;
    }
}

/// Takes out of `target` what the source of `carrier` does not hold any more. No pass may run
/// meanwhile.
///
/// Fails with [`Error::Missed`] if the source holds documents that should have been read and were
/// not.
pub async fn audit(
    carrier: &Carrier,
    target: &IndexName,
    remove: &impl Remove,
) -> Result<Audited, Error> {
    if sabotage::lacks("no-delete-audit") {
        return Ok(Audited::default());
    }
    let begun = Instant::now();
    let session = carrier.session();
    let mut audited = Audited::default();
    if !carrier.shards().iter().all(ShardCarrier::is_inventory_whole) {
        let text = "the inventory was lost: it is made anew from the ids of source and target";
        session.listener().note(carrier.source(), text);
        audited.add(rebuild(carrier, target, remove).await?);
    }
    let source = carrier.sources().all().as_str();
    session.cluster().refresh(source).await.doing(|| format!("refreshing {source}"))?;
    for shard in carrier.shards() {
        audited.add(Audit { carrier, target, shard, remove }.run().await?);
    }
    let (part, took) = (Some(carrier.source().clone()), begun.elapsed());
    session.listener().tell(Progress::Step { part, step: "delete audit", took });
    Ok(audited)
}

/// The audit of one shard.
struct Audit<'a, R> {
    carrier: &'a Carrier,
    target: &'a IndexName,
    shard: &'a ShardCarrier,
    remove: &'a R,
}

impl<R: Remove> Audit<'_, R> {
    async fn run(&self) -> Result<Audited, Error> {
        let checkpoint = self.shard.position();
        let all = Window { from: SeqNo::NONE, to: checkpoint };
        let held = self.shard.with_held(|held| held.count_in(all));
        if checkpoint == SeqNo::NONE || held == self.count(all).await? {
            return Ok(Audited::default());
        }
        let Found { gone, unknown } = self.hunt(checkpoint, all).await?;
        if !unknown.is_empty() {
            return Err(self.missed(&unknown));
        }
        self.settle(gone, checkpoint).await
    }

    fn missed(&self, numbers: &[SeqNo]) -> Error {
        Error::Missed {
            part: self.carrier.source().clone(),
            shard: self.shard.shard(),
            numbers: numbers.to_vec(),
        }
    }

    async fn count(&self, window: Window) -> Result<u64, Error> {
        let stretches = [(window.from.0, window.to.0)];
        let session = self.carrier.session();
        let count = self.request(&stretches);
        let answer = session.cluster().count_numbers(&count, session.distribution()).await;
        answer.doing(|| self.counting())
    }

    async fn look(&self, probe: &Probe) -> Result<BTreeMap<u64, u64>, Error> {
        let stretches: Vec<_> = probe.windows.iter().map(|w| (w.from.0, w.to.0)).collect();
        let session = self.carrier.session();
        let count = self.request(&stretches);
        let answer =
            session.cluster().count_buckets(&count, session.distribution(), probe.shift).await;
        answer.doing(|| self.counting())
    }

    fn request<'a>(&'a self, stretches: &'a [(i64, i64)]) -> CountRequest<'a> {
        let (index, shard) = self.carrier.sources().place(self.shard.shard());
        CountRequest { index: index.as_str(), shard: shard.0, stretches }
    }

    fn counting(&self) -> String {
        let (index, shard) = self.carrier.sources().place(self.shard.shard());
        format!("counting the documents of {index} shard {shard}")
    }

    /// Which numbers are gone.
    async fn hunt(&self, checkpoint: SeqNo, all: Window) -> Result<Found, Error> {
        let probe = Probe { shift: first_shift(checkpoint), windows: vec![all] };
        let live = self.look(&probe).await?;
        let mut hunt = self.shard.with_held(|held| Hunt::begin(checkpoint, held, &live));
        while let Some(probe) = hunt.ask() {
            self.carrier.session().check_stop()?;
            let live = self.look(&probe).await?;
            self.shard.with_held(|held| hunt.answer(held, &live));
        }
        Ok(hunt.end())
    }

    /// Settles the documents that stood at `gone`.
    async fn settle(&self, mut gone: Numbers, checkpoint: SeqNo) -> Result<Audited, Error> {
        let mut audited = Audited::default();
        let mut some: Vec<Entry> = Vec::new();
        if self.carrier.program().is_keyed() {
            return self.settle_keyed(&gone, checkpoint).await;
        }
        for place in self.shard.places(&gone) {
            let entries = tokio::task::block_in_place(|| self.shard.entries(place))?;
            // A number can stand in several runs: it is settled once.
            some.extend(entries.into_iter().filter(|entry| gone.remove(entry.seq_no)));
            if some.len() >= AT_ONCE {
                audited.add(self.settle_some(&mut some, checkpoint).await?);
            }
        }
        audited.add(self.settle_some(&mut some, checkpoint).await?);
        if let Some(number) = gone.iter().next() {
            let what = format!("number {number} is in no run of the inventory");
            return Err(Error::Task(what));
        }
        Ok(audited)
    }

    async fn settle_some(
        &self,
        some: &mut Vec<Entry>,
        checkpoint: SeqNo,
    ) -> Result<Audited, Error> {
        self.carrier.session().check_stop()?;
        let keys: Vec<_> = some.iter().map(|e| (e.id.as_str(), e.routing.as_deref())).collect();
        let now = ask::ask(self.carrier, self.shard.shard(), &keys).await?;
        let mut audited = Audited::default();
        let (mut found, mut settled, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, now) in some.iter().zip(now) {
            let read = |number| self.shard.with_held(|held| held.contains(number));
            match fate(entry.seq_no, now, checkpoint, read) {
                Fate::Waits => {
                    audited.waiting += 1;
                    continue;
                }
                Fate::Missed(at) => missed.push(at),
                Fate::Superseded => {}
                Fate::Delete(at) => found.push((entry, at)),
            }
            settled.push(entry.seq_no);
        }
        if !missed.is_empty() {
            return Err(self.missed(&missed));
        }
        let gone = self.gone(&found).await?;
        self.remove.remove(&gone).await?;
        audited.deleted += gone.len() as u64;
        settled.sort_unstable();
        self.shard.settle(&settled)?;
        some.clear();
        Ok(audited)
    }

    /// What takes `found` away, each as of a number.
    async fn gone(&self, found: &[(&Entry, SeqNo)]) -> Result<Vec<Gone>, Error> {
        let carrier = self.carrier;
        let lineage = carrier.lineage();
        if lineage.versioning == Versioning::Preserved {
            let entries: Vec<_> = found.iter().map(|(entry, _)| *entry).collect();
            return preserved::standing(carrier, self.target, &entries).await;
        }
        let (shard, shards): (Shard, u32) = (self.shard.shard(), carrier.shard_count());
        let mut gone = Vec::new();
        for (entry, at) in found {
            let delete = Removal::Below(gone_at(lineage.incarnation, *at, shard, shards)?);
            gone.push(Gone { id: entry.id.clone(), routing: entry.routing.clone(), delete });
        }
        Ok(gone)
    }
}
