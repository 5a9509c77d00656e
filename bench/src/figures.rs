//! The figures: minimum, median and maximum of all rounds, and the ratios of medians.

use std::collections::BTreeMap;
use std::fmt;

use crate::program::Ran;

/// All figures of a run.
pub struct Figures {
    docs: u32,
    rows: BTreeMap<String, Vec<f64>>,
}

impl Figures {
    /// No figures yet.
    pub fn new(docs: u32) -> Figures {
        Figures { docs, rows: BTreeMap::new() }
    }

    /// One reading of one figure.
    pub fn add(&mut self, name: &str, value: f64) {
        eprintln!("  {name}: {value:.2}");
        self.rows.entry(name.to_owned()).or_default().push(value);
    }

    /// Something that is not segue took so many seconds.
    pub fn other(&mut self, name: &str, seconds: f64) {
        self.add(&format!("{name}, s"), seconds);
    }

    /// segue took so much.
    pub fn segue(&mut self, name: &str, ran: &Ran) {
        self.add(&format!("{name}, s"), ran.backfill_s);
        self.add(&format!("{name}: verification, s"), ran.verify_s);
        let each = 1e6 / f64::from(self.docs);
        self.add(
            &format!("{name}: own CPU of the first pass, µs a document"),
            ran.backfill_cpu_s * each,
        );
        self.add(
            &format!("{name}: own CPU of copy and verification, µs a document"),
            ran.cpu_s * each,
        );
        self.add(&format!("{name}: peak memory, MB"), ran.peak_mb);
    }

    fn median(&self, name: &str) -> Option<f64> {
        let mut values = self.rows.get(name)?.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = values.get(middle).copied()?;
        // Of an even number of readings it lies between the two in the middle.
        let lower = if values.len() % 2 == 0 { values[middle - 1] } else { upper };
        Some(f64::midpoint(lower, upper))
    }
}

/// What is divided by what, and the aim.
const RATIOS: [(&str, &str, f64); 6] = [
    ("segue copy, s", "_reindex slices=auto, s", 0.95),
    ("segue copy, s", "_reindex, s", 0.75),
    ("segue copy, s", "_reindex slices=auto, relaxed target, s", 1.25),
    ("segue enriched, s", "raw replay of the enriched, s", 1.05),
    ("segue copy: verification, s", "segue copy, s", 0.7),
    ("segue enriched: verification, s", "segue enriched, s", 0.7),
];

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} documents\n\n| figure | min | median | max |\n| --- | --: | --: | --: |",
            self.docs
        )?;
        for (name, values) in &self.rows {
            let mut values = values.clone();
            values.sort_by(f64::total_cmp);
            let (min, max) = (values.first(), values.last());
            let (min, max) = (min.copied().unwrap_or(0.0), max.copied().unwrap_or(0.0));
            let median = self.median(name).unwrap_or(0.0);
            writeln!(f, "| {name} | {min:.2} | {median:.2} | {max:.2} |")?;
        }
        if !RATIOS.iter().any(|(what, _, _)| self.rows.contains_key(*what)) {
            return Ok(());
        }
        writeln!(f, "\n| ratio of medians | measured | aim |\n| --- | --: | --: |")?;
        for (what, by, aim) in RATIOS {
            let (Some(one), Some(other)) = (self.median(what), self.median(by)) else { continue };
            writeln!(f, "| {what} ÷ {by} | {:.2} | ≤ {aim} |", one / other)?;
        }
        Ok(())
    }
}
