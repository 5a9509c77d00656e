//! Deletes where the pipeline makes the keys.
//!
//! The source knows none of the keys in the target, and what one of its documents became may stand under
//! other keys than before. So each number is settled for itself: once it is gone, everything that was made
//! of it goes, **at that very number**. A later write of the same key, by the same document or by another
//! one, has a higher version and stays, whether it came before the delete or comes after it.

use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{Fetch, Hit};
use segue_model::audit::{Fate, Numbers, fate, gone_at};
use segue_model::id::{IndexName, SeqNo};
use segue_model::stamp::Removal;
use segue_model::version::{Incarnation, Origin, Provenance, Rewrite, Version};
use segue_transform::DocumentKey;

use super::{AT_ONCE, Audit, Audited, Remove, ask};
use crate::error::Error;
use crate::inventory::Place;
use crate::page::PageReader;
use crate::pass::{Carrier, Gone};
use crate::scan::everything;

/// What was made of a number that is gone, under which document of the source.
struct Left {
    id: String,
    routing: Option<String>,
    keys: BTreeSet<DocumentKey>,
}

impl<R: Remove> Audit<'_, R> {
    /// Settles the documents that stood at `gone`.
    pub(super) async fn settle_keyed(
        &self,
        gone: &Numbers,
        places: &[Place],
        checkpoint: SeqNo,
    ) -> Result<Audited, Error> {
        let mut left: BTreeMap<SeqNo, Left> = BTreeMap::new();
        for place in places {
            let entries = tokio::task::block_in_place(|| self.shard.entries(*place))?;
            for entry in entries.into_iter().filter(|entry| gone.contains(entry.seq_no)) {
                // A number that another projection has read too may have made other keys then.
                let one = left.entry(entry.seq_no).or_insert_with(|| Left {
                    id: entry.id,
                    routing: entry.routing,
                    keys: BTreeSet::new(),
                });
                one.keys.extend(entry.keys.unwrap_or_default());
            }
        }
        if let Some(number) = gone.iter().find(|number| !left.contains_key(number)) {
            let what = format!("number {number} is in no run of the inventory");
            return Err(Error::Task(what));
        }
        let mut audited = Audited::default();
        let all: Vec<_> = left.into_iter().collect();
        for some in all.chunks(AT_ONCE) {
            audited.add(self.settle_some_keyed(some, checkpoint).await?);
        }
        Ok(audited)
    }

    async fn settle_some_keyed(
        &self,
        some: &[(SeqNo, Left)],
        checkpoint: SeqNo,
    ) -> Result<Audited, Error> {
        self.carrier.session().check_stop()?;
        let keys: Vec<_> =
            some.iter().map(|(_, left)| (left.id.as_str(), left.routing.as_deref())).collect();
        // A delete may be known to the primary alone, and go with it: then the number is live again.
        let now = ask::ask(self.carrier, &keys).await?;
        let mut audited = Audited::default();
        let (mut gone, mut settled, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        for ((number, left), now) in some.iter().zip(now) {
            let read = |number| self.shard.with_held(|held| held.contains(number));
            match fate(*number, now, checkpoint, read) {
                Fate::Waits => {
                    audited.waiting += 1;
                    continue;
                }
                Fate::Missed(at) => missed.push(at),
                Fate::Superseded | Fate::Delete(_) => {
                    gone.extend(self.at_number(*number, &left.keys)?);
                }
            }
            settled.push(*number);
        }
        if !missed.is_empty() {
            return Err(self.missed(&missed));
        }
        self.remove.remove(&gone).await?;
        audited.deleted += gone.len() as u64;
        self.shard.settle(&settled)?;
        Ok(audited)
    }

    /// What takes away what was made of `number`.
    fn at_number(&self, number: SeqNo, keys: &BTreeSet<DocumentKey>) -> Result<Vec<Gone>, Error> {
        let (shard, shards) = (self.shard.shard(), self.carrier.shard_count());
        let incarnation = self.carrier.lineage().incarnation;
        let delete = Removal::Below(gone_at(incarnation, number, shard, shards)?);
        let gone =
            |key: &DocumentKey| Gone { id: key.id.clone(), routing: key.routing.clone(), delete };
        Ok(keys.iter().map(gone).collect())
    }
}

/// Takes out of `target` what an earlier projection made and the present one does not make any more: it
/// has read every number once more, so whatever bears an older projection is left from before.
pub(crate) async fn sweep(
    carrier: &Carrier,
    target: &IndexName,
    remove: &impl Remove,
) -> Result<Audited, Error> {
    let session = carrier.session();
    let (incarnation, rewrite) = (carrier.lineage().incarnation, carrier.lineage().rewrite);
    if (incarnation, rewrite) == (Incarnation::FIRST, Rewrite::FIRST) {
        carrier.is_swept();
        return Ok(Audited::default());
    }
    let mut pages = PageReader::new(session, target, Fetch::IdsOnly);
    let (mut gone, mut deleted) = (Vec::new(), 0);
    for stretch in everything(session, target).await? {
        let mut after = Some(stretch.from);
        while let Some(from) = after {
            session.check_stop()?;
            let turned = pages.turn(stretch.shard, from, stretch.to).await?;
            let old = turned.page.hits().filter_map(|hit| outdated(&hit, incarnation, rewrite));
            gone.extend(old);
            after = turned.next;
            if gone.len() >= AT_ONCE {
                remove.remove(&gone).await?;
                deleted += gone.len() as u64;
                gone.clear();
            }
        }
    }
    remove.remove(&gone).await?;
    deleted += gone.len() as u64;
    carrier.is_swept();
    Ok(Audited { deleted, waiting: 0 })
}

/// What takes `hit` away if an earlier projection has written it.
fn outdated(hit: &Hit<'_>, incarnation: Incarnation, rewrite: Rewrite) -> Option<Gone> {
    let Origin::Ours(stands) = Version(hit.version).origin() else { return None };
    if (stands.incarnation, stands.rewrite) >= (incarnation, rewrite) {
        return None;
    }
    // In the place of what the present projection would write there: above what stands there, and not
    // above what any later one may write.
    let delete = match stands.incarnation == incarnation {
        true => Provenance { rewrite, delete: false, ..stands },
        false => Provenance { delete: true, ..stands },
    };
    let routing = hit.routing.as_ref().map(ToString::to_string);
    Some(Gone { id: hit.id.to_string(), routing, delete: Removal::Below(delete) })
}
