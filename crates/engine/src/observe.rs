//! Looking: fills the model's observation from the cluster, with a bounded number of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use segue_cluster::{Class, Cluster, IndexState};
use segue_model::id::{AliasName, IndexName, IndexUuid};
use segue_model::observe::{AliasProps, Gap, Observation, SeenIndex};
use segue_model::part::PartState;
use segue_model::recipe::{Recipe, Step};
use serde_json::{Map, Value};

use crate::error::{Doing, Error};

/// Looks at everything that planning `recipe` needs. `folder` is where the recipe's files are.
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
        journal,
        ..Observation::default()
    };
    let wildcard = recipe.source.index.wildcard();
    let Some(candidates) = allowed(cluster.indices(&wildcard).await, &wildcard, &mut seen)? else {
        return Ok(seen);
    };
    let Some(aliases) = allowed(cluster.aliases().await, "aliases", &mut seen)? else {
        return Ok(seen);
    };
    for (alias, on) in aliases {
        let on = on.into_keys().map(IndexName::new).collect();
        seen.aliases.insert(AliasName::new(alias), on);
    }
    for index in candidates {
        let index = seen_index(index);
        if recipe.source.index.matches(index.name.as_str()).is_some() {
            seen.candidates.push(index);
        } else {
            seen.others.insert(index.name.clone(), index);
        }
    }
    read_templates(recipe, folder, &mut seen);
    for name in names_that_matter(recipe, &seen) {
        if seen.others.contains_key(&name) {
            continue;
        }
        let index = cluster.index(name.as_str()).await;
        if let Some(Some(index)) = allowed(index, name.as_str(), &mut seen)? {
            seen.others.insert(name, seen_index(index));
        }
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
    for source in sources {
        let Some(captures) = recipe.source.index.matches(source.as_str()) else { continue };
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

/// Targets, kept copies and lookup indices.
fn names_that_matter(recipe: &Recipe, seen: &Observation) -> BTreeSet<IndexName> {
    let mut names = BTreeSet::new();
    for index in &seen.candidates {
        let Some(captures) = recipe.source.index.matches(index.name.as_str()) else { continue };
        if let Ok(target) = recipe.target.index.render(&captures, index.name.as_str()) {
            names.insert(IndexName::new(target));
        }
        names.insert(segue_model::plan::keep_name(&index.name));
    }
    names.extend(seen.journal.values().filter_map(|state| state.target.clone()));
    for step in &recipe.pipeline {
        let Step::Lookup(lookup) = step else { continue };
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
