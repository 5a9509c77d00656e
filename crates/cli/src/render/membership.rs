//! Memberships as text.

use std::fmt::Write;

use segue_engine::membership::{
    ApplyReport, MembershipReport, MembershipStatus, Refusals, TemplateState,
};

/// What a run did.
pub fn report(report: &MembershipReport) -> String {
    let mut text = format!("{}\n", report.membership);
    template(&mut text, report.template.as_ref());
    let MembershipReport { processed, new, old, requests, .. } = report;
    let new = match report.dry_run {
        true => format!("{new} events to write"),
        false => format!("{new} events new"),
    };
    line(&mut text, format!("{processed} members, {new}, {old} old, {requests} requests"));
    refused(&mut text, &report.refused);
    text
}

/// What became of changes.
pub fn applied(report: &ApplyReport) -> String {
    let mut text = format!("{}\n", report.membership);
    template(&mut text, report.template.as_ref());
    let ApplyReport { changes, requested, written, updated, requests, .. } = report;
    line(
        &mut text,
        format!(
            "{changes} changes ({} add, {} remove, {} delete, {} restore): {written} events written, \
             {updated} updated, {requests} requests",
            requested.add, requested.remove, requested.delete, requested.restore
        ),
    );
    if report.unknown > 0 {
        let unknown = report.unknown;
        line(&mut text, format!("{unknown} members are not in the index: their events say less"));
    }
    refused(&mut text, &report.refused);
    if report.bad_lines > 0 || report.refused.count > 0 {
        let bad = report.bad_lines;
        let done = match report.done_to_line {
            0 if report.written + report.updated == 0 => "nothing was done".to_owned(),
            0 => "some of what stands before them was done; the same changes once more do no harm"
                .to_owned(),
            to => format!("done up to line {to}; the same changes once more do no harm"),
        };
        line(&mut text, format!("{bad} lines cannot be carried out: {done}"));
    }
    text
}

/// Where a membership stands.
pub fn status(status: &MembershipStatus) -> String {
    let mut text = format!("{}\n", status.membership);
    let MembershipStatus { members, without_events, incomplete, missing, .. } = status;
    line(
        &mut text,
        format!(
            "{members} members, {without_events} without events, {incomplete} with some missing"
        ),
    );
    match missing {
        0 => line(&mut text, "nothing to write"),
        missing => line(&mut text, format!("{missing} events to write: `segue membership run`")),
    }
    let last = status.last_written.as_deref().unwrap_or("never");
    line(&mut text, format!("last written: {last}"));
    for index in &status.indices {
        let alias = if index.has_alias { "" } else { ", without the alias" };
        line(&mut text, format!("index {}: {} events{alias}", index.index, index.events));
    }
    template(&mut text, status.template.as_ref());
    refused(&mut text, &status.refused);
    text
}

fn template(text: &mut String, state: Option<&TemplateState>) {
    let Some(state) = state else { return };
    let name = &state.name;
    let what = match (state.written, state.installed, state.differences.is_empty()) {
        (_, _, true) => "as the recipe's".to_owned(),
        (true, true, _) => "updated".to_owned(),
        (true, false, _) => "installed".to_owned(),
        (false, true, _) => "differs from the recipe's; a run updates it".to_owned(),
        (false, false, _) => "not there; a run installs it".to_owned(),
    };
    line(text, format!("index template {name}: {what}"));
    // All of a new one is different.
    if state.installed {
        for difference in &state.differences {
            line(text, format!("  {difference}"));
        }
    }
}

fn refused(text: &mut String, refused: &Refusals) {
    for one in &refused.first {
        let group = one.group.as_ref().map_or_else(String::new, |group| format!(" in {group}"));
        line(text, format!("refused: {}{group}: {}", one.member, one.reason));
    }
    if refused.count > 0 {
        line(text, format!("{} refused in all", refused.count));
    }
}

fn line(text: &mut String, line: impl AsRef<str>) {
    let _ = writeln!(text, "    {}", line.as_ref());
}
