//! Mistakes that people make in recipes, and what they are told: the whole text, kept in `snapshots`.
//! For each mistake the table also says whether the schema refuses it, so that an editor shows it at once.

mod sections;
mod steps;
mod texts;

use std::collections::BTreeSet;

use super::{parse, with, with_steps};
use crate::recipe::ErrorKind;
use crate::recipe::schema::tests::objections;

/// A mistake.
struct Mistake {
    /// What it is, in a few words; no two have the same.
    what: &'static str,
    /// Whether the schema refuses it.
    judged: Judged,
    /// The recipe.
    recipe: String,
}

/// What the schema can say about a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// It refuses it.
    Refused,
    /// It can't see it.
    Unseen,
}
use Judged::{Refused, Unseen};

fn mistake(what: &'static str, judged: Judged, recipe: impl Into<String>) -> Mistake {
    Mistake { what, judged, recipe: recipe.into() }
}

/// A recipe with this in place of `cluster`.
fn cluster(cluster: &str) -> String {
    with("").replace("cluster: { url: http://h:9200 }", &format!("cluster: {cluster}"))
}

/// A recipe from this source to this target.
fn between(source: &str, target: &str) -> String {
    format!("segue: 1\nname: r\ncluster: {{ url: http://h }}\nsource: {source}\ntarget: {target}\n")
}

/// A recipe that loads files.
fn load(source: &str, target: &str, cutover: &str) -> String {
    format!(
        "segue: 1\nname: r\ncluster: {{ url: http://h }}\nsource: {{ {source} }}\ntarget: {{ {target} }}\n\
         cutover: {{ {cutover} }}\n"
    )
}

/// A recipe with one more step, after a lookup called `row`.
fn step(step: &str) -> String {
    with_steps(&format!("  - {step}\n"))
}

fn all() -> Vec<(&'static str, Vec<Mistake>)> {
    vec![
        ("texts", texts::mistakes()),
        ("top_level", sections::top_level()),
        ("cluster", sections::of_cluster()),
        ("source_and_target", sections::source_and_target()),
        ("files", sections::files()),
        ("verify_cutover_limits", sections::verify_cutover_limits()),
        ("steps", steps::structure()),
        ("values", steps::values()),
    ]
}

#[test]
fn each_mistake_is_explained() {
    for (group, mistakes) in all() {
        let mut page = String::new();
        for Mistake { what, judged, recipe } in mistakes {
            let error = parse(&recipe).expect_err(what);
            let (kind, told) = (error.kind(), error.render());
            page.push_str(&format!("== {what} [{kind:?}; schema: {judged:?}]\n{told}\n"));
        }
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(group, page);
        });
    }
}

#[test]
fn there_are_many_and_of_every_kind() {
    let all: Vec<Mistake> = all().into_iter().flat_map(|(_, mistakes)| mistakes).collect();
    assert!(all.len() >= 40, "{}", all.len());
    let names: BTreeSet<_> = all.iter().map(|mistake| mistake.what).collect();
    assert_eq!(names.len(), all.len(), "two mistakes have one name");
    let kinds: BTreeSet<String> = all
        .iter()
        .map(|mistake| format!("{:?}", parse(&mistake.recipe).unwrap_err().kind()))
        .collect();
    use ErrorKind as K;
    // A script's faults are found by its compiler, which another crate has.
    let expected = [
        K::Yaml,
        K::UnknownKey,
        K::DuplicateKey,
        K::MissingKey,
        K::WrongType,
        K::BadValue,
        K::Environment,
        K::Regex,
        K::Capture,
        K::DuplicateTarget,
        K::Path,
        K::UnknownLookup,
        K::SecretInRecipe,
    ];
    assert_eq!(kinds, expected.iter().map(|kind| format!("{kind:?}")).collect());
}

/// Every message has a place, a line, and what to do: a hint, or a cause that says it.
#[test]
fn nobody_is_left_without_advice() {
    for mistake in all().into_iter().flat_map(|(_, mistakes)| mistakes) {
        let error = parse(&mistake.recipe).unwrap_err();
        let told = error.render();
        // A message that says what must be needs no more.
        let advised = error.hint().is_some() || error.summary().contains(" must be ");
        assert!(advised, "{}:\n{told}", mistake.what);
        let line = usize::try_from(error.line()).unwrap();
        assert!(line <= mistake.recipe.lines().count().max(1), "{}:\n{told}", mistake.what);
        let width = u64::try_from(error.source_line().chars().count()).unwrap();
        assert!(error.column() <= width + 1, "{}:\n{told}", mistake.what);
    }
}

#[test]
fn the_schema_refuses_what_it_can() {
    let mut wrong = String::new();
    for mistake in all().into_iter().flat_map(|(_, mistakes)| mistakes) {
        let said = objections(&mistake.recipe);
        let judged = if said.is_some() { Refused } else { Unseen };
        if judged != mistake.judged {
            wrong.push_str(&format!("{}: {judged:?} {said:?}\n", mistake.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
