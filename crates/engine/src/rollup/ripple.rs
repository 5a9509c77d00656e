//! What a written document changes elsewhere: an entity that was edited is counted on the days on which it came
//! and went, and a change of membership that came late decides whether later ones count.

use std::collections::BTreeSet;

use segue_model::id::SeqNo;
use segue_model::recipe::{Entities, Role};
use segue_model::rollup::PeriodStart;
use serde_json::{Value, json};

use super::Rollup;
use super::entity::{MANY, entity_field, text_at};
use super::read::parsed;
use super::survey::{Seen, ShardOf, Since, Survey};
use crate::error::{Doing, Error};

impl Rollup {
    /// Marks the periods stale that hang together with what was written since the last look. They are
    /// kept in the ledger of the index that it was written to, so that both are remembered or neither.
    ///
    /// Of a document that is gone nothing says which entity it was about: everything is stale then.
    pub(super) async fn ripple(
        &self,
        entities: &Entities,
        survey: &mut Survey,
    ) -> Result<(), Error> {
        if survey.gone.is_empty() && survey.seen.iter().all(|seen| seen.since == Since::New) {
            return Ok(());
        }
        let all: BTreeSet<PeriodStart> =
            survey.seen.iter().flat_map(|seen| seen.counts.keys()).copied().collect();
        for number in 0..survey.seen.len() {
            let seen = &survey.seen[number];
            // The ends of entities are in the same documents as their beginnings.
            let Some(field) = entity_field(entities, self.spec().feeds[seen.feed].role)
                .filter(|_| self.spec().feeds[seen.feed].role != Role::Until)
            else {
                continue;
            };
            let from = match &seen.since {
                Since::Nothing => continue,
                Since::Lost => {
                    survey.seen[number].ledger.value.stale.extend(&all);
                    continue;
                }
                Since::New => vec![SeqNo::NONE; seen.ledger.value.shards.len()],
                Since::Written(from) => from.clone(),
            };
            let mut stale = BTreeSet::new();
            for (shard, after) in from.into_iter().enumerate() {
                self.ripple_shard(entities, survey, (seen, shard, after), field, &mut stale)
                    .await?;
            }
            survey.seen[number].ledger.value.stale.extend(stale);
        }
        Ok(())
    }

    async fn ripple_shard(
        &self,
        entities: &Entities,
        survey: &Survey,
        (seen, shard, after): (&Seen, usize, SeqNo),
        field: &segue_model::recipe::Path,
        stale: &mut BTreeSet<PeriodStart>,
    ) -> Result<(), Error> {
        let index = &seen.ledger.value.index;
        let to = seen.ledger.value.shards[shard].position;
        if to <= after {
            return Ok(());
        }
        let of = ShardOf { feed: seen.feed, index, shard, filter: seen.filter.as_ref() };
        let mut filters = self.filters(&of, to);
        filters.push(json!({ "range": { "_seq_no": { "gt": after } } }));
        let mut body = json!({
            "size": MANY, "track_total_hits": false, "_source": [field.dotted()],
            "sort": [{ "_seq_no": "asc" }],
            "query": { "bool": { "filter": filters } }
        });
        let shard = u32::try_from(shard).unwrap_or(u32::MAX);
        loop {
            self.check_stop()?;
            let page = self.ask(1).search_shard(index.as_str(), shard, &body).await;
            let page = page.doing(|| format!("looking at what was written to {index}"))?;
            let mut ids = BTreeSet::new();
            for hit in &page.hits {
                ids.extend(text_at(&parsed(hit)?, field));
            }
            if !ids.is_empty() {
                self.periods_of(entities, survey, &ids, stale).await?;
            }
            match page.hits.last() {
                Some(last) if page.hits.len() == MANY => {
                    body["search_after"] = last.sort.clone().into();
                }
                _ => return Ok(()),
            }
        }
    }

    /// The periods in which something is said of these entities.
    async fn periods_of(
        &self,
        entities: &Entities,
        survey: &Survey,
        ids: &BTreeSet<String>,
        stale: &mut BTreeSet<PeriodStart>,
    ) -> Result<(), Error> {
        let spec = self.spec();
        for seen in &survey.seen {
            let feed = &spec.feeds[seen.feed];
            let Some(field) = entity_field(entities, feed.role) else { continue };
            let index = &seen.ledger.value.index;
            let body = json!({
                "size": 0, "track_total_hits": false,
                "query": { "terms": { field.dotted(): ids } },
                "aggs": { "periods": { "date_histogram": {
                    "field": feed.date.dotted(), "calendar_interval": spec.period.interval(),
                    "min_doc_count": 1
                }}}
            });
            let answer = self.ask(1).search(index.as_str(), &body).await;
            let answer = answer.doing(|| format!("looking for entities in {index}"))?;
            let aggregations = answer.aggregations.unwrap_or_default();
            let buckets = aggregations["periods"]["buckets"].as_array();
            let key = |bucket: &Value| {
                bucket["key"].as_i64().or_else(|| bucket["key"].as_f64().map(|key| key as i64))
            };
            stale
                .extend(buckets.into_iter().flatten().filter_map(key).map(|at| spec.period.of(at)));
        }
        Ok(())
    }
}
