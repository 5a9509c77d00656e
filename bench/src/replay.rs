//! The shortest way from index to index: read a page, write its bytes, and nothing else. No journal,
//! no checkpoint, no inventory, no retries: what the engine costs when nobody keeps an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use segue_cluster::{BulkAnswer, BulkBody, Cluster, ClusterConfig, Distribution, PageRequest};
use segue_testkit::Engine;
use serde_json::json;

const NAME: &str = "bench-replayed";
const ALIAS: &str = "bench-replayed-write";
const LANES: u32 = 4;
const WINDOW: i64 = 1_000;

/// How long a raw copy of `source` takes, in seconds, into a target relaxed as segue relaxes its own.
pub fn time(engine: &Engine, source: &str, docs: u32) -> anyhow::Result<f64> {
    let shards = engine.json.get(&format!("/{source}/_settings?flat_settings=true"));
    let shards = shards[source]["settings"]["index.number_of_shards"].clone();
    let mut mappings = engine.json.get(&format!("/{source}/_mapping"))[source]["mappings"].clone();
    mappings["_meta"] = json!({});
    let body = json!({ "mappings": mappings, "aliases": { ALIAS: {} }, "settings": {
        "index.number_of_shards": shards, "index.number_of_replicas": 0,
        "index.refresh_interval": "-1", "index.translog.flush_threshold_size": "1gb"
    }});
    engine.json.put(&format!("/{NAME}"), &body);
    let runtime = tokio::runtime::Runtime::new()?;
    let (url, source) = (engine.url.clone(), source.to_owned());
    let begun = Instant::now();
    let written = runtime.block_on(copy(&url, &source))?;
    let seconds = begun.elapsed().as_secs_f64();
    engine.json.delete(&format!("/{NAME}"));
    ensure!(written == u64::from(docs), "the replay wrote {written} documents");
    Ok(seconds)
}

/// One shard's numbers, handed out in windows.
struct Shard {
    number: u32,
    next: AtomicI64,
    last: i64,
}

async fn copy(url: &str, source: &str) -> anyhow::Result<u64> {
    let cluster = Cluster::new(&ClusterConfig::new(url))?;
    cluster.refresh(source).await?;
    let stats = cluster.shard_stats(source).await?;
    let shards = stats.primaries.iter().map(|primary| Shard {
        number: primary.shard,
        next: AtomicI64::new(-1),
        last: primary.global_checkpoint,
    });
    let shards: Arc<Vec<_>> = Arc::new(shards.collect());
    let lanes = (0..LANES).map(|lane| {
        let (cluster, source, shards) = (cluster.clone(), source.to_owned(), Arc::clone(&shards));
        tokio::spawn(async move { run_lane(&cluster, &source, &shards, lane as usize).await })
    });
    let mut written = 0;
    for lane in lanes.collect::<Vec<_>>() {
        written += lane.await.context("a lane died")??;
    }
    Ok(written)
}

async fn run_lane(
    cluster: &Cluster,
    source: &str,
    shards: &[Shard],
    lane: usize,
) -> anyhow::Result<u64> {
    let mut body = BulkBody::with_capacity(1 << 20);
    let mut written = 0;
    for at in 0..shards.len() {
        let shard = &shards[(at + lane) % shards.len()];
        loop {
            let after = shard.next.fetch_add(WINDOW, Ordering::Relaxed);
            if after >= shard.last {
                break;
            }
            let to = shard.last.min(after + WINDOW);
            let request = PageRequest::new(source, shard.number, after, to);
            let page = cluster.read_page(&request, Distribution::OpenSearch).await?;
            for hit in page.hits() {
                let version = hit.seq_no.unsigned_abs() * 2 + u64::from(shard.number) + 1;
                body.index(&hit.id, hit.routing.as_deref(), version, hit.source);
            }
            let (bytes, items) = body.take();
            if items > 0 {
                let answer = cluster.bulk(ALIAS, bytes, items, false).await?;
                ensure!(matches!(answer, BulkAnswer::AllApplied), "a document was not written");
            }
            written += items as u64;
        }
    }
    Ok(written)
}
