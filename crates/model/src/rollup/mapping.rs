//! The mapping of a roll-up's index, where the recipe names no template.

use serde_json::{Map, Value, json};

use crate::recipe::{Dimension, Metric, RollupSpec};

/// `settings` and `mappings` for the index of deltas, or of snapshots. Strict, as roll-ups have no other
/// fields; amounts are `long` for counts and `double` for sums.
#[must_use]
pub fn mapping(spec: &RollupSpec, snapshots: bool) -> Value {
    let date = json!({ "type": "date", "format": "strict_date_optional_time" });
    let dates: &[&str] = if snapshots {
        &["snapshot_date", "timestamp", "updated_timestamp"]
    } else {
        &["period_start", "period_end", "timestamp"]
    };
    let mut properties: Map<String, Value> =
        dates.iter().map(|name| ((*name).to_owned(), date.clone())).collect();
    properties.insert(spec.key.name.clone(), json!({ "type": "keyword" }));
    properties.insert("totals".to_owned(), json!({ "properties": cells(spec) }));
    let subcounts = spec.dimensions.iter().map(|of| {
        let list = list(spec, of);
        let field = if snapshots && of.top.is_some() {
            let tops = spec.sources.iter().map(|of| (format!("by_{}", of.name), list.clone()));
            json!({ "properties": tops.collect::<Map<_, _>>() })
        } else {
            list
        };
        (of.name.clone(), field)
    });
    let subcounts: Map<_, _> = subcounts.collect();
    properties.insert("subcounts".to_owned(), json!({ "properties": subcounts }));
    json!({ "mappings": {
        "dynamic": "strict", "date_detection": false, "numeric_detection": false,
        "properties": properties
    }})
}

fn list(spec: &RollupSpec, of: &Dimension) -> Value {
    let mut entry = cells(spec);
    entry.insert("id".to_owned(), json!({ "type": "keyword" }));
    // Labels from documents can be a text or a text for each language.
    let label = match of.label {
        None => json!({ "type": "keyword" }),
        Some(_) => json!({ "type": "object", "enabled": false }),
    };
    entry.insert("label".to_owned(), label);
    json!({ "type": "nested", "properties": entry })
}

fn cells(spec: &RollupSpec) -> Map<String, Value> {
    let number = |metric: &Metric| match metric {
        Metric::Count | Metric::Unique(_) => json!({ "type": "long" }),
        Metric::Sum(_) => json!({ "type": "double" }),
    };
    let source = |of: &crate::recipe::RollupSource| {
        let row = of.metrics.iter().map(|(name, metric)| (name.clone(), number(metric)));
        (of.name.clone(), json!({ "properties": row.collect::<Map<_, _>>() }))
    };
    spec.sources.iter().map(source).collect()
}
