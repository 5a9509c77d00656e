//! Many writes in one request: how they are written down, and what became of each.

mod encode;
mod outcome;

use std::time::Duration;

use bytes::Bytes;

pub use encode::BulkBody;
pub use outcome::{BulkAnswer, ItemOutcome};

use crate::{Cluster, Error, Request, path};

/// A bulk may wait long in a busy cluster; given up early, it would only be sent again.
const TIMEOUT: Duration = Duration::from_secs(120);

impl Cluster {
    /// Sends a bulk of `items` writes to `alias`, once.
    ///
    /// The name must be an alias (`require_alias`), so that removing the alias fences every late
    /// bulk; no ingest pipeline runs (`pipeline=_none`). `gzip` compresses the body.
    ///
    /// # Errors
    /// Failures of the whole request. A request that is too large for the cluster is a
    /// [`Error::Status`] of 413. Failures of single writes are outcomes, not errors.
    pub async fn bulk(
        &self,
        alias: &str,
        body: Bytes,
        items: usize,
        gzip: bool,
    ) -> Result<BulkAnswer, Error> {
        self.bulk_to(alias, true, body, items, gzip).await
    }

    /// As [`Cluster::bulk`], to the concrete index of exactly this name. Nothing fences it: only for
    /// conditional writes.
    ///
    /// # Errors
    /// Those of [`Cluster::bulk`]; [`Error::Guard`] for a name that is not one index.
    pub async fn bulk_to_index(
        &self,
        index: &str,
        body: Bytes,
        items: usize,
    ) -> Result<BulkAnswer, Error> {
        crate::index::exact(index)?;
        self.bulk_to(index, false, body, items, false).await
    }

    async fn bulk_to(
        &self,
        name: &str,
        require_alias: bool,
        body: Bytes,
        items: usize,
        gzip: bool,
    ) -> Result<BulkAnswer, Error> {
        let request = Request::post(path(&[name, "_bulk"]))
            .query("require_alias", if require_alias { "true" } else { "false" })
            .query("pipeline", "_none")
            .body(body, "application/x-ndjson")
            .gzip_body(gzip)
            .timeout(TIMEOUT);
        let call = request.call();
        let answer = self.send(request).await?;
        BulkAnswer::parse(&answer.body, items).map_err(|what| Error::Malformed { call, what })
    }
}
