//! Indices, aliases and blocks on a real engine.

mod common;

use std::time::Duration;

use common::{Scratch, scratch};
use segue_cluster::{
    AliasAction, AliasProps, BlockAnswer, BulkAnswer, BulkBody, Class, Colour, ItemOutcome,
    Request, path,
};
use serde_json::json;

fn add(index: &str, alias: &str, props: AliasProps) -> AliasAction {
    AliasAction::Add { index: index.to_owned(), alias: alias.to_owned(), props }
}

fn remove(index: &str, alias: &str, must_exist: bool) -> AliasAction {
    AliasAction::Remove { index: index.to_owned(), alias: alias.to_owned(), must_exist }
}

#[tokio::test]
async fn a_listing_has_open_closed_and_hidden_indices() {
    scratch("list", async |s: Scratch| {
        let cluster = &s.cluster;
        let pattern = format!("{}*", s.prefix);
        assert!(cluster.indices(&pattern).await.unwrap().is_empty());
        let (open, alias) = s.index("open", 2).await;
        let (closed, _) = s.index("closed", 1).await;
        let (hidden, _) = s.index_with("hidden", json!({ "index.hidden": true }), json!({})).await;
        let mut body = BulkBody::with_capacity(100);
        body.index("1", None, 1, b"{}");
        let (bytes, items) = body.take();
        cluster.bulk(&alias, bytes, items, false).await.unwrap();
        cluster.refresh(&open).await.unwrap();
        cluster.call(Request::post(path(&[&closed, "_close"]))).await.unwrap();

        let found = cluster.indices(&pattern).await.unwrap();
        let seen: Vec<_> =
            found.iter().map(|i| (i.name.as_str(), i.open, i.hidden, i.shards, i.docs)).collect();
        assert_eq!(
            seen,
            [
                (closed.as_str(), false, false, 1, 0),
                (hidden.as_str(), true, true, 1, 0),
                (open.as_str(), true, false, 2, 1),
            ]
        );
        let open_state = cluster.index(&open).await.unwrap().unwrap();
        assert!(open_state.bytes > 0 && !open_state.system && !open_state.uuid.is_empty());
        assert_eq!((open_state.replicas, open_state.data_stream), (0, None));
        assert_eq!(open_state.settings["index.number_of_shards"], "2");
        assert!(open_state.aliases.contains_key(&alias));
        assert!(!cluster.index(&closed).await.unwrap().unwrap().open);

        assert!(cluster.index(&alias).await.unwrap().is_none(), "an alias is not an index");
        assert!(cluster.index(&s.name("none")).await.unwrap().is_none());
        assert!(cluster.index("*").await.unwrap().is_none());
        assert_eq!(cluster.indices(&alias).await.unwrap()[0].name, open);
        assert!(cluster.indices(&s.name("none")).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn creation_and_deletion_are_exact() {
    scratch("create", async |s: Scratch| {
        let cluster = &s.cluster;
        let (index, alias) = s.index("a", 1).await;
        let again = cluster.create_index(&index, &json!({})).await.unwrap_err();
        assert_eq!(again.error_type(), Some("resource_already_exists_exception"));
        assert_eq!((again.class(), again.status()), (Class::Refused, Some(400)));
        cluster.put_settings(&index, &json!({ "index.gc_deletes": "2h" })).await.unwrap();
        let mapping = json!({ "properties": { "n": { "type": "long" } }, "_meta": { "x": 1 } });
        cluster.put_mapping(&index, &mapping).await.unwrap();
        let state = cluster.index(&index).await.unwrap().unwrap();
        assert_eq!(state.settings["index.gc_deletes"], "2h");
        assert_eq!(state.mappings["_meta"]["x"], 1);
        for name in [format!("{}*", s.prefix), "_all".to_owned(), "*".to_owned(), "-a".to_owned()] {
            assert_eq!(cluster.delete_index(&name).await.unwrap_err().code(), "SEG-C002");
        }
        let by_alias = cluster.delete_index(&alias).await.unwrap_err();
        assert_eq!(by_alias.status(), Some(400), "{by_alias}");
        assert!(cluster.index(&index).await.unwrap().is_some());
        cluster.delete_index(&index).await.unwrap();
        assert_eq!(cluster.delete_index(&index).await.unwrap_err().class(), Class::NotFound);
    })
    .await;
}

#[tokio::test]
async fn a_switch_compares_before_it_sets() {
    scratch("switch", async |s: Scratch| {
        let cluster = &s.cluster;
        let (old, _) = s.index("old", 1).await;
        let (new, _) = s.index("new", 1).await;
        let name = s.name("read");
        let props = AliasProps {
            filter: Some(json!({ "term": { "k": "v" } })),
            index_routing: Some("1".into()),
            search_routing: Some("1,2".into()),
            is_write_index: Some(true),
            is_hidden: Some(true),
        };
        assert!(cluster.alias(&name).await.unwrap().is_empty());
        cluster.update_aliases(&[add(&old, &name, props.clone())]).await.unwrap();
        assert_eq!(cluster.alias(&name).await.unwrap()[&old], props);
        assert_eq!(cluster.aliases().await.unwrap()[&name][&old], props);

        let stale = [remove(&new, &name, true), add(&new, &name, AliasProps::default())];
        let refused = cluster.update_aliases(&stale).await.unwrap_err();
        assert_eq!(refused.class(), Class::NotFound, "{refused}");
        assert_eq!(cluster.alias(&name).await.unwrap().keys().collect::<Vec<_>>(), [&old]);

        let swap = [remove(&old, &name, true), add(&new, &name, AliasProps::default())];
        cluster.update_aliases(&swap).await.unwrap();
        assert_eq!(cluster.alias(&name).await.unwrap().keys().collect::<Vec<_>>(), [&new]);

        // The old index's name becomes an alias, in the call that deletes the index.
        let take = [
            AliasAction::RemoveIndex { index: old.clone() },
            add(&new, &old, AliasProps::default()),
        ];
        cluster.update_aliases(&take).await.unwrap();
        assert!(cluster.index(&old).await.unwrap().is_none());
        assert!(cluster.alias(&old).await.unwrap().contains_key(&new));
        let gone = [AliasAction::RemoveIndex { index: s.name("none") }];
        assert_eq!(cluster.update_aliases(&gone).await.unwrap_err().class(), Class::NotFound);
    })
    .await;
}

#[tokio::test]
async fn a_block_drains_and_a_clone_keeps_everything() {
    scratch("clone", async |s: Scratch| {
        let cluster = &s.cluster;
        let (index, alias) = s.index("a", 2).await;
        let mut body = BulkBody::with_capacity(1000);
        for n in 0..20 {
            body.index(&n.to_string(), None, 100 + n, b"{\"x\":1.0}");
        }
        let (bytes, items) = body.take();
        cluster.bulk(&alias, bytes, items, false).await.unwrap();
        let target = s.name("copy");
        let body =
            json!({ "settings": { "index.number_of_replicas": 0, "index.blocks.write": null } });
        let open = cluster.clone_index(&index, &target, &body).await.unwrap_err();
        assert!(open.status().is_some(), "a clone needs the block: {open}");

        assert!(!cluster.write_blocked(&index).await.unwrap());
        // Twice: after a crash the block is asked for again, and must still say that it drained.
        for _ in 0..2 {
            let answer = cluster.block_writes(&index, Duration::from_secs(10)).await.unwrap();
            assert_eq!(answer, BlockAnswer::Drained);
        }
        assert!(cluster.write_blocked(&index).await.unwrap());
        cluster.clone_index(&index, &target, &body).await.unwrap();
        assert!(!cluster.write_blocked(&target).await.unwrap());
        cluster.refresh(&target).await.unwrap();
        assert_eq!(cluster.count(&target, None).await.unwrap(), 20);
        let kept = cluster.get_document(&target, "7", None).await.unwrap().unwrap();
        assert_eq!(kept.version, 107);
        assert!(cluster.index_health(&target).await.unwrap().status >= Colour::Yellow);

        cluster.unblock_writes(&index).await.unwrap();
        assert!(!cluster.write_blocked(&index).await.unwrap());
        let missing = cluster.block_writes(&s.name("none"), Duration::from_secs(1)).await;
        assert_eq!(missing.unwrap_err().class(), Class::NotFound);
    })
    .await;
}

#[tokio::test]
async fn a_block_set_by_settings_is_drained_by_asking() {
    scratch("settings-block", async |s: Scratch| {
        let (index, _) = s.index("a", 1).await;
        s.cluster.put_settings(&index, &json!({ "index.blocks.write": true })).await.unwrap();
        assert!(s.cluster.write_blocked(&index).await.unwrap());
        let answer = s.cluster.block_writes(&index, Duration::from_secs(10)).await.unwrap();
        assert_eq!(answer, BlockAnswer::Drained);
    })
    .await;
}

/// Whoever lifts a block in the name of a mark lifts nothing once the mark is gone.
#[tokio::test]
async fn a_block_is_lifted_only_while_the_mark_is_there() {
    scratch("marked", async |s: Scratch| {
        let (source, _) = s.index("a", 1).await;
        let (target, mark) = s.index("b", 1).await;
        let blocked = s.cluster.block_writes(&source, Duration::from_secs(10)).await.unwrap();
        assert_eq!(blocked, BlockAnswer::Drained);
        let gone = s.name("no-such-mark");
        let refused = s.cluster.unblock_writes_by(&source, &gone).await.unwrap_err();
        assert_eq!(refused.class(), Class::NotFound, "{refused}");
        assert!(s.cluster.write_blocked(&source).await.unwrap());
        s.cluster.unblock_writes_by(&source, &mark).await.unwrap();
        assert!(!s.cluster.write_blocked(&source).await.unwrap());
        assert!(!s.cluster.write_blocked(&target).await.unwrap());
    })
    .await;
}

/// While large bulks are under way: what was applied before the answer is all there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_lands_after_a_drained_block() {
    scratch("inflight", async |s: Scratch| {
        let (index, alias) = s.index("a", 2).await;
        let writers: Vec<_> = (0..4_u32)
            .map(|writer| {
                let (cluster, alias) = (s.cluster.clone(), alias.clone());
                tokio::spawn(async move {
                    let mut applied = 0_u64;
                    for round in 0..200 {
                        let mut body = BulkBody::with_capacity(1 << 18);
                        for n in 0..1000 {
                            body.index(&format!("{writer}-{round}-{n}"), None, 1, b"{\"a\":\"b\"}");
                        }
                        let (bytes, items) = body.take();
                        match cluster.bulk(&alias, bytes, items, false).await.unwrap() {
                            BulkAnswer::AllApplied => applied += 1000,
                            BulkAnswer::Mixed(items) => {
                                applied += items
                                    .iter()
                                    .filter(|item| **item == ItemOutcome::Applied)
                                    .count() as u64;
                                assert!(items.iter().all(|item| matches!(
                                    item,
                                    ItemOutcome::Applied | ItemOutcome::Blocked { .. }
                                )));
                                return applied;
                            }
                        }
                    }
                    panic!("never blocked");
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(700)).await;
        let answer = s.cluster.block_writes(&index, Duration::from_secs(30)).await.unwrap();
        assert_eq!(answer, BlockAnswer::Drained);
        let numbers = async || -> Vec<i64> {
            let stats = s.cluster.shard_stats(&index).await.unwrap();
            stats.primaries.iter().map(|primary| primary.max_seq_no).collect()
        };
        let at_the_block = numbers().await;
        let mut applied = 0;
        for writer in writers {
            applied += writer.await.unwrap();
        }
        assert_eq!(numbers().await, at_the_block);
        s.cluster.refresh(&index).await.unwrap();
        assert_eq!(s.cluster.count(&index, None).await.unwrap(), applied);
    })
    .await;
}
