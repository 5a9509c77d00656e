//! Whether a cluster takes compressed bulks at all.

use bytes::Bytes;

use crate::transport::gzip::GzipProbe;
use crate::{BulkAnswer, Cluster, ItemOutcome};

/// A name that no index or alias has; the write below must be refused.
const ABSENT: &str = "segue-gzip-probe-absent";

impl GzipProbe {
    /// Tries a compressed bulk that can't write anything (its alias does not exist, and an alias is
    /// required). Only the expected refusal of its one item shows that the body was understood;
    /// anything else means plain bodies. On this machine nothing is tried: compression can't pay.
    pub async fn start(cluster: &Cluster) -> GzipProbe {
        if cluster.is_loopback() {
            return GzipProbe::off();
        }
        if understands(cluster).await { GzipProbe::measuring() } else { GzipProbe::off() }
    }
}

/// Whether a compressed bulk is answered as a plain one would be.
pub(crate) async fn understands(cluster: &Cluster) -> bool {
    let body = Bytes::from_static(b"{\"index\":{\"_id\":\"probe\"}}\n{}\n");
    match cluster.bulk(ABSENT, body, 1, true).await {
        Ok(BulkAnswer::Mixed(items)) => matches!(items.as_slice(), [ItemOutcome::Fenced { .. }]),
        Ok(BulkAnswer::AllApplied) => false,
        Err(error) => {
            tracing::info!(%error, "compressed requests are not used");
            false
        }
    }
}
