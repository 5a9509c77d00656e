//! Deltas and snapshots against counting by hand, document by document.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::spec;
use crate::rollup::{Fold, Layout, OddDocument, Period, PeriodStart, Share, Tally};

const DAY: i64 = 86_400_000;

/// A document: its source, its time, and what is in it.
#[derive(Clone, Debug)]
struct Document {
    source: usize,
    at_ms: i64,
    body: Value,
}

fn document() -> impl Strategy<Value = Document> {
    let some = |letters: &'static str, most: usize| {
        proptest::collection::vec(
            proptest::sample::select(letters.chars().collect::<Vec<_>>()),
            0..most,
        )
    };
    (
        0..2usize,
        0..3 * DAY,
        some("abc", 3),
        some("vwxyz", 2),
        some("mn", 3),
        0u32..50,
        any::<bool>(),
    )
        .prop_map(|(source, at_ms, communities, visitor, languages, size, listed)| {
            let languages: Vec<_> = languages
                .iter()
                .map(|id| json!({ "id": id, "title": { "en": format!("{id}{}", at_ms % 2) } }))
                .collect();
            let country = if listed { json!(["CH", "AT", "CH"]) } else { json!("CH") };
            let body = json!({
                "communities": communities, "visitor": visitor, "recid": format!("r{}", size % 3),
                "country": country, "languages": languages, "size": f64::from(size) / 10.0
            });
            Document { source, at_ms, body }
        })
}

fn fold(documents: &[Document], shares: u32) -> BTreeMap<PeriodStart, BTreeMap<String, Tally>> {
    let spec = spec();
    let mut sum: BTreeMap<PeriodStart, BTreeMap<String, Tally>> = BTreeMap::new();
    for nth in 0..shares {
        let mut fold = Fold::new(&spec, Share { nth, of: shares });
        for document in documents {
            fold.add(document.source, document.at_ms, &document.body).unwrap();
        }
        for (at, keys) in fold.finish() {
            for (key, tally) in keys {
                sum.entry(at).or_default().entry(key).or_default().add(tally);
            }
        }
    }
    sum
}

fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => BTreeSet::from([text.clone()]),
        _ => BTreeSet::new(),
    }
}

/// Counts what belongs to a day, a key and perhaps a value of a dimension.
fn count(documents: &[Document], day: i64, key: &str, of: &dyn Fn(&Value) -> bool) -> Value {
    let mine = |source: usize| {
        documents.iter().filter(move |document| {
            let body = &document.body;
            let has = key == "global" || texts(&body["communities"]).contains(key);
            document.source == source && document.at_ms / DAY == day && has && of(body)
        })
    };
    let distinct = |source: usize, field: &str| {
        mine(source)
            .flat_map(|document| texts(&document.body[field]))
            .collect::<BTreeSet<_>>()
            .len()
    };
    let tenths: i64 = mine(1)
        .map(|document| (document.body["size"].as_f64().unwrap() * 10.0).round() as i64)
        .sum();
    let volume = if tenths % 10 == 0 { json!(tenths / 10) } else { json!(tenths as f64 / 10.0) };
    json!({
        "view": {
            "events": mine(0).count(), "visitors": distinct(0, "visitor"), "records": distinct(0, "recid")
        },
        "download": {
            "events": mine(1).count(), "visitors": distinct(1, "visitor"), "volume": volume
        },
    })
}

/// The delta of a day and key, counted by hand.
fn by_hand(documents: &[Document], day: i64, key: &str) -> Value {
    let of_key = |body: &Value| key == "global" || texts(&body["communities"]).contains(key);
    let today: Vec<_> = documents
        .iter()
        .filter(|document| document.at_ms / DAY == day && of_key(&document.body))
        .collect();
    let mut countries: BTreeMap<String, Value> = BTreeMap::new();
    let mut languages: BTreeMap<String, (i64, Value)> = BTreeMap::new();
    for document in &today {
        for country in texts(&document.body["country"]) {
            countries.insert(country, Value::Null);
        }
        for language in document.body["languages"].as_array().unwrap() {
            let id = language["id"].as_str().unwrap().to_owned();
            let (at, title) = (document.at_ms, language["title"].clone());
            let kept = languages.entry(id).or_insert((at, title.clone()));
            if (at, title.to_string()) > (kept.0, kept.1.to_string()) {
                *kept = (at, title);
            }
        }
    }
    let entry = |id: &str, label: Value, of: &dyn Fn(&Value) -> bool| {
        let mut entry = count(documents, day, key, of);
        entry["id"] = json!(id);
        entry["label"] = label;
        entry
    };
    let countries: Vec<_> = countries
        .keys()
        .map(|id| entry(id, json!(id), &|body: &Value| texts(&body["country"]).contains(id)))
        .collect();
    let languages: Vec<_> = languages
        .iter()
        .map(|(id, (_, title))| {
            let has = |body: &Value| {
                body["languages"].as_array().unwrap().iter().any(|of| of["id"] == json!(id))
            };
            entry(id, title.clone(), &has)
        })
        .collect();
    json!({
        "community_id": key,
        "period_start": format!("1970-01-0{}T00:00:00", day + 1),
        "period_end": format!("1970-01-0{}T23:59:59", day + 1),
        "timestamp": format!("1970-01-0{}T23:59:59", day + 1),
        "totals": count(documents, day, key, &|_| true),
        "subcounts": { "countries": countries, "languages": languages },
    })
}

