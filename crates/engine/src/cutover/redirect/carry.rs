//! The last pass over the closed source: creates what the target lacks and replaces what stands there
//! exactly as we wrote it. Where the application has written meanwhile, its version stands.
//!
//! Nothing of it moves a checkpoint. If the redirect is taken back, what was written here is removed,
//! and the next pass carries the same stretch again, with versions.

use std::collections::HashSet;
use std::time::Instant;

use segue_cluster::{Document as Found, Fetch, Hit};
use segue_model::balance::Balance;
use segue_model::id::{AliasName, IndexName, SeqNo, Shard};
use segue_model::redirect::{Decision, decide};
use segue_model::version::{Origin, Provenance, Version};
use segue_transform::{Document, Outcome, Worker};

use super::note::Notes;
use super::reader::{Reader, highest, numbers};
use super::writer::{Fate, How, Place, Write, write};
use crate::audit::Remove;
use crate::error::{Doing, Error};
use crate::fetch::fetch;
use crate::part_run::PartRun;
use crate::pass::{Carrier, DeadLetter, Gone, REFUSED};
use crate::verify::fingerprint;

const BATCH: usize = 500;
/// How often a document is looked at again whose state has changed between look and write.
const LOOKS: u32 = 5;
/// How many ids are named.
const NAMED: usize = 50;

/// What the last pass did.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub balance: Balance,
    /// Documents for which the application's version stands.
    pub superseded: u64,
    /// The first of them.
    pub named: Vec<String>,
    /// The prints of all that was written.
    pub prints: HashSet<u128>,
    /// Up to where the source was carried: its end.
    pub ends: Vec<SeqNo>,
}

/// A document that is to stand in the target, or not to.
struct Wanted {
    id: String,
    routing: Option<String>,
    provenance: Provenance,
    /// Its content; none if the recipe leaves it out or refuses it.
    source: Option<Vec<u8>>,
    seq_no: SeqNo,
    shard: Shard,
}

struct LastPass<'a> {
    carrier: &'a Carrier,
    notes: &'a Notes,
    alias: String,
    target: IndexName,
    until: Instant,
    batches: u64,
    carried: Carried,
}

/// Carries everything of the closed source that is not carried yet.
pub(super) async fn carry(
    run: &PartRun,
    carrier: &Carrier,
    notes: &Notes,
    until: Instant,
) -> Result<Carried, Error> {
    let cluster = run.session.cluster();
    let source = run.source().as_str();
    let ends = highest(&numbers(cluster, source).await?);
    cluster.refresh(source).await.doing(|| format!("refreshing {source}"))?;
    let from = carrier.positions();
    let mut reader = Reader::new(cluster, source, &from, &ends, Fetch::Source).await?;
    let mut worker = carrier.program().worker();
    let mut pass = LastPass {
        carrier,
        notes,
        alias: run.write_alias().to_string(),
        target: run.target().clone(),
        until,
        batches: 0,
        carried: Carried { ends, ..Carried::default() },
    };
    while let Some((shard, page)) = reader.next().await? {
        let hits: Vec<_> = page.hits().collect();
        for some in hits.chunks(BATCH) {
            run.session.check_stop()?;
            let wanted = pass.project(shard, some, &mut worker).await?;
            pass.put(wanted).await?;
        }
    }
    let balance = &pass.carried.balance;
    balance.check().map_err(|source| Error::Unbalanced { shard: Shard(0), source })?;
    Ok(pass.carried)
}

/// Takes documents out of a target that an application writes to: those that stand exactly as we wrote
/// them, through the write alias.
pub(super) struct IfOurs<'a> {
    pub carrier: &'a Carrier,
    pub target: &'a IndexName,
    pub alias: AliasName,
    pub until: Instant,
}

impl Remove for IfOurs<'_> {
    async fn remove(&self, gone: &[Gone]) -> Result<(), Error> {
        let cluster = self.carrier.session().cluster();
        for some in gone.chunks(BATCH) {
            let keys: Vec<_> = some.iter().map(|g| (g.id.as_str(), g.routing.as_deref())).collect();
            let there = fetch(cluster, self.target, &keys, false).await?;
            let lineage = self.carrier.lineage();
            let ours = |found: &Found| match Version(found.version).origin() {
                Origin::Ours(was) => {
                    was.incarnation == lineage.incarnation
                        && was.rewrite == lineage.rewrite
                        && !was.delete
                }
                _ => false,
            };
            let writes: Vec<_> = some
                .iter()
                .zip(there)
                .filter_map(|(gone, found)| Some((gone, found.filter(ours)?)))
                .map(|(gone, found)| Write {
                    id: gone.id.clone(),
                    routing: gone.routing.clone(),
                    how: How::Remove(found.token()),
                    source: Vec::new(),
                })
                .collect();
            // A conflict means that the application has written it meanwhile: it stands.
            write(cluster, Place::Alias(self.alias.as_str()), &writes, self.until).await?;
        }
        Ok(())
    }
}

