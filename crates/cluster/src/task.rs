//! Writes that are under way in the cluster.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{Cluster, Error, Request};

/// One piece of work under way on a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// Node id.
    pub node: String,
    /// Number on that node.
    pub id: u64,
    /// What it is, e.g. `indices:data/write/bulk`.
    pub action: String,
    /// Details in the engine's words, where it gives any.
    #[serde(default)]
    pub description: Option<String>,
    /// Begin, milliseconds since 1970 on the node's clock.
    pub start_time_in_millis: i64,
    /// Age in nanoseconds, by the node's steady clock.
    pub running_time_in_nanos: u64,
    /// The task it is a part of (`node:id`).
    #[serde(default)]
    pub parent_task_id: Option<String>,
}

#[derive(Deserialize)]
struct Tasks {
    #[serde(default)]
    nodes: BTreeMap<String, OfNode>,
    #[serde(default)]
    node_failures: Vec<Value>,
    #[serde(default)]
    task_failures: Vec<Value>,
}

#[derive(Deserialize)]
struct OfNode {
    tasks: BTreeMap<String, Task>,
}

impl Cluster {
    /// Every write under way on every node, also one that is still in an ingest pipeline.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a node did not answer: its writes are not known. Failures of the
    /// request.
    pub async fn write_tasks(&self) -> Result<Vec<Task>, Error> {
        let request = Request::get("/_tasks")
            .query("actions", "indices:data/write/*")
            .query("detailed", "true");
        let call = request.call();
        let tasks: Tasks = self.json(request).await?;
        if let Some(failure) = tasks.node_failures.iter().chain(&tasks.task_failures).next() {
            return Err(Error::Incomplete { call, what: failure.to_string() });
        }
        Ok(tasks.nodes.into_values().flat_map(|node| node.tasks.into_values()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_read() {
        let tasks: Tasks = serde_json::from_str(
            r#"{"nodes":{"n":{"name":"Node 1","tasks":{"n:7":{"node":"n","id":7,"type":"transport","action":"indices:data/write/bulk","description":"requests[1], indices[a]","start_time_in_millis":1700000000000,"running_time_in_nanos":5000,"cancellable":false,"headers":{}}}}}}"#,
        )
        .unwrap();
        let task = &tasks.nodes["n"].tasks["n:7"];
        assert_eq!((task.id, task.running_time_in_nanos), (7, 5000));
        assert_eq!(task.description.as_deref(), Some("requests[1], indices[a]"));
        assert!(serde_json::from_str::<Tasks>(r#"{"nodes":{}}"#).unwrap().nodes.is_empty());
    }
}
