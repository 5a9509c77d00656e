//! What the pipeline of a run must make of a document, worked out from the scenario alone.
//!
//! It shares no code with the program under test: a mistake would have to be made twice.

use serde_json::{Map, Value, json};

/// A document's content.
pub(crate) type Fields = Map<String, Value>;

/// What a run's recipe does to documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pipeline {
    /// Documents are copied as they are.
    None,
    /// Constants are set.
    Set,
    /// Fields of a row found by `ref`, and a constant.
    Enrich,
    /// Documents marked as `robot` are left out.
    Filter,
    /// Both.
    EnrichAndFilter,
    /// One document for each of the document's parts.
    FanOut,
}

/// Rows that a lookup can find: `k0` to `k39`. Documents also refer to others.
pub(crate) const ROWS: u64 = 40;

impl Pipeline {
    pub(crate) const ALL: [Self; 6] =
        [Self::None, Self::Set, Self::Enrich, Self::Filter, Self::EnrichAndFilter, Self::FanOut];

    pub(crate) fn enriches(self) -> bool {
        matches!(self, Self::Enrich | Self::EnrichAndFilter)
    }

    pub(crate) fn filters(self) -> bool {
        matches!(self, Self::Filter | Self::EnrichAndFilter)
    }

    pub(crate) fn sets(self) -> bool {
        !matches!(self, Self::None | Self::Filter | Self::FanOut)
    }

    /// The document as the new index must hold it, put together again if it became several; `None`: left
    /// out.
    pub(crate) fn migrate(self, fields: &Fields) -> Option<Fields> {
        if self == Self::FanOut && fields.get("parts").is_none_or(|parts| *parts == json!([])) {
            return None;
        }
        if self.filters() && fields.get("robot") == Some(&json!(true)) {
            return None;
        }
        let mut made = fields.clone();
        if self.sets() {
            made.insert("schema".into(), json!(2));
        }
        if self.enriches() {
            let row = fields.get("ref").and_then(Value::as_str).and_then(row_of);
            let publisher = row.map_or(Value::Null, |row| json!(publisher(row)));
            made.insert("publisher".into(), publisher);
        }
        Some(made)
    }
}

/// Whether a field is the pipeline's and not the application's.
pub(crate) fn owns(field: &str) -> bool {
    matches!(field, "schema" | "publisher")
}

/// The row that a document's `ref` names, if there is one.
fn row_of(reference: &str) -> Option<u64> {
    reference.strip_prefix('k')?.parse().ok().filter(|row| *row < ROWS)
}

/// The value that row number `row` has for `publisher`.
pub(crate) fn publisher(row: u64) -> String {
    format!("House {}", row * 7 % 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn each_pipeline_makes_what_it_says() {
        let plain = fields(&json!({ "n": 1, "ref": "k3", "robot": false }));
        let made = Pipeline::Enrich.migrate(&plain).unwrap();
        assert_eq!(made["publisher"], "House 10");
        assert_eq!(made["schema"], 2);
        assert_eq!(Pipeline::None.migrate(&plain).unwrap(), plain);
        assert_eq!(Pipeline::Filter.migrate(&plain).unwrap(), plain);
        let robot = fields(&json!({ "n": 1, "ref": "k99", "robot": true }));
        assert_eq!(Pipeline::EnrichAndFilter.migrate(&robot), None);
        assert_eq!(Pipeline::Enrich.migrate(&robot).unwrap()["publisher"], Value::Null);
    }
}
