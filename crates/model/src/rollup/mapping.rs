//! The mapping of a roll-up's index, where the recipe names no template.

use serde_json::{Map, Value, json};

use super::document::{FLAT_DATE, FLAT_UPDATED};
use super::shape::{Place, Shape};
use crate::recipe::{Dimension, Metric, RollupSpec};

/// `settings` and `mappings` for the index of deltas, or of snapshots. Strict, as roll-ups have no other
/// fields; amounts are `long` for counts and `double` for sums.
#[must_use]
pub fn mapping(spec: &RollupSpec, snapshots: bool) -> Value {
    let shape = if snapshots { Shape::Snapshot } else { Shape::Delta };
    let date = json!({ "type": "date", "format": "strict_date_optional_time" });
    let dates: &[&str] = match (snapshots, &spec.entities) {
        (true, _) => &["snapshot_date", "timestamp", "updated_timestamp"],
        (false, None) => &["period_start", "period_end", "timestamp"],
        (false, Some(_)) => &["period_start", "period_end", "timestamp", "updated_timestamp"],
    };
    let mut properties: Map<String, Value> =
        dates.iter().map(|name| ((*name).to_owned(), date.clone())).collect();
    properties.insert(spec.key.name.clone(), json!({ "type": "keyword" }));
    let subcounts = spec.dimensions.iter().map(|of| {
        let list = list(spec, shape, of);
        let field = if snapshots && of.top.is_some() && spec.entities.is_none() {
            let tops = spec.sources.iter().map(|of| (format!("by_{}", of.name), list.clone()));
            json!({ "properties": tops.collect::<Map<_, _>>() })
        } else {
            list
        };
        (of.name.clone(), field)
    });
    let subcounts: Map<_, _> = subcounts.collect();
    properties.insert("subcounts".to_owned(), json!({ "properties": subcounts }));
    numbers(spec, shape, Place::Totals, &mut properties);
    json!({ "mappings": {
        "dynamic": "strict", "date_detection": false, "numeric_detection": false,
        "properties": properties
    }})
}

/// As [`mapping`], for the documents of a source of a flat roll-up. What fields that are taken over hold
/// nobody says: texts become keywords.
#[must_use]
pub fn flat_mapping(spec: &RollupSpec, source: usize) -> Value {
    let date = json!({ "type": "date", "format": "strict_date_optional_time" });
    let mut properties = Map::new();
    for name in [FLAT_DATE, FLAT_UPDATED] {
        properties.insert(name.to_owned(), date.clone());
    }
    properties.insert(spec.key.name.clone(), json!({ "type": "keyword" }));
    for metric in spec.sources.get(source).into_iter().flat_map(|of| &of.metrics) {
        let kind = match metric.metric {
            Metric::Count | Metric::Unique(_) => "long",
            Metric::Sum(_) => "double",
        };
        properties.insert(metric.name.clone(), json!({ "type": kind }));
    }
    json!({ "mappings": {
        "date_detection": false, "numeric_detection": false, "properties": properties,
        "dynamic_templates": [{ "texts": {
            "match_mapping_type": "string", "mapping": { "type": "keyword" }
        }}]
    }})
}

fn list(spec: &RollupSpec, shape: Shape, of: &Dimension) -> Value {
    let mut entry = Map::new();
    entry.insert("id".to_owned(), json!({ "type": "keyword" }));
    // Labels from documents can be a text or a text for each language.
    let label = match of.label {
        None => json!({ "type": "keyword" }),
        Some(_) => json!({ "type": "object", "enabled": false }),
    };
    entry.insert("label".to_owned(), label);
    numbers(spec, shape, Place::Group, &mut entry);
    json!({ "type": "nested", "properties": entry })
}

/// The fields of all numbers at a place.
fn numbers(spec: &RollupSpec, shape: Shape, place: Place, properties: &mut Map<String, Value>) {
    for (source, of) in spec.sources.iter().enumerate() {
        for metric in &of.metrics {
            let kind = match metric.metric {
                Metric::Count | Metric::Unique(_) => "long",
                Metric::Sum(_) => "double",
            };
            let Some(path) = shape.path(spec, place, source, &metric.name) else { continue };
            let Some((last, around)) = path.split_last() else { continue };
            let mut at = &mut *properties;
            for name in around {
                let field = at.entry(name.as_str()).or_insert_with(|| json!({ "properties": {} }));
                let Some(Value::Object(inner)) = field.get_mut("properties") else { return };
                at = inner;
            }
            at.insert(last.clone(), json!({ "type": kind }));
        }
    }
}
