//! Random histories through the binary, against counting by hand. `SEGUE_SEED` names another history.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;
#[path = "rollup/shelf.rs"]
mod shelf;

use std::collections::{BTreeMap, BTreeSet};

use common::Recipe;
use segue_testkit::{Engine, Prefix};
use serde_json::{Value, json};
use shelf::{Book, Shelf};

const COMMUNITIES: [&str; 3] = ["c1", "c2", "c3"];
const LAST: u64 = 12;

/// Numbers that look random and are always the same for a seed.
struct Dice(u64);

impl Dice {
    fn new(name: &str) -> Dice {
        let seed = std::env::var("SEGUE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(20_250_703);
        eprintln!("{name}: SEGUE_SEED={seed}");
        Dice(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len() as u64) as usize]
    }

    /// A second of the first days of 2025, often one next to midnight.
    fn second(&mut self) -> String {
        let day = 1 + self.below(LAST - 1);
        let time = ["00:00:00", "23:59:59", "12:00:00", "11:59:59", "06:30:00"];
        format!("2025-01-{day:02}T{}", self.of(&time))
    }
}

/// What is known to be true.
#[derive(Default)]
struct World {
    books: BTreeMap<String, Book>,
    events: BTreeSet<(String, String, bool, String)>,
}

impl World {
    fn step(&mut self, dice: &mut Dice, shelf: &Shelf<'_>) {
        let ids: Vec<String> = self.books.keys().cloned().collect();
        match dice.below(10) {
            0 | 1 => {
                let id = format!("r{}", ids.len());
                let bytes = (dice.below(3) > 0).then(|| dice.below(1000));
                let mut book = Book::new(&id, &dice.second(), bytes);
                book.owner = dice.below(3);
                self.keep(book, shelf);
            }
            2..=6 if !ids.is_empty() => {
                let community = *dice.of(&COMMUNITIES);
                let event =
                    (dice.of(&ids).clone(), community.to_owned(), dice.below(3) > 0, dice.second());
                shelf.events(&[(&event.0, &event.1, event.2, &event.3)]);
                self.events.insert(event);
            }
            7 if !ids.is_empty() => {
                let mut book = self.books[dice.of(&ids)].clone();
                book.kind = *dice.of::<&'static str>(&["book", "thesis", "article"]);
                book.bytes = (dice.below(3) > 0).then(|| dice.below(1000));
                self.keep(book, shelf);
            }
            8 if !ids.is_empty() => {
                let mut book = self.books[dice.of(&ids)].clone();
                let later = dice.second();
                book.removed = match book.removed {
                    None if later > book.created => Some(later),
                    _ => None,
                };
                self.keep(book, shelf);
            }
            9 if !self.events.is_empty() => {
                let events: Vec<_> = self.events.iter().cloned().collect();
                let event = dice.of(&events);
                shelf.delete_event(&event.0, &event.1, event.2, &event.3);
                self.events.remove(event);
            }
            _ => {}
        }
    }

    fn keep(&mut self, book: Book, shelf: &Shelf<'_>) {
        shelf.put(std::slice::from_ref(&book));
        self.books.insert(book.id.clone(), book);
    }

    /// Whether a record is there for a key when `at` is over.
    fn is_there(&self, book: &Book, key: &str, at: &str) -> bool {
        if book.removed.as_deref().is_some_and(|removed| removed <= at) {
            return false;
        }
        if key == "global" {
            return book.created.as_str() <= at;
        }
        let said = self
            .events
            .iter()
            .filter(|(id, of, _, when)| *id == book.id && of == key && when.as_str() <= at);
        said.map(|(_, _, added, when)| (when, !added)).max().is_some_and(|(_, gone)| !gone)
    }

