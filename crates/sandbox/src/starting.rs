//! Nodes that were started and are waited for.

use std::ffi::OsStr;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Talk;
use crate::error::Error;
use crate::home::{Home, Record, tail};
use crate::http;
use crate::node;
use crate::process;
use crate::running::{NodeState, QUESTION, state};

/// A cluster that is waited for.
pub(crate) struct Wanted {
    /// The node that is asked.
    pub asked: usize,
    /// How many nodes it must see.
    pub nodes: usize,
    /// How long to wait.
    pub within: Duration,
}

/// An index whose data is damaged never gets better: it is waited for no longer than this.
const RED_PATIENCE: Duration = Duration::from_secs(30);
const RED: &str = "some index has a shard without a primary";

/// Nodes started by this process that have not answered yet. Those of a start that fails are
/// stopped: what doesn't work shall not hold memory and ports.
pub(crate) struct Starting<'a> {
    home: &'a Home,
    record: &'a Record,
    children: Vec<(usize, Child)>,
}

impl<'a> Starting<'a> {
    pub(crate) fn new(home: &'a Home, record: &'a Record) -> Self {
        Self { home, record, children: Vec::new() }
    }

    pub(crate) fn start(&mut self, number: usize, class_path: &OsStr) -> Result<(), Error> {
        let child = node::start(self.home, self.record, number, class_path)?;
        self.children.push((number, child));
        Ok(())
    }

    /// Waits until the node that is asked sees all nodes and no primary shard is missing.
    pub(crate) fn wait(mut self, wanted: &Wanted, talk: &mut Talk<'_>) -> Result<(), Error> {
        let since = Instant::now();
        let mut seen = Seen::Silence;
        while since.elapsed() < wanted.within {
            self.all_alive()?;
            seen = self.look(wanted);
            match seen {
                Seen::Ready => return self.leave_running(),
                Seen::Red if since.elapsed() > RED_PATIENCE => break,
                _ => std::thread::sleep(Duration::from_millis(200)),
            }
        }
        if matches!(seen, Seen::Red) {
            talk(&format!("the cluster is up, but {RED}"));
            return self.leave_running();
        }
        let log = self.home.log(wanted.asked);
        let tail = tail(&log);
        Err(Error::NotReady { within: wanted.within, seen: seen.to_string(), log, tail })
    }

    fn leave_running(&mut self) -> Result<(), Error> {
        self.children.clear();
        Ok(())
    }

    fn all_alive(&mut self) -> Result<(), Error> {
        let ended = self
            .children
            .iter_mut()
            .find_map(|(node, child)| matches!(child.try_wait(), Ok(Some(_))).then_some(*node));
        let Some(node) = ended else { return Ok(()) };
        let log = self.home.log(node);
        let tail = tail(&log);
        Err(Error::NodeEnded { node: format!("node-{node}"), log, tail })
    }

    fn look(&self, wanted: &Wanted) -> Seen {
        if state(self.home, self.record, wanted.asked) != NodeState::Answers {
            return Seen::Silence;
        }
        let http = self.record.nodes[wanted.asked - 1].http;
        match http::get(http, "/_cluster/health", QUESTION) {
            Ok(health) => Seen::in_health(&health, wanted.nodes),
            Err(_) => Seen::Silence,
        }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        for (node, child) in &self.children {
            let mark = process::mark(self.home.path(), *node);
            // The start's own error is the one to report.
            let _ = process::stop(child.id(), &mark, Duration::from_secs(5));
        }
    }
}

/// What a look at the cluster showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Silence,
    Nodes { seen: u64, wanted: usize },
    Red,
    Ready,
}

impl Seen {
    fn in_health(health: &Value, wanted: usize) -> Self {
        let nodes = health.get("number_of_nodes").and_then(Value::as_u64).unwrap_or(0);
        if usize::try_from(nodes).is_ok_and(|nodes| nodes < wanted) {
            return Self::Nodes { seen: nodes, wanted };
        }
        match health.get("status").and_then(Value::as_str) {
            Some("green" | "yellow") => Self::Ready,
            _ => Self::Red,
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silence => f.write_str("no answer yet"),
            Self::Nodes { seen, wanted } => write!(f, "{seen} of {wanted} nodes"),
            Self::Red => f.write_str(RED),
            Self::Ready => f.write_str("ready"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_all_nodes_and_all_primaries() {
        let health = |nodes: u64, status: &str| serde_json::json!({"number_of_nodes": nodes, "status": status});
        for (answer, seen) in [
            (health(3, "green"), Seen::Ready),
            (health(3, "yellow"), Seen::Ready),
            (health(4, "yellow"), Seen::Ready),
            (health(3, "red"), Seen::Red),
            (health(2, "green"), Seen::Nodes { seen: 2, wanted: 3 }),
            (serde_json::json!({}), Seen::Nodes { seen: 0, wanted: 3 }),
        ] {
            assert_eq!(Seen::in_health(&answer, 3), seen, "{answer}");
        }
    }
}
