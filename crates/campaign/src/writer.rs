//! The application: writers that go on while segue runs, each with documents of its own, so that the
//! order of what happens to one document is known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use fastrand::Rng;
use segue_demo::http::Http;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::history::{History, Op, Outcome};
use crate::oracle::{Fields, Pipeline};
use crate::request::{Request, Target};
use crate::scenario::{Scenario, Workload};

/// Documents of a writer that are written again and again.
const HOT: usize = 6;
/// Operations of one bulk request at most.
const BULK: usize = 25;
/// Documents of one delete by query at most.
const BY_QUERY: usize = 8;
/// Operations of one bulk request of the first load.
const LOAD: usize = 250;
/// The lowest version that a writer gives: like milliseconds since 1970.
const FIRST_VERSION: u64 = 1_700_000_000_000;

/// Everything that was done, by number of the document.
pub(crate) type Book = BTreeMap<u64, History>;

/// How the application's writes went.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Tally {
    /// Applied, by the engine's word.
    pub acknowledged: u64,
    /// Answered with "not applied", such as by a block.
    pub refused: u64,
    /// Answered with "another version stands there".
    pub conflicted: u64,
    /// Answered with "no such document".
    pub missing: u64,
    /// Not answered, or by an error that leaves it open.
    pub unknown: u64,
    /// Of those acknowledged, deletes.
    pub deleted: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.conflicted += other.conflicted;
        self.missing += other.missing;
        self.unknown += other.unknown;
        self.deleted += other.deleted;
    }
}

/// A document's id in the index; `None`: the engine gives it one.
pub(crate) fn id(workload: &Workload, number: u64) -> Option<String> {
    (!unnamed(workload, number)).then(|| format!("d{number}"))
}

/// Whether a document gets its id from the engine. It is written once, and carries its number.
pub(crate) fn unnamed(workload: &Workload, number: u64) -> bool {
    workload.unnamed && number % 4 == 1
}

/// A document's routing, if it has one of its own.
pub(crate) fn routing(workload: &Workload, number: u64) -> Option<String> {
    (workload.routed && number.is_multiple_of(3)).then(|| format!("r{}", number % 5))
}

/// One writer with its documents.
pub(crate) struct Writer {
    number: u64,
    of: u64,
    rng: Rng,
    workload: Workload,
    /// Whether documents have parts, of which others are made.
    fans_out: bool,
    target: Target,
    nodes: Vec<Http>,
    book: Book,
    ids: Vec<u64>,
    written: u64,
    /// Operations sent, taken or not.
    sent: u64,
    tally: Tally,
}

/// Writers at work.
pub(crate) struct Writing {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Writer>>,
}

impl Writer {
    /// The writers of a run, before they have written anything.
    pub(crate) fn all(scenario: &Scenario, target: &Target, nodes: &[Http]) -> Vec<Self> {
        let of = u64::from(scenario.workload.writers);
        let writer = |number| Self {
            number,
            of,
            rng: Rng::with_seed(scenario.seed ^ ((number + 1) << 48)),
            workload: scenario.workload,
            fans_out: scenario.pipeline == Pipeline::FanOut,
            target: target.clone(),
            nodes: nodes.to_vec(),
            book: Book::new(),
            ids: Vec::new(),
            written: 0,
            sent: 0,
            tally: Tally::default(),
        };
        (0..of).map(writer).collect()
    }

    /// Writes so many documents before segue is started, changes some and deletes some.
    pub(crate) async fn load(&mut self, documents: u32) -> anyhow::Result<()> {
        let mut left = documents as usize;
        while left > 0 {
            let count = left.min(LOAD);
            let mut operations = Vec::with_capacity(count);
            for _ in 0..count {
                let number = self.new_document();
                operations.push((number, self.content(number)));
            }
            self.send(operations, false, false).await;
            left -= count;
        }
        for _ in 0..documents / 400 {
            let operations = (0..20).filter_map(|_| self.change_of_the_past()).collect();
            self.send(operations, false, false).await;
        }
        let Tally { refused, unknown, .. } = self.tally;
        anyhow::ensure!(refused + unknown == 0, "the first load was not taken: {:?}", self.tally);
        Ok(())
    }

    fn change_of_the_past(&mut self) -> Option<(u64, Op)> {
        let number = self.existing(Some(true))?;
        let op = match self.rng.bool() {
            true => Op::Delete,
            // An update takes no version.
            false if self.workload.versioned => self.content(number),
            false => self.change(),
        };
        Some((number, op))
    }

