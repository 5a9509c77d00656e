//! Live writers: the application going on with its work while its indices are migrated.
//!
//! Their habits are Invenio's: events come in bursts and in bulks of 50, by index name and with
//! operation `index`; some overwrite a document of a few seconds or of weeks ago (double clicks,
//! repeated deliveries); some belong to earlier months; what is refused with a 4xx is not tried again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use fastrand::Rng;
use tokio::task::JoinHandle;

use crate::http::Http;
use crate::invenio::{Click, Kind, Month, Site};
use crate::ledger::{Ledger, Reply};
use crate::pen::{Pen, Written};

/// Operations of one bulk request, as the application's client is configured.
const CHUNK: usize = 50;
/// Months before the current one that late events belong to.
const LATE_MONTHS: usize = 3;
/// Recent clicks of which a writer may repeat one.
const MEMORY: usize = 200;

/// How writers were refused, and for how long.
#[derive(Debug, Default, Clone)]
pub struct Refusals {
    /// Writes that were not acknowledged.
    pub writes: u64,
    /// Their reasons, with how many.
    pub reasons: BTreeMap<String, u64>,
    /// The longest time that one index name refused writes: from the first refusal to the next
    /// acknowledged write.
    pub longest: Duration,
    since: HashMap<(Kind, Month), Instant>,
}

impl Refusals {
    fn note(&mut self, clicks: &[Click], written: &Written, now: Instant) {
        for (click, reply) in clicks.iter().zip(&written.replies) {
            let name = (click.kind, click.month);
            if matches!(reply, Reply::Acknowledged(_)) {
                if let Some(since) = self.since.remove(&name) {
                    self.longest = self.longest.max(now.duration_since(since));
                }
            } else {
                self.writes += 1;
                self.since.entry(name).or_insert(now);
            }
        }
        for (reason, count) in &written.refusals {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
    }

    fn close(&mut self, now: Instant) {
        for (_, since) in self.since.drain() {
            self.longest = self.longest.max(now.duration_since(since));
        }
    }
}

/// Writers at work.
pub struct LiveWriters {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
    refusals: Arc<Mutex<Refusals>>,
}

impl LiveWriters {
    /// Sets `count` writers to work on a site.
    #[must_use]
    pub fn start(http: &Http, site: &Site, ledger: &Arc<Mutex<Ledger>>, count: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let refusals = Arc::new(Mutex::new(Refusals::default()));
        let tasks = (0..count)
            .map(|number| {
                let writer = Writer {
                    pen: Pen::new(http.clone(), site.clone()),
                    site: site.clone(),
                    ledger: Arc::clone(ledger),
                    refusals: Arc::clone(&refusals),
                    rng: Rng::with_seed(site.seed() ^ (0x117e + u64::from(number)) << 20),
                    share: (u64::from(number), u64::from(count)),
                    recent: VecDeque::new(),
                    clock_us: 0,
                };
                tokio::spawn(writer.work(Arc::clone(&stop)))
            })
            .collect();
        Self { stop, tasks, refusals }
    }

    /// Lets the writers finish their bursts and says how they were refused.
    ///
    /// # Errors
    /// A writer that ended badly.
    pub async fn stop(self) -> anyhow::Result<Refusals> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.context("a live writer panicked")??;
        }
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refusals.close(Instant::now());
        Ok(refusals)
    }
}

struct Writer {
    pen: Pen,
    site: Site,
    ledger: Arc<Mutex<Ledger>>,
    refusals: Arc<Mutex<Refusals>>,
    rng: Rng,
    /// Which writer of how many: past events are shared out, so that no two writers ever write one id
    /// and the order of its contents is known.
    share: (u64, u64),
    recent: VecDeque<Click>,
    clock_us: i64,
}

impl Writer {
    async fn work(mut self, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let burst = self.rng.usize(8..90);
            let clicks: Vec<Click> = (0..burst).map(|_| self.click()).collect();
            for chunk in clicks.chunks(CHUNK) {
                let written = self.pen.write(&self.ledger, chunk).await?;
                self.refusals.lock().unwrap_or_else(PoisonError::into_inner).note(
                    chunk,
                    &written,
                    Instant::now(),
                );
            }
            tokio::time::sleep(Duration::from_millis(self.rng.u64(50..500))).await;
        }
        Ok(())
    }

    /// The next click: mostly a new one, sometimes a repetition of a recent one or of one of the
    /// past, which overwrites its document.
    fn click(&mut self) -> Click {
        let now_us = self.tick();
        let click = match self.rng.u8(..100) {
            0..=14 if !self.recent.is_empty() => {
                let at = self.rng.usize(..self.recent.len());
                self.recent[at].again(self.rng.i64(0..4), now_us)
            }
            15..=22 => self.of_the_past(now_us),
            _ => {
                let kind = self.kind();
                let month = self.month();
                self.site.fresh(kind, month, &mut self.rng, now_us)
            }
        };
        if self.recent.len() == MEMORY {
            self.recent.pop_front();
        }
        self.recent.push_back(click);
        click
    }

    fn of_the_past(&mut self, now_us: i64) -> Click {
        let (kind, month) = (self.kind(), self.month());
        let (mine, all) = self.share;
        let rounds = self.site.past_events(kind, month) / all;
        if rounds == 0 {
            return self.site.fresh(kind, month, &mut self.rng, now_us);
        }
        let ordinal = self.rng.u64(..rounds) * all + mine;
        self.site.past(kind, month, ordinal).again(self.rng.i64(0..4), now_us)
    }

    fn kind(&mut self) -> Kind {
        Kind::ALL[self.rng.usize(..2)]
    }

    /// Three in five clicks are of the current month, the others of the three months before.
    fn month(&mut self) -> Month {
        let months = self.site.months();
        let back = match self.rng.u8(..5) {
            0..=2 => 0,
            _ => self.rng.usize(1..=LATE_MONTHS),
        };
        months[months.len() - 1 - back.min(months.len() - 1)]
    }

    /// Microseconds since 1970, never the same twice: no two contents of one writer are equal.
    fn tick(&mut self) -> i64 {
        let now = jiff::Timestamp::now().as_microsecond();
        self.clock_us = now.max(self.clock_us + 1);
        self.clock_us
    }
}
