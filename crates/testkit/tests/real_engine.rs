//! The kit itself, against a real engine.
#![allow(clippy::unwrap_used, reason = "in a test, what goes wrong is to panic")]

use std::time::Duration;

use http::Method;
use segue_testkit::{
    Engine, Fault, Faults, Installation, Json, Kind, Prefix, Proxy, Volume, content,
};
use serde_json::json;

fn create(json: &Json, index: &str) {
    let settings = json!({ "settings": { "number_of_replicas": 0 } });
    json.put(&format!("/{index}"), &settings);
}

fn own_index(engine: &Engine, test: &str) -> (Prefix, String) {
    let prefix = engine.prefix(test);
    let index = prefix.name("a");
    create(&engine.json, &index);
    (prefix, index)
}

#[test]
fn content_keeps_bytes_and_routing_and_a_prefix_cleans_up() {
    let engine = Engine::get();
    let (prefix, index) = own_index(&engine, "content");
    let odd = r#"{"n":18014398509481985,  "k":1,"k2":"\u00e9"}"#;
    engine.json.write(&index, &[("1", odd), ("a/\"b\" 🦀", "{}")]);
    let routed = format!("/{index}/_doc/2?routing=somewhere&refresh=true");
    engine.json.put(&routed, &json!({ "x": 1 }));
    let kept = content(&engine, &index);
    assert_eq!(kept["1"].source, odd);
    assert_eq!(kept["2"].routing.as_deref(), Some("somewhere"));
    assert_eq!(kept["2"].value(), json!({ "x": 1 }));
    assert!(kept.contains_key("a/\"b\" 🦀"));
    assert_eq!(engine.json.count(&index), 3);
    drop(prefix);
    assert_eq!(engine.json.call(Method::GET, &format!("/{index}"), None).0, 404);
}

#[tokio::test]
async fn an_installation_is_written_and_unchecked_enrichment_is_seen() {
    let engine = Engine::get();
    let prefix = engine.prefix("install");
    let volume = Volume { events: 300, records: 30, months: 2 };
    let installed = Installation::new(&engine, &prefix, 3, volume);
    let writing = installed.start_writing(2);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (refusals, sightings) = writing.stop();
    assert_eq!((refusals.writes, sightings.above, sightings.below), (0, 0, 0), "{sightings:?}");
    let views = engine.json.count(&installed.site.read_alias(Kind::View));
    let found = installed.check();
    assert!(views > 150, "{views}");
    assert_eq!((found.lost, found.stale, found.surplus), (0, 0, 0), "{found:?}");
    assert_eq!(found.wrong_enrichment, found.documents, "nothing is enriched yet");
}

#[test]
fn the_proxy_is_faithful_without_faults() {
    let engine = Engine::get();
    let (_prefix, index) = own_index(&engine, "faithful");
    let proxy = Proxy::start(&engine, Faults::seeded(1));
    let through = Engine::at(&proxy.url);
    let documents: Vec<(String, String)> = (0..2_000)
        .map(|n| (n.to_string(), json!({ "n": n, "t": "x".repeat(500) }).to_string()))
        .collect();
    let documents: Vec<(&str, &str)> =
        documents.iter().map(|(id, source)| (id.as_str(), source.as_str())).collect();
    through.json.write(&index, &documents);
    assert_eq!(content(&through, &index), content(&engine, &index));
    assert!(proxy.faults().is_empty());
    assert!(proxy.requests() >= 4);
}

#[test]
fn each_fault_does_what_it_says() {
    let engine = Engine::get();
    let (_prefix, index) = own_index(&engine, "faults");
    let proxy = Proxy::start(&engine, Faults::seeded(1));
    let http = segue_demo::http::Http::new(&proxy.url).unwrap();
    let attempt = |fault: Fault, id: &str| {
        proxy.set(Faults::seeded(1).with(fault, 1_000).only("_doc").at_most(1));
        let path = format!("/{index}/_doc/{id}?refresh=true");
        let http = http.clone();
        segue_testkit::wait(async move { http.put(&path, &json!({ "x": 1 })).await })
    };
    let there =
        |id: &str| engine.json.call(Method::GET, &format!("/{index}/_doc/{id}"), None).0 == 200;

    let answer = attempt(Fault::Refuse(429), "refused").unwrap();
    assert_eq!((answer.status, there("refused")), (429, false));
    assert!(attempt(Fault::CutRequest, "cut").is_err());
    assert!(!there("cut"));
    for (fault, id) in [(Fault::DropResponse, "dropped"), (Fault::CutResponse, "half")] {
        assert!(attempt(fault, id).is_err(), "{fault:?}");
        assert!(there(id), "{fault:?}: the engine has acted");
    }
    let begun = std::time::Instant::now();
    let answer = attempt(Fault::Delay(Duration::from_millis(300)), "late").unwrap();
    assert_eq!(answer.status, 201);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(proxy.faults().values().sum::<u64>(), 5);
}
