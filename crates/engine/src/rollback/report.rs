//! The report of a rollback.

use segue_model::id::{IndexName, MigrationName};
use serde::Serialize;

use super::Losses;
use crate::part_run::PartRun;
use crate::report::PartError;

/// The report of a rollback.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackReport {
    /// The migration.
    pub migration: MigrationName,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Each part that was taken back, or was to be.
    pub parts: Vec<PartBack>,
}

/// One part of it.
#[derive(Clone, Debug, Serialize)]
pub struct PartBack {
    /// The old name.
    pub source: IndexName,
    /// The index that had served by it.
    pub target: IndexName,
    /// The index that serves by it after a rollback.
    pub kept: IndexName,
    /// Where the part stands.
    pub phase: String,
    /// What was done, in one sentence.
    pub outcome: String,
    /// Why it stopped, if it did.
    pub error: Option<PartError>,
    /// Documents that this run carried back.
    pub carried: u64,
    /// Documents that this run deleted in the old index, since they were gone from the target.
    pub deleted: u64,
    /// Documents that the migration had left out: they are as they were.
    pub left_out: u64,
    /// Documents that cannot go back.
    pub refused: u64,
    /// What stays behind; none where everything was carried back.
    pub lost: Option<Losses>,
    /// How long the name refused writes, in milliseconds.
    pub closed_ms: Option<u64>,
}

impl PartBack {
    pub(super) fn of(run: &PartRun, lost: Option<Losses>) -> PartBack {
        let kept = run.state.cutover.as_ref().map(|cutover| cutover.keep.clone());
        PartBack {
            source: run.source().clone(),
            target: run.target().clone(),
            kept: kept.unwrap_or_else(|| run.planned.keep.clone()),
            phase: run.state.phase.to_string(),
            outcome: String::new(),
            error: None,
            carried: 0,
            deleted: 0,
            left_out: 0,
            refused: 0,
            lost,
            closed_ms: None,
        }
    }
}
