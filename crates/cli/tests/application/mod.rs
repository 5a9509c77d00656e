//! An application that writes by one name, one operation after the other, and knows what it was told
//! about each of its documents.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part; a test may panic"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use http::Method;
use segue_testkit::{Engine, Kept};
use serde_json::json;

/// What the application was told about each of its documents: the last acknowledged value, none for a
/// delete. Where the answer left it open there are two.
pub type Ledger = BTreeMap<String, Vec<Option<u64>>>;

/// What it does with documents besides indexing them whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Habits {
    IndexesOnly,
    Updates,
    /// Updates, deletes, and makes anew.
    Deletes,
}

/// The application at work.
pub struct Writer {
    stop: Arc<AtomicBool>,
    habits: Arc<AtomicU8>,
    acknowledged: Arc<AtomicU64>,
    thread: Option<JoinHandle<(Ledger, u64)>>,
}

/// Its memory.
struct Application {
    engine: Engine,
    name: String,
    /// What it draws from, and what sets its documents apart from those of others.
    seed: u64,
    random: u64,
    number: u64,
    ledger: Ledger,
}

impl Writer {
    pub fn start(engine: &Engine, name: &str, seed: u64, habits: Habits) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let habits = Arc::new(AtomicU8::new(habits as u8));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (told, allowed, count) =
            (Arc::clone(&stop), Arc::clone(&habits), Arc::clone(&acknowledged));
        let (engine, name) = (engine.clone(), name.to_owned());
        let thread = std::thread::spawn(move || {
            let ledger = Ledger::new();
            let mut application =
                Application { engine, name, seed, random: seed, number: 0, ledger };
            let mut refused = 0;
            while !told.load(Ordering::Relaxed) {
                if application.write(allowed.load(Ordering::Relaxed)) {
                    count.fetch_add(1, Ordering::Relaxed);
                } else {
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            (application.ledger, refused)
        });
        Writer { stop, habits, acknowledged, thread: Some(thread) }
    }

    /// From here on it has other habits.
    pub fn behave(&self, habits: Habits) {
        self.habits.store(habits as u8, Ordering::Relaxed);
    }

    /// Waits for so many more acknowledged operations.
    pub fn work(&self, operations: u64) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + operations;
        for _ in 0..3000 {
            if self.acknowledged.load(Ordering::Relaxed) >= goal {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the writer does not get on");
    }

    /// Ends it; what it was told, and how many writes were refused.
    pub fn stop(mut self) -> (Ledger, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Where a test fails before its end, its application ends with it.
impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test has failed already.
            let _ended = thread.join();
        }
    }
}

impl Application {
    fn next(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }

    /// One operation; whether it was acknowledged.
    fn write(&mut self, habits: u8) -> bool {
        self.number += 1;
        let (seed, number) = (self.seed, self.number);
        // Documents of its own, and some of those that were there before.
        let id = match self.next() % 3 {
            0 => format!("d{}", (self.next() % 100) * 2 + seed % 2),
            _ => format!("w{seed}-{}", self.next() % 60),
        };
        let there = match self.ledger.get(&id) {
            None => id.starts_with('d'),
            Some(known) => known.len() == 1 && known[0].is_some(),
        };
        let path = format!("/{}/_doc/{id}", self.name);
        let dice = self.next() % 10;
        let json = &self.engine.json;
        let (status, state) = match dice {
            0..3 if there && habits >= Habits::Deletes as u8 => {
                (json.call(Method::DELETE, &path, None).0, None)
            }
            3..6 if there && habits >= Habits::Updates as u8 => {
                let path = format!("/{}/_update/{id}", self.name);
                let body = json!({ "doc": { "v": number } });
                (json.call(Method::POST, &path, Some(&body)).0, Some(number))
            }
            _ => {
                let body = json!({ "v": number, "t": format!("by {seed}") });
                (json.call(Method::PUT, &path, Some(&body)).0, Some(number))
            }
        };
        match status {
            200 | 201 => {
                self.ledger.insert(id, vec![state]);
                true
            }
            400 | 403 | 404 | 409 | 429 => false,
            status => {
                eprintln!("{status} for {id}");
                // Of those that were there before, the number is the value.
                let before = id.strip_prefix('d').and_then(|number| number.parse().ok());
                self.ledger.entry(id).or_insert_with(|| vec![before]).push(state);
                false
            }
        }
    }
}

/// Asserts that what is found has the values that the applications were told, and besides them only
/// what was there `before`.
pub fn assert_told<'a>(
    found: &BTreeMap<String, Kept>,
    before: impl IntoIterator<Item = &'a String>,
    ledgers: &[Ledger],
    what: &str,
) {
    let mut expected: Ledger = before.into_iter().map(|id| (id.clone(), Vec::new())).collect();
    for ledger in ledgers {
        expected.extend(ledger.clone());
    }
    for (id, states) in &expected {
        let v = found.get(id).map(|kept| kept.value()["v"].as_u64().unwrap());
        if states.is_empty() {
            assert!(v.is_some(), "{what}: {id} was touched by nobody, and is gone");
        } else {
            assert!(states.contains(&v), "{what}: {id}: {v:?}, expected {states:?}");
        }
    }
    for (id, kept) in found {
        assert!(expected.contains_key(id), "{what}: {id} comes from nowhere: {}", kept.source);
    }
}
