//! What in the cluster contradicts what the journal says of a part.
//!
//! **Evidence** is what was seen; a **finding** is a contradiction in it, with the next step that is
//! safe. While a process works on a part some things are under way: what its next request settles is
//! no finding. What could not be looked at is one.

mod evidence;
mod finding;
mod generation;
mod indices;
mod names;
mod streams;
mod work;

pub use evidence::{EnrichmentSeen, Evidence, Index, LeaseSeen, Redirector, Relaxed, Standing};
pub use finding::{Finding, Kind, Severity, Step, word};
pub use streams::{Fault, Streams, fold};

use crate::id::{IndexName, MigrationName};
use crate::part::PartState;
use crate::phase::Phase;

/// A part as the journal knows it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The migration.
    pub migration: &'a MigrationName,
    /// The part.
    pub source: &'a IndexName,
    /// What its records add up to.
    pub state: &'a PartState,
}

/// Which index should serve by the source's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serves {
    /// The source itself.
    Source,
    /// The target.
    Target,
    /// The kept copy.
    Kept,
    /// The names are being moved.
    Moving,
}

impl Serves {
    fn of(phase: &Phase) -> Serves {
        match phase {
            Phase::Watching | Phase::Finished => Serves::Target,
            Phase::RolledBack => Serves::Kept,
            Phase::CuttingOver { .. } | Phase::RollingBack => Serves::Moving,
            _ => Serves::Source,
        }
    }
}

/// Everything that a judgement rests on.
struct Case<'a> {
    part: Part<'a>,
    seen: &'a Evidence,
    serves: Serves,
    /// Whether nobody works on the part; unknown where the lease could not be read.
    idle: Option<bool>,
    findings: Vec<Finding>,
}

/// Every contradiction between what was seen and what the journal says of the part.
pub fn findings(part: Part<'_>, seen: &Evidence) -> Vec<Finding> {
    let idle =
        seen.lease.as_ref().ok().map(|lease| {
            lease.as_ref().is_none_or(|lease| lease.known == crate::lease::Known::Dead)
        });
    let serves = Serves::of(&part.state.phase);
    let mut case = Case { part, seen, serves, idle, findings: Vec::new() };
    case.unseen();
    case.work();
    if case.is_generation() {
        case.generation();
        return case.findings;
    }
    case.names();
    case.source();
    case.target();
    case.kept();
    case.redirects();
    case.findings
}

impl Case<'_> {
    fn find(&mut self, kind: Kind, what: impl Into<String>, next: Step) {
        self.findings.push(Finding { kind, severity: kind.severity(), what: what.into(), next });
    }

    fn is_idle(&self) -> bool {
        self.idle == Some(true)
    }

    fn unseen(&mut self) {
        let seen = self.seen;
        let failed = [
            seen.names.as_ref().err(),
            seen.target.as_ref().err(),
            seen.kept.as_ref().err(),
            seen.pipelines.as_ref().err(),
            seen.lease.as_ref().err(),
            seen.enrichment.as_ref().err(),
        ];
        for why in failed.into_iter().flatten() {
            self.find(Kind::CannotTell, why, Step::Doctor);
        }
    }
}

#[cfg(test)]
#[path = "../doctor_tests.rs"]
mod tests;
