//! What a dry run found, as text.

use std::fmt::Write;

use segue_engine::dry_run::{DryPart, DryRun};

/// Each part, and what to make of all.
pub fn text(tried: &DryRun) -> String {
    let mut out = String::new();
    for part in &tried.parts {
        // Writing to a String cannot fail.
        one(&mut out, part, tried.sample.is_some()).ok();
    }
    let sum = |of: fn(&DryPart) -> u64| -> u64 { tried.parts.iter().map(of).sum() };
    let (read, refused) = (sum(|part| part.read), sum(|part| part.refused));
    let incomplete = sum(|part| part.incomplete);
    let verdict = match (read, tried.is_clean()) {
        _ if tried.parts.is_empty() => {
            "nothing is left to be copied, so nothing was tried".to_owned()
        }
        (0, true) => "no document was tried".to_owned(),
        (_, true) => format!("{read} documents tried, none refused; nothing was changed"),
        (_, false) => format!(
            "{read} documents tried, {refused} would be refused and {incomplete} lack a required \
             field; nothing was changed"
        ),
    };
    writeln!(out, "{verdict}").ok();
    out
}

fn one(out: &mut String, part: &DryPart, sampled: bool) -> std::fmt::Result {
    writeln!(out, "{} -> {}", part.source, part.target)?;
    if let Some(error) = &part.error {
        writeln!(out, "    error[{}]: {}", error.code, error.message)?;
    }
    let all = part.documents.filter(|_| sampled);
    let of = all.map_or_else(String::new, |all| format!(" of {all}, nested objects counted"));
    writeln!(out, "    {} read{of}, {} would be written", part.read, part.written)?;
    for (reason, count) in &part.filtered {
        writeln!(out, "    {count} filtered: {reason}")?;
    }
    for (number, group) in (1..).zip(&part.groups) {
        writeln!(out, "    {number:>3}. {} × {}: {}", group.count, group.kind, group.group)?;
        let such = (group.documents.first()).map_or_else(String::new, |id| format!("{id:?}"));
        writeln!(out, "         such as {such}: {}", group.reason)?;
        let others: Vec<_> = group.documents.iter().skip(1).map(|id| format!("{id:?}")).collect();
        if !others.is_empty() {
            writeln!(out, "         also {}", others.join(", "))?;
        }
    }
    if part.incomplete > 0 {
        let such: Vec<_> = part.incomplete_documents.iter().map(|id| format!("{id:?}")).collect();
        let such = such.join(", ");
        writeln!(out, "    {} would lack a required field, such as {such}", part.incomplete)?;
    }
    for template in &part.templates {
        writeln!(out, "    not tried: what the index template {template} adds to the target")?;
    }
    if let Some(seconds) = part.seconds {
        writeln!(out, "    at this speed all of it takes {seconds} to copy")?;
    }
    Ok(())
}
