//! Watches the cluster's and this machine's health, and holds work back while it is bad.

use std::path::Path;
use std::time::{Duration, Instant};

use segue_cluster::{Cluster, Colour};
use segue_model::governor::{Bounds, Signals, WaitingOn, verdict};
use segue_model::recipe::Limits;
use tokio::sync::Mutex;

use crate::error::{Doing, Error, Stop};
use crate::progress::{Listener, Progress};

/// How long a sample is good for.
const FRESH: Duration = Duration::from_secs(2);

/// The health watch of a run.
#[derive(Debug)]
pub struct Health {
    cluster: Cluster,
    limits: Limits,
    listener: Listener,
    sample: Mutex<Option<(Instant, Vec<WaitingOn>)>>,
}

impl Health {
    /// A watch that has not looked yet.
    pub fn new(cluster: Cluster, limits: Limits, listener: Listener) -> Health {
        Health { cluster, limits, listener, sample: Mutex::new(None) }
    }

    /// Returns once nothing speaks against going on; fails with [`Stop::Health`] when that takes
    /// longer than `health_wait`. Callers that come while one of them looks or waits, wait too.
    pub async fn pass(&self) -> Result<(), Error> {
        let mut sample = self.sample.lock().await;
        let begun = Instant::now();
        let mut waiting = false;
        loop {
            let fresh = sample.as_ref().filter(|(at, _)| at.elapsed() < FRESH);
            let reasons = match fresh {
                Some((_, reasons)) => reasons.clone(),
                None => {
                    let reasons = self.look().await?;
                    *sample = Some((Instant::now(), reasons.clone()));
                    reasons
                }
            };
            if waiting || !reasons.is_empty() {
                let texts = reasons.iter().map(ToString::to_string).collect();
                self.listener.tell(Progress::Waiting { reasons: texts });
            }
            if reasons.is_empty() {
                return Ok(());
            }
            waiting = true;
            if begun.elapsed() >= self.limits.health_wait {
                let waited_s = begun.elapsed().as_secs();
                return Err(Error::Stopped(Stop::Health { waited_s, reasons }));
            }
            let left = self.limits.health_wait.saturating_sub(begun.elapsed());
            tokio::time::sleep(FRESH.min(left)).await;
        }
    }

    /// What speaks against going on now.
    pub(crate) async fn look(&self) -> Result<Vec<WaitingOn>, Error> {
        let looking = || "looking at the cluster's health".to_owned();
        let health = self.cluster.health().await.doing(looking)?;
        let nodes = self.cluster.node_pressure().await.doing(looking)?;
        let watermarks = self.cluster.disk_watermarks().await.doing(looking)?;
        let percent_bound = self.limits.disk_percent;
        let disk_above_high = nodes
            .iter()
            .filter(|node| {
                let used = used_percent(node.disk_total, node.disk_available);
                watermarks.high.reached(node.disk_total, node.disk_available)
                    || percent_bound.is_some_and(|bound| used > bound)
            })
            .map(|node| {
                let used = used_percent(node.disk_total, node.disk_available);
                (node.name.clone(), format!("{used} % in use"))
            })
            .collect();
        let signals = Signals {
            cluster_red: health.status == Colour::Red,
            heap_percent: nodes.iter().map(|n| (n.name.clone(), n.heap_used_percent)).collect(),
            disk_above_high,
            memory_percent: memory_percent(Path::new("/proc/meminfo")),
        };
        let bounds = Bounds {
            heap_percent: self.limits.heap_percent,
            memory_percent: self.limits.max_memory_percent,
        };
        Ok(verdict(&signals, bounds))
    }
}

fn used_percent(total: u64, available: u64) -> u8 {
    let used = total.saturating_sub(available);
    u8::try_from((used * 100).checked_div(total).unwrap_or(0)).unwrap_or(100)
}

/// The memory of this machine that is in use, in percent; `None` where the system does not say.
fn memory_percent(meminfo: &Path) -> Option<u8> {
    let text = std::fs::read_to_string(meminfo).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some(used_percent(field("MemTotal")?, field("MemAvailable")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_the_kernel_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meminfo");
        std::fs::write(&file, "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    130 kB\n")
            .unwrap();
        assert_eq!(memory_percent(&file), Some(87));
        assert_eq!(memory_percent(&folder.path().join("absent")), None);
    }
}
