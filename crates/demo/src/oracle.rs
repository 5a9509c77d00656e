//! The oracle: what enrichment must write, worked out from the records by a second, plain
//! implementation that shares nothing with the program under check.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::invenio::{Site, record};

/// What each event must carry, by its record.
#[derive(Debug)]
pub struct Oracle {
    by_recid: HashMap<String, Map<String, Value>>,
    without_record: Map<String, Value>,
}

impl Oracle {
    /// The fields that enrichment writes.
    pub const FIELDS: [&'static str; 11] = [
        "access_status",
        "affiliations",
        "community_ids",
        "file_types",
        "funders",
        "journal_title",
        "languages",
        "publisher",
        "resource_type",
        "rights",
        "subjects",
    ];

    /// Works out what all records of a site give to their events.
    #[must_use]
    pub fn of(site: &Site) -> Self {
        let records = (0..site.records()).map(record);
        let by_recid = records
            .filter_map(|record| Some((record["id"].as_str()?.to_owned(), enriched(&record))))
            .collect();
        Self { by_recid, without_record: enriched(&Value::Null) }
    }

    /// Whether enrichment writes the field, rather than the application.
    #[must_use]
    pub fn owns(field: &str) -> bool {
        Self::FIELDS.contains(&field)
    }

    /// The enriched fields that an event document must have.
    #[must_use]
    pub fn expects(&self, event: &Map<String, Value>) -> &Map<String, Value> {
        let recid = event.get("recid").and_then(Value::as_str);
        recid.and_then(|recid| self.by_recid.get(recid)).unwrap_or(&self.without_record)
    }
}

/// The enriched fields of events of one record; of `null` when the record is gone.
fn enriched(record: &Value) -> Map<String, Value> {
    let metadata = &record["metadata"];
    let affiliations = list(&metadata["creators"])
        .chain(list(&metadata["contributors"]))
        .flat_map(|person| list(&person["affiliations"]))
        .map(|affiliation| only(affiliation, &["@v", "id", "name", "identifiers"]));
    let funders = list(&metadata["funding"])
        .filter_map(|grant| grant.get("funder"))
        .map(|funder| only(funder, &["@v", "id", "name", "identifiers"]));
    let subjects = list(&metadata["subjects"]).map(|s| only(s, &["@v", "id", "subject", "scheme"]));
    let fields = [
        ("access_status", record["access"]["status"].clone()),
        ("affiliations", affiliations.collect()),
        ("community_ids", list(&record["parent"]["communities"]["ids"]).cloned().collect()),
        ("file_types", list(&record["files"]["types"]).cloned().collect()),
        ("funders", funders.collect()),
        ("journal_title", record["custom_fields"]["journal:journal"]["title"].clone()),
        ("languages", metadata["languages"].clone()),
        ("publisher", metadata["publisher"].clone()),
        ("resource_type", metadata["resource_type"].clone()),
        ("rights", metadata["rights"].clone()),
        ("subjects", subjects.collect()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn only(object: &Value, keys: &[&str]) -> Value {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(key, _)| keys.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::enriched;

    #[test]
    fn a_full_record_gives_all_fields() {
        let affiliated = |id: &str| json!({ "affiliations": [{ "id": id, "name": id }] });
        let record = json!({
            "access": { "status": "open" },
            "files": { "types": ["pdf"] },
            "custom_fields": { "journal:journal": { "title": "N/A" } },
            "metadata": {
                "resource_type": { "id": "book" },
                "publisher": "UBC",
                "languages": [{ "id": "eng" }],
                "rights": [{ "id": "cc" }],
                "creators": [affiliated("first"), {}],
                "contributors": [affiliated("last")],
                "funding": [{ "funder": { "id": "f" }, "award": {} }, { "award": {} }],
                "subjects": [{ "id": "s", "subject": "S", "props": {} }],
            },
            "parent": { "communities": { "ids": ["c"] } },
        });
        let fields = Value::from(enriched(&record));
        let expected = json!({
            "access_status": "open",
            "affiliations": [{ "id": "first", "name": "first" }, { "id": "last", "name": "last" }],
            "community_ids": ["c"],
            "file_types": ["pdf"],
            "funders": [{ "id": "f" }],
            "journal_title": "N/A",
            "languages": [{ "id": "eng" }],
            "publisher": "UBC",
            "resource_type": { "id": "book" },
            "rights": [{ "id": "cc" }],
            "subjects": [{ "id": "s", "subject": "S" }],
        });
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_record_that_is_gone_gives_nulls_and_empty_lists() {
        let fields = enriched(&Value::Null);
        assert_eq!(fields["publisher"], Value::Null);
        assert_eq!(fields["affiliations"], json!([]));
        assert_eq!(fields.len(), super::Oracle::FIELDS.len());
    }
}
