//! Looking: fills the model's observation from the cluster. The number of requests does not grow with
//! the number of indices, but for names that have to be spelled out: those go many to a request.

mod extras;
mod files;
mod privileges;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use segue_cluster::{Class, Cluster, Distribution, IndexState};
use segue_model::id::{AliasName, IndexName, IndexUuid};
use segue_model::observe::{AliasProps, Gap, Observation, SeenIndex};
use segue_model::part::PartState;
use segue_model::plan::keep_name;
use segue_model::recipe::{Captures, Recipe, Source};
use serde_json::{Map, Value};

use crate::error::{Doing, Error};
use crate::moment;

/// How long a list of names in one request may be, in bytes: engines take addresses of 4 KiB.
const NAMES_BYTES: usize = 1500;

/// Looks at everything that planning `recipe` needs. `folder` is where the recipe's files are.
///
/// What the user may not see is a [`Gap`], not an error.
///
/// # Errors
/// [`Error::Cluster`] when the cluster fails or does not answer.
pub async fn observe(
    cluster: &Cluster,
    recipe: &Recipe,
    folder: &Path,
    journal: BTreeMap<IndexName, PartState>,
) -> Result<Observation, Error> {
    let looking = || "looking at the cluster".to_owned();
    let product = cluster.product().await.doing(looking)?;
    let mut seen = Observation {
        engine: format!("{:?} {}", product.distribution, product.version),
        observed_at_ms: moment::now_ms(),
        journal,
        ..Observation::default()
    };
    let wildcard = recipe.wildcard();
    let (candidates, aliases) = tokio::join!(cluster.indices(&wildcard), cluster.aliases());
    let candidates = allowed(candidates, &wildcard, &mut seen)?;
    let aliases = allowed(aliases, "aliases", &mut seen)?;
    let (Some(candidates), Some(aliases)) = (candidates, aliases) else { return Ok(seen) };
    for (alias, on) in aliases {
        let on = on.into_keys().map(IndexName::new).collect();
        seen.aliases.insert(AliasName::new(alias), on);
    }
    for index in candidates {
        let index = seen_index(index);
        if recipe.source.matches(index.name.as_str()).is_some() {
            seen.candidates.push(index);
        } else {
            seen.others.insert(index.name.clone(), index);
        }
    }
    if let Source::Files(files) = &recipe.source {
        seen.files = Some(files::look(files, folder).await?);
    }
    read_templates(recipe, folder, &mut seen);
    extras::look(cluster, product.distribution, &wildcard, &mut seen).await;
    versions::look(cluster, &mut seen).await;
    look_at_names(cluster, recipe, &mut seen).await?;
    if product.distribution == Distribution::Elasticsearch {
        privileges::look(cluster, recipe, &mut seen).await;
    }
    Ok(seen)
}

/// An answer, or a gap in the observation where the user may not look.
fn allowed<T>(
    answer: Result<T, segue_cluster::Error>,
    what: &str,
    seen: &mut Observation,
) -> Result<Option<T>, Error> {
    match answer {
        Err(error) if error.class() == Class::Forbidden => {
            seen.gaps.push(Gap::Forbidden { what: what.to_owned(), why: error.to_string() });
            Ok(None)
        }
        answer => answer.doing(|| format!("looking at {what}")).map(Some),
    }
}

fn seen_index(index: IndexState) -> SeenIndex {
    let aliases = index.aliases.into_iter().map(|(name, props)| {
        let props = AliasProps {
            filter: props.filter,
            index_routing: props.index_routing,
            search_routing: props.search_routing,
            is_write_index: props.is_write_index,
            is_hidden: props.is_hidden,
        };
        (AliasName::new(name), props)
    });
    let settings = match index.settings {
        Value::Object(settings) => settings,
        _ => Map::new(),
    };
    SeenIndex {
        aliases: aliases.collect(),
        name: IndexName::new(index.name),
        uuid: IndexUuid::new(index.uuid),
        open: index.open,
        system: index.system,
        data_stream: index.data_stream,
        settings,
        mappings: index.mappings,
        docs: index.docs,
        bytes: index.bytes,
        shards: index.shards,
        replicas: index.replicas,
        copies: None,
    }
}

