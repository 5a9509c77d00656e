//! The outcome of a demo, as JSON and as text for people.

use std::fmt;

use serde::Serialize;

/// What a demo showed. The field names are those of the JSON line.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Documents that must be there at the end: distinct acknowledged ids.
    pub documents: u64,
    /// Writes that were acknowledged, the past and overwrites included.
    pub acknowledged_writes: u64,
    /// Acknowledged documents that are not found.
    pub lost: u64,
    /// Documents with another content than the one acknowledged last.
    pub stale: u64,
    /// Documents of which an enriched field is wrong.
    pub wrong_enrichment: u64,
    /// Documents last written after the switch, by the application itself: found as it sent them.
    pub written_after_switch: u64,
    /// Counts through a read alias above the truth, and documents seen twice at the end.
    pub alias_overcount: u64,
    /// Counts through a read alias below an earlier one.
    pub alias_drops: u64,
    /// Counts through a read alias that were not answered in full.
    pub alias_errors: u64,
    /// Writes by live writers that were refused or stayed without an answer.
    pub refused_writes: u64,
    /// The longest time that one name refused writes, in milliseconds.
    pub refusal_window_ms: u64,
    /// Whether segue's own balance sheet adds up.
    pub balanced: bool,
    /// The whole demo, in seconds.
    pub wall_s: f64,
    /// Documents per second of the migration alone, planning, verification and switch included.
    pub docs_per_second: f64,
    /// The engine and its version.
    pub engine: String,
    /// The exit code of `segue run`.
    pub segue_exit: i32,
    /// Why writes were refused, with how many.
    pub refusal_reasons: std::collections::BTreeMap<String, u64>,
    /// The first few cases of anything odd.
    pub examples: Vec<String>,
}

impl Outcome {
    /// Whether everything is as promised: nothing lost, stale, wrong or seen twice, nothing out of
    /// sight, the sheet balanced, and the run a success.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let wrongs =
            [self.lost, self.stale, self.wrong_enrichment, self.alias_overcount, self.alias_drops];
        wrongs == [0; 5] && self.balanced && self.segue_exit == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, label: &str, value: &str, note: &str| {
            let text = format!("  {label:<22}{value:>12}  {note}");
            writeln!(f, "{}", text.trim_end())
        };
        let reasons: Vec<String> =
            self.refusal_reasons.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let window = format!("{} ms", grouped(self.refusal_window_ms));
        let speed = format!("{}/s", grouped(self.docs_per_second.round() as u64));
        writeln!(f, "The demo on {}, {:.1} s in all", self.engine, self.wall_s)?;
        line(f, "documents", &grouped(self.documents), "")?;
        line(f, "acknowledged writes", &grouped(self.acknowledged_writes), "overwrites included")?;
        line(f, "lost", &grouped(self.lost), "acknowledged, but not found")?;
        line(f, "stale", &grouped(self.stale), "not the content acknowledged last")?;
        line(f, "wrong enrichment", &grouped(self.wrong_enrichment), "")?;
        let after = grouped(self.written_after_switch);
        line(f, "written after switch", &after, "by the application, and as it sent them")?;
        line(f, "alias overcount", &grouped(self.alias_overcount), "more than the truth")?;
        line(f, "alias drops", &grouped(self.alias_drops), "fewer than before")?;
        line(f, "alias errors", &grouped(self.alias_errors), "counts without a full answer")?;
        line(f, "refused writes", &grouped(self.refused_writes), &reasons.join(", "))?;
        line(f, "refusal window", &window, "longest of one name: what the switch costs")?;
        line(f, "balanced", if self.balanced { "yes" } else { "no" }, "")?;
        line(f, "migration speed", &speed, "")?;
        for example in &self.examples {
            writeln!(f, "  ! {example}")?;
        }
        match self.is_good() {
            true => write!(f, "Good: every acknowledged write is there, once, and enriched."),
            false => write!(f, "NOT good (segue run ended with {}).", self.segue_exit),
        }
    }
}

/// A number with a comma after every three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Outcome, grouped};

    fn good() -> Outcome {
        Outcome {
            documents: 240_123,
            acknowledged_writes: 250_000,
            lost: 0,
            stale: 0,
            wrong_enrichment: 0,
            written_after_switch: 40,
            alias_overcount: 0,
            alias_drops: 0,
            alias_errors: 2,
            refused_writes: 17,
            refusal_window_ms: 310,
            balanced: true,
            wall_s: 61.25,
            docs_per_second: 9_000.4,
            engine: "OpenSearch 3.8.0".to_owned(),
            segue_exit: 0,
            refusal_reasons: [("cluster_block_exception".to_owned(), 17)].into(),
            examples: Vec::new(),
        }
    }

    #[test]
    fn one_wrong_thing_is_enough() {
        assert!(good().is_good());
        let spoilt: [fn(&mut Outcome); 7] = [
            |o| o.lost = 1,
            |o| o.stale = 1,
            |o| o.wrong_enrichment = 1,
            |o| o.alias_overcount = 1,
            |o| o.alias_drops = 1,
            |o| o.balanced = false,
            |o| o.segue_exit = 5,
        ];
        for spoil in spoilt {
            let mut outcome = good();
            spoil(&mut outcome);
            assert!(!outcome.is_good(), "{outcome}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert!(
            good().to_string().contains("refused writes                  17  17 cluster_block")
        );
    }
}
