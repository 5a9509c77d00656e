//! What could not be seen, may not be done, or does not fit.

use super::{Note, Severity};
use crate::estimate::{Room, target_bytes};
use crate::observe::{Gap, Observation};
use crate::plan::{PlannedPart, Size};

/// What the user may not see or do.
pub(super) fn lint_sight(seen: &Observation, notes: &mut Vec<Note>) {
    let hint = "give the user the privilege, or use one who has it";
    for gap in &seen.gaps {
        notes.push(match gap {
            Gap::Forbidden { what, why } => {
                Note::whole("SEG-P120", format!("no permission to see {what}: {why}"), hint)
            }
            Gap::Unseen { what, why } => {
                let what = format!("{what} could not be seen: {why}");
                let hint = "the plan is made without it; check by hand";
                Note::whole("SEG-P134", what, hint).graded(Severity::Warning)
            }
        });
    }
    for missing in &seen.missing_privileges {
        let on = missing.on.as_deref().unwrap_or("the cluster");
        let what = format!("the user lacks the privilege {} on {on}", missing.privilege);
        notes.push(Note::whole("SEG-P120", what, hint));
    }
}

/// Whether the data nodes have room for what is still to be made. The kept copies share the old
/// indices' files and take none.
pub(super) fn lint_room(seen: &Observation, parts: &[PlannedPart], notes: &mut Vec<Note>) {
    let Some(room) = Room::of(&seen.nodes) else { return };
    let left = parts.iter().filter(|part| !part.is_skipped());
    let needed: u64 = left.map(target_bytes).fold(0, u64::saturating_add);
    if needed > room.bytes {
        let what = format!(
            "the targets need about {} if they are as large as their sources, {room}",
            Size(needed)
        );
        let hint = "make room, or migrate some parts at a time with --only";
        notes.push(Note::whole("SEG-P139", what, hint).graded(Severity::Warning));
    }
}
