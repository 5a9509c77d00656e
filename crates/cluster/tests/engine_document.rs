//! Single documents and searches on a real engine.

mod common;

use common::{Scratch, scratch};
use segue_cluster::{Class, Creation, DocVersion};
use serde_json::json;

#[tokio::test]
async fn creation_and_compare_and_set() {
    scratch("cas", async |s: Scratch| {
        let cluster = &s.cluster;
        let (index, _) = s.index("a", 1).await;
        let id = "lease/1 \"x\"";
        let first = cluster.create_document(&index, id, &json!({ "n": 1 }), true).await.unwrap();
        let Creation::Created(first) = first else { panic!("{first:?}") };
        assert_eq!(cluster.count(&index, None).await.unwrap(), 1, "refreshed");
        let again = cluster.create_document(&index, id, &json!({ "n": 2 }), false).await.unwrap();
        assert_eq!(again, Creation::Exists);

        let put = async |n: u32, expected: Option<DocVersion>| {
            cluster.put_document_if(&index, id, &json!({ "n": n }), expected).await
        };
        assert_eq!(put(3, None).await.unwrap_err().class(), Class::Conflict);
        let second = put(4, Some(first)).await.unwrap();
        assert!(second.seq_no > first.seq_no);
        assert_eq!(put(5, Some(first)).await.unwrap_err().class(), Class::Conflict);

        let found = cluster.get_document(&index, id, None).await.unwrap().unwrap();
        assert_eq!((found.version, found.token()), (2, second));
        assert_eq!(found.source.unwrap().get(), r#"{"n":4}"#);
        assert!(cluster.get_document(&index, "none", None).await.unwrap().is_none());
        let no_index = cluster.get_document(&s.name("none"), "1", None).await.unwrap_err();
        assert_eq!(no_index.class(), Class::NotFound);
        let fresh = cluster.put_document_if(&index, "fresh", &json!({}), None).await.unwrap();
        assert!(fresh.seq_no > second.seq_no);
    })
    .await;
}

#[tokio::test]
async fn many_documents_keep_their_order() {
    scratch("mget", async |s: Scratch| {
        let cluster = &s.cluster;
        let (index, alias) = s.index("a", 3).await;
        let mut body = segue_cluster::BulkBody::with_capacity(1000);
        for n in 0..30_u64 {
            let routing = (n % 2 == 0).then_some("r");
            body.index(&format!("{n}/é"), routing, n + 1, format!("{{\"n\":{n}.0}}").as_bytes());
        }
        let (bytes, items) = body.take();
        cluster.bulk(&alias, bytes, items, false).await.unwrap();
        let ids: Vec<String> = (0..33).rev().map(|n| format!("{n}/é")).collect();
        let asked: Vec<(&str, Option<&str>)> = ids
            .iter()
            .enumerate()
            .map(|(place, id)| (id.as_str(), ((32 - place) % 2 == 0).then_some("r")))
            .collect();
        for with_source in [true, false] {
            let found = cluster.get_many(&index, &asked, with_source).await.unwrap();
            assert_eq!(found.len(), 33);
            for (place, document) in found.iter().enumerate() {
                let n = 32 - place as u64;
                let Some(document) = document else {
                    assert!(n >= 30, "{n} is missing");
                    continue;
                };
                assert_eq!((document.id.as_str(), document.version), (ids[place].as_str(), n + 1));
                assert_eq!(document.routing.is_some(), n.is_multiple_of(2));
                let source = document.source.as_ref().map(|source| source.get().to_owned());
                assert_eq!(source, with_source.then(|| format!("{{\"n\":{n}.0}}")));
            }
        }
        assert!(cluster.get_many(&index, &[], true).await.unwrap().is_empty());
        assert!(cluster.get_many(&s.name("none"), &[("1", None)], true).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn searches_are_complete() {
    scratch("search", async |s: Scratch| {
        let cluster = &s.cluster;
        let (index, _) = s.index("a", 2).await;
        for n in 0..5 {
            let id = n.to_string();
            cluster.create_document(&index, &id, &json!({ "n": n }), true).await.unwrap();
        }
        let page = cluster
            .search(
                &index,
                &json!({ "size": 3, "sort": [{ "n": "desc" }], "version": true,
                    "seq_no_primary_term": true, "track_total_hits": true,
                    "aggs": { "top": { "max": { "field": "n" } } } }),
            )
            .await
            .unwrap();
        assert_eq!(page.total, Some(5));
        assert_eq!(
            page.hits.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(),
            ["4", "3", "2"]
        );
        assert_eq!(page.hits[0].version, Some(1));
        assert!(page.hits[0].seq_no.is_some() && page.hits[0].sort == [json!(4)]);
        assert_eq!(page.aggregations.unwrap()["top"]["value"], 4.0);
        let matching =
            cluster.count(&index, Some(&json!({ "range": { "n": { "gte": 3 } } }))).await;
        assert_eq!(matching.unwrap(), 2);
        let wrong = cluster.search(&index, &json!({ "query": { "nope": {} } })).await.unwrap_err();
        assert_eq!((wrong.class(), wrong.status()), (Class::Refused, Some(400)), "{wrong}");
    })
    .await;
}
