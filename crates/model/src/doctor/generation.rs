//! A generation made from files: it is its own source, and whether it serves is said by the alias of its
//! swap, which may stand for a later one by now.

use super::{Case, Index, Kind, Step};
use crate::id::IndexName;
use crate::phase::Phase;

impl Case<'_> {
    /// Whether the part is a generation.
    pub(super) fn is_generation(&self) -> bool {
        self.part.state.target.as_ref() == Some(self.part.source)
    }

    pub(super) fn generation(&mut self) {
        let (name, phase) = (self.part.source, &self.part.state.phase);
        let (Ok(seen), Some(uuid)) = (&self.seen.target, &self.part.state.target_uuid) else {
            return;
        };
        let is_gone = self.part.state.retired.is_some()
            || matches!(phase, Phase::Abandoning | Phase::Abandoned);
        let Some(index) = seen else {
            if !is_gone {
                let what = format!("there is no {name}, the generation");
                self.find(Kind::TargetMissing, what, Step::look("/_cat/aliases?v"));
            }
            return;
        };
        if index.uuid() != *uuid {
            if !is_gone {
                let what = format!("{name} is another index than the generation that was made");
                self.find(Kind::TargetReplaced, what, Step::look("/_cat/indices?v"));
            }
            return;
        }
        if *phase == Phase::Abandoned {
            let what = format!("{name} was given up, and is still there");
            self.find(Kind::TargetLeft, what, Step::look("/_cat/aliases?v"));
        }
        self.generation_serves(name, index);
    }

    fn generation_serves(&mut self, name: &IndexName, index: &Index) {
        let swap = self.part.state.swap.as_ref();
        let Some(swap) = swap.filter(|swap| index.aliases.contains_key(&swap.alias)) else {
            return;
        };
        let alias = &swap.alias;
        match &self.part.state.phase {
            Phase::Watching | Phase::Finished => self.serving_target(name, index),
            Phase::CuttingOver { .. } | Phase::RollingBack => {}
            phase => {
                let what = format!("{alias} stands for {name}, but by the journal it is {phase}");
                self.find(Kind::SwitchedUnrecorded, what, Step::look("/_cat/aliases?v"));
            }
        }
    }
}