    async fn work(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            if self.rng.u8(..200) < self.workload.delete {
                self.delete_by_query().await;
            }
            let single = self.rng.u8(..100) < self.workload.single;
            let count = if single { 1 } else { self.rng.usize(1..=BULK) };
            let operations = (0..count).map(|_| self.operation()).collect();
            let refresh = self.rng.u8(..100) < self.workload.refresh;
            self.send(operations, single, refresh).await;
            let most = u64::try_from(self.workload.pause.as_millis()).unwrap_or(1_000);
            tokio::time::sleep(Duration::from_millis(self.rng.u64(..=most))).await;
        }
        self
    }

    async fn delete_by_query(&mut self) {
        let some = self.rng.usize(1..=BY_QUERY);
        let chosen: BTreeSet<u64> = (0..some).filter_map(|_| self.existing(Some(true))).collect();
        let numbers: Vec<u64> = chosen.into_iter().collect();
        if numbers.is_empty() {
            return;
        }
        let versions = Vec::new();
        let request =
            Request { target: &self.target, workload: &self.workload, versions, refresh: true };
        let node = self.rng.usize(..self.nodes.len());
        let outcome = request.by_query(&self.nodes[node], &numbers).await;
        for number in numbers {
            self.note(number, Op::Delete, outcome);
        }
    }

    fn operation(&mut self) -> (u64, Op) {
        let Workload { update, delete, recreate, hot, .. } = self.workload;
        let dice = self.rng.u8(..100);
        if dice < delete
            && let Some(number) = self.existing(Some(true))
        {
            return (number, Op::Delete);
        }
        if dice < delete + update
            && let Some(number) = self.existing(Some(true))
        {
            return (number, self.change());
        }
        let dice = self.rng.u8(..100);
        let chosen = if dice < recreate {
            self.existing(Some(false))
        } else if self.rng.u8(..100) < hot {
            self.hot()
        } else if self.rng.bool() {
            self.existing(None)
        } else {
            None
        };
        let number = chosen.unwrap_or_else(|| self.new_document());
        (number, self.content(number))
    }

    fn new_document(&mut self) -> u64 {
        let number = self.ids.len() as u64 * self.of + self.number;
        self.ids.push(number);
        number
    }

    /// A document that was written before; alive, gone, or any.
    fn existing(&mut self, alive: Option<bool>) -> Option<u64> {
        (0..6).find_map(|_| {
            let number = *self.ids.get(self.rng.usize(..self.ids.len().max(1)))?;
            let history = self.book.get(&number)?;
            let fits = alive.is_none_or(|alive| history.lives() == alive);
            let once = unnamed(&self.workload, number);
            (fits && !once && !history.retired()).then_some(number)
        })
    }

    fn hot(&mut self) -> Option<u64> {
        let hot = self.ids.len().min(HOT);
        let number = *self.ids.get(self.rng.usize(..hot.max(1)))?;
        let retired = self.book.get(&number).is_some_and(History::retired);
        (!retired && !unnamed(&self.workload, number)).then_some(number)
    }

    /// A number that no other content has.
    fn count(&mut self) -> u64 {
        self.written += 1;
        self.written * self.of + self.number
    }

    /// Versions that the writer gives so many operations; none where it leaves that to the engine. A
    /// delete by query takes the next whole number, so there is room between two.
    fn versions(&mut self, operations: usize) -> Vec<u64> {
        if !self.workload.versioned {
            return Vec::new();
        }
        let first = self.sent;
        self.sent += operations as u64;
        (first..self.sent).map(|n| FIRST_VERSION + n * 16).collect()
    }

    fn content(&mut self, number: u64) -> Op {
        let n = self.count();
        let words = self.rng.usize(..40);
        let text = "one\n\"two\" {drei} ✓ ".repeat(words);
        let turns = self.workload.turning;
        let robot = if turns { self.rng.u8(..5) == 0 } else { number.is_multiple_of(5) };
        let mut fields = json!({
            "n": n, "ref": self.reference(), "robot": robot, "text": text,
            "meta": { "list": [n, 1, 2], "deep": { "x": "y" }, "big": 9_007_199_254_740_993_u64 + n }
        });
        if unnamed(&self.workload, number) {
            fields["unnamed"] = json!(number);
        }
        if self.fans_out {
            fields["parts"] = self.parts();
        }
        Op::Index(fields.as_object().cloned().unwrap_or_default())
    }

    fn change(&mut self) -> Op {
        let mut change = Fields::new();
        change.insert("u".into(), json!(self.count()));
        if self.rng.u8(..3) == 0 {
            change.insert("ref".into(), json!(self.reference()));
        }
        if self.fans_out && self.rng.u8(..2) == 0 {
            change.insert("parts".into(), self.parts());
        }
        if self.workload.turning && self.rng.u8(..4) == 0 {
            change.insert("robot".into(), json!(self.rng.bool()));
        }
        Op::Update(change)
    }

    /// None to five parts, in order.
    fn parts(&mut self) -> Value {
        let most = self.rng.u8(..=5);
        ('a'..='e').filter(|_| self.rng.u8(..5) < most).map(String::from).collect()
    }

    fn reference(&mut self) -> String {
        format!("k{}", self.rng.u64(..50))
    }

    /// Sends operations with one request and notes what came back.
    async fn send(&mut self, operations: Vec<(u64, Op)>, single: bool, refresh: bool) {
        if operations.is_empty() {
            return;
        }
        let versions = self.versions(operations.len());
        let request = Request { target: &self.target, workload: &self.workload, versions, refresh };
        let outcomes = request.send(&self.nodes, &mut self.rng, &operations, single).await;
        for ((number, op), outcome) in operations.into_iter().zip(outcomes) {
            self.note(number, op, outcome);
        }
    }

    fn note(&mut self, number: u64, op: Op, outcome: Outcome) {
        match outcome {
            Outcome::Acknowledged(_) => {
                self.tally.acknowledged += 1;
                self.tally.deleted += u64::from(op == Op::Delete);
            }
            Outcome::Missing(_) => self.tally.missing += 1,
            Outcome::Refused => self.tally.refused += 1,
            Outcome::Conflicted => self.tally.conflicted += 1,
            Outcome::Unknown => self.tally.unknown += 1,
        }
        self.book.entry(number).or_default().note(op, outcome);
    }
}

impl Writing {
    /// Sets writers to work.
    pub(crate) fn start(writers: Vec<Writer>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = writers.into_iter().map(|w| tokio::spawn(w.work(Arc::clone(&stop)))).collect();
        Self { stop, tasks }
    }

    /// Lets them finish, and returns all that they did.
    pub(crate) async fn stop(self) -> anyhow::Result<(Book, Tally)> {
        self.stop.store(true, Ordering::Relaxed);
        let (mut book, mut tally) = (Book::new(), Tally::default());
        for task in self.tasks {
            let writer = task.await.context("a writer panicked")?;
            book.extend(writer.book);
            tally += writer.tally;
        }
        Ok((book, tally))
    }
}
