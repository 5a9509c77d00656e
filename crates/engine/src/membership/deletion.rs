//! Writing into events that their member was deleted, or that it was not.
//!
//! What does not say so yet is looked for and rewritten, until nothing is found: however many there are, and
//! whatever others write meanwhile.

use std::collections::BTreeMap;

use segue_cluster::{BulkAnswer, BulkBody, DocVersion, ItemOutcome, SearchHit};
use segue_model::membership::{Deletion, Instant};
use serde_json::{Map, Value, json};

use super::Membership;
use super::report::{Refusals, Refused};
use super::write::is_passing;
use crate::error::{Doing, Error};
use crate::moment;

/// Members of one search; the engines bound the clauses of a query.
const AT_ONCE: usize = 100;

/// What all events of a member, or of a member and a group, are to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marking {
    pub(super) member: String,
    pub(super) group: Option<String>,
    pub(super) deletion: Deletion,
}

/// What became of events.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub(super) updated: u64,
    pub(super) refused: Refusals,
}

/// A batch of hits with what each is to say.
type Batch<'a> = Vec<(&'a SearchHit, DocVersion, String, String)>;

impl Membership {
    pub(super) async fn mark(&self, markings: &[Marking]) -> Result<Marked, Error> {
        let mut marked = Marked::default();
        for some in markings.chunks(AT_ONCE) {
            self.mark_some(some, &mut marked).await?;
            if marked.refused.count > 0 {
                break;
            }
        }
        Ok(marked)
    }

    async fn mark_some(&self, markings: &[Marking], marked: &mut Marked) -> Result<(), Error> {
        let pattern = self.pattern();
        let should: Vec<_> = markings.iter().map(|marking| self.differs(marking)).collect();
        let body = json!({
            "size": self.page(), "track_total_hits": false, "seq_no_primary_term": true,
            "query": { "bool": { "should": should, "minimum_should_match": 1 } }
        });
        let mut in_vain = 0;
        loop {
            self.check_stop()?;
            self.refresh_events().await?;
            let found = self.ask(1).search(&pattern, &body).await;
            let found = found.doing(|| format!("reading {pattern}"))?;
            if found.hits.is_empty() {
                return Ok(());
            }
            let before = marked.updated;
            let reason = self.rewrite(&found.hits, markings, marked).await?;
            if marked.refused.count > 0 {
                return Ok(());
            }
            if marked.updated > before {
                in_vain = 0;
                continue;
            }
            if in_vain >= self.recipe.limits.retries {
                return Err(self.given_up(&pattern, in_vain, reason));
            }
            in_vain += 1;
            self.wait_to_retry().await?;
        }
    }

    /// Finds the events that say otherwise.
    fn differs(&self, marking: &Marking) -> Value {
        let fields = &self.events().fields;
        let mut filter = vec![json!({ "term": { fields.member.as_str(): marking.member } })];
        if let Some(group) = &marking.group {
            filter.push(json!({ "term": { fields.group.as_str(): group } }));
        }
        let (deleted, deleted_at) = (fields.deleted.as_deref(), fields.deleted_at.as_deref());
        let is_deleted = deleted.map(|field| json!({ "term": { field: true } }));
        let has_date = deleted_at.map(|field| json!({ "exists": { "field": field } }));
        match &marking.deletion {
            Deletion::Not => {
                let wrong: Vec<_> = is_deleted.into_iter().chain(has_date).collect();
                filter.push(json!({ "bool": { "should": wrong, "minimum_should_match": 1 } }));
                json!({ "bool": { "filter": filter } })
            }
            Deletion::Deleted { at } => {
                let of_then = deleted_at.zip(at.as_ref()).map(|(field, at)| {
                    let range = json!({ "gte": at.ms(), "lte": at.ms(), "format": "epoch_millis" });
                    json!({ "range": { field: range } })
                });
                let right: Vec<_> = is_deleted.into_iter().chain(of_then).collect();
                json!({ "bool": { "filter": filter, "must_not": { "bool": { "filter": right } } } })
            }
        }
    }

