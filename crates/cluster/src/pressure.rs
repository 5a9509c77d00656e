//! How hard nodes work and how full their disks are.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{Cluster, Error, Request};

/// The load of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePressure {
    /// Node name.
    pub name: String,
    /// Java heap in use, percent.
    pub heap_used_percent: u8,
    /// Disk size, bytes.
    pub disk_total: u64,
    /// Disk space the engine may still use, bytes.
    pub disk_available: u64,
    /// How often circuit breakers have tripped since the node started.
    pub breakers_tripped: u64,
    /// Writes that wait for a thread.
    pub write_queue: u64,
    /// Writes refused since the node started because too many waited.
    pub write_rejected: u64,
    /// Whether the node runs ingest pipelines.
    pub ingest: bool,
    /// Whether the node holds shards.
    pub data: bool,
}

/// How full a disk may get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Watermark {
    /// Used space, percent of the disk.
    UsedPercent(f64),
    /// Free space that must remain, bytes.
    FreeBytes(u64),
}

impl Watermark {
    /// Whether a disk of `total` bytes with `available` left is at or beyond the mark.
    #[must_use]
    pub fn reached(self, total: u64, available: u64) -> bool {
        match self {
            Watermark::UsedPercent(_) if total == 0 => false,
            Watermark::UsedPercent(percent) => {
                100.0 * (1.0 - available as f64 / total as f64) >= percent
            }
            Watermark::FreeBytes(bytes) => available <= bytes,
        }
    }

    /// Bytes of a disk of `total` bytes with `available` left that may be filled before the mark is
    /// reached.
    #[must_use]
    pub fn room(self, total: u64, available: u64) -> u64 {
        let kept = match self {
            Watermark::UsedPercent(percent) => (total as f64 * (100.0 - percent) / 100.0) as u64,
            Watermark::FreeBytes(bytes) => bytes,
        };
        available.saturating_sub(kept)
    }

    /// Reads `85%`, `0.85`, `10gb` or `500`.
    fn parse(text: &str) -> Option<Watermark> {
        if let Some(percent) = text.strip_suffix('%') {
            return percent.trim().parse().ok().map(Watermark::UsedPercent);
        }
        if let Some(bytes) = bytes(text) {
            return Some(Watermark::FreeBytes(bytes));
        }
        let ratio: f64 = text.parse().ok()?;
        (0.0..=1.0).contains(&ratio).then_some(Watermark::UsedPercent(ratio * 100.0))
    }
}

/// The engine's three marks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watermarks {
    /// No further shards are placed on the node.
    pub low: Watermark,
    /// Shards are moved away.
    pub high: Watermark,
    /// Indices on the node refuse writes.
    pub flood: Watermark,
}

impl Default for Watermarks {
    fn default() -> Watermarks {
        Watermarks {
            low: Watermark::UsedPercent(85.0),
            high: Watermark::UsedPercent(90.0),
            flood: Watermark::UsedPercent(95.0),
        }
    }
}

fn bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, u32); 6] =
        [("pb", 50), ("tb", 40), ("gb", 30), ("mb", 20), ("kb", 10), ("b", 0)];
    let (number, shift) =
        UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    let number: f64 = number.trim().parse().ok()?;
    (number >= 0.0).then(|| (number * (1_u64 << shift) as f64) as u64)
}

#[derive(Deserialize)]
struct Nodes {
    #[serde(rename = "_nodes")]
    counted: NodesCounted,
    nodes: BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct NodesCounted {
    total: u32,
    failed: u32,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    jvm: Jvm,
    fs: Fs,
    breakers: BTreeMap<String, Breaker>,
    thread_pool: BTreeMap<String, ThreadPool>,
}

#[derive(Deserialize)]
struct Jvm {
    mem: Mem,
}

#[derive(Deserialize)]
struct Mem {
    heap_used_percent: u8,
}

#[derive(Deserialize)]
struct Fs {
    total: FsTotal,
}

#[derive(Deserialize)]
struct FsTotal {
    #[serde(default)]
    total_in_bytes: u64,
    #[serde(default)]
    available_in_bytes: u64,
}

#[derive(Deserialize)]
struct Breaker {
    tripped: u64,
}

#[derive(Deserialize)]
struct ThreadPool {
    #[serde(default)]
    queue: u64,
    #[serde(default)]
    rejected: u64,
}

impl Node {
    fn pressure(self) -> NodePressure {
        let has = |role: &str| self.roles.iter().any(|r| r == role);
        let write = self.thread_pool.get("write");
        NodePressure {
            heap_used_percent: self.jvm.mem.heap_used_percent,
            disk_total: self.fs.total.total_in_bytes,
            disk_available: self.fs.total.available_in_bytes,
            breakers_tripped: self.breakers.values().map(|breaker| breaker.tripped).sum(),
            write_queue: write.map_or(0, |pool| pool.queue),
            write_rejected: write.map_or(0, |pool| pool.rejected),
            ingest: has("ingest"),
            data: self.roles.iter().any(|role| role == "data" || role.starts_with("data_")),
            name: self.name,
        }
    }
}

impl Cluster {
    /// The load of every node.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a node did not answer; failures of the request.
    pub async fn node_pressure(&self) -> Result<Vec<NodePressure>, Error> {
        let request = Request::get("/_nodes/stats/jvm,fs,breaker,thread_pool");
        let call = request.call();
        let nodes: Nodes = self.json(request).await?;
        if nodes.counted.failed > 0 {
            let what = format!("{} of {} nodes failed", nodes.counted.failed, nodes.counted.total);
            return Err(Error::Incomplete { call, what });
        }
        Ok(nodes.nodes.into_values().map(Node::pressure).collect())
    }