impl LastPass<'_> {
    /// Transforms the documents; what is left out is counted here.
    async fn project(
        &mut self,
        shard: Shard,
        hits: &[Hit<'_>],
        worker: &mut Worker,
    ) -> Result<Vec<Wanted>, Error> {
        let mut letters = Vec::new();
        let mut all = Vec::with_capacity(hits.len());
        for hit in hits {
            let seq_no = SeqNo(hit.seq_no);
            let lineage = self.carrier.lineage();
            let provenance = lineage.provenance(seq_no, shard, self.carrier.shard_count())?;
            let routing = hit.routing.as_ref().map(ToString::to_string);
            let (id, mut out) = (hit.id.to_string(), Vec::new());
            let document =
                Document { id: &hit.id, routing: hit.routing.as_deref(), source: hit.source };
            let balance = &mut self.carried.balance;
            balance.read += 1;
            let source = match worker.apply(document, &mut out)? {
                Outcome::Written => Some(out),
                Outcome::Filtered { reason } => {
                    balance.filter(&reason);
                    None
                }
                Outcome::Refused { reason } => {
                    balance.dead_letter(REFUSED);
                    let key = (id.as_str(), routing.as_deref());
                    letters.push(DeadLetter::new(key, (shard, seq_no), REFUSED, &reason));
                    None
                }
            };
            all.push(Wanted { id, routing, provenance, source, seq_no, shard });
        }
        if !letters.is_empty() {
            self.carrier.dead_letters().keep(&letters).await?;
        }
        Ok(all)
    }

    /// Writes what is to be written, and settles each document.
    async fn put(&mut self, mut wanted: Vec<Wanted>) -> Result<(), Error> {
        for _ in 0..LOOKS {
            if wanted.is_empty() {
                return Ok(());
            }
            let there = self.look(&wanted).await?;
            let mut writes = Vec::new();
            let mut of = Vec::new();
            for (wanted, there) in wanted.into_iter().zip(there) {
                if let Some(write) = self.write_for(&wanted, there.as_ref()) {
                    writes.push(write);
                    of.push(wanted);
                }
            }
            self.keep_prints(&writes).await?;
            let cluster = self.carrier.session().cluster();
            let fates = write(cluster, Place::Alias(&self.alias), &writes, self.until).await?;
            wanted = self.settle(of, fates).await?;
        }
        match wanted.first() {
            None => Ok(()),
            Some(one) => Err(Error::BackedOut {
                reason: format!("{:?} changes too often to be carried", one.id),
            }),
        }
    }

    async fn look(&self, wanted: &[Wanted]) -> Result<Vec<Option<Found>>, Error> {
        let keys: Vec<_> = wanted.iter().map(|w| (w.id.as_str(), w.routing.as_deref())).collect();
        fetch(self.carrier.session().cluster(), &self.target, &keys, true).await
    }

    /// What has to be written for `wanted`; none if it is settled as it is.
    fn write_for(&mut self, wanted: &Wanted, there: Option<&Found>) -> Option<Write> {
        let decision = decide(wanted.provenance, there.map(|found| Version(found.version)));
        let state = there.map(Found::token);
        let Some(source) = &wanted.source else {
            // An earlier version of what is left out now has to go.
            let how = How::Remove(state.filter(|_| decision == Decision::Replace)?);
            let (id, routing) = (wanted.id.clone(), wanted.routing.clone());
            return Some(Write { id, routing, how, source: Vec::new() });
        };
        let how = match (decision, state) {
            (Decision::Create, _) => How::Create,
            (Decision::Replace, Some(state)) => How::Replace(state),
            (Decision::AlreadyThere, _) => {
                self.carried.balance.already_there += 1;
                return None;
            }
            _ => {
                let ours =
                    there.is_some_and(|found| self.carried.prints.contains(&print_of(found)));
                if ours {
                    self.carried.balance.written += 1;
                } else {
                    self.supersede(&wanted.id);
                }
                return None;
            }
        };
        let (id, routing) = (wanted.id.clone(), wanted.routing.clone());
        Some(Write { id, routing, how, source: source.clone() })
    }

    fn supersede(&mut self, id: &str) {
        self.carried.balance.already_there += 1;
        self.carried.superseded += 1;
        if self.carried.named.len() < NAMED {
            self.carried.named.push(id.to_owned());
        }
    }

    /// Prints are kept before the write: what may be there can always be told apart.
    async fn keep_prints(&mut self, writes: &[Write]) -> Result<(), Error> {
        let prints: Vec<_> = writes
            .iter()
            .filter(|write| !matches!(write.how, How::Remove(_)))
            .map(|write| fingerprint(&write.id, write.routing.as_deref(), &write.source))
            .filter(|print| self.carried.prints.insert(*print))
            .collect();
        if prints.is_empty() {
            return Ok(());
        }
        self.notes.add_prints(self.batches, &prints).await?;
        self.batches += 1;
        Ok(())
    }

    /// Settles what was written; returns what has to be looked at again.
    async fn settle(&mut self, of: Vec<Wanted>, fates: Vec<Fate>) -> Result<Vec<Wanted>, Error> {
        let mut again = Vec::new();
        for (wanted, fate) in of.into_iter().zip(fates) {
            match fate {
                Fate::Applied if wanted.source.is_some() => self.carried.balance.written += 1,
                Fate::Applied => {}
                Fate::Conflict => again.push(wanted),
                Fate::Refused { kind, reason } => {
                    self.carried.balance.dead_letter(&kind);
                    let key = (wanted.id.as_str(), wanted.routing.as_deref());
                    let at = (wanted.shard, wanted.seq_no);
                    let letter = DeadLetter::new(key, at, &kind, &reason)
                        .sent(wanted.source.as_deref().unwrap_or_default());
                    self.carrier.dead_letters().keep(&[letter]).await?;
                }
            }
        }
        Ok(again)
    }
}

/// The print of a document that was looked up.
pub(super) fn print_of(found: &Found) -> u128 {
    let source = found.source.as_ref().map_or("", |source| source.get());
    fingerprint(&found.id, found.routing.as_deref(), source.as_bytes())
}
