//! Deletes on the way back: what the kept copy has and the target has not any more.
//!
//! Every document of the kept copy is looked up in the target. One that is not there was deleted by an
//! application, unless the migration had left it out: filtered, or refused. What was carried back once
//! was in the target, so its absence is a delete; of any other document the pipeline is asked anew.
//!
//! A delete is written at the operation the document was last carried at, with the delete bit: above
//! that write, and below anything that is carried later.

use std::sync::{Arc, Mutex, PoisonError};

use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::stamp::Removal;
use segue_model::version::{Op, Origin, Provenance, Rewrite};
use segue_transform::{Bound, Document, Outcome};

use super::Feed;
use crate::error::Error;
use crate::fetch::fetch;
use crate::pass::{Carrier, DeadLetters, Gone};
use crate::scan::{Seen, each_page, everything};

/// Tells which documents the migration had left out.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    /// The pipeline, forward.
    pub program: Bound,
    /// Whether it is the one, with the same rows, that made the target.
    pub trusted: bool,
    /// What the target refused.
    pub letters: DeadLetters,
}

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swept {
    /// Documents that were gone from the target and are deleted now.
    pub deleted: u64,
    /// Documents that the migration had left out: they stay.
    pub left_out: u64,
}

#[derive(Debug)]
struct Sweep {
    carrier: Arc<Carrier>,
    kept: IndexName,
    left_out: LeftOut,
    found: Mutex<Swept>,
}

/// Looks every document of the kept copy up in the target, and deletes what is gone there.
pub(super) async fn sweep(feed: &Feed, left_out: &LeftOut) -> Result<Swept, Error> {
    let session = feed.carrier.session();
    let sweep = Arc::new(Sweep {
        carrier: Arc::clone(&feed.carrier),
        kept: feed.kept.clone(),
        left_out: left_out.clone(),
        found: Mutex::default(),
    });
    let stretches = everything(session, &feed.kept).await?;
    let shared = Arc::clone(&sweep);
    let each = move |page: Vec<Seen>| {
        let sweep = Arc::clone(&shared);
        async move { sweep.page(&page).await }
    };
    each_page(session, &feed.kept, &stretches, each).await?;
    let found = *sweep.found.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(found)
}

fn keys<'a>(seen: &[&'a Seen]) -> Vec<(&'a str, Option<&'a str>)> {
    seen.iter().map(|seen| (seen.id.as_str(), seen.routing.as_deref())).collect()
}

impl Sweep {
    async fn page(&self, page: &[Seen]) -> Result<(), Error> {
        let page: Vec<_> = page.iter().collect();
        // The carrier's source is the target.
        let cluster = self.carrier.session().cluster();
        let there = fetch(cluster, self.carrier.source(), &keys(&page), false).await?;
        let absent = page.into_iter().zip(there).filter(|(_, there)| there.is_none());
        let (mut removals, mut originals) = (Vec::new(), Vec::new());
        for (seen, _) in absent {
            match self.carried_at(seen)? {
                Some(provenance) => removals.push(removal(seen, provenance)),
                None => originals.push(seen),
            }
        }
        let gone = self.deleted_originals(&originals).await?;
        let left_out = (originals.len() - gone.len()) as u64;
        let first = self.first_operation()?;
        removals.extend(gone.into_iter().map(|seen| removal(seen, first)));
        if !removals.is_empty() {
            self.carrier.remove(&removals).await?;
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.deleted += removals.len() as u64;
        found.left_out += left_out;
        Ok(())
    }

    /// The operation at which the document was carried back, if it was.
    fn carried_at(&self, seen: &Seen) -> Result<Option<Provenance>, Error> {
        let ours = self.carrier.lineage().incarnation;
        match seen.version.origin() {
            Origin::Ours(was) if was.incarnation == ours => Ok(Some(was)),
            Origin::Touched { was, .. } if was.incarnation == ours => Err(Error::Diverged {
                reason: format!("somebody else has written {:?} of {}", seen.id, self.kept),
                summary: VerifySummary::default(),
            }),
            _ => Ok(None),
        }
    }

    /// Below every operation that can be carried: of documents that never were.
    fn first_operation(&self) -> Result<Provenance, Error> {
        let op = Op::of(SeqNo(0), Shard(0), self.carrier.shard_count())?;
        let incarnation = self.carrier.lineage().incarnation;
        Ok(Provenance { incarnation, op, delete: false, rewrite: Rewrite::FIRST })
    }

    /// Those of `absent`, which were never carried back, that the target once had.
    async fn deleted_originals<'a>(&self, absent: &[&'a Seen]) -> Result<Vec<&'a Seen>, Error> {
        if absent.is_empty() {
            return Ok(Vec::new());
        }
        let program = &self.left_out.program;
        if !self.left_out.trusted && !program.is_pass_through() {
            return Err(Error::Recipe(format!(
                "whether {:?} was deleted or never in the target cannot be told: pipeline or lookup \
                 rows are not those that the target was made with",
                absent.first().map_or("", |seen| seen.id.as_str())
            )));
        }
        let cluster = self.carrier.session().cluster();
        let documents = fetch(cluster, &self.kept, &keys(absent), true).await?;
        let letters = self.left_out.letters.find(&keys(absent)).await?;
        let mut worker = program.worker();
        let (mut gone, mut out) = (Vec::new(), Vec::new());
        for ((seen, document), letter) in absent.iter().zip(documents).zip(letters) {
            let source = document.and_then(|document| document.source);
            let Some(source) = source else { continue };
            out.clear();
            let routing = seen.routing.as_deref();
            let document = Document { id: &seen.id, routing, source: source.get().as_bytes() };
            let written = worker.apply(document, &mut out)? == Outcome::Written;
            if written && letter.is_none_or(|letter| letter.seq_no != seen.seq_no) {
                gone.push(*seen);
            }
        }
        Ok(gone)
    }
}

fn removal(seen: &Seen, at: Provenance) -> Gone {
    let delete = Removal::Below(Provenance { delete: true, ..at });
    Gone { id: seen.id.clone(), routing: seen.routing.clone(), delete }
}
