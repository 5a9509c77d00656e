//! Dead letters, as text.

use std::fmt::Write;

use segue_engine::letters::{Explained, PartLetters, Retried};
use serde_json::Value;

/// The groups of each part, and what the gate says to them.
pub fn groups(parts: &[PartLetters], allowed: u64) -> String {
    let mut out = String::new();
    let (mut open, mut waiting) = (0, 0);
    for part in parts {
        (open, waiting) = (open + part.open, waiting + part.waiting);
        if part.open + part.waiting > 0 {
            // Writing to a String cannot fail.
            one(&mut out, part, allowed).ok();
        }
    }
    match (open, waiting) {
        (0, 0) => writeln!(out, "no dead letters"),
        _ => writeln!(out, "{open} dead letters, {allowed} allowed for each part"),
    }
    .ok();
    out
}

fn one(out: &mut String, part: &PartLetters, allowed: u64) -> std::fmt::Result {
    writeln!(out, "{}\n    {}", part.source, part.phase)?;
    for group in &part.groups {
        let (number, count) = (group.number, group.count);
        writeln!(out, "    {number:>3}. {count} × {}: {}", group.kind, group.group)?;
        writeln!(out, "         such as {:?}: {}", group.document, group.reason)?;
        if group.attempts > 1 {
            writeln!(out, "         refused up to {} times", group.attempts)?;
        }
    }
    if part.waiting > 0 {
        writeln!(out, "    {} more have changed since: the next run decides", part.waiting)?;
    }
    let verdict = if part.open > allowed { "refuses" } else { "lets that pass" };
    writeln!(out, "    {} open, {allowed} allowed: the gate {verdict}", part.open)
}

/// Everything about one letter.
pub fn explained(one: &Explained, files: bool) -> String {
    let mut out = String::new();
    let letter = &one.letter.letter;
    let mut line = |name: &str, text: &str| {
        writeln!(out, "{name:<9} {text}").ok();
    };
    line("document", &format!("{:?}", letter.document));
    line("part", one.source.as_str());
    if let Some(routing) = &letter.routing {
        line("routing", &format!("{routing:?}"));
    }
    let place = if files { "file" } else { "shard" };
    let number = if files { "record" } else { "operation" };
    line("where", &format!("{place} {}, {number} {}", letter.shard, letter.seq_no));
    line("kind", &letter.kind);
    line("reason", &letter.reason);
    line("refused", &format!("{} time(s)", letter.attempts));
    line("now", &one.letter.standing.to_string());
    let text = |value: Option<&Value>, none: &str| {
        value.map_or_else(|| none.to_owned(), ToString::to_string)
    };
    if !files {
        let at = one.now_seq_no.map_or_else(String::new, |at| format!("  (operation {at})"));
        let none = "the source does not hold it";
        line("source", &format!("{}{at}", text(one.now.as_ref(), none)));
    }
    match (&letter.sent, letter.sent_bytes) {
        (Some(sent), Some(bytes)) if bytes > sent.len() as u64 => {
            line("sent", &format!("{sent}… ({bytes} bytes)"));
        }
        (Some(sent), _) => line("sent", sent),
        (None, _) => line("sent", "nothing: it did not come so far"),
    }
    line("target", &text(one.target.as_ref(), "the target does not hold it"));
    out.push('\n');
    out
}

/// What retries did.
pub fn retried(parts: &[Retried]) -> String {
    let mut out = String::new();
    for part in parts {
        write_retried(&mut out, part).ok();
    }
    out
}

fn write_retried(out: &mut String, part: &Retried) -> std::fmt::Result {
    writeln!(out, "{}", part.source)?;
    if let Some(error) = &part.error {
        writeln!(out, "    error[{}]: {}", error.code, error.message)?;
    }
    let (written, there) = (part.written, part.already_there);
    writeln!(out, "    {written} written, {there} already there, {} refused again", part.refused)?;
    if part.filtered > 0 {
        writeln!(out, "    {} left out by the recipe", part.filtered)?;
    }
    for (standing, count) in &part.void {
        writeln!(out, "    {count} removed: {standing}")?;
    }
    for (why, count) in &part.left {
        writeln!(out, "    {count} left: {why}")?;
    }
    Ok(())
}
