//! Deletes where the target's documents keep the versions of their source's.
//!
//! The version of a delete is not known: no request tells it. So what is taken away is what the target
//! holds, by the version that stands there, and the tombstone gets that version: a late write of the
//! same version or an older one stays out, and whatever the application creates again, with a version
//! above its own delete, passes. What the source does not hold is asked by id before; a document that
//! is created after that is brought by a later pass.

use std::collections::HashSet;

use segue_model::audit::{Found, Now};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::position::Window;
use segue_model::stamp::Removal;
use segue_model::version::Version;

use super::{Audit, Audited, Remove, ask};
use crate::error::{Doing, Error};
use crate::fetch::fetch;
use crate::inventory::Entry;
use crate::pass::{Carrier, Gone};

/// A document of the target.
pub(super) struct Held {
    pub id: String,
    pub routing: Option<String>,
    pub version: Version,
}

impl Held {
    fn removal(&self) -> Gone {
        let delete = Removal::UpTo(self.version);
        Gone { id: self.id.clone(), routing: self.routing.clone(), delete }
    }
}

/// What takes away what `target` holds of `entries`, which the source does not.
pub(super) async fn standing(
    carrier: &Carrier,
    target: &IndexName,
    entries: &[&Entry],
) -> Result<Vec<Gone>, Error> {
    let keys: Vec<_> = entries.iter().map(|e| (e.id.as_str(), e.routing.as_deref())).collect();
    let there = fetch(carrier.session().cluster(), target, &keys, false).await?;
    let mut gone = Vec::new();
    for (entry, document) in entries.iter().zip(there) {
        // Of another routing it is another document, or a later state of this one.
        let Some(document) = document.filter(|d| d.routing == entry.routing) else { continue };
        let (id, routing) = (entry.id.clone(), entry.routing.clone());
        gone.push(Held { id, routing, version: Version(document.version) }.removal());
    }
    Ok(gone)
}

/// Takes away those of `held` that the source does not hold.
pub(super) async fn take_away(
    carrier: &Carrier,
    remove: &impl Remove,
    held: &mut Vec<Held>,
) -> Result<Audited, Error> {
    let keys: Vec<_> = held.iter().map(|h| (h.id.as_str(), h.routing.as_deref())).collect();
    let now = ask::ask(carrier, Shard(0), &keys).await?;
    let left = held.iter().zip(now);
    let left = left.filter(|(_, now)| matches!(now, Now::Absent | Now::OtherRouting(_)));
    let gone: Vec<_> = left.map(|(held, _)| held.removal()).collect();
    remove.remove(&gone).await?;
    held.clear();
    Ok(Audited { deleted: gone.len() as u64, waiting: 0 })
}

/// Id and routing of every document that was read under a number that is not live any more: what the
/// next audit looks at. Changes nothing.
pub(crate) async fn pending(
    carrier: &Carrier,
    target: &IndexName,
) -> Result<HashSet<(String, Option<String>)>, Error> {
    let source = carrier.source().as_str();
    let cluster = carrier.session().cluster();
    cluster.refresh(source).await.doing(|| format!("refreshing {source}"))?;
    let mut pending = HashSet::new();
    for shard in carrier.shards() {
        let checkpoint = shard.position();
        if checkpoint == SeqNo::NONE {
            continue;
        }
        let all = Window { from: SeqNo::NONE, to: checkpoint };
        let audit = Audit { carrier, target, shard, remove: carrier };
        let Found { gone, .. } = audit.hunt(checkpoint, all).await?;
        for place in shard.places(&gone) {
            let entries = tokio::task::block_in_place(|| shard.entries(place))?;
            let gone = entries.into_iter().filter(|entry| gone.contains(entry.seq_no));
            pending.extend(gone.map(|entry| (entry.id, entry.routing)));
        }
    }
    Ok(pending)
}
