//! Whether what stands in the cluster fits what the journal says of a part, and what to do where it
//! does not.
//!
//! The doctor changes nothing. Each **finding** has a stable name, says what was seen, and names the
//! safe next step.

use std::fmt;

use serde::Serialize;

use crate::cutover::Mark;
use crate::id::{IndexName, IndexUuid};
use crate::part::PartState;
use crate::phase::Phase;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Harmless; the next command takes it away.
    Litter,
    /// Cluster and journal contradict each other, or something could not be looked at.
    Doubt,
    /// Applications are refused, or will be.
    Harm,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Next {
    /// `segue run`: it recovers and goes on.
    Run,
    /// `segue abandon`, then `segue run`: everything anew.
    BeginAnew,
    /// `segue cleanup`.
    Cleanup,
    /// Lift a block by hand, unless somebody wants it.
    Unblock {
        /// Of which index.
        index: IndexName,
    },
    /// Nothing by command: look first.
    Look {
        /// At what.
        at: String,
    },
}

/// One contradiction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its stable name.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub what: String,
    /// What to do.
    pub next: Next,
}

/// One index as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its UUID.
    pub uuid: Option<IndexUuid>,
    /// Whether it refuses writes.
    pub blocked: bool,
    /// Whether its default pipeline is one of a redirect.
    pub redirects: bool,
    /// Settings that are relaxed for copying and stand so still.
    pub relaxed: Vec<String>,
    /// Hidden aliases by which processes of ours know each other.
    pub marks: Vec<String>,
}

/// Who holds the part's lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// Nobody.
    #[default]
    Nobody,
    /// A process that may be alive.
    Alive(String),
    /// A process that is known to be gone.
    Dead(String),
}

/// What was seen of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The index with the part's own name, if that is an index.
    pub source: Option<Place>,
    /// The target.
    pub target: Option<Place>,
    /// The copy that is kept for the way back.
    pub kept: Option<Place>,
    /// The indices that the part's name stands for as an alias.
    pub name_on: Vec<IndexName>,
    /// Who works on it.
    pub holder: Life,
    /// Looks that failed, with the reason.
    pub unseen: Vec<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Litter => "litter",
            Severity::Doubt => "doubt",
            Severity::Harm => "HARM",
        })
    }
}

impl Next {
    /// In words; `recipe` is how the user names the recipe.
    pub fn in_words(&self, recipe: &str) -> String {
        match self {
            Next::Run => format!("segue run {recipe}"),
            Next::BeginAnew => format!("segue abandon {recipe}, then segue run {recipe}"),
            Next::Cleanup => format!("segue cleanup {recipe}"),
            Next::Unblock { index } => {
                format!(
                    "PUT /{index}/_settings {{\"index.blocks.write\": null}}, unless somebody wants it blocked"
                )
            }
            Next::Look { at } => format!("look at {at} before anything else"),
        }
    }
}

/// Judges one part whose name is `name`.
pub fn judge(name: &IndexName, state: &PartState, seen: &Evidence) -> Vec<Finding> {
    let mut examined = Examined { name, state, seen, findings: Vec::new() };
    for unseen in &seen.unseen {
        let next = Next::Look { at: "why, and ask again".to_owned() };
        examined.add("cannot_tell", Severity::Doubt, unseen.clone(), next);
    }
    // What could not be looked at must not pass for absent.
    if seen.unseen.is_empty() {
        examined.names();
        examined.indices();
        examined.writes();
        examined.leftovers();
    }
    let mut findings = examined.findings;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

struct Examined<'a> {
    name: &'a IndexName,
    state: &'a PartState,
    seen: &'a Evidence,
    findings: Vec<Finding>,
}