    /// The disk marks in force; the engine's defaults where it does not say.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn disk_watermarks(&self) -> Result<Watermarks, Error> {
        let request = Request::get("/_cluster/settings")
            .query("include_defaults", "true")
            .query("flat_settings", "true");
        Ok(watermarks(&self.json(request).await?))
    }
}

fn watermarks(settings: &Value) -> Watermarks {
    let default = Watermarks::default();
    let setting = |name: &str| {
        let key = format!("cluster.routing.allocation.disk.{name}");
        let layers = ["transient", "persistent", "defaults"];
        layers.iter().find_map(|layer| settings[*layer][key.as_str()].as_str())
    };
    // The engine heeds none of them then.
    if setting("threshold_enabled") == Some("false") {
        let none = Watermark::FreeBytes(0);
        return Watermarks { low: none, high: none, flood: none };
    }
    let mark = |name: &str| setting(&format!("watermark.{name}")).and_then(Watermark::parse);
    Watermarks {
        low: mark("low").unwrap_or(default.low),
        high: mark("high").unwrap_or(default.high),
        flood: mark("flood_stage").unwrap_or(default.flood),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marks_are_read_in_every_form() {
        for (text, mark) in [
            ("85%", Some(Watermark::UsedPercent(85.0))),
            ("92.5%", Some(Watermark::UsedPercent(92.5))),
            ("0.5", Some(Watermark::UsedPercent(50.0))),
            ("10gb", Some(Watermark::FreeBytes(10 << 30))),
            ("1.5kb", Some(Watermark::FreeBytes(1536))),
            ("500b", Some(Watermark::FreeBytes(500))),
            ("x", None),
            ("5", None),
            ("-1b", None),
        ] {
            assert_eq!(Watermark::parse(text), mark, "{text}");
        }
    }

    #[test]
    fn the_nearest_layer_wins() {
        let key = |name: &str| format!("cluster.routing.allocation.disk.watermark.{name}");
        let settings = json!({
            "transient": { key("low"): "1gb" },
            "persistent": { key("low"): "70%", key("high"): "80%" },
            "defaults": { key("low"): "85%", key("high"): "90%", key("flood_stage"): "95%" },
        });
        assert_eq!(
            watermarks(&settings),
            Watermarks {
                low: Watermark::FreeBytes(1 << 30),
                high: Watermark::UsedPercent(80.0),
                flood: Watermark::UsedPercent(95.0),
            }
        );
        assert_eq!(watermarks(&json!({})), Watermarks::default());
        let off = json!({ "persistent": {
            "cluster.routing.allocation.disk.threshold_enabled": "false", key("high"): "80%"
        }});
        assert_eq!(watermarks(&off).high.room(100, 40), 40);
    }

    #[test]
    fn marks_are_reached() {
        assert!(Watermark::UsedPercent(90.0).reached(100, 10));
        assert!(!Watermark::UsedPercent(90.0).reached(100, 11));
        assert!(!Watermark::UsedPercent(90.0).reached(0, 0));
        assert!(Watermark::FreeBytes(10).reached(100, 10));
        assert!(!Watermark::FreeBytes(10).reached(100, 11));
    }

    #[test]
    fn there_is_room_up_to_the_mark() {
        for (mark, total, available, room) in [
            (Watermark::UsedPercent(90.0), 1000, 400, 300),
            (Watermark::UsedPercent(90.0), 1000, 50, 0),
            (Watermark::FreeBytes(100), 1000, 400, 300),
            (Watermark::FreeBytes(100), 1000, 99, 0),
        ] {
            assert_eq!(mark.room(total, available), room, "{mark:?} {available}");
        }
    }

    #[test]
    fn a_node_is_read() {
        let node: Node = serde_json::from_value(json!({
            "name": "Node 1", "roles": ["data_hot", "ingest"],
            "jvm": { "mem": { "heap_used_percent": 61, "heap_used_in_bytes": 1 } },
            "fs": { "total": { "total_in_bytes": 100, "free_in_bytes": 50, "available_in_bytes": 40 } },
            "breakers": { "parent": { "tripped": 2 }, "request": { "tripped": 1 } },
            "thread_pool": { "write": { "threads": 2, "queue": 5, "active": 2, "rejected": 7 } },
        }))
        .unwrap();
        let pressure = node.pressure();
        assert_eq!((pressure.heap_used_percent, pressure.breakers_tripped), (61, 3));
        assert_eq!((pressure.write_queue, pressure.write_rejected), (5, 7));
        assert_eq!((pressure.disk_total, pressure.disk_available), (100, 40));
        assert!(pressure.ingest && pressure.data);
    }
}
