//! Choosing parts that the journal knows by what their names captured, where there is no plan.

use std::collections::BTreeSet;

use crate::id::IndexName;
use crate::plan::NoSuchPart;
use crate::recipe::{Captures, Recipe};

/// The parts among `known` with the wanted captures: of one key any of its values, of several keys
/// all. Nothing wanted = all of them.
///
/// # Errors
/// A key that is no capture of the recipe, or values that no part has.
pub fn select<'a>(
    recipe: &Recipe,
    known: impl IntoIterator<Item = &'a IndexName>,
    wanted: &[(String, String)],
) -> Result<Vec<IndexName>, NoSuchPart> {
    let known: Vec<_> = known.into_iter().cloned().collect();
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
        .filter(|name| {
            wanted.is_empty() || recipe.source.matches(name.as_str()).is_some_and(|c| fits(&c))
        })
        .cloned()
        .collect();
    if chosen.is_empty() && !wanted.is_empty() {
        let asked: Vec<_> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let known = known.iter().map(ToString::to_string).collect();
        return Err(NoSuchPart::Value { asked: asked.join(" "), known });
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        let text = "segue: 1\nname: r\ncluster: { url: 'http://x' }\n\
            source: { index: '{kind}-{n}', match: { kind: 'a|b', n: '\\d+' } }\n\
            target: { index: '{source}-v2' }\n";
        Recipe::parse(text, "r", &Default::default(), &|_| None).unwrap()
    }

    #[test]
    fn parts_are_chosen_by_their_captures() {
        let known = ["a-1", "a-2", "b-1"].map(IndexName::new);
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let table = [
            (vec![], "a-1 a-2 b-1"),
            (vec![pair("kind", "a")], "a-1 a-2"),
            (vec![pair("kind", "a"), pair("n", "1")], "a-1"),
            (vec![pair("n", "1"), pair("n", "2")], "a-1 a-2 b-1"),
        ];
        for (wanted, expected) in table {
            let chosen = select(&recipe(), &known, &wanted).unwrap();
            let chosen: Vec<_> = chosen.iter().map(IndexName::as_str).collect();
            assert_eq!(chosen.join(" "), expected, "{wanted:?}");
        }
        let odd = select(&recipe(), &known, &[pair("month", "1")]);
        assert!(matches!(odd, Err(NoSuchPart::Key { .. })));
        let none = select(&recipe(), &known, &[pair("n", "9")]);
        assert!(matches!(none, Err(NoSuchPart::Value { .. })));
        assert!(select(&recipe(), &[], &[]).unwrap().is_empty());
    }
}
