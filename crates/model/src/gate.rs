//! The gate: what must hold before names may be switched. Each predicate has a name, holds or not,
//! and says what it saw.

use std::fmt;

use serde::Serialize;

use crate::stamp::Versioning;

/// What was seen just before a cutover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Documents read by all passes.
    pub read: u64,
    /// Whether the balance adds up.
    pub balanced: bool,
    /// Live documents of the source.
    pub source_documents: u64,
    /// Documents of the target.
    pub target_documents: u64,
    /// Documents of the source that the recipe filters or that are dead letters now.
    pub left_out: u64,
    /// Whether any number of documents is made of one, so that counts say nothing before the window.
    pub fans_out: bool,
    /// Dead letters that remain.
    pub dead_letters: u64,
    /// How many dead letters the recipe allows.
    pub dead_letters_allowed: u64,
    /// Whether a verification passed for all up to the position before the window.
    pub verified: bool,
    /// Whose versions the target's documents carry.
    pub versioning: Versioning,
    /// Operations of the source not carried yet.
    pub lag: u64,
    /// Operations of the source since those that the verification compared.
    pub unverified: u64,
    /// How much lag the cutover may start with.
    pub lag_allowed: u64,
    /// Started copies of each primary, the primary counted: source, then target.
    pub copies: (u32, u32),
    /// Whether every primary of the target is started.
    pub target_serves: bool,
    /// Whether the names stand as the plan saw them.
    pub names_as_planned: Result<(), String>,
    /// The predicted pause and the longest one allowed, in milliseconds.
    pub pause_ms: (u64, u64),
}

/// One condition of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Predicate {
    /// Its name, stable, in docs and JSON.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was seen.
    pub shows: String,
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.holds { "holds" } else { "REFUSES" };
        write!(f, "{} {mark}: {}", self.name, self.shows)
    }
}

/// Every predicate of the gate, in a fixed order.
pub fn judge(seen: &Seen) -> Vec<Predicate> {
    let predicate = |name, holds, shows| Predicate { name, holds, shows };
    let expected = seen.source_documents.saturating_sub(seen.left_out);
    vec![
        predicate("balanced", seen.balanced, format!("{} documents read", seen.read)),
        predicate(
            "something_processed",
            seen.read > 0 || seen.source_documents == 0,
            format!("{} of {} documents read", seen.read, seen.source_documents),
        ),
        predicate(
            "lag",
            seen.lag <= seen.lag_allowed,
            format!("{} operations behind, {} allowed", seen.lag, seen.lag_allowed),
        ),
        predicate("verified", seen.verified, compared(seen.versioning).to_owned()),
        predicate(
            "dead_letters",
            seen.dead_letters <= seen.dead_letters_allowed,
            format!("{} dead letters, {} allowed", seen.dead_letters, seen.dead_letters_allowed),
        ),
        predicate(
            "counts",
            // While writers go on either side may be ahead, or more may be left out, by what was not
            // compared yet, not by more.
            seen.fans_out
                || seen.target_documents.abs_diff(expected) <= seen.unverified.max(seen.lag),
            match seen.fans_out {
                true => format!(
                    "target holds {}, made of {expected}: counted in the window",
                    seen.target_documents
                ),
                false => format!("target holds {}, expected {expected}", seen.target_documents),
            },
        ),
        predicate(
            "copies",
            seen.target_serves && seen.copies.1 >= seen.copies.0,
            format!("target has {} copies started, source {}", seen.copies.1, seen.copies.0),
        ),
        predicate(
            "names",
            seen.names_as_planned.is_ok(),
            seen.names_as_planned.clone().err().unwrap_or_else(|| "as planned".to_owned()),
        ),
        predicate(
            "pause",
            seen.pause_ms.0 <= seen.pause_ms.1,
            format!("predicted {} ms, {} ms allowed", seen.pause_ms.0, seen.pause_ms.1),
        ),
    ]
}

fn compared(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::Ours => "content of source and target compared",
        Versioning::Preserved => {
            "content and version of every document of source and target compared"
        }
    }
}

/// The predicates that refuse.
pub fn refusals(predicates: &[Predicate]) -> Vec<&Predicate> {
    predicates.iter().filter(|predicate| !predicate.holds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Seen {
        Seen {
            read: 100,
            balanced: true,
            source_documents: 100,
            target_documents: 90,
            left_out: 10,
            fans_out: false,
            dead_letters: 0,
            dead_letters_allowed: 0,
            verified: true,
            versioning: Versioning::Ours,
            lag: 0,
            unverified: 0,
            lag_allowed: 1000,
            copies: (2, 2),
            target_serves: true,
            names_as_planned: Ok(()),
            pause_ms: (300, 30_000),
        }
    }

    #[test]
    fn a_good_part_passes() {
        let predicates = judge(&good());
        assert!(refusals(&predicates).is_empty(), "{predicates:?}");
    }

    #[test]
    fn each_predicate_refuses_what_it_is_there_for() {
        type Spoil = fn(&mut Seen);
        let table: [(&str, Spoil); 11] = [
            ("balanced", |s| s.balanced = false),
            ("something_processed", |s| s.read = 0),
            ("lag", |s| s.lag = 1001),
            ("verified", |s| s.verified = false),
            ("dead_letters", |s| s.dead_letters = 1),
            ("counts", |s| s.target_documents = 89),
            ("counts", |s| s.target_documents = 91),
            ("copies", |s| s.copies = (2, 1)),
            ("copies", |s| s.target_serves = false),
            ("names", |s| s.names_as_planned = Err("moved".to_owned())),
            ("pause", |s| s.pause_ms = (31_000, 30_000)),
        ];
        for (name, spoil) in table {
            let mut seen = good();
            spoil(&mut seen);
            let predicates = judge(&seen);
            let refused: Vec<_> = refusals(&predicates).iter().map(|p| p.name).collect();
            assert_eq!(refused, [name]);
        }
    }

    #[test]
    fn an_empty_source_may_switch_and_nothing_processed_may_not() {
        let empty =
            Seen { read: 0, source_documents: 0, target_documents: 0, left_out: 0, ..good() };
        assert!(refusals(&judge(&empty)).is_empty());
        let nothing = Seen { read: 0, target_documents: 0, ..good() };
        assert!(refusals(&judge(&nothing)).iter().any(|p| p.name == "something_processed"));
    }
}