impl Examined<'_> {
    fn add(&mut self, name: &'static str, severity: Severity, what: String, next: Next) {
        self.findings.push(Finding { name, severity, what, next });
    }

    fn is_moving(&self) -> bool {
        matches!(self.state.phase, Phase::CuttingOver { .. } | Phase::RollingBack)
    }

    fn is_worked_on(&self) -> bool {
        matches!(self.seen.holder, Life::Alive(_))
    }

    /// Whether a target is to be there.
    fn has_target(&self) -> bool {
        let given_up = matches!(self.state.phase, Phase::Abandoning | Phase::Abandoned);
        self.state.target_uuid.is_some() && !given_up && self.state.retired != self.state.target
    }

    fn names(&mut self) {
        use Severity::Doubt;
        let (name, phase) = (self.name, &self.state.phase);
        if self.is_moving() {
            if !self.is_worked_on() {
                let what = format!("{name} is {phase}, and no process is at it");
                self.add("left_in_the_switch", Severity::Harm, what, Next::Run);
            }
            return;
        }
        if self.seen.name_on.len() > 1 {
            let on: Vec<_> = self.seen.name_on.iter().map(IndexName::as_str).collect();
            let what = format!("{name} stands for several indices: {}", on.join(", "));
            let next = Next::Look { at: format!("GET /_alias/{name}") };
            return self.add("name_on_several", Doubt, what, next);
        }
        let on = self.seen.name_on.first();
        let kept = self.state.cutover.as_ref().map(|cutover| &cutover.keep);
        let look = Next::Look { at: format!("GET /_alias/{name}") };
        match phase {
            Phase::Watching | Phase::Finished if on != self.state.target.as_ref() => {
                let what = format!("{name} is {phase}, but does not stand for its target");
                self.add("name_not_on_target", Doubt, what, look);
            }
            Phase::RolledBack if on != kept => {
                let what = format!("{name} is {phase}, but does not stand for the kept copy");
                self.add("name_not_on_kept", Doubt, what, look);
            }
            Phase::Watching | Phase::Finished | Phase::RolledBack => {}
            _ if on.is_some() && on == self.state.target.as_ref() => {
                let what = format!("{name} stands for the target already, but the part is {phase}");
                self.add("switched_by_others", Doubt, what, look);
            }
            Phase::Planned | Phase::Abandoned => {}
            _ if self.seen.source.is_none() => {
                let what = format!("{name} is {phase}, but is no index any more");
                self.add("source_missing", Doubt, what, look);
            }
            _ => {}
        }
    }

    fn indices(&mut self) {
        use Severity::{Doubt, Litter};
        let phase = &self.state.phase;
        let known = self.state.source.as_ref().map(|source| &source.uuid);
        let found = self.seen.source.as_ref().and_then(|source| source.uuid.as_ref());
        let serves = phase.is_switched() || matches!(phase, Phase::RolledBack | Phase::Abandoned);
        if known.is_some() && found.is_some() && known != found && !serves {
            let what = format!("{} was made anew since it was read", self.name);
            self.add("source_replaced", Litter, what, Next::Run);
        }
        if let Some(target) = self.state.target.clone().filter(|_| self.has_target()) {
            let before = !phase.is_switched() && !matches!(phase, Phase::RolledBack);
            let anew = if before { Next::BeginAnew } else { Next::Look { at: target.to_string() } };
            match &self.seen.target {
                None => {
                    let what = format!("the target {target} is gone");
                    self.add("target_missing", Doubt, what, anew);
                }
                Some(place) if place.uuid != self.state.target_uuid => {
                    let what = format!("{target} is another index than the one that was made");
                    self.add("target_replaced", Doubt, what, anew);
                }
                Some(_) => {}
            }
        }
        let kept = self.state.cutover.as_ref().map(|cutover| cutover.keep.clone());
        let wanted = kept.filter(|kept| self.state.retired.as_ref() != Some(kept));
        if let Some(kept) = wanted.filter(|_| phase.is_switched() && self.seen.kept.is_none()) {
            let what = format!("{kept} is gone, which a rollback would need");
            let next = Next::Look { at: format!("who deleted {kept}") };
            self.add("kept_missing", Doubt, what, next);
        }
    }

    fn writes(&mut self) {
        if self.is_moving() {
            return;
        }
        let phase = self.state.phase.clone();
        let serving = match phase {
            Phase::Watching | Phase::Finished => {
                self.state.target.clone().zip(self.seen.target.clone())
            }
            _ => self.seen.source.clone().map(|place| (self.name.clone(), place)),
        };
        let Some((index, place)) = serving else { return };
        if place.blocked {
            let what = format!("{index} refuses writes, and the part is {phase}");
            self.add("blocked", Severity::Harm, what, Next::Unblock { index: index.clone() });
        }
        if place.redirects {
            let what = format!("{index} sends writes on, and the part is {phase}");
            self.add("redirects", Severity::Harm, what, Next::Run);
        }
        if phase.is_switched() && !place.relaxed.is_empty() {
            let what = format!("{index} still has {} for copying", place.relaxed.join(", "));
            self.add("relaxed", Severity::Doubt, what, Next::Run);
        }
    }

    fn leftovers(&mut self) {
        use Severity::Litter;
        if let Life::Dead(holder) = &self.seen.holder {
            let what = format!("the lease is that of {holder}, which is gone: anybody may take it");
            self.add("lease_of_the_dead", Litter, what, Next::Run);
        }
        if self.is_moving() {
            return;
        }
        let epoch = self.state.epoch;
        let places = [
            (Some(self.name.clone()), &self.seen.source),
            (self.state.target.clone(), &self.seen.target),
        ];
        for (index, place) in places {
            let (Some(index), Some(place)) = (index, place) else { continue };
            for mark in &place.marks {
                let of = Mark::of(mark, &index).map(Mark::epoch);
                let fits = self.state.phase.is_copying() && of.is_some() && of <= epoch;
                let paused =
                    matches!(self.state.phase, Phase::Paused { .. } | Phase::Failed { .. });
                if !(fits || paused && of.is_some()) {
                    let what = format!("{index} has the alias {mark}, which no process needs");
                    let next =
                        if self.state.phase.is_switched() { Next::Cleanup } else { Next::Run };
                    self.findings.push(Finding { name: "mark_left", severity: Litter, what, next });
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
