//! Bulk outcomes on a real engine.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use common::{Scratch, scratch};
use segue_cluster::{AliasAction, BulkAnswer, BulkBody, Cluster, ItemOutcome};
use serde_json::json;

async fn send(cluster: &Cluster, alias: &str, body: &mut BulkBody) -> BulkAnswer {
    let (bytes, items) = body.take();
    cluster.bulk(alias, bytes, items, false).await.unwrap()
}

fn outcomes(answer: BulkAnswer) -> Vec<ItemOutcome> {
    match answer {
        BulkAnswer::Mixed(items) => items,
        BulkAnswer::AllApplied => panic!("all applied"),
    }
}

#[tokio::test]
async fn applied_conflicting_rejected() {
    scratch("bulk", async |s: Scratch| {
        let mappings = json!({ "dynamic": "strict", "properties": { "n": { "type": "long" } } });
        let (index, alias) = s.index_with("a", json!({}), mappings).await;
        let mut body = BulkBody::with_capacity(1024);
        let top = i64::MAX as u64 - 1;
        body.index("x", None, top, br#"{"n":1}"#);
        body.index("y", None, 5, b"{\n\"n\":2\r\n}");
        body.delete("never there", None, 9);
        assert_eq!(send(&s.cluster, &alias, &mut body).await, BulkAnswer::AllApplied);

        body.index("x", None, 7, br#"{"n":3}"#);
        body.index("y", None, 5, br#"{"n":3}"#);
        body.index("never there", None, 8, br#"{"n":3}"#);
        body.index("z", None, 1, br#"{"n":"not a number"}"#);
        body.index("z", None, 1, br#"{"unknown":1}"#);
        body.delete("y", None, 5);
        body.index("fine", None, 1, br#"{"n":4}"#);
        let items = outcomes(send(&s.cluster, &alias, &mut body).await);
        assert_eq!(items[0], ItemOutcome::Conflict { current: Some(top) });
        assert_eq!(items[1], ItemOutcome::Conflict { current: Some(5) });
        assert_eq!(items[2], ItemOutcome::Conflict { current: Some(9) });
        for (item, name) in [(&items[3], "mapper_parsing"), (&items[4], "strict_dynamic")] {
            let ItemOutcome::Rejected { status: 400, kind, .. } = item else { panic!("{item:?}") };
            assert!(kind.contains(name) || kind.contains("document_parsing"), "{kind}");
        }
        assert_eq!(items[5], ItemOutcome::Conflict { current: Some(5) });
        assert_eq!(items[6], ItemOutcome::Applied);

        let kept = s.cluster.get_document(&index, "y", None).await.unwrap().unwrap();
        assert_eq!(kept.version, 5);
        let source = kept.source.unwrap();
        assert!(source.get().contains("\"n\":2"), "{source}");
    })
    .await;
}

#[tokio::test]
async fn a_hostile_id_does_not_fake_a_version() {
    scratch("fake", async |s: Scratch| {
        let (_, alias) = s.index("a", 1).await;
        let id = "] current version [99] is higher or equal to the one provided [1]";
        let mut body = BulkBody::with_capacity(256);
        body.index(id, None, 6, b"{}");
        send(&s.cluster, &alias, &mut body).await;
        body.index(id, None, 4, b"{}");
        let items = outcomes(send(&s.cluster, &alias, &mut body).await);
        assert_eq!(items, [ItemOutcome::Conflict { current: Some(6) }]);
    })
    .await;
}

#[tokio::test]
async fn a_removed_alias_is_a_fence() {
    scratch("fence", async |s: Scratch| {
        let (index, alias) = s.index("a", 1).await;
        let mut body = BulkBody::with_capacity(256);
        body.index("1", None, 1, b"{}");
        assert_eq!(send(&s.cluster, &alias, &mut body).await, BulkAnswer::AllApplied);
        let remove =
            AliasAction::Remove { index: index.clone(), alias: alias.clone(), must_exist: true };
        s.cluster.update_aliases(&[remove]).await.unwrap();
        // Neither the name that is gone nor a concrete index takes the write.
        for name in [&alias, &index] {
            body.index("2", None, 1, b"{}");
            let items = outcomes(send(&s.cluster, name, &mut body).await);
            assert!(matches!(items[..], [ItemOutcome::Fenced { .. }]), "{items:?}");
        }
        s.cluster.refresh(&index).await.unwrap();
        assert_eq!(s.cluster.count(&index, None).await.unwrap(), 1);
        assert!(s.cluster.index(&alias).await.unwrap().is_none(), "created by the late bulk");
    })
    .await;
}

#[tokio::test]
async fn an_alias_without_write_index_is_a_fence() {
    scratch("nowrite", async |s: Scratch| {
        let (_, alias) = s.index("a", 1).await;
        let (second, _) = s.index("b", 1).await;
        let props = segue_cluster::AliasProps::default();
        let add = AliasAction::Add { index: second, alias: alias.clone(), props };
        s.cluster.update_aliases(&[add]).await.unwrap();
        let mut body = BulkBody::with_capacity(256);
        body.index("1", None, 1, b"{}");
        let items = outcomes(send(&s.cluster, &alias, &mut body).await);
        assert!(matches!(items[..], [ItemOutcome::Fenced { .. }]), "{items:?}");
    })
    .await;
}

#[tokio::test]
async fn blocked_and_closed_indices() {
    scratch("blocked", async |s: Scratch| {
        let (index, alias) = s.index("a", 1).await;
        s.cluster.block_writes(&index, std::time::Duration::from_secs(10)).await.unwrap();
        let mut body = BulkBody::with_capacity(256);
        body.index("1", None, 1, b"{}");
        let items = outcomes(send(&s.cluster, &alias, &mut body).await);
        assert!(matches!(items[..], [ItemOutcome::Blocked { .. }]), "{items:?}");
        s.cluster.unblock_writes(&index).await.unwrap();
        let close = segue_cluster::Request::post(segue_cluster::path(&[&index, "_close"]));
        s.cluster.call(close).await.unwrap();
        body.index("1", None, 1, b"{}");
        let items = outcomes(send(&s.cluster, &alias, &mut body).await);
        assert!(matches!(items[..], [ItemOutcome::Blocked { .. }]), "{items:?}");
    })
    .await;
}

#[tokio::test]
async fn odd_ids_routing_and_compression() {
    scratch("odd", async |s: Scratch| {
        let (index, alias) = s.index("a", 3).await;
        let long = "i".repeat(512);
        let ids =
            ["a/b", "\"quoted\"\\", "emoji 🦀", "line\nend\t\u{1}", long.as_str(), "a b?c#d%e"];
        for gzip in [false, true] {
            let mut body = BulkBody::with_capacity(4096);
            for id in ids {
                body.index(id, Some("r/\"1"), 2 + u64::from(gzip), br#"{"v":1.0}"#);
            }
            let (bytes, items) = body.take();
            let answer = s.cluster.bulk(&alias, bytes, items, gzip).await.unwrap();
            assert_eq!(answer, BulkAnswer::AllApplied);
        }
        for id in ids {
            let found = s.cluster.get_document(&index, id, Some("r/\"1")).await.unwrap().unwrap();
            assert_eq!((found.id.as_str(), found.version), (id, 3));
            assert_eq!(found.routing.as_deref(), Some("r/\"1"));
            assert_eq!(found.source.unwrap().get(), r#"{"v":1.0}"#);
        }
    })
    .await;
}

#[tokio::test]
async fn an_id_that_is_too_long_is_rejected_alone() {
    scratch("long", async |s: Scratch| {
        let (_, alias) = s.index("a", 1).await;
        let mut body = BulkBody::with_capacity(4096);
        body.index(&"i".repeat(513), None, 1, b"{}");
        body.index("short", None, 1, b"{}");
        let (bytes, items) = body.take();
        match s.cluster.bulk(&alias, bytes, items, false).await {
            Ok(answer) => {
                let items = outcomes(answer);
                assert!(matches!(items[0], ItemOutcome::Rejected { status: 400, .. }));
                assert_eq!(items[1], ItemOutcome::Applied);
            }
            // The engines check this before anything else, and refuse the whole bulk.
            Err(error) => assert_eq!(error.status(), Some(400), "{error}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_document_of_20_mb_passes() {
    scratch("large", async |s: Scratch| {
        let mappings = json!({ "properties": { "text": { "type": "text", "index": false } } });
        let (index, alias) = s.index_with("a", json!({}), mappings).await;
        let source = json!({ "text": "0123456789 ".repeat(2_000_000) }).to_string();
        let mut body = BulkBody::with_capacity(source.len() + 200);
        body.index("big", None, 1, source.as_bytes());
        assert_eq!(send(&s.cluster, &alias, &mut body).await, BulkAnswer::AllApplied);
        let found = s.cluster.get_document(&index, "big", None).await.unwrap().unwrap();
        assert!(found.source.unwrap().get() == source);
    })
    .await;
}

#[tokio::test]
async fn a_bulk_beyond_the_engines_limit_is_413() {
    scratch("over", async |s: Scratch| {
        let (_, alias) = s.index("a", 1).await;
        let mut body = BulkBody::with_capacity(101 << 20);
        body.index("big", None, 1, &vec![b' '; 101 << 20]);
        let (bytes, items) = body.take();
        let error = s.cluster.bulk(&alias, bytes, items, false).await.unwrap_err();
        // The engine may close the connection before the body is through.
        assert!(error.status() == Some(413) || error.status().is_none(), "{error}");
    })
    .await;
}
