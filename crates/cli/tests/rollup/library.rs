//! A small library: records, their usage events in both shapes, and reading roll-ups.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use segue_testkit::{Engine, Prefix};
use serde_json::{Value, json};

/// A record of the library.
pub struct Record {
    pub id: &'static str,
    kind: &'static str,
    publisher: &'static str,
    language: Option<&'static str>,
    funder: Option<&'static str>,
    affiliation: Option<&'static str>,
    journal: Option<&'static str>,
    size: Option<u64>,
    communities: &'static [&'static str],
}

const PLAIN: Record = Record {
    id: "",
    kind: "book",
    publisher: "Knowledge Commons",
    language: None,
    funder: None,
    affiliation: None,
    journal: None,
    size: None,
    communities: &["c1"],
};

/// Four records of a community, three of them with a file, and one outside of it.
pub const RECORDS: [Record; 5] = [
    Record {
        id: "r1",
        kind: "journalArticle",
        language: Some("eng"),
        funder: Some("00k4n6c31"),
        affiliation: Some("03rmrcq20"),
        journal: Some("N/A"),
        size: Some(1_984_949),
        ..PLAIN
    },
    Record {
        id: "r2",
        kind: "journalArticle",
        language: Some("eng"),
        funder: Some("00k4n6c31"),
        affiliation: Some("013v4ng57"),
        size: Some(458_036),
        ..PLAIN
    },
    Record { id: "r3", publisher: "UBC", size: Some(58_659_795), ..PLAIN },
    Record { id: "r4", kind: "bookSection", publisher: "Apocryphile Press", ..PLAIN },
    Record { id: "r5", size: Some(5), communities: &[], ..PLAIN },
];

impl Record {
    fn type_id(&self) -> String {
        format!("textDocument-{}", self.kind)
    }