    /// One bulk for each index; the last reason why something was left.
    async fn rewrite(
        &self,
        hits: &[SearchHit],
        markings: &[Marking],
        marked: &mut Marked,
    ) -> Result<String, Error> {
        let mut by_index: BTreeMap<&str, Batch<'_>> = BTreeMap::new();
        for hit in hits {
            // Where an index does not map the fields, what is written is never found to be right.
            let Some((member, text)) = self.marked(hit, markings)? else { continue };
            let (Some(seq_no), Some(primary_term)) = (hit.seq_no, hit.primary_term) else {
                return Err(Error::Task(format!("{} came without its number", hit.id)));
            };
            let version = DocVersion { seq_no, primary_term };
            by_index.entry(&hit.index).or_default().push((hit, version, member, text));
        }
        let mut last =
            "what is written is not found again: the index may lack the fields".to_owned();
        for (index, batch) in by_index {
            let mut body = BulkBody::default();
            for (hit, version, _, text) in &batch {
                body.begin_replace(&hit.id, hit.routing.as_deref(), *version);
                body.end_with(text.as_bytes());
            }
            let (bytes, items) = body.take();
            let outcomes = match self.ask(1).bulk_to_index(index, bytes, items).await {
                Ok(BulkAnswer::AllApplied) => {
                    marked.updated += items as u64;
                    continue;
                }
                Ok(BulkAnswer::Mixed(outcomes)) => outcomes,
                Err(error) if is_passing(error.class()) => {
                    last = error.to_string();
                    continue;
                }
                answer => {
                    answer.doing(|| format!("writing to {index}"))?;
                    Vec::new()
                }
            };
            for ((hit, _, member, _), outcome) in batch.into_iter().zip(outcomes) {
                match outcome {
                    ItemOutcome::Applied => marked.updated += 1,
                    ItemOutcome::Conflict { .. } => {
                        "somebody else keeps writing them".clone_into(&mut last);
                    }
                    ItemOutcome::Throttled { reason }
                    | ItemOutcome::Unavailable { reason }
                    | ItemOutcome::Blocked { reason } => last = reason,
                    ItemOutcome::Rejected { reason, .. } | ItemOutcome::Fenced { reason } => {
                        let reason = format!("event {} of {index}: {reason}", hit.id);
                        marked.refused.add(Refused { member, group: None, reason });
                    }
                }
            }
        }
        Ok(last)
    }

    /// The member of an event, and the event as it is to be; none where it is so already.
    fn marked(
        &self,
        hit: &SearchHit,
        markings: &[Marking],
    ) -> Result<Option<(String, String)>, Error> {
        let events = self.events();
        let text = hit.source.as_ref().map_or("null", |source| source.get());
        let mut event: Map<String, Value> = serde_json::from_str(text)
            .map_err(|source| Error::Stored { what: format!("event {}", hit.id), source })?;
        let is = |field: &str, text: &str| match event.get(field) {
            Some(Value::Array(several)) => several.iter().any(|one| one == text),
            one => one.is_some_and(|one| one == text),
        };
        let fields = &events.fields;
        let marking = markings.iter().find(|marking| {
            let group = marking.group.as_deref();
            is(&fields.member, &marking.member)
                && group.is_none_or(|group| is(&fields.group, group))
        });
        let marking =
            marking.ok_or_else(|| Error::Task(format!("event {} was not asked for", hit.id)))?;
        let before = event.clone();
        marking.deletion.mark(events, &mut event);
        if event == before {
            return Ok(None);
        }
        if let Some(updated) = &fields.updated {
            let now = i64::try_from(moment::now_ms()).unwrap_or(i64::MAX);
            event.insert(updated.clone(), json!(Instant::of_ms(now).as_str()));
        }
        Ok(Some((marking.member.clone(), Value::Object(event).to_string())))
    }
}
