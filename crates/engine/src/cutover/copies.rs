//! Waiting, before the gate, for the target's copies.

use std::time::{Duration, Instant};

use crate::error::{Doing, Error};
use crate::part_run::PartRun;

/// Waits until the target has as many copies as the source, for as long as health is waited for; the
/// gate has the last word.
pub(crate) async fn wait_for_copies(run: &PartRun) -> Result<(), Error> {
    let begun = Instant::now();
    let looking = || "looking at the copies of source and target".to_owned();
    let cluster = run.session.cluster();
    while begun.elapsed() < run.session.limits().health_wait {
        let source = cluster.shard_stats(run.source().as_str()).await.doing(looking)?;
        let target = cluster.shard_stats(run.target().as_str()).await.doing(looking)?;
        let copies = |shards: &segue_cluster::IndexShards| {
            u64::from(shards.active_copies) * 1000 / (shards.primaries.len().max(1) as u64)
        };
        if copies(&target) >= copies(&source) {
            break;
        }
        run.session.sleep(Duration::from_millis(500)).await?;
    }
    Ok(())
}
