//! The report of a rollback, as text.

use std::fmt::Write;

use super::report::{parts, stand};
use segue_engine::rollback::{Losses, PartBack, RollbackReport};

/// The report for people.
pub fn text(report: &RollbackReport) -> String {
    let mut out = String::new();
    for part in &report.parts {
        // Writing to a String cannot fail.
        part_text(&mut out, part).ok();
    }
    let failed = report.parts.iter().filter(|part| part.error.is_some()).count();
    let seconds = std::time::Duration::from_millis(report.duration_ms).as_secs_f64();
    let parts = parts(report.parts.len());
    writeln!(out, "\n{parts}, {failed} errors, {seconds:.1} s").ok();
    out
}

fn part_text(out: &mut String, part: &PartBack) -> std::fmt::Result {
    writeln!(out, "{} <- {}", part.kept, part.target)?;
    writeln!(out, "    {}", stand(&part.phase, &part.outcome))?;
    if let Some(error) = &part.error {
        writeln!(out, "    error[{}]: {}", error.code, error.message)?;
    }
    if let Some(closed) = part.closed_ms {
        writeln!(out, "    {} refused writes for {closed} ms", part.source)?;
    }
    match &part.lost {
        Some(lost) => writeln!(out, "    left behind: {}", losses(lost)),
        None => writeln!(
            out,
            "    {} documents carried back, {} deleted, {} cannot go back; {} that the migration left \
             out are as they were",
            part.carried, part.deleted, part.refused, part.left_out
        ),
    }
}

/// What would be lost, or was.
pub fn losses(lost: &Losses) -> String {
    format!("{} documents written and {} deleted since the switch", lost.documents, lost.deletions)
}
