//! The report of a run, as text.

use std::fmt::Write;

use segue_engine::report::{PartReport, Report};

/// The report for people.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for part in &report.parts {
        // Writing to a String cannot fail.
        part_text(&mut out, part).ok();
    }
    sums(&mut out, report).ok();
    out
}

fn part_text(out: &mut String, part: &PartReport) -> std::fmt::Result {
    writeln!(out, "{} -> {}", part.source, part.target)?;
    writeln!(out, "    {}: {}", part.phase, part.outcome)?;
    if let Some(error) = &part.error {
        writeln!(out, "    error[{}]: {}", error.code, error.message)?;
    }
    let b = &part.balance;
    if b.read > 0 {
        writeln!(
            out,
            "    {} read = {} written + {} already there + {} filtered + {} dead letters, {} batches",
            b.read,
            b.written,
            b.already_there,
            b.filtered(),
            b.dead_lettered(),
            part.batches
        )?;
    }
    if part.deleted > 0 {
        writeln!(out, "    {} deleted, as the source does not hold them any more", part.deleted)?;
    }
    if let Some(v) = &part.verification {
        let sum: u64 = v.divergences.values().sum();
        writeln!(out, "    verified {} against {}, {sum} divergences", v.source, v.target)?;
    }
    if !part.durations_ms.is_empty() {
        let steps: Vec<_> =
            part.durations_ms.iter().map(|(s, ms)| format!("{s} {ms} ms")).collect();
        writeln!(out, "    {}", steps.join(", "))?;
    }
    if let Some(enrichment) = &part.enrichment {
        writeln!(out, "    {enrichment}")?;
    }
    let left = part.enrichment.iter().flat_map(|enrichment| &enrichment.named);
    for letter in left {
        let (document, kind, reason) = (&letter.document, &letter.kind, &letter.reason);
        writeln!(out, "    left as written {document:?}: {kind} ({reason})")?;
    }
    for letter in &part.dead_letters {
        writeln!(
            out,
            "    dead letter {:?}: {} ({})",
            letter.document, letter.kind, letter.reason
        )?;
    }
    Ok(())
}

fn sums(out: &mut String, report: &Report) -> std::fmt::Result {
    let (totals, b) = (&report.totals, &report.totals.balance);
    let balanced = if totals.balanced { "balanced" } else { "NOT BALANCED" };
    writeln!(
        out,
        "\n{} parts, {} errors, {balanced}: {} read = {} written + {} already there + {} filtered + \
         {} dead letters",
        report.parts.len(),
        totals.errors,
        b.read,
        b.written,
        b.already_there,
        b.filtered(),
        b.dead_lettered()
    )?;
    writeln!(
        out,
        "{} batches in {:.1} s; a name refused writes for at most {} ms",
        totals.batches,
        std::time::Duration::from_millis(report.duration_ms).as_secs_f64(),
        totals.longest_closed_ms
    )
}