    /// Moments at which anything may come or go, in order.
    fn moments(&self) -> Vec<&str> {
        let events = self.events.iter().map(|(_, _, _, when)| when.as_str());
        let books = self.books.values().flat_map(|book| {
            [Some(book.created.as_str()), book.removed.as_deref()].into_iter().flatten()
        });
        events.chain(books).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Comings and goings at one moment; both where something came and went within it.
    fn flips(&self, book: &Book, key: &str, before: Option<&str>, at: &str) -> (bool, bool) {
        let was = before.is_some_and(|before| self.is_there(book, key, before));
        let is = self.is_there(book, key, at);
        let ended = book.removed.as_deref() == Some(at);
        let said = |added: bool| {
            let event = (book.id.clone(), key.to_owned(), added, at.to_owned());
            self.events.contains(&event) && !ended
        };
        let both = !was && !is && said(true) && said(false);
        (both || (is && !was), both || (was && !is))
    }

    /// What a day brings and takes of records without and with files, and of bytes.
    fn day(&self, key: &str, day: u64) -> Value {
        let label = format!("2025-01-{day:02}");
        let moments = self.moments();
        let mut counts = [[0_u64; 3]; 2];
        for book in self.books.values() {
            for (n, at) in moments.iter().enumerate().filter(|(_, at)| at.starts_with(&label)) {
                let before = n.checked_sub(1).map(|n| moments[n]);
                let (came, went) = self.flips(book, key, before, at);
                for (row, happened) in counts.iter_mut().zip([came, went]) {
                    if happened {
                        row[usize::from(book.bytes.is_some())] += 1;
                        row[2] += book.bytes.unwrap_or(0);
                    }
                }
            }
        }
        json!(counts)
    }

    fn end_of_day(&self, key: &str, day: u64) -> Value {
        let at = format!("2025-01-{day:02}T23:59:59");
        let mut counts = [0_u64; 3];
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for book in self.books.values().filter(|book| self.is_there(book, key, &at)) {
            counts[usize::from(book.bytes.is_some())] += 1;
            counts[2] += book.bytes.unwrap_or(0);
            *kinds.entry(book.kind).or_default() += 1;
        }
        json!([counts, kinds])
    }
}

fn delta(document: &Value) -> Value {
    let row = |column: &str| {
        json!([
            document["records"][column]["metadata_only"],
            document["records"][column]["with_files"],
            document["files"][column]["data_volume"]
        ])
    };
    json!([row("added"), row("removed")])
}

fn snapshot(document: &Value) -> Value {
    let kinds = document["subcounts"]["resource_types"].as_array().unwrap();
    let records = |of: &Value| {
        of["records"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>()
    };
    let kinds: BTreeMap<_, _> =
        kinds.iter().map(|of| (of["id"].as_str().unwrap().to_owned(), records(of))).collect();
    let totals = &document["total_records"];
    let bytes = &document["total_files"]["data_volume"];
    json!([[totals["metadata_only"], totals["with_files"], bytes], kinds])
}

#[test]
fn records_are_counted_whatever_happens() {
    let engine = Engine::get();
    let prefix = engine.prefix("randrec");
    let shelf = Shelf::new(&engine, &prefix);
    let recipe = Recipe::record_rollup(&engine, &prefix);
    let (mut dice, mut world) = (Dice::new("records"), World::default());
    let mut checked = 0;
    for round in 0..8 {
        for _ in 0..=dice.below(25) {
            world.step(&mut dice, &shelf);
        }
        let report = recipe.rollup("run", &["--to", &format!("2025-01-{LAST}")], 0);
        let (deltas, snapshots) = (shelf.rolled("delta"), shelf.rolled("snapshot"));
        for key in COMMUNITIES.iter().chain(&["global"]) {
            for day in 1..=LAST {
                let id = format!("{key}-2025-01-{day:02}");
                let nothing = json!([[0, 0, 0], [0, 0, 0]]);
                let found = deltas.get(&id).map_or(nothing, delta);
                assert_eq!(found, world.day(key, day), "round {round}: {id}: {report}");
                let found = snapshots.get(&id).map_or(json!([[0, 0, 0], {}]), snapshot);
                assert_eq!(found, world.end_of_day(key, day), "round {round}: {id}: {report}");
                checked += usize::from(deltas.contains_key(&id));
            }
        }
    }
    assert!(checked > 100, "only {checked} documents were compared");
}

/// Views in one index: time, visitor, country and communities by id.
type Views = BTreeMap<u64, (String, u64, &'static str, Vec<&'static str>)>;

fn views_of(views: &Views, key: &str, day: u64) -> Value {
    let label = format!("2025-01-{day:02}");
    let of_day = || {
        let views = views.values().filter(|(at, ..)| at.starts_with(&label));
        views.filter(|(.., keys)| key == "global" || keys.contains(&key))
    };
    let visitors: BTreeSet<_> = of_day().map(|(_, visitor, ..)| visitor).collect();
    let mut countries: BTreeMap<&str, u64> = BTreeMap::new();
    of_day().for_each(|(_, _, country, _)| *countries.entry(country).or_default() += 1);
    json!([of_day().count(), visitors.len(), countries])
}

const USAGE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
rollup:
  period: day
  key: { field: keys, as: key, all: global }
  sources:
    view: { index: PREFIXviews, date: at, metrics: { n: count, visitors: { unique: visitor } } }
  dimensions: { countries: country }
  delta: { index: 'PREFIXdelta-{year}' }
  snapshot: { index: 'PREFIXsum-{year}' }
";

fn rolled(engine: &Engine, prefix: &Prefix, kind: &str) -> BTreeMap<String, Value> {
    let pattern = prefix.name(&format!("{kind}-*"));
    engine.json.post(&format!("/{pattern}/_refresh"), &Value::Null);
    let found = engine.json.post(&format!("/{pattern}/_search"), &json!({ "size": 10_000 }));
    let hits = found["hits"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].clone()))
        .collect()
}

