//! How much a run may use.

use std::time::Duration;

/// How much a run may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Documents per bulk request at most. Default 1000.
    pub batch_docs: u32,
    /// Bulk requests that a run sends before it stops, to be resumed. Default none.
    pub max_batches: Option<u64>,
    /// Bytes per bulk request at most. Default 5 MiB.
    pub batch_bytes: u64,
    /// Batches of one part in flight at once. Default 4.
    pub lanes: u32,
    /// Parts worked on at once. Default 2.
    pub parts: u32,
    /// Attempts after the first one for a request that may be repeated. Default 3.
    pub retries: u32,
    /// Pause before the first repetition; later ones wait longer. Default 5 s.
    pub retry_delay: Duration,
    /// Own and machine memory in use, percent, above which a run pauses. Default 85.
    pub max_memory_percent: u8,
    /// Heap in use on a node, percent, above which a run pauses. Default 90.
    pub heap_percent: u8,
    /// Disk in use on a node, percent, above which a run pauses. None: the cluster's watermarks.
    pub disk_percent: Option<u8>,
    /// How long a pause may last before the run stops at a resumable point. Default 5 min.
    pub health_wait: Duration,
    /// How long a part stays with a process that gives no sign of life. Default 30 s.
    pub lease_ttl: Duration,
    /// Ceiling on speed.
    pub docs_per_second: DocsPerSecond,
}

/// Ceiling on speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DocsPerSecond {
    /// As fast as the cluster's health allows.
    #[default]
    Auto,
    /// At most this many documents a second, over all parts.
    AtMost(u64),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_docs: 1000,
            max_batches: None,
            batch_bytes: 5 * 1024 * 1024,
            lanes: 4,
            parts: 2,
            retries: 3,
            retry_delay: Duration::from_secs(5),
            max_memory_percent: 85,
            heap_percent: 90,
            disk_percent: None,
            health_wait: Duration::from_mins(5),
            lease_ttl: Duration::from_secs(30),
            docs_per_second: DocsPerSecond::Auto,
        }
    }
}
