//! Roll-ups as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use segue_engine::rollup::{Kept, OutputStatus, RollupReport, RollupStatus};
use segue_model::rollup::Period;

/// How many lines a list has at most.
const LINES: usize = 10;

/// What a run did.
pub fn report(report: &RollupReport, period: Period) -> String {
    let mut text = format!("{}\n", report.rollup);
    let (Some(first), Some(last)) = (&report.first, &report.last) else {
        text.push_str("    the sources have no documents yet\n");
        return text;
    };
    let RollupReport { periods, documents, written, keys, .. } = report;
    line(
        &mut text,
        format!("{first} to {last}: {periods} {period}s rolled up, {documents} documents read"),
    );
    line(
        &mut text,
        format!(
            "{} deltas and {} snapshots written for {keys} keys, {} requests",
            written.delta, written.snapshot, report.requests
        ),
    );
    match &report.done {
        Some(done) => line(&mut text, format!("complete up to {done}")),
        None => line(&mut text, "nothing is complete yet"),
    }
    if report.undated > 0 {
        line(&mut text, format!("{} documents without a date are in no {period}", report.undated));
    }
    if report.unknown > 0 {
        line(
            &mut text,
            format!("{} changes of entities that are not there count for nothing", report.unknown),
        );
    }
    left(&mut text, "waiting", &report.held);
    left(&mut text, "left as it was", &report.kept);
    text
}

/// Where a roll-up stands.
pub fn status(status: &RollupStatus) -> String {
    let mut text = format!("{}\n", status.rollup);
    for source in &status.sources {
        let (name, documents, indices) = (&source.source, source.documents, source.indices.len());
        line(&mut text, format!("source {name}: {documents} documents in {indices} indices"));
    }
    let (Some(first), Some(last)) = (&status.first, &status.last) else {
        line(&mut text, "the sources have no documents yet");
        return text;
    };
    if let Some(holder) = &status.holder {
        line(&mut text, format!("{holder} works on it"));
    }
    let done = status.done.as_deref().unwrap_or("never run to its end");
    line(
        &mut text,
        format!(
            "{} keys; {}s {first} to {last}; complete up to: {done}",
            status.keys, status.period
        ),
    );
    match &status.next {
        None => line(&mut text, "nothing to roll up"),
        Some(next) => line(
            &mut text,
            format!(
                "{} {}s to roll up, the first {next}: `segue rollup run`",
                status.to_do, status.period
            ),
        ),
    }
    left(&mut text, "waiting", &status.held);
    left(&mut text, "left as it was", &status.kept);
    for of in &status.outputs {
        output(&mut text, of);
    }
    text
}

fn output(text: &mut String, of: &OutputStatus) {
    let _ = writeln!(text, "  {}s", of.kind);
    let (first, last) = (of.first.as_deref().unwrap_or("-"), of.last.as_deref().unwrap_or("-"));
    line(text, format!("{} documents, {first} to {last}", of.documents));
    for index in of.indices.iter().take(LINES) {
        line(text, format!("index {index}"));
    }
    for (date, keys) in of.bookmarks.iter().take(LINES) {
        line(text, format!("bookmark {date} of {keys} keys"));
    }
    line(text, &of.bar);
    for gap in of.gaps.iter().take(LINES) {
        line(text, format!("gap {} to {}: {}", gap.first, gap.last, gap.periods));
    }
    if of.gaps.len() > LINES {
        line(text, format!("and {} more gaps", of.gaps.len() - LINES));
    }
}

/// Periods by reason.
fn left(text: &mut String, what: &str, periods: &[Kept]) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kept in periods {
        reasons.entry(&kept.reason).or_default().push(&kept.period);
    }
    for (reason, periods) in reasons {
        let (first, last) = (periods.first().unwrap_or(&""), periods.last().unwrap_or(&""));
        line(text, format!("{what}: {first} to {last} ({}): {reason}", periods.len()));
    }
}

fn line(text: &mut String, line: impl AsRef<str>) {
    text.push_str("    ");
    text.push_str(line.as_ref());
    text.push('\n');
}
