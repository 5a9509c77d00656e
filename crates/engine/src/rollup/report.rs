//! What a run of a roll-up did.

use serde::Serialize;

/// Documents that were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Deltas.
    pub delta: u64,
    /// Snapshots.
    pub snapshot: u64,
}

/// A period that was left as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The period's label.
    pub period: String,
    /// Why.
    pub reason: String,
}

/// What a run of a roll-up did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RollupReport {
    /// The roll-up.
    pub rollup: String,
    /// The first period that there is; none where there is nothing to roll up.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// Periods that were rolled up.
    pub periods: u64,
    /// Documents that were read.
    pub documents: u64,
    /// Documents of the sources without a date, where they were looked for: they are in no period.
    pub undated: u64,
    /// Changes of membership that were read whose entities are not there: they count for nothing.
    pub unknown: u64,
    /// Documents that were written.
    pub written: Written,
    /// Keys.
    pub keys: u64,
    /// Everything up to this period, with it, is complete.
    pub done: Option<String>,
    /// Periods that have to wait.
    pub held: Vec<Kept>,
    /// Periods that stay as they are, as documents of theirs are gone with their index.
    pub kept: Vec<Kept>,
    /// Requests that were sent.
    pub requests: u64,
}
