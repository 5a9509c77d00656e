//! Pages in `_seq_no` order on a real engine.

mod common;

use std::collections::BTreeMap;

use common::{Scratch, scratch};
use segue_cluster::{BulkAnswer, BulkBody, Class, Fetch, PageRequest};

fn request(index: &str, shard: u32, after: i64) -> PageRequest<'_> {
    PageRequest {
        index,
        shard,
        after,
        to: i64::MAX,
        size: 7,
        fetch: Fetch::Source,
        max_bytes: 64 << 20,
    }
}

/// An index that keeps sources without looking into them.
async fn opaque(s: &Scratch, shards: u32) -> (String, String) {
    let settings = serde_json::json!({ "index.number_of_shards": shards });
    s.index_with("a", settings, serde_json::json!({ "enabled": false })).await
}

/// Writes `documents` (id, routing, source), each with its place + 1 as version.
async fn fill(s: &Scratch, alias: &str, documents: &[(String, Option<String>, String)]) {
    let mut body = BulkBody::with_capacity(1 << 16);
    for (n, (id, routing, source)) in documents.iter().enumerate() {
        body.index(id, routing.as_deref(), n as u64 + 1, source.as_bytes());
    }
    let (bytes, items) = body.take();
    let answer = s.cluster.bulk(alias, bytes, items, false).await;
    assert!(matches!(answer, Ok(BulkAnswer::AllApplied)), "{answer:?}");
}

fn documents() -> Vec<(String, Option<String>, String)> {
    let sources = [
        r#"{ "n" : 1.0, "e":1e3 }"#,
        r#"{"big":12345678901234567890,"neg":-9007199254740993}"#,
        r#"{"u":"\u00e9 é \/ 🦀","nested":{"a":[1,{"b":null}]}}"#,
        r#"{"z":1,"a":2,"id":"not the id"}"#,
        "{}",
    ];
    let mut documents = Vec::new();
    for n in 0..60 {
        let id = match n % 6 {
            0 => format!("{n}{}", "x".repeat(512 - n.to_string().len())),
            1 => format!("a/b/{n}"),
            2 => format!("\"{n}\"\\"),
            3 => format!("🦀{n}"),
            4 => format!("tab\t{n}\n"),
            _ => n.to_string(),
        };
        let routing = (n % 4 == 0).then(|| format!("r\"{n}"));
        documents.push((id, routing, sources[n % sources.len()].to_owned()));
    }
    documents
}

#[tokio::test]
async fn every_document_of_three_shards_once_and_verbatim() {
    scratch("pages", async |s: Scratch| {
        let (index, alias) = opaque(&s, 3).await;
        let documents = documents();
        fill(&s, &alias, &documents).await;
        s.cluster.refresh(&index).await.unwrap();
        let distribution = s.distribution().await;
        let stats = s.cluster.shard_stats(&index).await.unwrap();
        assert_eq!(stats.primaries.len(), 3);
        let mut seen = BTreeMap::new();
        for shard in &stats.primaries {
            let mut after = -1;
            loop {
                let page =
                    s.cluster.read_page(&request(&index, shard.shard, after), distribution).await;
                let page = page.unwrap();
                let Some(last) = page.last_seq_no() else { break };
                assert!(last > after && page.len() <= 7);
                after = last;
                for hit in page.hits() {
                    assert_eq!(hit.primary_term, 1);
                    let value = (
                        hit.routing.as_deref().map(str::to_owned),
                        hit.version,
                        String::from_utf8(hit.source.to_vec()).unwrap(),
                    );
                    assert!(seen.insert(hit.id.into_owned(), value).is_none(), "read twice");
                }
            }
            assert_eq!(after, shard.global_checkpoint);
        }
        assert_eq!(seen.len(), documents.len());
        for (n, (id, routing, source)) in documents.into_iter().enumerate() {
            assert_eq!(seen[&id], (routing, n as u64 + 1, source));
        }
    })
    .await;
}

#[tokio::test]
async fn bounds_sources_and_limits() {
    scratch("bounds", async |s: Scratch| {
        let (index, alias) = opaque(&s, 1).await;
        fill(&s, &alias, &documents()).await;
        s.cluster.refresh(&index).await.unwrap();
        let distribution = s.distribution().await;
        let read =
            async |request: PageRequest<'_>| s.cluster.read_page(&request, distribution).await;

        let window = PageRequest { to: 12, size: 100, ..request(&index, 0, 9) };
        let page = read(window).await.unwrap();
        let numbers: Vec<i64> = page.hits().map(|hit| hit.seq_no).collect();
        assert_eq!(numbers, [10, 11, 12]);

        let ids = PageRequest { fetch: Fetch::IdsOnly, size: 100, ..request(&index, 0, -1) };
        let page = read(ids).await.unwrap();
        assert_eq!(page.len(), 60);
        let routed = page.hits().filter(|hit| hit.routing.is_some()).count();
        assert_eq!(routed, 15);
        assert!(page.hits().all(|hit| hit.source.is_empty() && hit.version > 0));

        let some = Fetch::SourceIncludes(vec!["n".to_owned()]);
        let page =
            read(PageRequest { fetch: some, size: 1, ..request(&index, 0, -1) }).await.unwrap();
        let first: serde_json::Value =
            serde_json::from_slice(page.hits().next().unwrap().source).unwrap();
        assert_eq!(first, serde_json::json!({ "n": 1.0 }));

        let small = PageRequest { max_bytes: 1000, size: 100, ..request(&index, 0, -1) };
        assert_eq!(read(small).await.unwrap_err().class(), Class::TooLarge);
        let ample = PageRequest { size: 100, ..request(&index, 0, -1) };
        assert_eq!(read(ample).await.unwrap().len(), 60, "after a dropped answer");

        let missing = read(request(&format!("{index}-none"), 0, -1)).await.unwrap_err();
        assert_eq!(missing.class(), Class::NotFound);
        let no_shard = read(request(&index, 9, -1)).await.unwrap_err();
        assert_ne!(no_shard.class(), Class::NotFound, "{no_shard}");
    })
    .await;
}

#[tokio::test]
async fn an_overwritten_document_moves_up() {
    scratch("moves", async |s: Scratch| {
        let (index, alias) = s.index("a", 1).await;
        let one = |source: &str| vec![("1".to_owned(), None, source.to_owned())];
        fill(&s, &alias, &one("{}")).await;
        s.cluster.refresh(&index).await.unwrap();
        let mut body = BulkBody::with_capacity(100);
        body.index("1", None, 9, br#"{"second":true}"#);
        body.index("2", None, 9, b"{}");
        body.delete("2", None, 10);
        let (bytes, items) = body.take();
        s.cluster.bulk(&alias, bytes, items, false).await.unwrap();
        s.cluster.refresh(&index).await.unwrap();
        let distribution = s.distribution().await;
        let page = s.cluster.read_page(&request(&index, 0, -1), distribution).await.unwrap();
        let hits: Vec<_> = page.hits().map(|hit| (hit.seq_no, hit.version)).collect();
        assert_eq!(hits, [(1, 9)]);
        let stats = s.cluster.shard_stats(&index).await.unwrap();
        assert_eq!(stats.primaries[0].global_checkpoint, 3);
    })
    .await;
}
