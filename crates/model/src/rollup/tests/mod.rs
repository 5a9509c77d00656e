//! Roll-ups against a straightforward oracle, and ledgers against random histories.

mod entities;
mod folding;
mod history;

use std::collections::BTreeMap;

use crate::recipe::{RollupRecipe, RollupSpec};

/// Two sources, a list as key, a plain dimension and one of objects with names.
const RECIPE: &str = r"
segue: 1
name: usage
cluster: { url: http://h:9200 }
rollup:
  period: day
  key: { field: communities, as: community_id, all: global }
  sources:
    view:
      index: views
      date: timestamp
      metrics: { events: count, visitors: { unique: visitor }, records: { unique: recid } }
    download:
      index: downloads
      date: timestamp
      metrics: { events: count, visitors: { unique: visitor }, volume: { sum: size } }
  dimensions:
    countries: country
    languages: { each: languages, id: id, label: title, top: 2 }
  delta: { index: 'delta-{year}' }
  snapshot: { index: 'snapshot-{year}' }
";

fn spec() -> RollupSpec {
    parse(RECIPE).unwrap().rollup
}

fn parse(text: &str) -> Result<RollupRecipe, crate::recipe::Error> {
    RollupRecipe::parse(text, "r.yaml", &BTreeMap::new(), &|_| None)
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (from, to, line, says) in [
        ("period: day", "period: week", 6, "can't be `week`"),
        ("period: day", "every: day", 6, "unknown key `every`"),
        ("all: global }", "everything: x }", 7, "unknown key `everything`"),
        ("field: communities, as: community_id, all: global", "as: x", 7, "has no keys"),
        ("as: community_id", "as: totals", 7, "written already"),
        ("    view:", "    id:", 9, "can't be the name of a source"),
        (
            "events: count, visitors: { unique: visitor }, records",
            "events: counted, records",
            12,
            "`counted`",
        ),
        ("{ sum: size }", "{ sum: size, unique: size }", 16, "one number"),
        ("index: downloads", "index: 'a b'", 14, "isn't an index"),
        ("id: id, label: title, top: 2", "label: title", 19, "`label` without `id`"),
        ("delta-{year}", "delta-{week}", 20, "neither a capture nor a variable"),
        ("delta-{year}", "delta-{source}", 20, "means nothing here"),
        ("  snapshot:", "  start: 2025-02-30\n  snapshot:", 21, "isn't a date"),
        ("rollup:", "target: {}\nrollup:", 5, "unknown key `target`"),
    ] {
        assert!(RECIPE.contains(from), "{from}");
        let error = parse(&RECIPE.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().contains(says), "{to}: {error}");
        assert_eq!(error.line(), line, "{to}: {error}");
        assert!(error.hint().is_some(), "{to}: {error}");
    }
}

#[test]
fn a_roll_up_is_no_migration() {
    let error = crate::recipe::Recipe::parse(RECIPE, "r.yaml", &BTreeMap::new(), &|_| None);
    let error = error.unwrap_err();
    assert_eq!((error.line(), error.column()), (5, 1));
    assert!(error.hint().unwrap().contains("segue rollup run"), "{}", error.render());
    assert!(RollupRecipe::is_meant(RECIPE));
    assert!(!RollupRecipe::is_meant("segue: 1\nname: r\n"));
}

#[test]
fn what_decides_the_documents_decides_the_fingerprint() {
    let fingerprint = |text: &str| parse(text).unwrap().fingerprint();
    let same = RECIPE.replace("name: usage", "name: other");
    assert_eq!(fingerprint(RECIPE), fingerprint(&same));
    assert_ne!(fingerprint(RECIPE), fingerprint(&RECIPE.replace("top: 2", "top: 3")));
    assert_ne!(fingerprint(RECIPE), fingerprint(&RECIPE.replace("unique: recid", "unique: id")));
}
