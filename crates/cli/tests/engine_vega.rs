//! Real files, through the shipped recipe, and each generation then through a migration of its own.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Recipe, assert_same, assert_switched};
use segue_testkit::{Engine, Prefix, content, vega};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What a file holds, read by other means: each record's document by its number.
fn truth(file: &Path, texts: &[&str]) -> Vec<Value> {
    if file.extension().is_some_and(|ending| ending == "csv") {
        let mut reader = csv::Reader::from_path(file).unwrap();
        let header = reader.headers().unwrap().clone();
        let document = |row: csv::StringRecord| {
            let cells = header.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
            let cell = |(name, cell): (&str, &str)| {
                let value = if texts.contains(&name) {
                    Value::from(cell)
                } else {
                    serde_json::from_str(cell).unwrap()
                };
                (name.to_owned(), value)
            };
            cells.map(cell).collect::<Value>()
        };
        return reader.records().map(|row| document(row.unwrap())).collect();
    }
    let text = std::fs::read_to_string(file).unwrap();
    let elements: Vec<Box<RawValue>> = serde_json::from_str(&text).unwrap();
    elements.iter().map(|element| serde_json::from_str(element.get()).unwrap()).collect()
}

const MIGRATION: &str = r#"
segue: 1
name: NAME-moved
cluster: { url: "${SEGUE_CLUSTER}" }
source: { index: "PREFIXitems-000001" }
target: { index: "PREFIXitems-v2", template: t.json }
cutover: { alias: PREFIXitems }
"#;

fn by_id(documents: &[Value], file: &str) -> BTreeMap<String, Value> {
    let numbered = documents.iter().enumerate();
    numbered.map(|(number, document)| (format!("{file}:{number}"), document.clone())).collect()
}

fn served(engine: &Engine, prefix: &Prefix) -> BTreeMap<String, Value> {
    let kept = content(engine, &prefix.name("items"));
    kept.into_iter().map(|(id, kept)| (id, kept.value())).collect()
}

#[test]
fn real_files_become_indices_and_go_on_from_there() {
    let engine = Engine::get();
    let keyword = || json!({ "type": "keyword" });
    let table: [(&str, usize, &[&str], Value); 4] = [
        (
            "zipcodes.csv",
            42_049,
            &["zip_code", "city", "state", "county"],
            json!({ "dynamic": "strict", "properties": {
                "zip_code": keyword(), "city": keyword(), "state": keyword(), "county": keyword(),
                "latitude": { "type": "float" }, "longitude": { "type": "float" }
            }}),
        ),
        (
            "airports.csv",
            3_376,
            &["iata", "name", "city", "state", "country"],
            json!({ "properties": { "iata": keyword(), "name": { "type": "text" } } }),
        ),
        (
            "flights-200k.json",
            200_000,
            &[],
            json!({ "properties": { "delay": { "type": "short" }, "distance": { "type": "integer" } } }),
        ),
        (
            "movies.json",
            3_201,
            &[],
            json!({ "properties": { "Title": keyword(), "Release Date": keyword() } }),
        ),
    ];
    for (name, records, texts, mapping) in table {
        let file = vega().join(name);
        let documents = truth(&file, texts);
        assert_eq!(documents.len(), records, "{name}");
        let prefix = engine.prefix("vega");
        let loaded = Recipe::files(&engine, &prefix, &file);
        let report = loaded.run(0);
        assert_eq!(report["totals"]["written"], records, "{name}: {report}");
        let expected = by_id(&documents, &file.to_string_lossy());
        assert_same(&served(&engine, &prefix), &expected);

        let moved = Recipe::new(&engine, &prefix, MIGRATION);
        moved.add_file(
            "t.json",
            &json!({
                "settings": { "number_of_replicas": 0 }, "mappings": mapping
            }),
        );
        moved.run(0);
        assert_switched(&engine, &prefix.name("items-000001"), &prefix.name("items-v2"));
        assert_same(&served(&engine, &prefix), &expected);
    }
}

#[test]
fn a_zip_code_keeps_its_zeros() {
    let engine = Engine::get();
    let prefix = engine.prefix("zip");
    let file = vega().join("zipcodes.csv");
    let loaded = Recipe::files(&engine, &prefix, &file);
    loaded.run(0);
    let query = json!({ "query": { "term": { "zip_code.keyword": "00501" } } });
    let found = engine.json.post(&format!("/{}/_search", prefix.name("items")), &query);
    assert_eq!(found["hits"]["hits"][0]["_source"]["city"], "Holtsville", "{found}");
}

#[test]
fn damaged_copies_are_named_and_change_nothing() {
    let engine = Engine::get();
    let read = |name: &str| std::fs::read_to_string(vega().join(name)).unwrap();
    let nth = |text: &str, line: usize, with: &str| {
        let lines = text.lines().enumerate();
        let damaged =
            lines.map(|(n, old)| if n + 1 == line { with.to_owned() } else { old.to_owned() });
        damaged.collect::<Vec<_>>().join("\n")
    };
    let table: [(&str, String, &[&str], i32); 3] = [
        (
            "airports.csv",
            nth(&read("airports.csv"), 100, "XXX,only two"),
            &["airports.csv:100", "2 cells"],
            3,
        ),
        (
            "movies.json",
            nth(&read("movies.json"), 50, "    {\"Title\": ,"),
            &["movies.json:50:", "no JSON"],
            1,
        ),
        (
            "flights.json",
            read("flights-2k.json")
                .replace("},{", "},\n{")
                .trim_end()
                .trim_end_matches(']')
                .to_owned(),
            &["flights.json:2000:", "EOF while parsing a list"],
            1,
        ),
    ];
    for (name, text, words, code) in table {
        let prefix = engine.prefix("damaged");
        let folder = tempfile::tempdir().unwrap();
        let file: PathBuf = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let loaded = Recipe::files(&engine, &prefix, &file);
        let ended = loaded.command("run", &["--yes"]).run().expect(code);
        let told = format!("{}{}", ended.stdout, ended.stderr);
        for word in words {
            assert!(told.contains(word), "{name}: {word:?} is not in {told}");
        }
        let (status, _) = engine.json.call(
            segue_testkit::Method::GET,
            &format!("/_alias/{}", prefix.name("items")),
            None,
        );
        assert_eq!(status, 404, "{name}");
    }
}
