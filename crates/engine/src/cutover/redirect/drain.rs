//! Waiting until no request is under way any more that began before something was changed.
//!
//! A block waits for writes on shards, not for requests that are still in an ingest pipeline, nor for
//! bulks that have resolved a name but not reached the shard. The list of tasks shows all of them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use segue_cluster::{Class, Cluster, Task};

use crate::error::{Doing, Error};

const BETWEEN: Duration = Duration::from_millis(10);

/// Jobs that go on for long. They write by requests of their own, which are listed themselves.
fn is_request(task: &Task) -> bool {
    !task.action.ends_with("/byquery") && !task.action.ends_with("/reindex")
}

/// Waits until every write that is under way now has ended.
///
/// # Errors
/// [`Error::BackedOut`] when that takes until `until`.
pub(super) async fn drain(cluster: &Cluster, until: Instant) -> Result<(), Error> {
    let mut left: Option<HashSet<(String, u64)>> = None;
    loop {
        match cluster.write_tasks().await {
            Ok(tasks) => {
                let now: HashSet<_> =
                    tasks.into_iter().filter(is_request).map(|task| (task.node, task.id)).collect();
                let waiting = match left.take() {
                    Some(before) => before.intersection(&now).cloned().collect(),
                    None => now,
                };
                if waiting.is_empty() {
                    return Ok(());
                }
                left = Some(waiting);
            }
            // A node that did not answer may have writes under way.
            Err(error) if matches!(error.class(), Class::Unavailable) && Instant::now() < until => {
            }
            Err(error) => return Err(error).doing(|| "waiting for writes to end".to_owned()),
        }
        if Instant::now() >= until {
            let open = left.map_or(0, |left| left.len());
            let reason = format!("{open} writes that were under way do not end");
            return Err(Error::BackedOut { reason });
        }
        tokio::time::sleep(BETWEEN).await;
    }
}
