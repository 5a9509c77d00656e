//! Reading members page by page: a shard in the order of its numbers, so that no two fall on a page's end.
//!
//! The reading of a shard is not bounded by where it stood at the beginning: a member that is changed
//! meanwhile moves to its end, and is met there.

use segue_model::membership::{Member, Only};
use segue_model::recipe::Path;
use serde_json::{Value, json};

use super::Membership;
use super::report::Refused;
use crate::error::{Doing, Error};

/// Members of one page, and documents that are none.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) members: Vec<Member>,
    pub(super) refused: Vec<Refused>,
}

/// A shard of an index of members.
#[derive(Debug)]
struct Place {
    index: String,
    shard: u32,
    filter: Option<Value>,
}

/// Where reading is.
#[derive(Debug)]
pub(super) struct Scan<'m> {
    membership: &'m Membership,
    places: std::vec::IntoIter<Place>,
    at: Option<(Place, Option<Value>)>,
    chosen: Vec<Value>,
}

impl Membership {
    /// Begins to read the members that are meant.
    pub(super) async fn scan(&self, only: &Only) -> Result<Scan<'_>, Error> {
        let pattern = self.spec().members.index.as_str();
        let looking = || format!("looking at {pattern}");
        let states = self.ask(3).indices(pattern).await.doing(looking)?;
        let mut places = Vec::new();
        for state in states.into_iter().filter(|state| !(pattern.contains('*') && state.hidden)) {
            if !state.open {
                return Err(Error::Recipe(format!("{} is closed: open it", state.name)));
            }
            let filter = state.aliases.get(pattern).and_then(|alias| alias.filter.clone());
            for shard in 0..state.shards {
                places.push(Place { index: state.name.clone(), shard, filter: filter.clone() });
            }
        }
        if places.is_empty() {
            return Err(Error::Recipe(format!("there is no index {pattern}: no members")));
        }
        self.ask(1).refresh(pattern).await.doing(looking)?;
        let chosen = self.chosen(only);
        Ok(Scan { membership: self, places: places.into_iter(), at: None, chosen })
    }

    fn chosen(&self, only: &Only) -> Vec<Value> {
        let members = &self.spec().members;
        let mut filters = Vec::new();
        let query = members.query.as_ref();
        filters.extend(query.and_then(|query| serde_json::from_str(query.as_str()).ok()));
        if !only.ids.is_empty() {
            filters.push(json!({ "terms": { members.id.dotted(): only.ids } }));
        }
        let everyone = members.all.as_deref().is_some_and(|all| only.has_group(all));
        if !only.groups.is_empty() && !everyone {
            filters.push(json!({ "terms": { members.groups.dotted(): only.groups } }));
        }
        let mut range = serde_json::Map::new();
        for (word, ms) in [("gte", only.from), ("lt", only.before)] {
            if let Some(ms) = ms {
                range.insert(word.to_owned(), json!(ms));
            }
        }
        if !range.is_empty() {
            range.insert("format".to_owned(), json!("epoch_millis"));
            filters.push(json!({ "range": { members.since.dotted(): range } }));
        }
        filters
    }

    /// The fields of a member's document that are needed.
    pub(super) fn member_fields(&self) -> Vec<String> {
        let members = &self.spec().members;
        let other = [&members.published, &members.deleted, &members.deleted_at];
        let needed = [&members.id, &members.groups, &members.since].into_iter();
        needed.chain(other.into_iter().flatten()).map(Path::dotted).collect()
    }
}

impl Scan<'_> {
    /// The next page; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, Error> {
        let size = self.membership.page();
        loop {
            let (place, after) = match self.at.take() {
                Some(at) => at,
                None => match self.places.next() {
                    Some(place) => (place, None),
                    None => return Ok(None),
                },
            };
            self.membership.check_stop()?;
            let body = self.body(&place, after.as_ref(), size);
            let found = self.membership.ask(1).search_shard(&place.index, place.shard, &body).await;
            let found = found.doing(|| format!("reading {}", place.index))?;
            let mut page = Page::default();
            for hit in &found.hits {
                let text = hit.source.as_ref().map_or("null", |source| source.get());
                let document: Value = serde_json::from_str(text).map_err(|source| {
                    Error::Stored { what: format!("document {}", hit.id), source }
                })?;
                match Member::read(&self.membership.spec().members, &document) {
                    Ok(member) => page.members.push(member),
                    Err(fault) => page.refused.push(Refused {
                        member: hit.id.clone(),
                        group: None,
                        reason: fault.to_string(),
                    }),
                }
            }
            if let Some(last) = found.hits.last().filter(|_| found.hits.len() == size) {
                self.at = Some((place, Some(last.sort.clone().into())));
            }
            if !found.hits.is_empty() {
                return Ok(Some(page));
            }
        }
    }

    fn body(&self, place: &Place, after: Option<&Value>, size: usize) -> Value {
        let filters: Vec<_> = self.chosen.iter().chain(&place.filter).collect();
        let mut body = json!({
            "size": size,
            "track_total_hits": false,
            "_source": self.membership.member_fields(),
            "sort": [{ "_seq_no": "asc" }],
            "query": { "bool": { "filter": filters } }
        });
        if let Some(after) = after {
            body["search_after"] = after.clone();
        }
        body
    }
}