    fn access(&self) -> &'static str {
        if self.size.is_some() { "open" } else { "metadata-only" }
    }

    fn file_types(&self) -> Value {
        if self.size.is_some() { json!(["pdf"]) } else { json!([]) }
    }

    fn languages(&self) -> Vec<Value> {
        let title = json!({ "en": "English", "de": "Englisch" });
        self.language.iter().map(|id| json!({ "id": id, "title": title })).collect()
    }

    fn named(id: Option<&str>, kind: &str) -> Vec<Value> {
        id.iter().map(|id| json!({ "id": id, "name": format!("{kind} {id}") })).collect()
    }

    /// An affiliation without an id, which is none for a roll-up, and perhaps one with.
    fn affiliations(&self) -> Vec<Value> {
        let plain = json!({ "name": "Henry Ford College" });
        std::iter::once(plain).chain(Record::named(self.affiliation, "Affiliation")).collect()
    }

    fn resource_type(&self) -> Value {
        json!({ "id": self.type_id(), "title": { "en": self.kind } })
    }

    fn event(&self, kind: &str, timestamp: &str, n: u64) -> Value {
        let mut event = json!({
            "timestamp": timestamp, "recid": self.id, "parent_recid": format!("p-{}", self.id),
            "unique_id": format!("ui_{}", self.id), "visitor_id": format!("v{n}"),
            "unique_session_id": format!("s{n}"), "country": "US", "referrer": null, "via_api": false,
            "is_robot": false, "is_machine": false,
        });
        if let (Some(size), "download") = (self.size, kind) {
            let more = json!({
                "bucket_id": "b", "file_id": format!("f-{}", self.id), "file_key": "a.pdf", "size": size
            });
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        event
    }

    fn enriched(&self, kind: &str, timestamp: &str, n: u64, communities: &[&str]) -> Value {
        let mut event = self.event(kind, timestamp, n);
        let more = json!({
            "community_ids": communities, "resource_type": self.resource_type(),
            "access_status": self.access(), "publisher": self.publisher,
            "languages": self.languages(), "rights": null,
            "funders": Record::named(self.funder, "Funder"), "affiliations": self.affiliations(),
            "journal_title": self.journal, "file_types": self.file_types(),
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    }
}

/// The events of a month.
pub struct Events<'e> {
    engine: &'e Engine,
    prefix: String,
    month: String,
    enriched: bool,
    communities: Option<Vec<&'static str>>,
}

impl<'e> Events<'e> {
    /// Two indices in the enriched shape, under the read aliases.
    pub fn enriched(engine: &'e Engine, prefix: &Prefix, month: &str) -> Events<'e> {
        Events::new(engine, prefix, month, true)
    }

    /// Two indices in the old shape.
    pub fn old(engine: &'e Engine, prefix: &Prefix, month: &str) -> Events<'e> {
        Events::new(engine, prefix, month, false)
    }

    fn new(engine: &'e Engine, prefix: &Prefix, month: &str, enriched: bool) -> Events<'e> {
        let (prefix, month) = (prefix.as_str().to_owned(), month.to_owned());
        let events = Events { engine, prefix, month, enriched, communities: None };
        for kind in ["record-view", "file-download"] {
            let mut body = template(&format!("{kind}-v2.0.0.json"));
            if !enriched {
                let kept = [
                    "community_ids",
                    "resource_type",
                    "access_status",
                    "publisher",
                    "languages",
                    "subjects",
                    "rights",
                    "affiliations",
                    "funders",
                    "journal_title",
                    "file_types",
                ];
                let fields = body["mappings"]["properties"].as_object_mut().unwrap();
                fields.retain(|name, _| !kept.contains(&name.as_str()));
            }
            let alias = format!("{}events-stats-{kind}", events.prefix);
            let index = json!({
                "settings": { "number_of_replicas": 0 }, "mappings": body["mappings"], "aliases": { alias: {} }
            });
            engine.json.put(&format!("/{}", events.index(kind)), &index);
        }
        events
    }

    /// The index of a kind of event.
    pub fn index(&self, kind: &str) -> String {
        let ending = if self.enriched { "-v2.0.0" } else { "" };
        format!("{}events-stats-{kind}-{}{ending}", self.prefix, self.month)
    }

    /// The same indices, for events in other communities.
    pub fn in_communities(&self, communities: &[&'static str]) -> Events<'e> {
        let (prefix, month) = (self.prefix.clone(), self.month.clone());
        let communities = Some(communities.to_vec());
        Events { engine: self.engine, prefix, month, enriched: self.enriched, communities }
    }

    pub fn views(&self, record: &Record, count: u64, at: impl Fn(u64) -> String) {
        self.write("view", "record-view", record, count, at);
    }

    /// Downloads, of a record that has a file.
    pub fn downloads(&self, record: &Record, count: u64, at: impl Fn(u64) -> String) {
        if record.size.is_some() {
            self.write("download", "file-download", record, count, at);
        }
    }

    fn write(
        &self,
        kind: &str,
        index: &str,
        record: &Record,
        count: u64,
        at: impl Fn(u64) -> String,
    ) {
        let communities = self.communities.as_deref().unwrap_or(record.communities);
        let documents: Vec<(String, String)> = (0..count)
            .map(|n| {
                let at = at(n);
                let event = match self.enriched {
                    true => record.enriched(kind, &at, n, communities),
                    false => record.event(kind, &at, n),
                };
                (
                    format!("{kind}-{}-{at}-{n}-{}", record.id, communities.join("+")),
                    event.to_string(),
                )
            })
            .collect();
        let pairs: Vec<_> =
            documents.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        for some in pairs.chunks(2000) {
            self.engine.json.write(&self.index(index), some);
        }
    }

    /// Deletes the first event of a record at a time.
    pub fn delete(&self, kind: &str, record: &Record, at: &str) {
        let id = format!("{kind}-{}-{at}-0-{}", record.id, record.communities.join("+"));
        self.engine.json.delete(&format!("/{}/_doc/{id}", self.index("record-view")));
    }

    /// Gives the first view of a record another time, under the same id.
    pub fn moved(&self, record: &Record, from: &str, to: &str) {
        let id = format!("view-{}-{from}-0-{}", record.id, record.communities.join("+"));
        let event = record.enriched("view", to, 0, record.communities).to_string();
        self.engine.json.write(&self.index("record-view"), &[(id.as_str(), event.as_str())]);
    }

    pub fn refresh(&self) {
        self.engine.json.post(&format!("/{}events-stats-*/_refresh", self.prefix), &Value::Null);
    }
}

fn template(name: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes/invenio/templates");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The index of records, as a migration looks them up.
pub fn records(engine: &Engine, prefix: &Prefix) {
    let keyword = json!({ "type": "keyword" });
    let body = json!({
        "settings": { "number_of_replicas": 0 },
        "mappings": { "properties": { "id": keyword, "metadata": { "type": "object", "enabled": false } } }
    });
    let index = prefix.name("rdmrecords-records");
    engine.json.put(&format!("/{index}"), &body);
    let records: Vec<_> = RECORDS.iter().map(|of| (of.id, record(of).to_string())).collect();
    let pairs: Vec<_> = records.iter().map(|(id, text)| (*id, text.as_str())).collect();
    engine.json.write(&index, &pairs);
}

fn record(of: &Record) -> Value {
    let funding: Vec<_> = Record::named(of.funder, "Funder")
        .into_iter()
        .map(|funder| json!({ "funder": funder, "award": { "number": "1" } }))
        .collect();
    let journal = of.journal.map(|title| json!({ "title": title }));
    json!({
        "id": of.id, "access": { "status": of.access() }, "files": { "types": of.file_types() },
        "parent": { "communities": { "ids": of.communities } },
        "custom_fields": { "journal:journal": journal },
        "metadata": {
            "resource_type": of.resource_type(), "publisher": of.publisher,
            "languages": of.languages(), "funding": funding,
            "creators": [{ "affiliations": of.affiliations() }]
        }
    })
}

/// Every document of a pattern, by id; by kind and id where the pattern covers both kinds.
pub fn documents(engine: &Engine, pattern: &str) -> BTreeMap<String, Value> {
    engine.json.post(&format!("/{pattern}/_refresh"), &Value::Null);
    let answer = engine.json.post(&format!("/{pattern}/_search"), &json!({ "size": 10_000 }));
    let hits = answer["hits"]["hits"].as_array().unwrap();
    assert!(hits.len() < 10_000);
    let both = pattern.ends_with("usage-*");
    let named = |hit: &Value| {
        let id = hit["_id"].as_str().unwrap();
        let kind =
            if hit["_index"].as_str().unwrap().contains("delta") { "delta" } else { "snapshot" };
        let name = if both { format!("{kind}/{id}") } else { id.to_owned() };
        (name, hit["_source"].clone())
    };
    let found: BTreeMap<_, _> = hits.iter().map(named).collect();
    assert_eq!(found.len(), hits.len(), "an id is there twice");
    found
}

/// A number in all.
pub fn metric(document: &Value, source: &str, name: &str) -> u64 {
    document["totals"][source][name]
        .as_u64()
        .unwrap_or_else(|| panic!("{source}.{name}: {document}"))
}

pub fn sum(documents: &[Value], source: &str, name: &str) -> u64 {
    documents.iter().map(|document| metric(document, source, name)).sum()
}

/// Events by value of a dimension.
pub fn values(list: &Value, source: &str) -> BTreeMap<String, u64> {
    let entry = |entry: &Value| {
        let count = entry[source]["total_events"].as_u64().unwrap();
        (entry["id"].as_str().unwrap().to_owned(), count)
    };
    list.as_array().unwrap().iter().map(entry).filter(|(_, count)| *count > 0).collect()
}

/// What 20 views of each of four records, and 20 downloads of each file, are on the 3rd of July 2025.
pub fn assert_the_day(engine: &Engine, prefix: &Prefix, key: &str) {
    let deltas = documents(engine, &prefix.name("stats-community-usage-delta-2025"));
    let day = &deltas[&format!("{key}-2025-07-03")];
    assert_eq!(
        day["totals"]["view"],
        json!({
            "total_events": 80, "unique_visitors": 20, "unique_records": 4, "unique_parents": 4
        })
    );
    assert_eq!(
        day["totals"]["download"],
        json!({
            "total_events": 60, "unique_visitors": 20, "unique_records": 3, "unique_parents": 3,
            "unique_files": 3, "total_volume": 1_222_055_600
        })
    );
    for (dimension, expected) in [
        ("access_statuses", vec![("metadata-only", 20), ("open", 60)]),
        ("file_types", vec![("pdf", 60)]),
        ("funders", vec![("00k4n6c31", 40)]),
        ("affiliations", vec![("013v4ng57", 20), ("03rmrcq20", 20)]),
        ("languages", vec![("eng", 40)]),
        ("publishers", vec![("Apocryphile Press", 20), ("Knowledge Commons", 40), ("UBC", 20)]),
        (
            "resource_types",
            vec![
                ("textDocument-book", 20),
                ("textDocument-bookSection", 20),
                ("textDocument-journalArticle", 40),
            ],
        ),
        ("periodicals", vec![("N/A", 20)]),
        ("countries", vec![("US", 80)]),
        ("rights", vec![]),
    ] {
        let expected: BTreeMap<_, u64> =
            expected.into_iter().map(|(id, count)| (id.to_owned(), count)).collect();
        assert_eq!(values(&day["subcounts"][dimension], "view"), expected, "{dimension}");
    }
    let funder = &day["subcounts"]["funders"][0];
    assert_eq!(
        (&funder["label"], &funder["view"]["unique_records"]),
        (&json!("Funder 00k4n6c31"), &json!(2))
    );
    let language = &day["subcounts"]["languages"][0];
    assert_eq!(language["label"], json!({ "en": "English", "de": "Englisch" }), "true labels");
    assert_eq!(day["subcounts"]["publishers"][2]["label"], "UBC");
}
