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
        .map(organisation);
    let funders =
        list(&metadata["funding"]).filter_map(|grant| grant.get("funder")).map(organisation);
    let fields = [
        ("access_status", record["access"]["status"].clone()),
        ("affiliations", affiliations.collect()),
        ("community_ids", list(&record["parent"]["communities"]["ids"]).cloned().collect()),
        ("file_types", list(&record["files"]["types"]).cloned().collect()),
        ("funders", funders.collect()),
        ("journal_title", record["custom_fields"]["journal:journal"]["title"].clone()),
        ("languages", each(&metadata["languages"], &["@v", "id", "title"])),
        ("publisher", metadata["publisher"].clone()),
        ("resource_type", classified(&metadata["resource_type"])),
        ("rights", list(&metadata["rights"]).map(licence).collect()),
        ("subjects", each(&metadata["subjects"], &["@v", "id", "subject", "scheme"])),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn organisation(value: &Value) -> Value {
    let mut kept = only(value, &["@v", "id", "name", "identifiers"]);
    if let Some(identifiers) = kept.get_mut("identifiers") {
        *identifiers = each(identifiers, &["identifier", "scheme"]);
    }
    kept
}

fn classified(value: &Value) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    let mut kept = only(value, &["@v", "id", "title", "props"]);
    if let Some(props) = kept.get_mut("props") {
        *props = only(props, &["type", "subtype"]);
    }
    kept
}

fn licence(value: &Value) -> Value {
    let keys = ["@v", "id", "title", "description", "props", "link", "icon"];
    let mut kept = only(value, &keys);
    if let Some(props) = kept.get_mut("props") {
        *props = only(props, &["url", "scheme"]);
    }
    kept
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn each(value: &Value, keys: &[&str]) -> Value {
    list(value).map(|item| only(item, keys)).collect()
}

fn only(object: &Value, keys: &[&str]) -> Value {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(key, _)| keys.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect::<Map<_, _>>()
        .into()
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
                "resource_type": { "id": "book", "props": { "type": "t", "csl": "book" } },
                "publisher": "UBC",
                "languages": [{ "id": "eng" }],
                "rights": [{ "id": "cc" }],
                "creators": [affiliated("first"), {}],
                "contributors": [affiliated("last")],
                "funding": [
                    { "funder": { "id": "f", "country": "CH",
                        "identifiers": [{ "identifier": "i", "scheme": "ror", "x": 1 }] } },
                    { "award": {} },
                ],
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
            "funders": [{ "id": "f", "identifiers": [{ "identifier": "i", "scheme": "ror" }] }],
            "journal_title": "N/A",
            "languages": [{ "id": "eng" }],
            "publisher": "UBC",
            "resource_type": { "id": "book", "props": { "type": "t" } },
            "rights": [{ "id": "cc" }],
            "subjects": [{ "id": "s", "subject": "S" }],
        });
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_record_that_is_gone_gives_nulls_and_empty_lists() {
        let fields = enriched(&Value::Null);
        assert_eq!(fields["publisher"], Value::Null);
        assert_eq!(fields["resource_type"], Value::Null);
        assert_eq!(fields["affiliations"], json!([]));
        assert_eq!(fields.len(), super::Oracle::FIELDS.len());
    }
}
