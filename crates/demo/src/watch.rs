//! The watch over the read aliases: counts through them all the time and compares with the truth.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;

use crate::http::Http;
use crate::invenio::{Kind, Site};
use crate::ledger::Ledger;
use crate::pen::lock;

/// Pause between two counts of one alias.
const PAUSE: Duration = Duration::from_millis(100);

/// What the watch saw.
#[derive(Debug, Default, Clone)]
pub struct Sightings {
    /// Counts that were answered in full.
    pub counts: u64,
    /// Counts above the number of documents that can have been visible: something was seen twice.
    pub above: u64,
    /// Counts below an earlier one: something was out of sight.
    pub below: u64,
    /// Counts that were not answered, or only by some of the shards.
    pub errors: u64,
    /// The first few odd counts, for people.
    pub examples: Vec<String>,
}

impl Sightings {
    fn example(&mut self, text: String) {
        if self.examples.len() < 5 {
            self.examples.push(text);
        }
    }

    fn note(&mut self, alias: &str, count: u64, highest: &mut u64, possible: u64) {
        self.counts += 1;
        if count > possible {
            self.above += 1;
            self.example(format!("{alias}: {count} documents where there can be {possible}"));
        }
        if count < *highest {
            self.below += 1;
            self.example(format!("{alias}: {count} documents after {highest}"));
        }
        *highest = count.max(*highest);
    }
}

/// A watch that runs until it is ended.
pub struct Watch {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Sightings>,
}

impl Watch {
    /// Starts to count through both read aliases of a site.
    #[must_use]
    pub fn start(http: &Http, site: &Site, ledger: &Arc<Mutex<Ledger>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(look(
            http.clone(),
            Kind::ALL.map(|kind| (kind, site.read_alias(kind))),
            Arc::clone(ledger),
            Arc::clone(&stop),
        ));
        Self { stop, task }
    }

    /// Ends the watch.
    ///
    /// # Errors
    /// A watch that panicked.
    pub async fn end(self) -> anyhow::Result<Sightings> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("the watch over the aliases panicked")
    }
}

async fn look(
    http: Http,
    aliases: [(Kind, String); 2],
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
) -> Sightings {
    let mut seen = Sightings::default();
    let mut highest = [0; 2];
    while !stop.load(Ordering::Relaxed) {
        for ((kind, alias), highest) in aliases.iter().zip(&mut highest) {
            match count(&http, alias).await {
                // The truth is asked after the answer: whatever the count can have seen is in it.
                Ok(count) => seen.note(alias, count, highest, lock(&ledger).possible(*kind)),
                Err(error) => {
                    seen.errors += 1;
                    seen.example(format!("{alias}: {error:#}"));
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
}

async fn count(http: &Http, alias: &str) -> anyhow::Result<u64> {
    let answer = http.get(&format!("/{alias}/_count")).await?.success()?;
    anyhow::ensure!(answer["_shards"]["failed"] == 0, "some shards failed: {answer}");
    answer["count"].as_u64().context("no count")
}

#[cfg(test)]
mod tests {
    use super::Sightings;

    #[test]
    fn a_count_must_not_exceed_the_truth_nor_drop() {
        let mut seen = Sightings::default();
        let mut highest = 0;
        for (count, possible) in [(5, 5), (5, 9), (10, 9), (9, 9), (10, 10)] {
            seen.note("a", count, &mut highest, possible);
        }
        assert_eq!((seen.counts, seen.above, seen.below), (5, 1, 1));
        assert_eq!(seen.examples.len(), 2);
    }
}