proptest! {
    #[test]
    fn deltas_are_what_counting_by_hand_gives(
        documents in proptest::collection::vec(document(), 0..40), shares in 1u32..4
    ) {
        let spec = spec();
        let folded = fold(&documents, shares);
        for day in 0..3 {
            let at = PeriodStart(day * DAY);
            for key in ["global", "a", "b", "c"] {
                let tally = folded.get(&at).and_then(|keys| keys.get(key)).cloned();
                let expected = by_hand(&documents, day, key);
                prop_assert_eq!(Layout(&spec).delta(at, key, &tally.unwrap_or_default()), expected);
            }
        }
    }

    #[test]
    fn the_order_of_reading_changes_no_byte(
        documents in proptest::collection::vec(document(), 0..30).prop_shuffle()
    ) {
        let mut sorted = documents.clone();
        sorted.sort_by_key(|document| (document.at_ms, document.body.to_string()));
        prop_assert_eq!(fold(&documents, 1), fold(&sorted, 1));
    }

    #[test]
    fn snapshots_are_sums_of_deltas_that_were_read_back(
        documents in proptest::collection::vec(document(), 0..40)
    ) {
        let spec = spec();
        let layout = Layout(&spec);
        let folded = fold(&documents, 1);
        let mut sum = Tally::default();
        let (mut events, mut volume) = (0, 0.0);
        for day in 0..3 {
            let at = PeriodStart(day * DAY);
            let tally = folded.get(&at).and_then(|keys| keys.get("global")).cloned();
            let delta = layout.delta(at, "global", &tally.unwrap_or_default());
            events += delta["totals"]["view"]["events"].as_u64().unwrap();
            volume += delta["totals"]["download"]["volume"].as_f64().unwrap();
            let text = delta.to_string();
            let (read_at, key, read) =
                layout.read("id", &serde_json::from_str(&text).unwrap()).unwrap();
            prop_assert_eq!((read_at, key.as_str()), (at, "global"));
            prop_assert_eq!(&layout.delta(at, "global", &read), &delta);
            sum.add(read);
            let snapshot = layout.snapshot(at, "global", &sum);
            prop_assert_eq!(&snapshot["totals"]["view"]["events"], &json!(events));
            let there = snapshot["totals"]["download"]["volume"].as_f64().unwrap();
            prop_assert!((there - volume).abs() < 1e-6);
            for list in snapshot["subcounts"]["languages"].as_object().unwrap().values() {
                prop_assert!(list.as_array().unwrap().len() <= 2);
            }
        }
    }
}

#[test]
fn the_most_come_first_and_ties_are_in_order() {
    let spec = spec();
    let mut fold = Fold::new(&spec, Share::WHOLE);
    for (language, views) in [("z", 2), ("b", 1), ("a", 1)] {
        for _ in 0..views {
            let body = json!({ "languages": [{ "id": language, "title": language }] });
            fold.add(0, 0, &body).unwrap();
        }
    }
    let at = PeriodStart(0);
    let tally = &fold.finish()[&at]["global"];
    let tops = &Layout(&spec).snapshot(at, "global", tally)["subcounts"]["languages"];
    let ids = |list: &Value| -> Vec<_> {
        list.as_array().unwrap().iter().map(|entry| entry["id"].clone()).collect()
    };
    assert_eq!(ids(&tops["by_view"]), ["z", "a"]);
    assert_eq!(tops["by_download"], json!([]));
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let spec = spec();
    let mut fold = Fold::new(&spec, Share::WHOLE);
    let members = OddDocument::Members { path: "country".to_owned() };
    assert_eq!(fold.add(0, 0, &json!({ "country": { "id": "CH" } })), Err(members));
    assert!(matches!(
        fold.add(1, 0, &json!({ "size": "12" })),
        Err(OddDocument::NoNumber { path, .. }) if path == "size"
    ));
    assert!(fold.finish().is_empty(), "refused, and counted all the same");
}

#[test]
fn what_is_held_is_what_memory_grows_with() {
    let spec = spec();
    let whole = |share| {
        let mut fold = Fold::new(&spec, share);
        for n in 0..1000 {
            fold.add(0, 0, &json!({ "visitor": format!("v{n}") })).unwrap();
        }
        fold.held()
    };
    assert!(whole(Share::WHOLE) >= 2000);
    assert!(whole(Share { nth: 0, of: 4 }) < 700);
}

#[test]
fn a_delta_of_another_shape_is_no_delta() {
    let spec = spec();
    let delta = Layout(&spec).delta(PeriodStart(0), "global", &Tally::default());
    assert!(Layout(&spec).read("x", &delta).is_ok());
    for gone in ["period_start", "community_id", "totals", "subcounts"] {
        let mut odd = delta.clone();
        odd.as_object_mut().unwrap().remove(gone);
        let error = Layout(&spec).read("x", &odd).unwrap_err().to_string();
        assert!(error.contains(gone), "{error}");
    }
    assert_eq!(Layout(&spec).id(Period::Day.parse("2025-06-04").unwrap(), "c"), "c-2025-06-04");
}
