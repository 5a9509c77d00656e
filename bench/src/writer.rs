//! A writer at a steady rate, as an application would be, and what it notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use segue_demo::http::Http;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Bulks a second.
const BULKS: u32 = 50;

/// What a writer noticed.
#[derive(Debug, Default)]
pub struct Noticed {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes that were not.
    pub refused: u64,
    /// From the first refusal to the next acknowledged write, the longest, in milliseconds.
    pub window_ms: f64,
    /// How long each bulk took, in milliseconds, sorted.
    pub latencies_ms: Vec<f64>,
}

impl Noticed {
    /// The latency below which this share of the bulks stays, in milliseconds.
    pub fn latency(&self, share: f64) -> f64 {
        let at = (self.latencies_ms.len() as f64 * share) as usize;
        self.latencies_ms
            .get(at.min(self.latencies_ms.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    }
}

/// A writer at work.
pub struct Writer {
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    task: JoinHandle<Noticed>,
}

impl Writer {
    /// Writes so many documents a second by `name`: one in two is new, the others overwrite.
    pub fn start(url: &str, name: &str, per_second: u32) -> anyhow::Result<Writer> {
        let (http, name) = (Http::new(url)?, name.to_owned());
        let runtime = Runtime::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let task = runtime.spawn(async move { write(&http, &name, per_second, &until).await });
        Ok(Writer { runtime, stop, task })
    }

    /// Stops, and says what it noticed.
    pub fn stop(self) -> anyhow::Result<Noticed> {
        self.stop.store(true, Ordering::Relaxed);
        let mut noticed = self.runtime.block_on(self.task)?;
        noticed.latencies_ms.sort_by(f64::total_cmp);
        Ok(noticed)
    }
}

async fn write(http: &Http, name: &str, per_second: u32, stop: &AtomicBool) -> Noticed {
    let each = (per_second / BULKS).max(1);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / BULKS);
    let mut noticed = Noticed::default();
    let (mut number, mut refused_since): (u64, Option<Instant>) = (0, None);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let mut lines = String::new();
        for _ in 0..each {
            number += 1;
            let id = if number.is_multiple_of(2) { number } else { number % 10_000 };
            lines.push_str(&format!(
                "{{\"index\":{{\"_id\":\"w{id}\"}}}}\n{{\"recid\":\"r{:06}\",\"country\":\"{number}\"}}\n",
                number % 5_000
            ));
        }
        let begun = Instant::now();
        let taken = taken(http, name, lines).await;
        let now = Instant::now();
        noticed.latencies_ms.push((now - begun).as_secs_f64() * 1e3);
        noticed.acknowledged += taken.min(u64::from(each));
        noticed.refused += u64::from(each).saturating_sub(taken);
        if taken < u64::from(each) {
            refused_since.get_or_insert(now);
        } else if let Some(since) = refused_since.take() {
            noticed.window_ms = noticed.window_ms.max((now - since).as_secs_f64() * 1e3);
        }
    }
    noticed
}

/// How many of a bulk's writes were acknowledged.
async fn taken(http: &Http, name: &str, lines: String) -> u64 {
    let Ok(answer) = http.bulk(&format!("/{name}/_bulk"), lines).await else { return 0 };
    let Ok(json) = answer.success() else { return 0 };
    let items = json["items"].as_array().map_or(&[][..], Vec::as_slice);
    let ok = |item: &&Value| item["index"]["status"].as_u64().is_some_and(|status| status < 300);
    items.iter().filter(ok).count() as u64
}
