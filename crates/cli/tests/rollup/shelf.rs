//! Records and the events that add them to communities and remove them.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;

use segue_testkit::{Engine, Prefix};
use serde_json::{Value, json};

/// The shelf of a test.
pub struct Shelf<'e> {
    engine: &'e Engine,
    prefix: String,
}

/// A record as it is written.
#[derive(Clone)]
pub struct Book {
    pub id: String,
    pub created: String,
    pub removed: Option<String>,
    /// Bytes of its only file.
    pub bytes: Option<u64>,
    pub kind: &'static str,
    pub publisher: &'static str,
    pub owner: u64,
}

impl Book {
    pub fn new(id: &str, created: &str, bytes: Option<u64>) -> Book {
        let (id, created) = (id.to_owned(), created.to_owned());
        Book { id, created, removed: None, bytes, kind: "book", publisher: "UBC", owner: 1 }
    }

    pub fn document(&self) -> Value {
        let files = match self.bytes {
            Some(bytes) => {
                json!({ "enabled": true, "count": 1, "totalbytes": bytes, "types": ["pdf"] })
            }
            None => json!({ "enabled": false }),
        };
        let mut document = json!({
            "id": self.id, "created": self.created, "updated": self.created,
            "access": { "status": if self.bytes.is_some() { "open" } else { "metadata-only" } },
            "parent": {
                "id": format!("p-{}", self.id), "access": { "owned_by": { "user": self.owner } }
            },
            "files": files,
            "custom_fields": { "journal:journal": { "title": "N/A" } },
            "metadata": {
                "resource_type": { "id": self.kind, "title": { "en": format!("a {}", self.kind) } },
                "publisher": self.publisher,
                "languages": [{ "id": "eng", "title": { "en": "English" } }],
                "funding": [{ "funder": { "id": "f1", "name": "Funder" } }],
                "creators": [{ "affiliations": [{ "name": "no id" }, { "id": "a1", "name": "One" }] }],
                "contributors": [{ "affiliations": [{ "id": "a2", "name": "Two" }] }],
                "subjects": [{ "id": "s1", "subject": "Subject", "scheme": "x" }]
            }
        });
        if let Some(removed) = &self.removed {
            document["tombstone"] = json!({ "removal_date": removed, "is_visible": true });
            document["is_deleted"] = json!(true);
        }
        document
    }
}

impl<'e> Shelf<'e> {
    pub fn new(engine: &'e Engine, prefix: &Prefix) -> Shelf<'e> {
        let shelf = Shelf { engine, prefix: prefix.as_str().to_owned() };
        let keyword = json!({ "type": "keyword" });
        let date = json!({ "type": "date" });
        let one = json!({ "number_of_replicas": 0, "number_of_shards": 2 });
        shelf.engine.json.put(
            &format!("/{}", shelf.name("rdmrecords-records-v7")),
            &json!({
                "settings": one, "aliases": { shelf.name("rdmrecords-records"): {} },
                "mappings": { "dynamic": "false", "properties": {
                    "id": keyword, "created": date,
                    "tombstone": { "properties": { "removal_date": date } }
                }}
            }),
        );
        for year in ["2024", "2025"] {
            shelf.engine.json.put(
                &format!("/{}", shelf.name(&format!("stats-community-events-{year}"))),
                &json!({
                    "settings": one, "aliases": { shelf.name("stats-community-events"): {} },
                    "mappings": { "dynamic": "false", "properties": {
                        "record_id": keyword, "community_id": keyword, "event_type": keyword,
                        "event_date": date
                    }}
                }),
            );
        }
        shelf
    }

    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn put(&self, books: &[Book]) {
        let texts: Vec<_> =
            books.iter().map(|of| (of.id.clone(), of.document().to_string())).collect();
        self.write("rdmrecords-records", "rdmrecords-records-v7", &texts);
    }

    /// Events as record, community, whether added, and time; each with an id of its own.
    pub fn events(&self, events: &[(&str, &str, bool, &str)]) {
        let mut by_year: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
        for (record, community, added, at) in events {
            let event = json!({
                "record_id": record, "community_id": community, "event_date": at,
                "event_type": if *added { "added" } else { "removed" },
            });
            let id = event_id(record, community, *added, at);
            by_year.entry(&at[..4]).or_default().push((id, event.to_string()));
        }
        for (year, texts) in by_year {
            let index = format!("stats-community-events-{year}");
            self.write("stats-community-events", &index, &texts);
        }
    }

    pub fn delete_event(&self, record: &str, community: &str, added: bool, at: &str) {
        let id = event_id(record, community, added, at);
        let index = self.name(&format!("stats-community-events-{}", &at[..4]));
        self.engine.json.delete(&format!("/{index}/_doc/{id}?refresh=true"));
    }

    fn write(&self, alias: &str, index: &str, texts: &[(String, String)]) {
        for some in texts.chunks(2000) {
            let pairs: Vec<_> =
                some.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
            self.engine.json.write(&self.name(index), &pairs);
        }
        self.engine.json.post(&format!("/{}/_refresh", self.name(alias)), &Value::Null);
    }

    /// Deltas or snapshots by id.
    pub fn rolled(&self, kind: &str) -> BTreeMap<String, Value> {
        let pattern = self.name(&format!("stats-community-records-{kind}-added-*"));
        self.engine.json.post(&format!("/{pattern}/_refresh"), &Value::Null);
        let body = json!({ "size": 10_000 });
        let answer = self.engine.json.post(&format!("/{pattern}/_search"), &body);
        let hits = answer["hits"]["hits"].as_array().unwrap();
        let found: BTreeMap<_, _> = hits
            .iter()
            .map(|hit| (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].clone()))
            .collect();
        assert_eq!(found.len(), hits.len(), "an id is there twice");
        found
    }
}

fn event_id(record: &str, community: &str, added: bool, at: &str) -> String {
    format!("{record}-{community}-{added}-{at}").replace([':', '+'], "_")
}
