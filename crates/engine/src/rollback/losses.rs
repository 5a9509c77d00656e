//! What a rollback without a feed back would lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use segue_model::id::Shard;
use serde::Serialize;

use super::Place;
use crate::error::{Doing, Error};
use crate::fetch::fetch;
use crate::part_run::PartRun;
use crate::scan::{Seen, Stretch, each_page, everything};

/// Writes since the switch, as far as they can still be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// Documents of the target that were indexed or updated since the switch.
    pub documents: u64,
    /// Documents that were deleted since. Where the pipeline makes keys this is the most that it may be:
    /// every operation that shows no document, those among them that were overwritten since.
    pub deletions: u64,
}

impl Losses {
    /// Whether nothing would be lost.
    pub fn is_none(&self) -> bool {
        self.documents + self.deletions == 0
    }
}

/// Counts what was written to the target since the switch. Writers go on meanwhile.
pub(crate) async fn losses(run: &PartRun, place: &Place) -> Result<Losses, Error> {
    let (session, target, kept) = (&run.session, run.target(), &place.kept);
    let since: Vec<_> = everything(session, target)
        .await?
        .into_iter()
        .zip(&place.cursor)
        .map(|(all, from)| Stretch { shard: Shard(all.shard.0), from: *from, to: all.to })
        .filter(|stretch| stretch.from < stretch.to)
        .collect();
    let documents = Arc::new(AtomicU64::new(0));
    let made = Arc::new(AtomicU64::new(0));
    let (count, count_made) = (Arc::clone(&documents), Arc::clone(&made));
    let (cluster, copy) = (session.cluster().clone(), kept.clone());
    let each = move |page: Vec<Seen>| {
        let (count, made) = (Arc::clone(&count), Arc::clone(&count_made));
        let (cluster, copy) = (cluster.clone(), copy.clone());
        async move {
            let keys: Vec<_> = page.iter().map(|s| (s.id.as_str(), s.routing.as_deref())).collect();
            let there = fetch(&cluster, &copy, &keys, false).await?;
            count.fetch_add(page.len() as u64, Ordering::Relaxed);
            let absent = there.iter().filter(|there| there.is_none()).count();
            made.fetch_add(absent as u64, Ordering::Relaxed);
            Ok(())
        }
    };
    each_page(session, target, &since, each).await?;
    let documents = documents.load(Ordering::Relaxed);
    if run.is_keyed() {
        let operations: u64 =
            since.iter().map(|s| u64::try_from(s.to.0 - s.from.0).unwrap_or(0)).sum();
        return Ok(Losses { documents, deletions: operations.saturating_sub(documents) });
    }
    let counting = || format!("counting {target} and {kept}");
    let cluster = session.cluster();
    let now = cluster.count(target.as_str(), None).await.doing(counting)?;
    let then = cluster.count(kept.as_str(), None).await.doing(counting)?;
    let summary = run.state.verified.as_ref().map(|(_, summary)| summary);
    let left_out = summary.map_or(0, |summary| summary.filtered + summary.dead_lettered);
    let made = made.load(Ordering::Relaxed);
    Ok(Losses { documents, deletions: (then + made).saturating_sub(now + left_out) })
}
