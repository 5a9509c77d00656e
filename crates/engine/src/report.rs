//! The report of a run: what became of every document, part by part.

use std::collections::BTreeMap;
use std::time::Duration;

use segue_model::balance::Balance;
use segue_model::id::{IndexName, MigrationName};
use segue_model::journal::{CutoverWindow, VerifySummary};
use segue_model::phase::Phase;
use serde::{Serialize, Serializer};

use crate::enrich::Progress;
use crate::pass::DeadLetter;

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The migration.
    pub migration: MigrationName,
    /// The plan that was carried out.
    pub plan: String,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
    /// Sums over all parts.
    pub totals: Totals,
    /// Each part, by source name.
    pub parts: Vec<PartReport>,
}

/// Sums.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// What became of the documents.
    #[serde(flatten)]
    pub balance: Balance,
    /// Whether every balance adds up.
    pub balanced: bool,
    /// Bulk requests sent by this run.
    pub batches: u64,
    /// Parts that ended with an error.
    pub errors: u64,
    /// The longest time that a name refused writes in this run, in milliseconds.
    pub longest_closed_ms: u64,
}

/// One part in a report.
#[derive(Clone, Debug, Serialize)]
pub struct PartReport {
    /// The source.
    pub source: IndexName,
    /// The target.
    pub target: IndexName,
    /// What the source pattern captured (event type, month, …).
    pub captures: BTreeMap<String, String>,
    /// Where it stands; serialized in words.
    #[serde(serialize_with = "in_words")]
    pub phase: Phase,
    /// What this run did with it, in one sentence.
    pub outcome: String,
    /// Why it stopped, if it did.
    pub error: Option<PartError>,
    /// What became of its documents, over all runs.
    pub balance: Balance,
    /// Bulk requests sent by this run.
    pub batches: u64,
    /// Documents that this run deleted in the target, before the cutover, because the source does
    /// not hold them any more.
    pub deleted: u64,
    /// How long each step took in this run, in milliseconds.
    pub durations_ms: BTreeMap<&'static str, u64>,
    /// What verification counted.
    pub verification: Option<VerifySummary>,
    /// What the cutover cost.
    pub cutover: Option<CutoverWindow>,
    /// The first dead letters, by document.
    pub dead_letters: Vec<DeadLetter>,
    /// How far the enrichment after the switch is, over all runs.
    pub enrichment: Option<Progress>,
}

/// Why a part stopped.
#[derive(Clone, Debug, Serialize)]
pub struct PartError {
    /// The error's stable code.
    pub code: &'static str,
    /// What happened, with its causes.
    pub message: String,
}

fn in_words<S: Serializer>(phase: &Phase, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(phase)
}

impl PartReport {
    /// Notes how long `step` took; steps done several times add up.
    pub(crate) fn took(&mut self, step: &'static str, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        *self.durations_ms.entry(step).or_default() += ms;
    }
}

impl Report {
    /// Adds the parts up.
    #[must_use]
    pub fn sum(mut self) -> Report {
        let mut totals = Totals { balanced: true, ..Totals::default() };
        for part in &self.parts {
            totals.balance.add(&part.balance);
            totals.balanced &= part.balance.check().is_ok();
            totals.batches += part.batches;
            totals.errors += u64::from(part.error.is_some());
            let closed = part.cutover.and_then(|window| window.closed_ms).unwrap_or(0);
            if part.durations_ms.contains_key("cutover") {
                totals.longest_closed_ms = totals.longest_closed_ms.max(closed);
            }
        }
        self.totals = totals;
        self.parts.sort_by(|a, b| a.source.cmp(&b.source));
        self
    }
}
