//! An application that only indexes whole documents: with ids of its own and without, one at a time and
//! in bulks, hot ids again and again, and bulks that are long under way. It knows what was acknowledged.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part; a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use segue_demo::http::Http;
use segue_testkit::{Engine, content, wait};
use serde_json::{Value, json};

const HOT: u64 = 6;
/// Ids that are always written with one and the same routing of their own.
const ROUTED: u64 = 10;

/// What was written and what came back.
#[derive(Debug, Default)]
pub struct Written {
    /// The value that was acknowledged last, by id.
    pub last: BTreeMap<String, u64>,
    /// Values of which it is not known whether they were applied.
    pub unsure: BTreeMap<String, BTreeSet<u64>>,
    /// Why writes were refused, with how many.
    pub refused: BTreeMap<String, u64>,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Of them, those that another index took than the name says.
    pub elsewhere: u64,
}

/// What is wrong with what is found.
#[derive(Debug, Default)]
pub struct Wrongs {
    /// Acknowledged, but not there.
    pub lost: Vec<String>,
    /// There with another value than the one acknowledged last.
    pub stale: Vec<String>,
    /// There, but never written.
    pub surplus: Vec<String>,
}

impl Wrongs {
    pub fn count(&self) -> usize {
        self.lost.len() + self.stale.len() + self.surplus.len()
    }
}

/// Writers at work.
pub struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Written>>,
    documents: usize,
}

struct Writer {
    http: Http,
    /// The index that its writes went to before.
    home: String,
    /// The name that it writes to.
    name: String,
    number: u64,
    all: u64,
    documents: u64,
    slow: bool,
    values: Arc<AtomicU64>,
    seed: u64,
    written: Written,
}

impl Writers {
    /// Sets `count` writers to work, each by another of these names, on the index that has the first of
    /// them and holds documents `d0` to `d{documents - 1}`. The first writer writes slow bulks: the
    /// index's own pipeline takes long for them.
    pub fn start(engine: &Engine, names: &[&str], count: u64, documents: usize) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let values = Arc::new(AtomicU64::new(1_000_000));
        let threads = (0..count)
            .zip(names.iter().cycle())
            .map(|(number, name)| {
                let writer = Writer {
                    http: Http::new(&engine.url).unwrap(),
                    home: names[0].to_owned(),
                    name: (*name).to_owned(),
                    number,
                    all: count,
                    documents: documents as u64,
                    slow: number == 0,
                    values: Arc::clone(&values),
                    seed: 77 + number,
                    written: Written::default(),
                };
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || writer.work(&stop))
            })
            .collect();
        Writers { stop, threads, documents }
    }

    /// Lets the writers end; what they wrote, all together. No two of them ever write one id.
    pub fn stop(self) -> (Written, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        for thread in self.threads {
            let one = thread.join().unwrap();
            all.last.extend(one.last);
            all.unsure.extend(one.unsure);
            all.acknowledged += one.acknowledged;
            all.elsewhere += one.elsewhere;
            for (why, count) in one.refused {
                *all.refused.entry(why).or_default() += count;
            }
        }
        (all, self.documents)
    }
}

impl Written {
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Compares with what is found by `name`, where documents without a write still have their number as
    /// value.
    pub fn check(&self, engine: &Engine, name: &str, documents: usize) -> Wrongs {
        let found = content(engine, name);
        let mut wrongs = Wrongs::default();
        let first = (0..documents).map(|n| (format!("d{n}"), n as u64));
        let mut owed: BTreeMap<String, u64> = first.collect();
        owed.extend(self.last.iter().map(|(id, value)| (id.clone(), *value)));
        for (id, value) in &owed {
            let Some(kept) = found.get(id) else {
                wrongs.lost.push(id.clone());
                continue;
            };
            let there = kept.value()["v"].as_u64().unwrap();
            let unsure = self.unsure.get(id).is_some_and(|values| values.contains(&there));
            if there != *value && !unsure {
                wrongs.stale.push(format!("{id}: {there}, not {value}"));
            }
            if kept.routing != routing(id) {
                wrongs.stale.push(format!("{id}: routing {:?}", kept.routing));
            }
        }
        let known = |id: &String| owed.contains_key(id) || self.unsure.contains_key(id);
        wrongs.surplus.extend(found.keys().filter(|id| !known(id)).cloned());
        if !self.unsure.is_empty() {
            // Documents without an id whose answer was lost.
            wrongs.surplus.retain(|id| !is_made_by_engine(id));
        }
        wrongs
    }
}

