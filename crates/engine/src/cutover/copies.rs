//! Waiting, before the gate, for the target's copies.

use std::time::{Duration, Instant};

use segue_model::id::IndexName;

use crate::error::{Doing, Error};
use crate::session::Session;

/// Waits until the target has as many copies as the source, for as long as health is waited for; the
/// gate has the last word.
pub(crate) async fn wait_for_copies(
    session: &Session,
    source: &IndexName,
    target: &IndexName,
) -> Result<(), Error> {
    let begun = Instant::now();
    let looking = || "looking at the copies of source and target".to_owned();
    let cluster = session.cluster();
    while begun.elapsed() < session.limits().health_wait {
        let old = cluster.shard_stats(source.as_str()).await.doing(looking)?;
        let new = cluster.shard_stats(target.as_str()).await.doing(looking)?;
        let copies = |shards: &segue_cluster::IndexShards| {
            u64::from(shards.active_copies) * 1000 / (shards.primaries.len().max(1) as u64)
        };
        if copies(&new) >= copies(&old) {
            break;
        }
        session.sleep(Duration::from_millis(500)).await?;
    }
    Ok(())
}
