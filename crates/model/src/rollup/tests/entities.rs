//! Recipes of entities and of flat roll-ups: what is wrong in them, and what they write.

use serde_json::{Value, json};

use super::parse;
use crate::rollup::{Fold, Layout, Period, Share, Tally, flat_mapping, mapping};

const ENTITIES: &str = r"
segue: 1
name: stock
cluster: { url: http://h:9200 }
rollup:
  period: day
  key: { as: shop, all: everything }
  entities:
    index: articles
    id: id
    from: created
    until: gone
    members: { index: changes, id: article, key: shop, date: at, change: what }
    metrics:
      articles.plain: { unless: { photo: true } }
      articles.shown: { where: { photo: true } }
      value.cents: { sum: price }
      makers: { unique: maker }
  dimensions: { kinds: { each: [kind, other.kinds], top: 1 } }
  delta: { index: d }
  snapshot: { index: s }
";

const FLAT: &str = r"
segue: 1
name: flat
cluster: { url: http://h:9200 }
rollup:
  period: day
  flat: true
  key: { field: item, as: item }
  sources:
    view: { index: v, date: at, metrics: { n: count }, copy: [title] }
    sale: { index: s, date: at, metrics: { n: count } }
  delta: { index: 'x-{source}-{year}' }
";

#[test]
fn what_is_wrong_is_named() {
    for (text, from, to, says) in [
        (ENTITIES, "as: shop,", "field: x, as: shop,", "`key` has a `field`"),
        (ENTITIES, "  entities:", "  start: '2025-01-01'\n  entities:", "`start` would leave out"),
        (ENTITIES, "  entities:", "  sources: {}\n  entities:", "one or the other"),
        (ENTITIES, "articles.plain", "articles.added.plain", "can't be the name"),
        (ENTITIES, "makers:", "articles:", "a metric and a group"),
        (ENTITIES, "makers:", "shop:", "written already"),
        (ENTITIES, "articles.plain", "label.plain", "written already"),
        (ENTITIES, "    id: id\n", "", "key `id` is missing"),
        (ENTITIES, "    id: id\n", "    id: id\n    added: removed\n", "the same name"),
        (
            ENTITIES,
            "{ photo: true } }\n      articles.s",
            "{ a: 1, b: 2 } }\n      articles.s",
            "one field with one value",
        ),
        (FLAT, "x-{source}-", "x-", "the same documents"),
        (FLAT, "copy: [title]", "copy: [n]", "written twice"),
        (FLAT, "copy: [title]", "copy: [item]", "written twice"),
        (FLAT, "copy: [title]", "copy: [timestamp]", "written already"),
        (FLAT, "as: item }", "as: item, all: x }", "no `all`"),
        (FLAT, "  delta:", "  snapshot: { index: y }\n  delta:", "no `snapshot`"),
        (FLAT, "  delta:", "  dimensions: { a: b }\n  delta:", "no `dimensions`"),
        (FLAT, "  flat: true\n", "", "unknown key `copy`"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = parse(&text.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().contains(says), "{to}: {error}");
        assert!(error.hint().is_some() || says.contains("missing"), "{to}: {error}");
    }
    let alone = ENTITIES.replace("as: shop, all: everything", "as: shop");
    let line = ENTITIES.lines().find(|line| line.contains("members:")).unwrap();
    let error = parse(&alone.replace(line, "")).unwrap_err();
    assert!(error.to_string().contains("no key"), "{error}");
}

/// Every field of a document that is no list, as dotted paths; of lists those of their entries.
fn fields(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                fields(value, &format!("{at}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, at, found)),
        _ => found.push(at.to_owned()),
    }
}

fn is_mapped(mapping: &Value, path: &str) -> bool {
    let mut at = &mapping["mappings"];
    path.split('.').skip(1).all(|name| {
        at = &at["properties"][name];
        !at.is_null()
    })
}

fn tally() -> (crate::recipe::RollupSpec, Tally) {
    let spec = parse(ENTITIES).unwrap().rollup;
    let mut fold = Fold::new(&spec, Share::WHOLE);
    let shown = json!({ "photo": true, "price": 5, "maker": "m", "kind": "a", "other": { "kinds": ["b"] } });
    let plain = json!({ "price": 7, "maker": "m", "kind": "a" });
    for (source, document) in [(0, &shown), (0, &plain), (0, &shown), (1, &shown)] {
        fold.add_for(source, 0, ["x".to_owned()].into(), document).unwrap();
    }
    let tally = fold.finish().into_values().next().unwrap().remove("x").unwrap();
    (spec, tally)
}

#[test]
fn what_came_and_went_and_what_is_there() {
    let (spec, tally) = tally();
    let at = Period::Day.of(0);
    let delta = Layout(&spec).delta(at, "x", &tally);
    assert_eq!(
        delta["articles"],
        json!({
            "added": { "plain": 1, "shown": 2 }, "removed": { "plain": 0, "shown": 1 }
        })
    );
    assert_eq!((&delta["value"]["added"]["cents"], &delta["makers"]), (&json!(17), &json!(1)));
    assert!(delta["subcounts"]["kinds"][0].get("makers").is_none(), "{delta}");
    let (_, key, read) = Layout(&spec).read("id", &delta).unwrap();
    assert_eq!((key.as_str(), Layout(&spec).delta(at, "x", &read)), ("x", delta.clone()));
    let snapshot = Layout(&spec).snapshot(at, "x", &tally);
    assert_eq!(snapshot["total_articles"], json!({ "plain": 1, "shown": 1 }));
    assert_eq!(
        (&snapshot["total_value"], &snapshot["total_makers"]),
        (&json!({ "cents": 12 }), &json!(1))
    );
    let kinds = json!([
        { "id": "a", "label": "a", "articles": { "plain": 1, "shown": 1 }, "value": { "cents": 12 } }
    ]);
    assert_eq!(snapshot["subcounts"]["kinds"], kinds, "the one with the most");
    for (document, snapshots) in [(&delta, false), (&snapshot, true)] {
        let (mapping, mut found) = (mapping(&spec, snapshots), Vec::new());
        fields(document, "", &mut found);
        assert!(found.len() > 8);
        for field in found {
            assert!(is_mapped(&mapping, &field), "{field} is not in {mapping}");
        }
    }
}

#[test]
fn what_is_gone_altogether_is_in_no_list() {
    let (spec, mut tally) = tally();
    for group in tally.groups[0].values_mut() {
        group.cells[1] = group.cells[0].clone();
    }
    assert_eq!(
        Layout(&spec).snapshot(Period::Day.of(0), "x", &tally)["subcounts"]["kinds"],
        json!([])
    );
}

#[test]
fn a_flat_document_says_what_the_latest_says() {
    let spec = parse(FLAT).unwrap().rollup;
    let mut fold = Fold::new(&spec, Share::WHOLE);
    for (at, title) in [(5, "old"), (9, "new"), (7, "older")] {
        fold.add(0, at, &json!({ "item": "i", "title": title })).unwrap();
    }
    fold.add(0, 9, &json!({ "title": "of nothing" })).unwrap();
    let tallies = fold.finish();
    let (at, keys) = tallies.iter().next().unwrap();
    let document = Layout(&spec).flat(*at, "i", (0, &keys["i"]), 0);
    let expected = json!({
        "item": "i", "n": 3, "title": "new", "timestamp": "1970-01-01T00:00:00",
        "updated_timestamp": "1970-01-01T00:00:00Z"
    });
    assert_eq!((document, keys.len()), (Some(expected), 1));
    assert_eq!(
        Layout(&spec).flat(*at, "i", (1, &keys["i"]), 0),
        None,
        "of the other source there is nothing"
    );
    assert!(is_mapped(&flat_mapping(&spec, 0), ".n"));
}

#[test]
fn shares_have_each_key_once_and_whole() {
    let spec = parse(FLAT).unwrap().rollup;
    let mut found = Vec::new();
    for nth in 0..3 {
        let mut fold = Fold::new(&spec, Share { nth, of: 3 });
        for n in 0..60 {
            fold.add(0, n, &json!({ "item": format!("i{}", n % 20) })).unwrap();
        }
        for (at, keys) in fold.finish() {
            found.extend(keys.iter().filter_map(|(key, tally)| {
                Layout(&spec).flat(at, key, (0, tally), 0).map(|document| document["n"].clone())
            }));
        }
    }
    assert_eq!(found, vec![json!(3); 20]);
}
