use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Fetch;

fn request() -> PageRequest<'static> {
    PageRequest {
        index: "i",
        shard: 0,
        after: -1,
        to: i64::MAX,
        size: 100,
        fetch: Fetch::Source,
        max_bytes: 1 << 20,
    }
}

fn answer(hits: &str) -> String {
    format!(
        r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"successful":1,"skipped":0,"failed":0}},"hits":{{"max_score":null,"hits":[{hits}]}}}}"#
    )
}

fn hit(seq_no: i64, id: &str, source: &str) -> String {
    let id = serde_json::to_string(id).unwrap();
    format!(
        r#"{{"_index":"i","_id":{id},"_version":3,"_seq_no":{seq_no},"_primary_term":1,"_score":null,"_source":{source},"sort":[{seq_no}]}}"#
    )
}

fn page(body: String) -> Result<Page, PageFault> {
    parse(Bytes::from(body), &request())
}

#[test]
fn sources_are_verbatim() {
    let source = r#"{ "a":1.0, "b" : 1e3,"c":12345678901234567890123,"a":-0,"d":"\u00e9\/é"}"#;
    let page = page(answer(&[hit(0, "x", source), hit(5, "y", "{}")].join(","))).unwrap();
    let hits: Vec<Hit<'_>> = page.hits().collect();
    assert_eq!(hits[0].source, source.as_bytes());
    assert_eq!(hits[1].source, b"{}");
    assert_eq!((page.len(), page.last_seq_no(), hits[1].seq_no), (2, Some(5), 5));
}

#[test]
fn numbers_are_exact_and_ids_borrowed() {
    let text = r#"{"_id":"plain","_routing":"r","_version":9223372036854775807,"_seq_no":9007199254740993,"_primary_term":18014398509481985,"_source":{}}"#;
    let page = page(answer(text)).unwrap();
    let hit = page.hits().next().unwrap();
    assert_eq!(hit.version, 9_223_372_036_854_775_807);
    assert_eq!((hit.seq_no, hit.primary_term), (9_007_199_254_740_993, 18_014_398_509_481_985));
    assert!(matches!(hit.id, Cow::Borrowed("plain")));
    assert!(matches!(hit.routing, Some(Cow::Borrowed("r"))));
}

#[test]
fn ids_only_have_no_source() {
    let text = r#"{"_id":"a\"\n","_version":1,"_seq_no":0,"_primary_term":1}"#;
    let page = page(answer(text)).unwrap();
    let hit = page.hits().next().unwrap();
    assert_eq!((hit.source, hit.id.as_ref(), hit.routing), (&b""[..], "a\"\n", None));
}

#[test]
fn an_empty_page_is_empty() {
    let page = page(answer("")).unwrap();
    assert!(page.is_empty() && page.last_seq_no().is_none() && page.bytes() > 0);
}

#[test]
fn partial_answers_are_errors() {
    for (from, to) in [
        (r#""timed_out":false"#, r#""timed_out":true"#),
        (r#""failed":0"#, r#""failed":1"#),
        (r#""successful":1"#, r#""successful":0"#),
        (r#""total":1"#, r#""total":2"#),
        (r#""total":1,"successful":1"#, r#""total":0,"successful":0"#),
        (r#""total":1,"successful":1"#, r#""total":2,"successful":2"#),
    ] {
        let body = answer("").replace(from, to);
        assert!(matches!(page(body), Err(PageFault::Incomplete(_))), "{to}");
    }
}

#[test]
fn odd_answers_are_malformed() {
    let good = answer(&hit(0, "x", "{}"));
    for body in [
        String::new(),
        "{}".to_owned(),
        good[..good.len() - 1].to_owned(),
        good.replace(r#""_version":3,"#, ""),
        good.replace(r#""_seq_no":0,"#, ""),
        good.replace(r#""_version":3"#, r#""_version":3.0"#),
        answer(&[hit(4, "x", "{}"), hit(4, "y", "{}")].join(",")),
        answer(&[hit(4, "x", "{}"), hit(3, "y", "{}")].join(",")),
        answer(&hit(-1, "x", "{}")),
    ] {
        assert!(matches!(page(body.clone()), Err(PageFault::Malformed(_))), "{body}");
    }
    let above = PageRequest { to: 3, ..request() };
    assert!(parse(Bytes::from(answer(&hit(4, "x", "{}"))), &above).is_err());
    assert!(parse(Bytes::from_static(b"{\"\xff\":1}"), &request()).is_err());
}

proptest! {
    #[test]
    fn every_hit_comes_back(
        documents in proptest::collection::vec(
            (any::<String>(), proptest::option::of(any::<String>()), any::<String>(), 0..=i64::MAX as u64),
            0..20,
        ),
    ) {
        let hits: Vec<_> = documents
            .iter()
            .enumerate()
            .map(|(seq_no, (id, routing, text, version))| {
                let mut hit = json!({ "_index": "i", "_id": id, "_version": version,
                    "_seq_no": seq_no, "_primary_term": 1, "_score": null,
                    "_source": { "text": text }, "sort": [seq_no] });
                if let Some(routing) = routing {
                    hit["_routing"] = json!(routing);
                }
                hit.to_string()
            })
            .collect();
        let page = page(answer(&hits.join(","))).unwrap();
        prop_assert_eq!(page.len(), documents.len());
        for (hit, (id, routing, text, version)) in page.hits().zip(&documents) {
            prop_assert_eq!(hit.id.as_ref(), id);
            prop_assert_eq!(hit.routing.as_deref(), routing.as_deref());
            prop_assert_eq!(hit.version, *version);
            let source = json!({ "text": text }).to_string();
            prop_assert_eq!(hit.source, source.as_bytes());
        }
    }
}
