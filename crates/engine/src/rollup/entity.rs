//! Entities as they are now, with all that is known of when they came and went.
//!
//! A page of what happened is completed before it is counted: the entities that it is about, and every change
//! of their membership, whenever it was. Both are read as they are, later than the page if they
//! were written meanwhile: the next run finds what was written, and rolls its periods up again.

use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{Class, SearchHit};
use segue_model::id::SeqNo;
use segue_model::recipe::{Entities, Members, Path, Role};
use segue_model::rollup::{Cause, Change, Life, Turn};
use serde_json::{Value, json};

use super::Rollup;
use super::read::{at_ms, parsed};
use super::survey::{Seen, ShardOf, Survey};
use crate::error::{Doing, Error};

/// Entities of one request.
pub(super) const MANY: usize = 1000;
/// What an engine answers with at most, by default.
const MOST: usize = 10_000;

/// An entity as it is now.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) id: String,
    pub(super) document: Value,
    life: Life,
    turns: Vec<Turn>,
}

/// The entities of a page.
#[derive(Debug, Default)]
pub(super) struct Lives {
    by_id: BTreeMap<String, Entity>,
    /// For each document of the page, by index and id: of which entity it speaks, and what it causes.
    of: BTreeMap<(String, String), (String, Cause)>,
    /// Documents of the page whose entity is not there.
    pub(super) unknown: u64,
}

impl Lives {
    /// What a document of the page made turn, and who.
    pub(super) fn turns_of(&self, hit: &SearchHit) -> impl Iterator<Item = (&Turn, &Entity)> {
        let found = self.of.get(&(hit.index.clone(), hit.id.clone()));
        let found = found.and_then(|(id, cause)| Some((self.by_id.get(id)?, cause)));
        found.into_iter().flat_map(|(entity, cause)| {
            let turns = entity.turns.iter().filter(move |turn| turn.cause == *cause);
            turns.map(move |turn| (turn, entity))
        })
    }
}

impl Rollup {
    /// The entities that a page of `seen` is about.
    pub(super) async fn lives(
        &self,
        survey: &Survey,
        entities: &Entities,
        seen: &Seen,
        hits: &[SearchHit],
    ) -> Result<Lives, Error> {
        let role = self.spec().feeds[seen.feed].role;
        let Some(field) = entity_field(entities, role) else { return Ok(Lives::default()) };
        let mut lives = Lives::default();
        for hit in hits {
            let Some(id) = text_at(&parsed(hit)?, field) else {
                lives.unknown += 1;
                continue;
            };
            let place = (hit.index.clone(), hit.id.clone());
            let cause = match role {
                Role::From => Cause::From,
                Role::Until => Cause::Until,
                Role::Change | Role::Counted(_) => Cause::Change(change_id(hit)),
            };
            lives.of.insert(place, (id, cause));
        }
        let ids: BTreeSet<&String> = lives.of.values().map(|(id, _)| id).collect();
        let ids: Vec<String> = ids.into_iter().cloned().collect();
        for some in ids.chunks(MANY) {
            self.load_entities(survey, entities, some, &mut lives.by_id).await?;
            // What begins does so whatever came later.
            if let (Some(members), true) = (&entities.members, role != Role::From) {
                self.load_changes(survey, members, some, &mut lives.by_id).await?;
            }
        }
        let all = self.spec().key.all.as_deref();
        for entity in lives.by_id.values_mut() {
            entity.turns = entity.life.turns(all);
        }
        let unknown = lives.of.values().filter(|(id, _)| !lives.by_id.contains_key(id)).count();
        lives.unknown += unknown as u64;
        Ok(lives)
    }

    async fn load_entities(
        &self,
        survey: &Survey,
        entities: &Entities,
        ids: &[String],
        by_id: &mut BTreeMap<String, Entity>,
    ) -> Result<(), Error> {
        let date = |path: &Path| json!({ path.dotted(): { "order": "asc", "missing": "_last", "unmapped_type": "date" } });
        let mut fields = self.counted_fields(&[0, 1]);
        fields.push(entities.id.dotted());
        let sort: Vec<_> = [&entities.from].into_iter().chain(&entities.until).map(date).collect();
        for seen in self.of_role(survey, Role::From) {
            let index = &seen.ledger.value.index;
            let of = ShardOf { feed: seen.feed, index, shard: 0, filter: seen.filter.as_ref() };
            let mut filters = self.filters(&of, SeqNo(i64::MAX));
            filters.push(json!({ "terms": { entities.id.dotted(): ids } }));
            let body = json!({
                "size": MOST, "track_total_hits": false, "_source": fields, "sort": sort,
                "query": { "bool": { "filter": filters } }
            });
            let reading = || format!("reading entities of {index}");
            let page = match self.ask(1).search(index.as_str(), &body).await {
                Err(error) if error.class() == Class::NotFound => continue,
                answer => answer.doing(reading)?,
            };
            if page.hits.len() >= MOST {
                let field = entities.id.dotted();
                return Err(Error::Recipe(format!(
                    "{field} does not tell entities of {index} apart"
                )));
            }
            for hit in &page.hits {
                let document = parsed(hit)?;
                let Some(id) = text_at(&document, &entities.id) else { continue };
                let [from_ms, until_ms] = [0, 1].map(|n| time(hit, n));
                let life = Life { from_ms, until_ms, changes: Vec::new() };
                let entity = Entity { id: id.clone(), document, life, turns: Vec::new() };
                by_id.insert(id, entity);
            }
        }
        Ok(())
    }

