//! What the target held at the switch, noted in the inventory of the way back.
//!
//! With it the inventory has the number of every document of the target, and the delete audit finds by
//! numbers alone what is gone: in the window it costs next to nothing where nothing was deleted.

use std::sync::Arc;

use segue_model::id::{SeqNo, Shard};

use super::Feed;
use crate::error::{Doing, Error};
use crate::inventory::{Class, Run};
use crate::pass::ShardCarrier;
use crate::scan::{Seen, Stretch, each_page};

/// Notes every document of the target up to `cursor`, once. What was deleted before is not there any
/// more: that is for a sweep to find, after this.
pub(super) async fn note_base(feed: &Feed, cursor: &[SeqNo]) -> Result<(), Error> {
    let carrier = &feed.carrier;
    if carrier.shards().iter().all(ShardCarrier::is_inventory_whole) {
        return Ok(());
    }
    let session = carrier.session();
    let target = carrier.source();
    session.cluster().refresh(target.as_str()).await.doing(|| format!("refreshing {target}"))?;
    // Also what was carried: an inventory that is lost holds none of it.
    let ends = carrier.positions().into_iter().zip(cursor).map(|(position, at)| position.max(*at));
    let stretches: Vec<_> = (0u32..)
        .zip(ends)
        .map(|(shard, to)| Stretch { shard: Shard(shard), from: SeqNo::NONE, to })
        .filter(|stretch| stretch.from < stretch.to)
        .collect();
    let noting = Arc::clone(carrier);
    let each = move |page: Vec<Seen>| {
        let carrier = Arc::clone(&noting);
        async move {
            let mut run = Run::default();
            for seen in &page {
                run.push(seen.seq_no, &seen.id, seen.routing.as_deref(), Class::Written);
            }
            // A page is of one shard.
            let of = page.first().map(|seen| seen.shard);
            match carrier.shards().iter().find(|shard| Some(shard.shard()) == of) {
                Some(shard) => tokio::task::block_in_place(|| shard.note(&run)),
                None => Err(Error::Task("a page of no shard".to_owned())),
            }
        }
    };
    each_page(session, target, &stretches, each).await?;
    for shard in carrier.shards() {
        shard.inventory_is_whole();
        shard.save().await?;
    }
    Ok(())
}
