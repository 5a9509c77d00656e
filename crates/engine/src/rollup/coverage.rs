//! Which documents of a roll-up are there.

use std::collections::BTreeMap;

use segue_cluster::Class;
use segue_model::recipe::Output;
use segue_model::rollup::PeriodStart;
use segue_model::rollup::work::{Firsts, Span};
use serde_json::json;

use super::Rollup;
use super::write::Kind;
use crate::error::{Doing, Error};

impl Kind {
    /// The field that says which period a document is about.
    fn date(self) -> &'static str {
        match self {
            Kind::Delta => "period_start",
            Kind::Snapshot => "snapshot_date",
        }
    }
}

impl Rollup {
    /// Documents of known keys by period.
    pub(super) async fn there(
        &self,
        kind: Kind,
        output: &Output,
        firsts: &Firsts,
        span: Span,
    ) -> Result<BTreeMap<PeriodStart, u64>, Error> {
        let (spec, pattern) = (self.spec(), output.index.wildcard());
        let counting = || format!("counting the documents of {pattern}");
        match self.ask(1).refresh(&pattern).await {
            Err(error) if error.class() == Class::NotFound => return Ok(BTreeMap::new()),
            answer => answer.doing(counting)?,
        }
        let keys: Vec<_> = firsts.keys().collect();
        let end = spec.period.next(span.last);
        let range = json!({ "gte": span.first.0, "lt": end.0, "format": "epoch_millis" });
        let body = json!({
            "size": 0, "track_total_hits": false,
            "query": { "bool": { "filter": [
                { "terms": { spec.key.name.as_str(): keys } },
                { "range": { kind.date(): range } }
            ]}},
            "aggs": { "periods": { "date_histogram": {
                "field": kind.date(), "calendar_interval": spec.period.interval(), "min_doc_count": 1
            }}}
        });
        let answer = self.ask(1).search(&pattern, &body).await.doing(counting)?;
        let mut there = BTreeMap::new();
        let aggregations = answer.aggregations.unwrap_or_default();
        for bucket in aggregations["periods"]["buckets"].as_array().into_iter().flatten() {
            if let (Some(at), Some(count)) = (bucket["key"].as_i64(), bucket["doc_count"].as_u64())
            {
                there.insert(spec.period.of(at), count);
            }
        }
        Ok(there)
    }
}
