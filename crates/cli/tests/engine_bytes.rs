//! Without a pipeline a document is copied byte for byte, whatever it is and whatever it is called.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Recipe, assert_switched};
use segue_testkit::{Engine, content};
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block }
";

#[test]
fn documents_and_their_names_stay_as_they_are() {
    let engine = Engine::get();
    let prefix = engine.prefix("bytes");
    let name = prefix.name("day-1");
    engine.json.put(
        &format!("/{name}"),
        &json!({
            "settings": { "number_of_shards": 3, "number_of_replicas": 0 },
            "mappings": { "dynamic": false, "properties": {
                "parts": { "type": "nested", "properties": { "n": { "type": "long" } } }
            }}
        }),
    );
    let longest = "x".repeat(512);
    let sources = [
        ("numbers", r#"{"a":1.0,"b":1e3,"c":12345678901234567890123456789012345678901,"d":-0.0}"#),
        ("spacing", r#"{ "b" : [ 1 , 2 ] ,"a":{"x":null} }"#),
        ("text", r#"{"t":"\u00e9 é \ud83d\ude00 \"quoted\" \\ / \n"}"#),
        ("nested", r#"{"parts":[{"n":1},{"n":2},{"n":3}]}"#),
        ("with \"quotes\" and \\", r#"{"v":1}"#),
        ("a/b/c?d=e&f#g%20", r#"{"v":2}"#),
        ("emoji 😀 ü", r#"{"v":3}"#),
        (longest.as_str(), r#"{"v":4}"#),
        ("empty", "{}"),
    ];
    engine.json.write(&name, &sources);
    // A document that was indexed over several lines comes back over several lines.
    let pretty = json!({ "pretty": [1, 2], "deep": { "er": true } });
    let path = format!("/{name}/_doc/routed?routing=somewhere&refresh=true");
    engine.json.put(&path, &pretty);
    let large = format!(r#"{{"v":5,"large":"{}"}}"#, "words ".repeat(3_500_000));
    engine.json.write(&name, &[("large", &large)]);

    let before = content(&engine, &name);
    assert_eq!(before.len(), sources.len() + 2);
    assert_eq!(before["routed"].routing.as_deref(), Some("somewhere"));
    let report = Recipe::new(&engine, &prefix, RECIPE).run(0);
    assert_eq!(report["totals"]["written"], before.len() as u64);
    assert_switched(&engine, &name, &prefix.name("day-1-v2"));
    let after = content(&engine, &name);
    assert!(after.keys().eq(before.keys()));
    for (id, kept) in &before {
        assert!(after[id] == *kept, "{id} is not what it was");
    }
}

#[test]
fn a_document_over_several_lines_stays_one_document() {
    let engine = Engine::get();
    let prefix = engine.prefix("lines");
    let name = prefix.name("day-1");
    let settings = json!({ "settings": { "number_of_replicas": 0 } });
    engine.json.put(&format!("/{name}"), &settings);
    let path = format!("/{name}/_doc/a?refresh=true");
    engine.json.put_text(&path, "{\n  \"v\" : 1,\r\n  \"w\" : [\n1.50\n]\n}");
    Recipe::new(&engine, &prefix, RECIPE).run(0);
    let after = content(&engine, &name);
    assert_eq!(after.len(), 1);
    assert_eq!(after["a"].source, "{   \"v\" : 1,    \"w\" : [ 1.50 ] }");
}
