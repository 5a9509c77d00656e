//! What the source's name stands for.

use serde_json::json;

use super::{Case, Kind, Serves, Standing, Step};
use crate::id::IndexName;
use crate::phase::Phase;

impl Case<'_> {
    /// Whether the right index, and only that, serves by the source's name.
    pub(super) fn names(&mut self) {
        let Ok(standing) = &self.seen.names else { return };
        // What was given up, or never begun, leaves the source alone.
        if matches!(self.part.state.phase, Phase::Planned | Phase::Abandoned) {
            return;
        }
        let state = self.part.state;
        let kept = state.cutover.as_ref().map(|cutover| cutover.keep.clone());
        match self.serves {
            Serves::Source => self.source_serves(standing),
            Serves::Target => self.alias_serves(standing, state.target.clone(), "the target"),
            Serves::Kept => self.alias_serves(standing, kept, "the kept copy"),
            Serves::Moving => self.moving(standing),
        }
    }

    fn look(&self) -> Step {
        Step::look(format!("/_cat/aliases/{}?v", self.part.source))
    }

    fn source_serves(&mut self, standing: &Standing) {
        let (name, state) = (self.part.source, self.part.state);
        let look = self.look();
        if let Some(index) = &standing.index {
            let known = state.source.as_ref().map(|source| source.uuid.clone());
            if known.is_some_and(|known| known != index.uuid()) {
                let what = format!("{name} is another index than the one that is being migrated");
                // A part that is being given up relies on nothing of it.
                if state.phase != Phase::Abandoning {
                    self.find(Kind::SourceReplaced, what, Step::Run);
                }
            }
            return;
        }
        match standing.aliased.as_slice() {
            [] => {
                let what = format!(
                    "there is no {name}: what was copied may be all there is of it, so delete nothing"
                );
                self.find(
                    Kind::SourceMissing,
                    what,
                    Step::look("/_cat/indices?v&expand_wildcards=all"),
                );
            }
            [one] if Some(one) == state.target.as_ref() => {
                let what = format!(
                    "{name} stands for {one}, the target, but by the journal it is {}: the names were \
                     moved by somebody else; abandon nothing",
                    state.phase
                );
                self.find(Kind::SwitchedUnrecorded, what, look);
            }
            [one] => {
                let what =
                    format!("{name} is an alias of {one}, by the journal an index of its own");
                self.find(Kind::ServesOther, what, look);
            }
            several => {
                let what =
                    format!("{name} stands for {}, by the journal for itself", list(several));
                self.find(Kind::SeveralIndices, what, look);
            }
        }
    }

    fn alias_serves(&mut self, standing: &Standing, index: Option<IndexName>, which: &str) {
        let name = self.part.source;
        let Some(wanted) = index else { return };
        let look = self.look();
        let phase = &self.part.state.phase;
        if standing.index.is_some() {
            let what = format!("{name} is an index of its own, but by the journal it is {phase}");
            self.find(Kind::NotSwitched, what, look);
            return;
        }
        match standing.aliased.as_slice() {
            [one] if *one == wanted => {}
            [] => {
                let what =
                    format!("{name} stands for nothing, by the journal for {wanted} ({which})");
                let next = json!({ "add": { "index": wanted, "alias": name } });
                self.find(Kind::SourceMissing, what, Step::aliases(&[next]));
            }
            [one] => {
                let what =
                    format!("{name} stands for {one}, by the journal for {wanted} ({which})");
                self.find(Kind::ServesOther, what, look);
            }
            several => {
                let what = format!(
                    "{name} stands for {}, by the journal for {wanted} alone",
                    list(several)
                );
                let others = several.iter().filter(|one| **one != wanted);
                let next: Vec<_> = others
                    .map(|one| json!({ "remove": { "index": one, "alias": name } }))
                    .collect();
                let serves = several.contains(&wanted);
                self.find(
                    Kind::SeveralIndices,
                    what,
                    if serves { Step::aliases(&next) } else { look },
                );
            }
        }
    }

    fn moving(&mut self, standing: &Standing) {
        let (name, state) = (self.part.source, self.part.state);
        if standing.aliased.len() > 1 {
            let what = format!("{name} stands for {}", list(&standing.aliased));
            let look = self.look();
            self.find(Kind::SeveralIndices, what, look);
        } else if standing.index.is_none() && standing.aliased.is_empty() {
            let what = format!("{name} stands for nothing: delete nothing");
            let look = Step::look("/_cat/indices?v&expand_wildcards=all");
            self.find(Kind::SourceMissing, what, look);
        } else if self.is_idle()
            && matches!(state.phase, Phase::CuttingOver { .. })
            && standing.aliased.first() == state.target.as_ref()
            && standing.index.is_none()
        {
            let what = format!("the target serves, but by the journal it is {}", state.phase);
            self.find(Kind::SwitchedUnrecorded, what, Step::Run);
        }
    }
}

fn list(indices: &[IndexName]) -> String {
    indices.iter().map(IndexName::as_str).collect::<Vec<_>>().join(" and ")
}
