//! Ingest pipelines: what a node does with a document before it is written.

use serde_json::Value;

use crate::alias::Acknowledged;
use crate::{Cluster, Error, Request, path};

impl Cluster {
    /// Makes a pipeline, or replaces it.
    ///
    /// # Errors
    /// 400 for a processor that the cluster does not have; [`Error::Unacknowledged`]; failures of the
    /// request.
    pub async fn put_pipeline(&self, name: &str, body: &Value) -> Result<(), Error> {
        let request = Request::put(path(&["_ingest", "pipeline", name])).json(body);
        self.change(request.idempotent(true)).await
    }

    /// A pipeline's definition; `None` when there is none of that name.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn pipeline(&self, name: &str) -> Result<Option<Value>, Error> {
        let request = Request::get(path(&["_ingest", "pipeline", name])).allow(404);
        let call = request.call();
        let answer = self.call(request).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let mut all: Value = serde_json::from_slice(&answer.body)
            .map_err(|e| Error::Malformed { call, what: e.to_string() })?;
        Ok(all.get_mut(name).map(Value::take))
    }

    /// The names of all pipelines that begin with `prefix`.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn pipelines(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let pattern = format!("{prefix}*");
        let request = Request::get(path(&["_ingest", "pipeline", &pattern])).allow(404);
        let call = request.call();
        let answer = self.call(request).await?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let all: serde_json::Map<String, Value> = serde_json::from_slice(&answer.body)
            .map_err(|e| Error::Malformed { call, what: e.to_string() })?;
        Ok(all.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(prefix)).collect())
    }

    /// Deletes a pipeline, if it is there. The engines delete one that is in use, too: writes that need
    /// it are refused from then on.
    ///
    /// # Errors
    /// [`Error::Unacknowledged`]; failures of the request.
    pub async fn delete_pipeline(&self, name: &str) -> Result<(), Error> {
        let request =
            Request::delete(path(&["_ingest", "pipeline", name])).allow(404).idempotent(true);
        let call = request.call();
        let answer = self.call(request).await?;
        if answer.status == 404 {
            return Ok(());
        }
        serde_json::from_slice::<Acknowledged>(&answer.body)
            .map_err(|e| Error::Malformed { call: call.clone(), what: e.to_string() })?
            .check(call)
    }
}
