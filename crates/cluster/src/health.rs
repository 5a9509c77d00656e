//! How well shards are, and waiting until they are well enough.

use std::time::Duration;

use serde::Deserialize;

use crate::{Cluster, Error, Request, path};

/// The engine's summary, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// A primary is missing, or there is no such index.
    Red,
    /// Every primary is there, a replica is missing.
    Yellow,
    /// Every copy is there.
    Green,
}

impl Colour {
    /// The engine's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Colour::Red => "red",
            Colour::Yellow => "yellow",
            Colour::Green => "green",
        }
    }
}

/// Health of the cluster or of some indices.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Summary.
    pub status: Colour,
    /// Whether what was waited for did not come in time.
    #[serde(default)]
    pub timed_out: bool,
    /// Nodes.
    pub number_of_nodes: u32,
    /// Nodes that hold shards.
    pub number_of_data_nodes: u32,
    /// Started primaries.
    pub active_primary_shards: u32,
    /// Started copies, primaries included.
    pub active_shards: u32,
    /// Copies that move between nodes.
    #[serde(rename = "relocating_shards")]
    pub relocating: u32,
    /// Copies that are being built.
    #[serde(rename = "initializing_shards")]
    pub initializing: u32,
    /// Copies without a node.
    #[serde(rename = "unassigned_shards")]
    pub unassigned: u32,
    /// Changes of the cluster's state that wait.
    #[serde(default)]
    pub number_of_pending_tasks: u32,
}

impl Cluster {
    /// Health of the whole cluster.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn health(&self) -> Result<Health, Error> {
        self.json(Request::get("/_cluster/health")).await
    }

    /// Health of one index (or alias). A name that does not exist is red and has no shards.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn index_health(&self, name: &str) -> Result<Health, Error> {
        // Without a timeout of nothing the engine waits half a minute for a missing index.
        let request = Request::get(path(&["_cluster", "health", name])).query("timeout", "0s");
        self.json(request.allow(408)).await
    }

    /// Waits until `name` is at least `colour`.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when it is not within `timeout`; failures of the request.
    pub async fn wait_for_index(
        &self,
        name: &str,
        colour: Colour,
        timeout: Duration,
    ) -> Result<Health, Error> {
        let request = Request::get(path(&["_cluster", "health", name]))
            .query("wait_for_status", colour.as_str())
            .query("timeout", &format!("{}ms", timeout.as_millis()))
            .timeout(timeout + Duration::from_secs(10))
            .allow(408);
        let call = request.call();
        let health: Health = self.json(request).await?;
        if health.timed_out || health.status < colour {
            let what = format!(
                "{name} is {}, not {} after {timeout:?}",
                health.status.as_str(),
                colour.as_str()
            );
            return Err(Error::Incomplete { call, what });
        }
        Ok(health)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_ordered() {
        assert!(Colour::Red < Colour::Yellow && Colour::Yellow < Colour::Green);
    }

    #[test]
    fn health_is_read() {
        let health: Health = serde_json::from_str(
            r#"{"cluster_name":"c","status":"yellow","timed_out":false,"number_of_nodes":3,"number_of_data_nodes":2,"discovered_master":true,"active_primary_shards":4,"active_shards":5,"relocating_shards":1,"initializing_shards":2,"unassigned_shards":3,"delayed_unassigned_shards":0,"number_of_pending_tasks":6,"number_of_in_flight_fetch":0,"task_max_waiting_in_queue_millis":0,"active_shards_percent_as_number":50.0}"#,
        )
        .unwrap();
        assert_eq!(health.status, Colour::Yellow);
        assert_eq!((health.relocating, health.initializing, health.unassigned), (1, 2, 3));
        assert_eq!((health.number_of_data_nodes, health.number_of_pending_tasks), (2, 6));
    }
}
