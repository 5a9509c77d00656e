//! Where a migration stands, as text and as JSON.

use std::fmt::Write;

use segue_engine::status::{Documents, PartStatus, Stage, Status, Sum};
use segue_model::id::MigrationName;
use serde_json::{Value, json};

/// A capture with more values than this is not summed up in the text.
const VALUES: usize = 4;

/// The status as text; `command` is what goes on with what is under way.
pub fn text(migration: &MigrationName, status: &Status, command: &str) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    if status.parts.is_empty() {
        line(format!("{migration}: nothing has begun"));
    } else {
        line(format!("{migration}: {}", stages(status)));
        let sums = status.sums();
        if sums.all.parts > 1 {
            line(format!("    {}", sum(sums.all)));
            for (capture, values) in &sums.by_capture {
                // What has one part for each value stands below.
                if (2..=VALUES).contains(&values.len()) && (values.len() as u64) < sums.all.parts {
                    values
                        .iter()
                        .for_each(|(v, s)| line(format!("    {capture} {v}: {}", sum(*s))));
                }
            }
        }
    }
    for reason in &status.waiting_on {
        line(format!("    a run would wait on {reason}"));
    }
    let of = |stage| status.parts.iter().filter(move |p| Stage::of(&p.state.phase) == stage);
    let mut under_way = of(Stage::UnderWay).peekable();
    if under_way.peek().is_some() {
        line(format!("under way; goes on with `{command}`"));
        under_way.for_each(|one| line(part(one)));
    }
    for (stage, heading) in
        [(Stage::TakenBack, "given up or taken back"), (Stage::Completed, "completed")]
    {
        let mut parts = of(stage).peekable();
        if parts.peek().is_some() {
            line(heading.to_owned());
            parts.for_each(|one| line(part(one)));
        }
    }
    if !status.not_begun.is_empty() {
        line("not begun".to_owned());
    }
    for left in &status.not_begun {
        line(format!("{}\n    {} documents", left.source, left.documents));
    }
    for (source, reason) in &status.as_wanted {
        line(format!("{source}\n    nothing to do: {reason}"));
    }
    if let Some(why) = &status.unseen {
        line(format!("what has not begun could not be looked at: {why}"));
    }
    text
}

fn stages(status: &Status) -> String {
    let count = |stage| {
        let of = status.parts.iter().filter(|part| Stage::of(&part.state.phase) == stage);
        of.count()
    };
    let (under_way, completed) = (count(Stage::UnderWay), count(Stage::Completed));
    let left = status.not_begun.len();
    let mut words = format!("{completed} completed, {under_way} under way, {left} not begun");
    let back = count(Stage::TakenBack);
    if back > 0 {
        write!(words, ", {back} given up or taken back").ok();
    }
    words
}

fn sum(sum: Sum) -> String {
    let Sum { parts, source, target, remaining } = sum;
    format!(
        "{parts} parts: {source} documents, {target} in the targets, {remaining} operations to carry"
    )
}

fn part(part: &PartStatus) -> String {
    let PartStatus { source, state, balance, holder, enrichment, documents, .. } = part;
    let mut text = format!("{source}\n    {}", state.phase);
    if let Some(holder) = holder {
        write!(text, "\n    {holder} works on it").ok();
    }
    write!(
        text,
        "\n    {} read, {} written, {} already there, {} filtered, {} dead letters",
        balance.read,
        balance.written,
        balance.already_there,
        balance.filtered(),
        balance.dead_lettered()
    )
    .ok();
    if let Some(words) = counted(documents) {
        write!(text, "\n    {words}").ok();
    }
    if let Some(enrichment) = enrichment {
        write!(text, "\n    {enrichment}").ok();
    }
    text
}

fn counted(documents: &Documents) -> Option<String> {
    let words = [
        documents.source.map(|count| format!("{count} documents in the source")),
        documents.target.map(|count| format!("{count} in the target")),
        documents.remaining.map(|count| format!("{count} operations to carry")),
    ];
    let words: Vec<_> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The status as JSON.
pub fn json(migration: &MigrationName, status: &Status) -> Value {
    let parts: Vec<_> = status.parts.iter().map(part_json).collect();
    let as_wanted: Vec<_> = status
        .as_wanted
        .iter()
        .map(|(source, reason)| json!({ "source": source, "reason": reason }))
        .collect();
    json!({
        "migration": migration,
        "health": { "is_healthy": status.waiting_on.is_empty(), "reasons": status.waiting_on },
        "totals": status.sums(),
        "parts": parts,
        "not_begun": status.not_begun,
        "as_wanted": as_wanted,
        "unseen": status.unseen,
    })
}

fn part_json(part: &PartStatus) -> Value {
    let PartStatus { source, captures, state, balance, holder, enrichment, documents } = part;
    json!({
        "source": source,
        "captures": captures,
        "target": state.target,
        "stage": Stage::of(&state.phase),
        "state": state.phase,
        "text": state.phase.to_string(),
        "balance": balance,
        "documents": documents,
        "holder": holder,
        "enrichment": enrichment,
        "cutover": part.window(),
    })
}
