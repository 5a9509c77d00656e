//! The governor turns signals of the cluster and of this process into a verdict with a named reason.
//!
//! Today it knows two: go on, or wait. A wait is never silent (each signal says what was seen and
//! what is allowed) and never endless: the caller waits up to `health_wait` and then stops in a way
//! that can be resumed.

use std::fmt;

use serde::Serialize;

/// What was measured. `None` where the cluster did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Whether some primary in the cluster is missing.
    pub cluster_red: bool,
    /// Each node's heap, in percent, with its name.
    pub heap_percent: Vec<(String, u8)>,
    /// Nodes whose disk is above the cluster's high watermark, with what was seen.
    pub disk_above_high: Vec<(String, String)>,
    /// Memory of the machine this process runs on that is in use, in percent.
    pub memory_percent: Option<u8>,
}

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Highest heap of a node, in percent.
    pub heap_percent: u8,
    /// Highest use of this machine's memory, in percent.
    pub memory_percent: u8,
}

/// Why nothing is sent for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "waiting_on", rename_all = "snake_case")]
pub enum WaitingOn {
    /// Some primary in the cluster is missing.
    ClusterRed,
    /// A node is short of heap.
    Heap {
        /// The node.
        node: String,
        /// What is in use, in percent.
        percent: u8,
        /// What is allowed, in percent.
        allowed: u8,
    },
    /// A node is short of disk.
    Disk {
        /// The node.
        node: String,
        /// What was seen.
        seen: String,
    },
    /// Another process works on the part.
    Lease {
        /// Which.
        holder: String,
    },
    /// Writers go on, and the recipe wants a lull before the source is closed.
    Writes {
        /// The source.
        index: String,
        /// How long there must be no write.
        quiet_for: std::time::Duration,
    },
    /// This machine is short of memory.
    OwnMemory {
        /// What is in use, in percent.
        percent: u8,
        /// What is allowed, in percent.
        allowed: u8,
    },
}

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitingOn::ClusterRed => f.write_str("cluster status red: a primary shard is missing"),
            WaitingOn::Heap { node, percent, allowed } => {
                write!(f, "heap of node {node}: {percent} % > {allowed} %")
            }
            WaitingOn::Disk { node, seen } => {
                write!(f, "disk of node {node} above the high watermark: {seen}")
            }
            WaitingOn::Lease { holder } => write!(f, "{holder}, which works on this part"),
            WaitingOn::Writes { index, quiet_for } => {
                let ms = quiet_for.as_millis();
                write!(f, "a lull of {ms} ms in the writes to {index} (cutover.quiet_for)")
            }
            WaitingOn::OwnMemory { percent, allowed } => {
                write!(f, "memory of this machine: {percent} % > {allowed} % (max_memory_percent)")
            }
        }
    }
}

/// Everything that speaks against going on; empty = go on.
pub fn verdict(signals: &Signals, bounds: Bounds) -> Vec<WaitingOn> {
    let mut reasons = Vec::new();
    if signals.cluster_red {
        reasons.push(WaitingOn::ClusterRed);
    }
    for (node, percent) in &signals.heap_percent {
        if *percent > bounds.heap_percent {
            let allowed = bounds.heap_percent;
            reasons.push(WaitingOn::Heap { node: node.clone(), percent: *percent, allowed });
        }
    }
    for (node, seen) in &signals.disk_above_high {
        reasons.push(WaitingOn::Disk { node: node.clone(), seen: seen.clone() });
    }
    if let Some(percent) = signals.memory_percent.filter(|seen| *seen > bounds.memory_percent) {
        reasons.push(WaitingOn::OwnMemory { percent, allowed: bounds.memory_percent });
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { heap_percent: 90, memory_percent: 85 };

    #[test]
    fn each_signal_waits_by_itself_and_says_why() {
        let node = || "a".to_owned();
        let table = [
            (Signals { cluster_red: true, ..Signals::default() }, "cluster status red"),
            (
                Signals { heap_percent: vec![(node(), 91)], ..Signals::default() },
                "heap of node a: 91 % > 90 %",
            ),
            (
                Signals {
                    disk_above_high: vec![(node(), "95 %".to_owned())],
                    ..Signals::default()
                },
                "disk of node a above the high watermark: 95 %",
            ),
            (
                Signals { memory_percent: Some(86), ..Signals::default() },
                "memory of this machine: 86 % > 85 %",
            ),
        ];
        for (signals, text) in table {
            let reasons = verdict(&signals, BOUNDS);
            assert_eq!(reasons.len(), 1);
            assert!(reasons[0].to_string().starts_with(text), "{}", reasons[0]);
        }
    }

    #[test]
    fn at_the_bound_is_allowed() {
        let signals = Signals {
            heap_percent: vec![("a".to_owned(), 90)],
            memory_percent: Some(85),
            ..Signals::default()
        };
        assert!(verdict(&signals, BOUNDS).is_empty());
        assert!(verdict(&Signals::default(), BOUNDS).is_empty());
    }
}
