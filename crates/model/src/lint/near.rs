//! When nothing matches: what was looked at, and what comes near.

use std::collections::BTreeMap;

use super::{Note, Severity};
use crate::id::IndexName;
use crate::observe::Observation;
use crate::recipe::Recipe;

/// How many near names are listed.
const NEAR: usize = 3;

pub(super) fn nothing_matches(recipe: &Recipe, seen: &Observation) -> Note {
    let pattern = recipe.source.indices().map_or_else(String::new, |s| s.index.to_string());
    let wildcard = recipe.wildcard();
    let near = near(&wildcard, seen);
    let what = format!("no index matches {pattern} (looked for {wildcard}): 0 documents");
    let hint = if near.is_empty() {
        "check source.index, source.match, the prefix and the cluster's address".to_owned()
    } else {
        format!(
            "check source.index, source.match and the prefix; near by name: {}",
            near.join(", ")
        )
    };
    let note = Note::whole("SEG-P121", what, &hint);
    if may_be_empty(recipe) {
        let what = format!("{}; source.may_be_empty: there is nothing to do", note.what);
        return Note { what, ..note }.graded(Severity::Note);
    }
    note
}

/// Whether the recipe says that there may be no source at all.
pub(super) fn may_be_empty(recipe: &Recipe) -> bool {
    recipe.source.indices().is_some_and(|source| source.may_be_empty)
}

/// The names most like the wildcard.
fn near(wildcard: &str, seen: &Observation) -> Vec<String> {
    let wanted = pairs(&wildcard.replace('*', ""));
    let mut ranked: Vec<_> = seen
        .names
        .iter()
        .map(IndexName::as_str)
        .filter(|name| !name.starts_with('.') && !name.starts_with("segue-"))
        .map(|name| (likeness(&wanted, &pairs(name)), name))
        .filter(|(likeness, _)| *likeness >= 30)
        .collect();
    ranked.sort_by_key(|(likeness, name)| (std::cmp::Reverse(*likeness), *name));
    ranked.into_iter().take(NEAR).map(|(_, name)| name.to_owned()).collect()
}

type Pairs = BTreeMap<(char, char), u32>;

fn pairs(text: &str) -> Pairs {
    let mut pairs = Pairs::new();
    for pair in text.chars().zip(text.chars().skip(1)) {
        *pairs.entry(pair).or_default() += 1;
    }
    pairs
}

/// Of all neighbouring letters of two texts, how many percent they have in common.
fn likeness(one: &Pairs, other: &Pairs) -> u32 {
    let common: u32 =
        one.iter().map(|(pair, n)| other.get(pair).copied().unwrap_or(0).min(*n)).sum();
    let all: u32 = one.values().chain(other.values()).sum();
    (200 * common).checked_div(all).unwrap_or(0)
}
