//! Names of a part: what is ours already, what is kept, and what moves.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use super::AliasMove;
use crate::cutover::Mark;
use crate::id::{AliasName, IndexName};
use crate::observe::{AliasProps, Observation, SeenIndex};
use crate::phase::Phase;
use crate::recipe::{Captures, Recipe};

/// Longest name of an index the engines accept, bytes.
const MAX_NAME_BYTES: usize = 255;

/// The name of the copy of a source that is kept: one with which no application's pattern begins.
pub fn keep_name(source: &IndexName) -> IndexName {
    let name = format!("segue-before-{source}");
    if name.len() <= MAX_NAME_BYTES {
        return IndexName::new(name);
    }
    let hash = format!("{:032x}", xxh3_128(source.as_str().as_bytes()));
    IndexName::new(format!("segue-before-{hash}"))
}

/// Whether an index that the source pattern matches was made by this very migration: a target or a
/// kept copy. Taking one for a source would migrate it again and again.
pub(super) fn is_own(recipe: &Recipe, seen: &Observation, index: &SeenIndex) -> bool {
    let made = index.made_by().is_some_and(|(migration, _)| migration == recipe.name);
    let journalled = seen.journal.iter().any(|(source, state)| {
        *source != index.name
            && (state.target.as_ref() == Some(&index.name)
                || state.cutover.as_ref().is_some_and(|cutover| {
                    let mut also = state.source.iter().flat_map(|source| &source.also);
                    cutover.keep == index.name || also.any(|also| keep_name(also) == index.name)
                }))
    });
    made || journalled
}

/// Every name that moves: those of the source, the recipe's, and those that a cutover which was cut
/// short had moved already.
pub(super) fn alias_moves(
    recipe: &Recipe,
    seen: &Observation,
    index: &SeenIndex,
    captures: &Captures,
    target: &IndexName,
) -> Vec<AliasMove> {
    let mut moves: BTreeMap<AliasName, (AliasProps, bool)> = index
        .aliases
        .iter()
        .filter(|(name, _)| !Mark::is_one(name.as_str()))
        .map(|(name, props)| (name.clone(), (props.clone(), true)))
        .collect();
    for (alias, props) in moved_already(seen, index, target) {
        moves.entry(alias).or_insert((props, true));
    }
    let wanted = recipe.cutover.alias.as_ref();
    if let Some(Ok(name)) = wanted.map(|alias| alias.render(captures, index.name.as_str()))
        && name != index.name.as_str()
    {
        moves.entry(AliasName::new(name)).or_insert_with(|| (AliasProps::default(), false));
    }
    let spanning = |alias: &AliasName| {
        seen.aliases.get(alias).is_some_and(|on| on.iter().any(|other| *other != index.name))
    };
    moves
        .into_iter()
        .map(|(alias, (props, on_source))| {
            let spanning = spanning(&alias);
            AliasMove { alias, props, spanning, on_source, also_on: Vec::new() }
        })
        .collect()
}

/// Names that stand for several indices move in a request of their own just before the switch. When
/// the process died between the two, they are on the target in earnest while the source still
/// serves; going back has to return them.
fn moved_already(
    seen: &Observation,
    index: &SeenIndex,
    target: &IndexName,
) -> Vec<(AliasName, AliasProps)> {
    let state = seen.journal.get(&index.name);
    let cut_short = state.filter(|state| matches!(state.phase, Phase::CuttingOver { .. }));
    let Some(cutover) = cut_short.and_then(|state| state.cutover.as_ref()) else {
        return Vec::new();
    };
    let on_target = seen.index(target).map(|target| &target.aliases);
    cutover
        .aliases
        .iter()
        .filter_map(|alias| Some((alias, on_target?.get(alias)?)))
        .filter(|(_, props)| !is_hiding(props))
        .map(|(alias, props)| (alias.clone(), props.clone()))
        .collect()
}

/// Whether the alias hides everything; engines may add a `boost` to a filter they give back.
fn is_hiding(props: &AliasProps) -> bool {
    props.filter.as_ref().is_some_and(|filter| filter.get("match_none").is_some())
}
