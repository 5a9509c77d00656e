//! The report of a run, as text.

use std::fmt::Write;

use segue_engine::report::{PartReport, Report};

/// How the report in a file looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportShape {
    /// segue's own: docs/reference/report.md.
    #[default]
    Segue,
    /// As the InvenioRDM statistics extension reports its migration of usage events.
    Invenio,
}

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

/// Where a part is and what became of it; said once where both say the same.
pub fn stand(phase: &str, outcome: &str) -> String {
    match outcome.strip_prefix(phase) {
        Some(rest) if rest.is_empty() || rest.starts_with([':', ';']) => outcome.to_owned(),
        _ => format!("{phase}: {outcome}"),
    }
}

/// So many parts.
pub fn parts(count: usize) -> String {
    if count == 1 { "1 part".to_owned() } else { format!("{count} parts") }
}

fn part_text(out: &mut String, part: &PartReport) -> std::fmt::Result {
    writeln!(out, "{} -> {}", part.source, part.target)?;
    writeln!(out, "    {}", stand(&part.phase.to_string(), &part.outcome))?;
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
        "\n{}, {} errors, {balanced}: {} read = {} written + {} already there + {} filtered + \
         {} dead letters",
        parts(report.parts.len()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_said_once() {
        assert_eq!(stand("ready", "ready: start it"), "ready: start it");
        assert_eq!(stand("rolled back", "rolled back; a is b"), "rolled back; a is b");
        assert_eq!(stand("ready", "readying"), "ready: readying");
        assert_eq!(stand("watching", "switched"), "watching: switched");
        assert_eq!((parts(1), parts(0)), ("1 part".to_owned(), "0 parts".to_owned()));
    }
}