#[test]
fn usage_is_counted_whatever_happens() {
    let engine = Engine::get();
    let prefix = engine.prefix("randuse");
    let index = prefix.name("views");
    let keyword = json!({ "type": "keyword" });
    engine.json.put(
        &format!("/{index}"),
        &json!({
            "settings": { "number_of_replicas": 0, "number_of_shards": 3 },
            "mappings": { "properties": {
                "at": { "type": "date" }, "keys": keyword, "visitor": keyword, "country": keyword
            }}
        }),
    );
    let recipe = Recipe::new(&engine, &prefix, USAGE);
    let (mut dice, mut views) = (Dice::new("usage"), Views::new());
    for round in 0..6 {
        for _ in 0..=dice.below(60) {
            let id = dice.below(120);
            if dice.below(6) == 0 && views.remove(&id).is_some() {
                engine.json.delete(&format!("/{index}/_doc/{id}"));
                continue;
            }
            let mut keys: Vec<&str> = COMMUNITIES.to_vec();
            keys.retain(|_| dice.below(2) == 0);
            let view = (dice.second(), dice.below(7), *dice.of(&["US", "DE", "FR"]), keys);
            let (at, visitor, country, keys) = &view;
            let text = json!({ "at": at, "visitor": visitor.to_string(), "country": country, "keys": keys });
            engine.json.write(&index, &[(id.to_string().as_str(), text.to_string().as_str())]);
            views.insert(id, view);
        }
        engine.json.post(&format!("/{index}/_refresh"), &Value::Null);
        let report = recipe.rollup("run", &["--to", &format!("2025-01-{LAST}")], 0);
        let (deltas, sums) = (rolled(&engine, &prefix, "delta"), rolled(&engine, &prefix, "sum"));
        for key in COMMUNITIES.iter().chain(&["global"]) {
            let mut total = 0;
            for day in 1..=LAST {
                let id = format!("{key}-2025-01-{day:02}");
                let found = deltas.get(&id).map_or(json!([0, 0, {}]), |of| {
                    let view = &of["totals"]["view"];
                    let countries = of["subcounts"]["countries"].as_array().unwrap();
                    let countries: BTreeMap<_, _> = countries
                        .iter()
                        .map(|of| (of["id"].as_str().unwrap().to_owned(), of["view"]["n"].clone()))
                        .collect();
                    json!([view["n"], view["visitors"], countries])
                });
                let expected = views_of(&views, key, day);
                assert_eq!(found, expected, "round {round}: {id}: {report}");
                total += expected[0].as_u64().unwrap();
                let sum = sums.get(&id).map_or(json!(0), |of| of["totals"]["view"]["n"].clone());
                assert_eq!(sum, json!(total), "round {round}: {id}: {report}");
            }
        }
    }
}
