//! A repository's usage event through the recipe that is made for it.

use std::collections::BTreeMap;

use segue_model::recipe::Recipe;
use serde_json::{Value, json};

use crate::stage::{Stage, stage_of};

fn stage(rows: &[&str]) -> Stage {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/invenio/usage-events.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let recipe = Recipe::parse(&text, file, &BTreeMap::new(), &|_| None).unwrap();
    stage_of(&recipe.pipeline, &[rows]).unwrap()
}

fn record() -> Value {
    json!({
        "id": "jthhs-g4b38",
        "created": "2025-06-01T00:00:00+00:00",
        "access": { "status": "open" },
        "files": { "types": ["pdf"] },
        "parent": { "communities": { "ids": ["c0ffee"] } },
        "custom_fields": { "journal:journal": { "title": "N/A" } },
        "metadata": {
            "resource_type": {
                "@v": "r::1", "id": "textDocument-journalArticle", "title": { "en": "Journal article" },
                "props": { "type": "textDocument", "subtype": "journalArticle", "eurepo": "info:x" }
            },
            "publisher": "Knowledge Commons",
            "languages": [{ "id": "eng", "title": { "en": "English" } }],
            "subjects": [{ "id": "s1", "subject": "History", "scheme": "FAST", "props": { "x": 1 }, "identifiers": [] }],
            "rights": [{ "id": "cc-by-sa-4.0", "title": { "en": "BY-SA" }, "props": { "url": "https://l", "scheme": "spdx", "z": 1 } }],
            "creators": [{ "affiliations": [{ "name": "Henry Ford College" }], "role": { "id": "a" } }, {}],
            "contributors": [{ "affiliations": [{ "id": "03rmrcq20", "name": "Contributor Institution", "acronym": "CI" }] }],
            "funding": [{ "funder": { "id": "00k4n6c31", "name": "Funder 00k4n6c31" }, "award": { "number": "1" } }]
        }
    })
}

const VIEW: &str = r#"{"timestamp":"2025-06-14T09:31:27","recid":"jthhs-g4b38","parent_recid":"q2w3e-r4t56","unique_id":"ui_jthhs-g4b38","country":"US","referrer":null,"via_api":false,"is_robot":false}"#;
const DOWNLOAD: &str = r#"{"timestamp":"2025-06-14T09:31:44","recid":"jthhs-g4b38","file_key":"1955 in 1947.pdf","size":1984949.0,"via_api":true}"#;

#[test]
fn all_fields_are_filled_from_the_record() {
    let row = record().to_string();
    let mut stage = stage(&[&row]);
    let out = stage.written(VIEW);
    assert!(out.starts_with(VIEW.strip_suffix('}').unwrap()), "{out}");
    let event: Value = serde_json::from_str(&out).unwrap();
    for (field, expected) in [
        ("community_ids", json!(["c0ffee"])),
        ("access_status", json!("open")),
        ("publisher", json!("Knowledge Commons")),
        (
            "resource_type",
            json!({
                "@v": "r::1", "id": "textDocument-journalArticle", "title": { "en": "Journal article" },
                "props": { "type": "textDocument", "subtype": "journalArticle" }
            }),
        ),
        ("languages", json!([{ "id": "eng", "title": { "en": "English" } }])),
        ("subjects", json!([{ "id": "s1", "subject": "History", "scheme": "FAST" }])),
        (
            "rights",
            json!([{ "id": "cc-by-sa-4.0", "title": { "en": "BY-SA" }, "props": { "url": "https://l", "scheme": "spdx" } }]),
        ),
        (
            "affiliations",
            json!([{ "name": "Henry Ford College" }, { "id": "03rmrcq20", "name": "Contributor Institution" }]),
        ),
        ("funders", json!([{ "id": "00k4n6c31", "name": "Funder 00k4n6c31" }])),
        ("journal_title", json!("N/A")),
        ("file_types", json!(["pdf"])),
    ] {
        assert_eq!(event[field], expected, "{field}");
    }
}

#[test]
fn the_size_of_a_download_becomes_whole_bytes() {
    let row = record().to_string();
    let mut stage = stage(&[&row]);
    let out = stage.written(DOWNLOAD);
    assert!(out.contains(r#""size":1984949,"via_api":true,"community_ids":["c0ffee"]"#), "{out}");
}

#[test]
fn an_event_of_a_record_that_is_gone_is_kept() {
    let mut stage = stage(&[]);
    let out = stage.written(VIEW);
    let event: Value = serde_json::from_str(&out).unwrap();
    for field in ["resource_type", "access_status", "publisher", "journal_title"] {
        assert_eq!(event.get(field), Some(&Value::Null), "{field}");
    }
    for field in [
        "community_ids",
        "languages",
        "subjects",
        "rights",
        "affiliations",
        "funders",
        "file_types",
    ] {
        assert_eq!(event[field], json!([]), "{field}");
    }
}