    async fn load_changes(
        &self,
        survey: &Survey,
        members: &Members,
        ids: &[String],
        by_id: &mut BTreeMap<String, Entity>,
    ) -> Result<(), Error> {
        for seen in self.of_role(survey, Role::Change) {
            for shard in 0..seen.ledger.value.shards.len() {
                self.load_shard(seen, shard, members, ids, by_id).await?;
            }
        }
        Ok(())
    }

    async fn load_shard(
        &self,
        seen: &Seen,
        shard: usize,
        members: &Members,
        ids: &[String],
        by_id: &mut BTreeMap<String, Entity>,
    ) -> Result<(), Error> {
        let index = &seen.ledger.value.index;
        let of = ShardOf { feed: seen.feed, index, shard, filter: seen.filter.as_ref() };
        let mut filters = self.filters(&of, SeqNo(i64::MAX));
        filters.push(json!({ "terms": { members.entity.dotted(): ids } }));
        let date = self.spec().feeds[seen.feed].date.dotted();
        let size = usize::try_from(self.recipe.limits.page_docs).unwrap_or(MOST);
        let paths = [&members.entity, &members.key, &members.change];
        let mut body = json!({
            "size": size, "track_total_hits": false,
            "_source": paths.map(Path::dotted),
            "sort": [{ "_seq_no": "asc" }, { date: "asc" }],
            "query": { "bool": { "filter": filters } }
        });
        let shard = u32::try_from(shard).unwrap_or(u32::MAX);
        loop {
            self.check_stop()?;
            let page = self.ask(1).search_shard(index.as_str(), shard, &body).await;
            let page = page.doing(|| format!("reading changes of {index}"))?;
            for hit in &page.hits {
                let document = parsed(hit)?;
                let Some((id, change)) = change(hit, &document, members)? else { continue };
                if let Some(entity) = by_id.get_mut(&id) {
                    entity.life.changes.push(change);
                }
            }
            match page.hits.last() {
                Some(last) if page.hits.len() == size => {
                    body["search_after"] = last.sort.clone().into();
                }
                _ => return Ok(()),
            }
        }
    }

    /// The indices with this role.
    pub(super) fn of_role<'s>(
        &'s self,
        survey: &'s Survey,
        role: Role,
    ) -> impl Iterator<Item = &'s Seen> {
        survey.seen.iter().filter(move |seen| self.spec().feeds[seen.feed].role == role)
    }
}

/// The field of a feed's documents with the entity's id.
pub(super) fn entity_field(entities: &Entities, role: Role) -> Option<&Path> {
    match role {
        Role::Counted(_) => None,
        Role::From | Role::Until => Some(&entities.id),
        Role::Change => entities.members.as_ref().map(|members| &members.entity),
    }
}

/// Which entity a document speaks of, and what happened to it; none if it is not all there.
fn change(
    hit: &SearchHit,
    document: &Value,
    members: &Members,
) -> Result<Option<(String, Change)>, Error> {
    let text = |path| text_at(document, path);
    let (Some(entity), Some(key), Some(what), Some(at_ms)) =
        (text(&members.entity), text(&members.key), text(&members.change), at_ms(hit))
    else {
        return Ok(None);
    };
    let into = what == members.added;
    if !into && what != members.removed {
        return Err(Error::Recipe(format!(
            "document {} of {}: `{}` is {what}, neither {} nor {}",
            hit.id,
            hit.index,
            members.change.dotted(),
            members.added,
            members.removed
        )));
    }
    Ok(Some((entity, Change { id: change_id(hit), key, at_ms, into })))
}

fn change_id(hit: &SearchHit) -> String {
    format!("{}/{}", hit.index, hit.id)
}

/// A text, number or truth value at a path of plain members.
pub(super) fn text_at(document: &Value, path: &Path) -> Option<String> {
    let value = path.segments().iter().try_fold(document, |at, name| at.get(&name.name))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A time that a document was sorted by; the largest number stands for none.
fn time(hit: &SearchHit, number: usize) -> Option<i64> {
    hit.sort.get(number).and_then(Value::as_i64).filter(|ms| *ms != i64::MAX)
}
