//! Which events there are, by what they say: in whatever index and under whatever id.
//!
//! Events are asked for as distinct combinations, page by page, each page from where the last one ended:
//! neither the number of a member's events nor that of its groups has a bound that could cut something off.

use std::collections::{HashMap, HashSet};

use segue_cluster::Class;
use segue_model::membership::{Deletion, History, Instant, Kind};
use serde_json::{Value, json};

use super::Membership;
use crate::error::{Doing, Error};

/// Combinations of one answer; below the bound on buckets of every engine, those inside of them counted.
const COMBINATIONS: usize = 2_000;

/// A member and a group.
pub(super) type Pair = (String, String);

/// What is known of some members.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The histories of the pairs that were asked for.
    pub(super) histories: HashMap<Pair, History>,
    /// Whether a member was deleted, by its last event; with when that was and was written.
    pub(super) deletions: HashMap<String, ((i64, i64), Deletion)>,
}

impl Membership {
    /// The pairs of these members that have an event of joining.
    pub(super) async fn joined(&self, members: &[&str]) -> Result<HashSet<Pair>, Error> {
        let fields = &self.events().fields;
        let sources = json!([
            { "member": { "terms": { "field": fields.member } } },
            { "group": { "terms": { "field": fields.group } } }
        ]);
        let added = self.events().word(Kind::Added);
        let filters = json!([
            { "terms": { fields.member.as_str(): members } },
            { "term": { fields.kind.as_str(): added } }
        ]);
        let mut found = HashSet::new();
        self.combinations(&filters, &sources, &json!({}), |bucket| {
            found.insert(pair(bucket)?);
            Some(())
        })
        .await?;
        Ok(found)
    }

    /// The histories of `pairs`, all of whose members are `members`.
    pub(super) async fn known(
        &self,
        members: &[&str],
        pairs: &HashSet<Pair>,
    ) -> Result<Known, Error> {
        let events = self.events();
        let fields = &events.fields;
        let sources = json!([
            { "member": { "terms": { "field": fields.member } } },
            { "group": { "terms": { "field": fields.group } } },
            { "at": { "terms": { "field": fields.at } } },
            { "kind": { "terms": { "field": fields.kind } } }
        ]);
        let filters = json!([
            { "terms": { fields.member.as_str(): members } },
            { "terms": { fields.kind.as_str(): [events.added, events.removed] } }
        ]);
        let mut inside = json!({ "written": { "max": { "field": fields.written } } });
        if let Some(deleted) = &fields.deleted {
            inside["deleted"] = json!({ "filter": { "term": { deleted.as_str(): true } } });
            if let Some(at) = &fields.deleted_at {
                inside["deleted"]["aggs"] = json!({ "at": { "max": { "field": at } } });
            }
        }
        let mut known = Known::default();
        self.combinations(&filters, &sources, &inside, |bucket| {
            let pair = pair(bucket)?;
            let at = whole(&bucket["key"]["at"])?;
            let kind = events.kind(bucket["key"]["kind"].as_str()?)?;
            let written = whole(&bucket["written"]["value"]).unwrap_or(i64::MIN);
            known.note_deletion(&pair.0, (at, written), deletion(bucket));
            if pairs.contains(&pair) {
                known.histories.entry(pair).or_default().note(kind, at, written);
            }
            Some(())
        })
        .await?;
        Ok(known)
    }

    async fn combinations(
        &self,
        filters: &Value,
        sources: &Value,
        inside: &Value,
        mut each: impl FnMut(&Value) -> Option<()>,
    ) -> Result<(), Error> {
        let pattern = self.pattern();
        let reading = || format!("reading {pattern}");
        let mut body = json!({
            "size": 0, "track_total_hits": false,
            "query": { "bool": { "filter": filters } },
            "aggs": { "found": {
                "composite": { "size": COMBINATIONS, "sources": sources }, "aggs": inside
            } }
        });
        loop {
            self.check_stop()?;
            let page = match self.ask(1).search(&pattern, &body).await {
                Err(error) if error.class() == Class::NotFound => return Ok(()),
                answer => answer.doing(reading)?,
            };
            // Without any index there is no answer to speak of.
            let Some(found) = page.aggregations else { return Ok(()) };
            let buckets = found["found"]["buckets"].as_array().map_or(&[][..], Vec::as_slice);
            for bucket in buckets {
                each(bucket).ok_or_else(|| {
                    Error::Task(format!("a bucket of {pattern} is odd: {bucket}"))
                })?;
            }
            match &found["found"]["after_key"] {
                Value::Null => return Ok(()),
                after if buckets.len() == COMBINATIONS => {
                    body["aggs"]["found"]["composite"]["after"] = after.clone();
                }
                _ => return Ok(()),
            }
        }
    }
}

impl Known {
    fn note_deletion(&mut self, member: &str, order: (i64, i64), deletion: Deletion) {
        match self.deletions.get_mut(member) {
            Some(last) if last.0 >= order => {}
            Some(last) => *last = (order, deletion),
            None => {
                self.deletions.insert(member.to_owned(), (order, deletion));
            }
        }
    }
}

fn pair(bucket: &Value) -> Option<Pair> {
    let text = |name: &str| bucket["key"][name].as_str().map(str::to_owned);
    Some((text("member")?, text("group")?))
}

fn deletion(bucket: &Value) -> Deletion {
    match bucket["deleted"]["doc_count"].as_u64() {
        None | Some(0) => Deletion::Not,
        Some(_) => {
            Deletion::Deleted { at: whole(&bucket["deleted"]["at"]["value"]).map(Instant::of_ms) }
        }
    }
}

/// A number of milliseconds, which the engines may send as a floating-point number.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|number| number as i64))
}
