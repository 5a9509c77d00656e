//! One batch of documents on their way through the pipeline and back into the index they come from.

use std::time::{Duration, Instant};

use segue_cluster::{Cluster, DocVersion, Hit};
use segue_model::balance::Balance;
use segue_model::enrich::{Applied, OVERTAKEN, Rule, Verdict, verdict};
use segue_model::id::{SeqNo, Shard};
use segue_transform::{Document, Outcome, Worker};

use crate::cutover::redirect::writer::{Fate, How, Place, Write, try_write};
use crate::error::Error;
use crate::pass::DeadLetter;

/// How long writes that the cluster does not take now are tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many documents are written in one go.
const WRITES: usize = 500;

/// Documents that were judged, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    writes: Vec<(Write, Shard, SeqNo)>,
    /// Documents that stay as the application wrote them.
    pub left: Vec<DeadLetter>,
    /// Everything that was judged.
    pub balance: Balance,
}

impl Batch {
    /// Judges one document.
    ///
    /// # Errors
    /// When the rows of a lookup can't be read.
    pub(crate) fn take(
        &mut self,
        worker: &mut Worker,
        rule: Rule,
        shard: Shard,
        hit: &Hit<'_>,
    ) -> Result<(), Error> {
        let routing = hit.routing.as_deref();
        let document = Document { id: &hit.id, routing, source: hit.source };
        self.balance.read += 1;
        match judge(worker, rule, document)? {
            Verdict::Settled => self.balance.already_there += 1,
            Verdict::Leave { kind, reason } => {
                let at = (shard, SeqNo(hit.seq_no));
                self.leave(DeadLetter::new((&hit.id, routing), at, kind, &reason));
            }
            Verdict::Enrich(source) => {
                let state = DocVersion { seq_no: hit.seq_no, primary_term: hit.primary_term };
                let (id, routing) = (hit.id.to_string(), routing.map(str::to_owned));
                let write = Write { id, routing, how: How::Replace(state), source };
                self.writes.push((write, shard, SeqNo(hit.seq_no)));
            }
        }
        Ok(())
    }

    /// How many documents are to be written.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.len() as u64
    }

    /// Writes what is to be written, each document where it still is as it was read.
    ///
    /// # Errors
    /// When the cluster does not take the writes for as long as they are tried.
    pub(crate) async fn write(&mut self, cluster: &Cluster, index: &str) -> Result<(), Error> {
        while !self.writes.is_empty() {
            let rest = self.writes.split_off(self.writes.len().min(WRITES));
            let some = std::mem::replace(&mut self.writes, rest);
            let (some, read): (Vec<_>, Vec<_>) =
                some.into_iter().map(|(write, shard, seq_no)| (write, (shard, seq_no))).unzip();
            let until = Instant::now() + PATIENCE;
            let fates = try_write(cluster, Place::Index(index), &some, until).await?;
            let fates = fates.map_err(|untaken| Error::GivenUp {
                what: format!("enriching documents of {index}"),
                attempts: untaken.attempts,
                waited_s: PATIENCE.as_secs(),
                reason: untaken.reason,
            })?;
            for ((write, (shard, seq_no)), fate) in some.into_iter().zip(read).zip(fates) {
                match fate {
                    Fate::Applied => self.balance.written += 1,
                    // The application has written it anew, or deleted it: what it did stands. A newer
                    // document has a number that the next pass reads.
                    Fate::Conflict => self.balance.filter(OVERTAKEN),
                    Fate::Refused { kind, reason } => {
                        let key = (write.id.as_str(), write.routing.as_deref());
                        let letter = DeadLetter::new(key, (shard, seq_no), &kind, &reason);
                        self.leave(letter.sent(&write.source));
                    }
                }
            }
        }
        Ok(())
    }

    fn leave(&mut self, letter: DeadLetter) {
        self.balance.dead_letter(&letter.kind);
        self.left.push(letter);
    }
}

/// What is to be done with a document.
///
/// # Errors
/// When the rows of a lookup can't be read.
pub(super) fn judge(
    worker: &mut Worker,
    rule: Rule,
    document: Document<'_>,
) -> Result<Verdict, Error> {
    verdict(document.source, rule, &mut |source| {
        let mut out = Vec::new();
        Ok(match worker.apply(Document { source, ..document }, &mut out)? {
            Outcome::Written => Applied::Written(out),
            Outcome::Filtered { reason } => Applied::LeftOut(reason.to_string()),
            Outcome::Refused { reason } => Applied::Refused(reason),
        })
    })
}
