//! Taking documents out of the target, each by a versioned delete.

use std::collections::VecDeque;
use std::time::Instant;

use segue_cluster::{BulkAnswer, BulkBody, Hit, ItemOutcome};
use segue_model::audit::left_out;
use segue_model::conflict::Conflict;
use segue_model::id::{SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::stamp::{Removal, Stamp};
use segue_model::version::Version;

use super::Carrier;
use super::batch::{Again, retry_class};
use crate::error::{Doing, Error};

/// How many deletes one request holds.
const AT_ONCE: usize = 2000;

/// A document that has to go from the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its id.
    pub id: String,
    /// Its routing, if it has one.
    pub routing: Option<String>,
    /// What the delete is sent with: above all that may stand there, below all that may come.
    pub delete: Removal,
}

impl Carrier {
    /// Takes away what the target may hold of documents that are left out now.
    pub(super) async fn leave_out<'a>(
        &self,
        shard: Shard,
        hits: impl Iterator<Item = &'a Hit<'a>>,
    ) -> Result<(), Error> {
        let shards = self.shard_count();
        let mut gone = Vec::new();
        for hit in hits {
            let delete = match self.lineage.stamp(SeqNo(hit.seq_no), shard, shards, hit.version)? {
                Stamp::Ours(write) => Some(Removal::Below(left_out(write, shards))),
                Stamp::Preserved(version) => Removal::before(version),
            };
            let Some(delete) = delete else { continue };
            gone.push(Gone {
                id: hit.id.to_string(),
                routing: hit.routing.as_ref().map(ToString::to_string),
                delete,
            });
        }
        self.remove(&gone).await
    }

    /// Deletes `gone` by version, through the write alias. Returns when all of it is done. Where a
    /// later operation of ours stands, that is done already.
    pub async fn remove(&self, gone: &[Gone]) -> Result<(), Error> {
        for some in gone.chunks(AT_ONCE) {
            self.remove_some(some).await?;
        }
        Ok(())
    }

    async fn remove_some(&self, gone: &[Gone]) -> Result<(), Error> {
        let mut queue = VecDeque::from([gone.iter().collect::<Vec<_>>()]);
        let begun = Instant::now();
        let mut attempt = 0;
        while let Some(some) = queue.pop_front() {
            if some.is_empty() {
                continue;
            }
            let mut body = BulkBody::default();
            for gone in &some {
                let routing = gone.routing.as_deref();
                match gone.delete {
                    Removal::Below(delete) => body.delete(&gone.id, routing, delete.version().0),
                    Removal::UpTo(version) => body.delete_up_to(&gone.id, routing, version.0),
                }
            }
            let (bytes, items) = body.take();
            let sent =
                self.session.cluster().bulk(self.write_alias.as_str(), bytes, items, false).await;
            let again = match sent {
                Ok(BulkAnswer::AllApplied) => None,
                Ok(BulkAnswer::Mixed(outcomes)) => {
                    let (left, why) = self.removed(&some, outcomes)?;
                    queue.push_back(left);
                    why
                }
                Err(error) => {
                    let again = retry_class(&error);
                    if again.is_none() {
                        return Err(error).doing(|| format!("deleting from {}", self.write_alias));
                    }
                    queue.push_back(some);
                    again
                }
            };
            if let Some(again) = again {
                attempt += 1;
                self.sender().wait_before(attempt, begun, again).await?;
            }
        }
        Ok(())
    }

    /// Which deletes have to be sent again, and why.
    fn removed<'a>(
        &self,
        gone: &[&'a Gone],
        outcomes: Vec<ItemOutcome>,
    ) -> Result<(Vec<&'a Gone>, Option<Again>), Error> {
        let (mut left, mut why) = (Vec::new(), None);
        for (gone, outcome) in gone.iter().copied().zip(outcomes) {
            match outcome {
                ItemOutcome::Applied => {}
                ItemOutcome::Conflict { current } => self.judge_delete(gone, current)?,
                ItemOutcome::Throttled { reason } | ItemOutcome::Blocked { reason } => {
                    left.push(gone);
                    why = Some(Again::Throttled(reason));
                }
                ItemOutcome::Unavailable { reason } => {
                    left.push(gone);
                    why.get_or_insert(Again::Failed(reason));
                }
                ItemOutcome::Fenced { reason } => {
                    let how = format!("the write alias {} is gone: {reason}", self.write_alias);
                    return Err(Error::TakenOver { part: self.source.clone(), how });
                }
                ItemOutcome::Rejected { kind, reason, .. } => {
                    let what = format!("deleting {:?} from {}", gone.id, self.write_alias);
                    return Err(Error::Forbidden { what, reason: format!("{kind}: {reason}") });
                }
            }
        }
        Ok((left, why))
    }

    fn judge_delete(&self, gone: &Gone, current: Option<u64>) -> Result<(), Error> {
        match gone.delete.judge(current.map(Version), self.lineage.incarnation) {
            Conflict::AlreadyThere => Ok(()),
            Conflict::Divergence { current } => {
                let there =
                    current.map_or_else(|| "an unknown version".to_owned(), |v| v.to_string());
                let reason = format!("the target holds {:?} from somebody else ({there})", gone.id);
                Err(Error::Diverged { reason, summary: VerifySummary::default() })
            }
        }
    }
}
