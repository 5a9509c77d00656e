//! Choosing parts that the journal knows by what their names captured, where there is no plan.

use std::collections::BTreeSet;

use crate::id::IndexName;
use crate::part::PartState;
use crate::plan::NoSuchPart;
use crate::recipe::{Captures, Recipe};

/// The parts among `known` (each with the other sources that are merged with it) with the wanted captures: of
/// one key any of its values, of several keys all. Nothing wanted = all of them. What sets merged sources apart
/// is no capture of their part's.
///
/// # Errors
/// A key that is no capture of the recipe, or values that no part has.
pub fn select<'a>(
    recipe: &Recipe,
    known: impl IntoIterator<Item = (&'a IndexName, &'a PartState)>,
    wanted: &[(String, String)],
) -> Result<Vec<IndexName>, NoSuchPart> {
    let known: Vec<_> = known.into_iter().collect();
    let captures = recipe.source.captures();
    if let Some((key, _)) = wanted.iter().find(|(key, _)| !captures.contains(key)) {
        return Err(NoSuchPart::Key { key: key.clone(), known: captures.to_vec() });
    }
    let keys: BTreeSet<_> = wanted.iter().map(|(key, _)| key.as_str()).collect();
    let fits = |found: &Captures| {
        keys.iter().all(|key| wanted.iter().any(|(k, v)| k == key && found.get(*key) == Some(v)))
    };
    let chosen: Vec<_> = known
        .iter()
        .filter(|(name, state)| {
            wanted.is_empty() || common(recipe, name, state).is_some_and(|captures| fits(&captures))
        })
        .map(|(name, _)| (*name).clone())
        .collect();
    if chosen.is_empty() && !wanted.is_empty() {
        let asked: Vec<_> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let known = known.iter().map(|(name, _)| name.to_string()).collect();
        return Err(NoSuchPart::Value { asked: asked.join(" "), known });
    }
    Ok(chosen)
}

/// What all sources of a part have in common.
fn common(recipe: &Recipe, part: &IndexName, state: &PartState) -> Option<Captures> {
    let mut captures = recipe.source.matches(part.as_str())?;
    for other in state.source.iter().flat_map(|source| &source.also) {
        let of_other = recipe.source.matches(other.as_str()).unwrap_or_default();
        captures.retain(|key, value| of_other.get(key) == Some(value));
    }
    Some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IndexUuid;
    use crate::journal::SourceIdentity;

    fn recipe() -> Recipe {
        let text = "segue: 1\nname: r\ncluster: { url: 'http://x' }\n\
            source: { index: '{kind}-{n}', match: { kind: 'a|b', n: '\\d+' } }\n\
            target: { index: '{source}-v2' }\n";
        Recipe::parse(text, "r", &Default::default(), &|_| None).unwrap()
    }

    #[test]
    fn parts_are_chosen_by_their_captures() {
        let known = ["a-1", "a-2", "b-1"].map(IndexName::new);
        let state = PartState::default();
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let table = [
            (vec![], "a-1 a-2 b-1"),
            (vec![pair("kind", "a")], "a-1 a-2"),
            (vec![pair("kind", "a"), pair("n", "1")], "a-1"),
            (vec![pair("n", "1"), pair("n", "2")], "a-1 a-2 b-1"),
        ];
        for (wanted, expected) in table {
            let known = known.iter().map(|name| (name, &state));
            let chosen = select(&recipe(), known, &wanted).unwrap();
            let chosen: Vec<_> = chosen.iter().map(IndexName::as_str).collect();
            assert_eq!(chosen.join(" "), expected, "{wanted:?}");
        }
        let all = || known.iter().map(|name| (name, &state));
        let odd = select(&recipe(), all(), &[pair("month", "1")]);
        assert!(matches!(odd, Err(NoSuchPart::Key { .. })));
        let none = select(&recipe(), all(), &[pair("n", "9")]);
        assert!(matches!(none, Err(NoSuchPart::Value { .. })));
        assert!(select(&recipe(), [], &[]).unwrap().is_empty());
    }

    #[test]
    fn merged_sources_are_chosen_by_what_they_have_in_common() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let also = vec![IndexName::new("a-2")];
        let source = SourceIdentity { uuid: IndexUuid::new("u,v"), histories: vec![], also };
        let state = PartState { source: Some(source), ..PartState::default() };
        let part = IndexName::new("a-1");
        let chosen = |wanted| select(&recipe(), [(&part, &state)], &[wanted]);
        assert_eq!(chosen(pair("kind", "a")).unwrap(), std::slice::from_ref(&part));
        // A part of it is nothing that could be given up or cleaned up.
        for number in ["1", "2"] {
            assert!(matches!(chosen(pair("n", number)), Err(NoSuchPart::Value { .. })));
        }
    }
}