/// The routing that a document of this id is written with.
fn routing(id: &str) -> Option<String> {
    id.strip_prefix("routed.")
        .map(|rest| format!("by-{}", rest.len() + rest.bytes().map(usize::from).sum::<usize>() % 5))
}

fn is_made_by_engine(id: &str) -> bool {
    id.len() == 20 && !id.contains('.')
}

impl Writer {
    fn work(mut self, stop: &AtomicBool) -> Written {
        let mut fresh = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut ids = Vec::new();
            let many = if self.slow { 40 } else { 4 };
            for _ in 0..many {
                let hot = self.next(HOT);
                ids.push(Some(format!("hot.{}.{hot}", self.number)));
                fresh += 1;
                ids.push(Some(format!("new.{}.{fresh}", self.number)));
                ids.push(None);
                let routed = self.next(ROUTED);
                ids.push(Some(format!("routed.{}.{routed}", self.number)));
                let rounds = (self.documents / self.all).max(1);
                let at = self.next(rounds) * self.all + self.number;
                if at < self.documents {
                    ids.push(Some(format!("d{at}")));
                }
            }
            // Two contents of one id in one bulk would leave their order to the engine's answer.
            let mut seen = BTreeSet::new();
            ids.retain(|id| id.as_ref().is_none_or(|id| seen.insert(id.clone())));
            self.bulk(&ids);
            if !self.slow {
                self.single();
                std::thread::sleep(Duration::from_millis(self.next(20)));
            }
        }
        self.written
    }

    fn next(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn document(&self) -> (u64, Value) {
        let value = self.values.fetch_add(1, Ordering::Relaxed);
        let mut document = json!({ "v": value, "t": "words of a document" });
        if self.slow {
            document["slow"] = json!(true);
        }
        (value, document)
    }

    fn bulk(&mut self, ids: &[Option<String>]) {
        let mut lines = String::new();
        let mut values = Vec::new();
        for id in ids {
            let (value, document) = self.document();
            let action = match id {
                Some(id) => match routing(id) {
                    Some(routing) => json!({ "index": { "_id": id, "routing": routing } }),
                    None => json!({ "index": { "_id": id } }),
                },
                None => json!({ "index": {} }),
            };
            lines.push_str(&format!("{action}\n{document}\n"));
            values.push(value);
        }
        let (http, path) = (self.http.clone(), format!("/{}/_bulk", self.name));
        let answer = wait(async move { http.bulk(&path, lines).await });
        let (status, body) = match answer {
            Ok(answer) => (answer.status, answer.json().unwrap_or(Value::Null)),
            Err(error) => (599, json!({ "error": format!("{error}") })),
        };
        for (at, (id, value)) in ids.iter().zip(values).enumerate() {
            let item = &body["items"][at]["index"];
            let status = item["status"].as_u64().unwrap_or(u64::from(status));
            let why = [&item["error"]["type"], &body["error"]["type"], &body["error"]];
            let why = why.iter().find_map(|why| why.as_str()).unwrap_or("?").to_owned();
            self.note(id.as_deref(), item, status, value, &why);
        }
    }

    fn single(&mut self) {
        let (value, document) = self.document();
        let hot = self.next(HOT);
        let id = format!("hot.{}.{hot}", self.number);
        let with_id = self.next(2) == 0;
        let (http, index) = (self.http.clone(), self.name.clone());
        let answer = wait(async move {
            if with_id {
                http.put(&format!("/{index}/_doc/{id}"), &document).await.map(|a| (Some(id), a))
            } else {
                http.post(&format!("/{index}/_doc"), &document).await.map(|a| (None, a))
            }
        });
        let Ok((id, answer)) = answer else { return };
        let body = answer.json().unwrap_or(Value::Null);
        let why = body["error"]["type"].as_str().unwrap_or("?").to_owned();
        self.note(id.as_deref(), &body, u64::from(answer.status), value, &why);
    }

    fn note(&mut self, id: Option<&str>, item: &Value, status: u64, value: u64, why: &str) {
        let written = &mut self.written;
        let id = id.or_else(|| item["_id"].as_str()).unwrap_or("?").to_owned();
        match status {
            200..=299 => {
                written.acknowledged += 1;
                written.elsewhere += u64::from(item["_index"] != *self.home);
                written.unsure.remove(&id);
                written.last.insert(id, value);
            }
            400..=499 => *written.refused.entry(format!("{status} {why}")).or_default() += 1,
            _ => {
                *written.refused.entry(format!("{status} {why}")).or_default() += 1;
                written.unsure.entry(id).or_default().insert(value);
            }
        }
    }
}