fn read_templates(recipe: &Recipe, folder: &Path, seen: &mut Observation) {
    let Some(template) = &recipe.target.template else { return };
    let sources: Vec<_> =
        seen.candidates.iter().map(|i| &i.name).chain(seen.journal.keys()).cloned().collect();
    let mut named: Vec<(IndexName, Captures)> = sources
        .into_iter()
        .filter_map(|source| Some((source.clone(), recipe.source.matches(source.as_str())?)))
        .collect();
    if recipe.source.files().is_some() {
        named.push((IndexName::new(""), Captures::new()));
    }
    for (source, captures) in named {
        let Ok(path) = template.render_path(&captures, source.as_str()) else { continue };
        if seen.templates.contains_key(&path) {
            continue;
        }
        let body = std::fs::read_to_string(folder.join(&path))
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        seen.templates.insert(path, body);
    }
}

/// Looks at targets, kept copies and lookup indices, as far as they exist.
async fn look_at_names(
    cluster: &Cluster,
    recipe: &Recipe,
    seen: &mut Observation,
) -> Result<(), Error> {
    let mut names = names_that_matter(recipe, seen);
    names.retain(|name| seen.index(name).is_none());
    if !seen.names.is_empty() {
        names.retain(|name| seen.names.contains(name));
    }
    for list in lists(&names) {
        let found = cluster.indices(&list).await;
        let found = allowed(found, &list, seen)?.unwrap_or_default();
        // An alias among the names brings its indices.
        let indices = found.into_iter().map(seen_index).filter(|index| names.contains(&index.name));
        seen.others.extend(indices.map(|index| (index.name.clone(), index)));
    }
    Ok(())
}

/// The names, with commas, in lists that fit an address.
fn lists(names: &BTreeSet<IndexName>) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for name in names {
        match lists.last_mut() {
            Some(list) if list.len() + name.as_str().len() < NAMES_BYTES => {
                list.push(',');
                list.push_str(name.as_str());
            }
            _ => lists.push(name.to_string()),
        }
    }
    lists
}

/// Targets, kept copies and lookup indices.
fn names_that_matter(recipe: &Recipe, seen: &Observation) -> BTreeSet<IndexName> {
    let mut names = targets(recipe, seen);
    names.extend(seen.candidates.iter().map(|index| keep_name(&index.name)));
    for (source, state) in &seen.journal {
        names.insert(keep_name(source));
        names.extend(state.target.clone());
        names.extend(state.cutover.as_ref().map(|cutover| cutover.keep.clone()));
    }
    for lookup in recipe.lookups() {
        let Some(name) = lookup.index.literal() else { continue };
        match seen.aliases.get(&AliasName::new(name)) {
            Some(on) => names.extend(on.iter().cloned()),
            None => {
                names.insert(IndexName::new(name));
            }
        }
    }
    names
}

/// The targets of what was found.
fn targets(recipe: &Recipe, seen: &Observation) -> BTreeSet<IndexName> {
    seen.candidates
        .iter()
        .filter_map(|index| {
            let captures = recipe.source.matches(index.name.as_str())?;
            recipe.target.index.render(&captures, index.name.as_str()).ok()
        })
        .map(IndexName::new)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_many_at_a_time() {
        let names: BTreeSet<_> = (0..100).map(|n| IndexName::new(format!("{n:0>60}"))).collect();
        let lists = lists(&names);
        assert!(lists.len() < 6 && lists.iter().all(|list| list.len() <= NAMES_BYTES));
        let all: BTreeSet<_> =
            lists.iter().flat_map(|list| list.split(',')).map(IndexName::new).collect();
        assert_eq!(all, names);
        assert!(super::lists(&BTreeSet::new()).is_empty());
    }
}
