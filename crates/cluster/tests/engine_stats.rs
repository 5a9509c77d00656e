//! Numbers, health and load on a real engine.

mod common;

use std::time::Duration;

use common::{Scratch, scratch};
use segue_cluster::{BulkBody, Class, Colour, GzipProbe};
use serde_json::json;

#[tokio::test]
async fn the_product_says_what_it_is() {
    let cluster = common::cluster();
    let product = cluster.product().await.unwrap();
    assert!(product.version.starts_with(|c: char| c.is_ascii_digit()), "{product:?}");
    assert!(product.cluster_uuid.len() > 10 && !product.cluster_name.is_empty(), "{product:?}");
    assert_eq!(cluster.distribution().await.unwrap(), product.distribution);
}

#[tokio::test]
async fn load_is_told() {
    let cluster = common::cluster();
    let nodes = cluster.node_pressure().await.unwrap();
    assert!(!nodes.is_empty());
    for node in &nodes {
        assert!(node.heap_used_percent <= 100 && node.disk_available <= node.disk_total);
        assert!(!node.name.is_empty());
    }
    assert!(nodes.iter().any(|node| node.data && node.disk_total > 0));
    let marks = cluster.disk_watermarks().await.unwrap();
    assert!(!marks.flood.reached(100, 99) || marks.flood.reached(100, 0));
    assert!(cluster.health().await.unwrap().number_of_data_nodes > 0);
    cluster.write_tasks().await.unwrap();
}

#[tokio::test]
async fn shards_count_operations() {
    scratch("stats", async |s: Scratch| {
        let cluster = &s.cluster;
        let mappings = json!({ "properties": { "kids": { "type": "nested" } } });
        let settings = json!({ "index.number_of_shards": 2 });
        let (index, alias) = s.index_with("a", settings, mappings).await;
        let empty = cluster.shard_stats(&index).await.unwrap();
        assert_eq!(empty.active_copies, 2);
        for (shard, primary) in empty.primaries.iter().enumerate() {
            assert_eq!((primary.shard as usize, primary.docs), (shard, 0));
            assert_eq!((primary.max_seq_no, primary.global_checkpoint), (-1, -1));
            assert!(!primary.history_uuid.is_empty() && !primary.node.is_empty());
        }
        let mut body = BulkBody::with_capacity(1000);
        for n in 0..10_u64 {
            body.index(&n.to_string(), None, n + 1, br#"{"kids":[{"a":1},{"a":2}]}"#);
        }
        body.delete("0", None, 50);
        let (bytes, items) = body.take();
        cluster.bulk(&alias, bytes, items, false).await.unwrap();
        cluster.refresh(&index).await.unwrap();
        cluster.flush(&index).await.unwrap();
        let full = cluster.shard_stats(&index).await.unwrap();
        assert_eq!(full.uuid, empty.uuid);
        let operations: i64 = full.primaries.iter().map(|p| p.global_checkpoint + 1).sum();
        assert_eq!(operations, 11);
        let lucene: u64 = full.primaries.iter().map(|p| p.docs).sum();
        assert_eq!(lucene, 27, "nested objects count");
        assert_eq!(cluster.count(&index, None).await.unwrap(), 9);
        for (before, after) in empty.primaries.iter().zip(&full.primaries) {
            assert_eq!(before.history_uuid, after.history_uuid);
            assert_eq!(after.local_checkpoint, after.max_seq_no);
        }
        assert_eq!(cluster.primary_terms(&index).await.unwrap(), [1, 1]);
        let none = cluster.shard_stats(&s.name("none")).await.unwrap_err();
        assert_eq!(none.class(), Class::NotFound, "{none}");
        let two = s.index("b", 1).await.0;
        let both = cluster.shard_stats(&format!("{two},{index}")).await.unwrap();
        let of: Vec<_> =
            both.primaries.iter().map(|p| (p.shard, p.index.as_str(), p.in_index)).collect();
        assert_eq!(of, [(0, two.as_str(), 0), (1, index.as_str(), 0), (2, index.as_str(), 1)]);
        assert!(both.uuid.ends_with(&format!(",{}", full.uuid)), "{}", both.uuid);
        assert_eq!(cluster.primary_terms(&format!("{two},{index}")).await.unwrap(), [1, 1, 1]);
        // Of a list each has to be an index of its own.
        let odd = cluster.shard_stats(&format!("{two},{alias}")).await.unwrap_err();
        assert_eq!(odd.class(), Class::Malformed, "{odd}");
    })
    .await;
}

#[tokio::test]
async fn waiting_for_health_ends() {
    scratch("health", async |s: Scratch| {
        let cluster = &s.cluster;
        let (index, _) = s.index("a", 1).await;
        let health = cluster.wait_for_index(&index, Colour::Green, Duration::from_secs(20)).await;
        assert_eq!(health.unwrap().active_primary_shards, 1);
        let missing = cluster.index_health(&s.name("none")).await.unwrap();
        assert_eq!((missing.status, missing.active_shards), (Colour::Red, 0));
        // No cluster of these tests has room for nine replicas.
        cluster.put_settings(&index, &json!({ "index.number_of_replicas": 9 })).await.unwrap();
        let yellow = cluster.index_health(&index).await.unwrap();
        assert_eq!(yellow.status, Colour::Yellow);
        let late = cluster.wait_for_index(&index, Colour::Green, Duration::from_millis(100)).await;
        assert_eq!(late.unwrap_err().class(), Class::Unavailable);
        // Copies without a node are not failures: everything that is assigned has answered.
        cluster.refresh(&index).await.unwrap();
        let stats = cluster.shard_stats(&index).await.unwrap();
        assert_eq!(stats.primaries.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn compression_is_not_tried_on_this_machine() {
    let cluster = common::cluster();
    if cluster.is_loopback() {
        let probe = GzipProbe::start(&cluster).await;
        assert!((0..40).all(|_| !probe.choose()));
    }
}
