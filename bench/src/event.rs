//! The data: usage events of about 0.45 kB, and the records they are about.

use segue_testkit::Engine;
use serde_json::json;

/// The enrichment of a usage event from its record.
pub const PIPELINE: &str = "
pipeline:
  - lookup: { index: bench-records, key: recid, match: id, as: record, as_of: start, on_missing: keep }
  - copy:
      resource_type: record.resource_type
      publisher: record.publisher
      languages: { from: 'record.languages[]', default: [] }
      access_status: record.access.status
";

const BATCH: u32 = 5_000;

/// Makes `docs` events in two shards.
pub fn make_events(engine: &Engine, index: &str, docs: u32, records: u32) {
    let settings = json!({ "settings": {
        "number_of_shards": 2, "number_of_replicas": 0, "refresh_interval": "-1"
    }, "mappings": { "properties": {
        "timestamp": { "type": "date" }, "recid": { "type": "keyword" },
        "visitor_id": { "type": "keyword" }, "referrer": { "type": "keyword" },
        "country": { "type": "keyword" }, "is_robot": { "type": "boolean" }
    }}});
    engine.json.put(&format!("/{index}"), &settings);
    for first in (0..docs).step_by(BATCH as usize) {
        let events: Vec<_> = (first..docs.min(first + BATCH)).map(|n| event(n, records)).collect();
        let pairs: Vec<_> = events.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        engine.json.write(index, &pairs);
    }
    engine.json.post(&format!("/{index}/_refresh"), &json!({}));
    engine.json.post(&format!("/{index}/_flush"), &json!({}));
}

fn event(n: u32, records: u32) -> (String, String) {
    let mixed = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
    let timestamp = format!("2026-06-{:02}T{hour:02}:{minute:02}:{second:02}", 1 + n % 30);
    let source = json!({
        "timestamp": timestamp,
        "recid": format!("r{:06}", mixed % u64::from(records)),
        "parent_recid": format!("p{:06}", mixed % u64::from(records)),
        "unique_id": format!("ui_r{:06}", mixed % u64::from(records)),
        "visitor_id": format!("{mixed:056x}"),
        "unique_session_id": format!("{:056x}", mixed.rotate_left(17)),
        "country": "US", "referrer": "https://example.org/some/page", "via_api": false,
        "is_robot": false, "is_machine": false, "updated_timestamp": "2026-06-14T09:55:02.123456"
    });
    (format!("{timestamp}-{:040x}", mixed.rotate_left(31)), source.to_string())
}

/// Makes `records` records.
pub fn make_records(engine: &Engine, index: &str, records: u32) {
    let settings = json!({ "settings": { "number_of_replicas": 0 },
        "mappings": { "dynamic": false, "properties": { "id": { "type": "keyword" } } } });
    engine.json.put(&format!("/{index}"), &settings);
    let all: Vec<_> = (0..records).map(record).collect();
    let pairs: Vec<_> = all.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    for some in pairs.chunks(BATCH as usize) {
        engine.json.write(index, some);
    }
}

fn record(n: u32) -> (String, String) {
    let source = json!({
        "id": format!("r{n:06}"), "access": { "status": "open" }, "publisher": "Knowledge Commons",
        "resource_type": { "id": "textDocument-journalArticle", "title": { "en": "Journal article" } },
        "languages": [{ "id": "eng", "title": { "en": "English" } }]
    });
    (format!("r{n:06}"), source.to_string())
}
