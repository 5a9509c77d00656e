//! Work that was begun: whether somebody does it.

use super::{Case, EnrichmentSeen, Kind, Step};
use crate::lease::Known;
use crate::part::Cutover;
use crate::phase::Phase;

impl Case<'_> {
    /// Something was begun, has no end, and nobody works on it.
    pub(super) fn work(&mut self) {
        self.lease();
        self.enrichment();
        if !self.is_idle() {
            return;
        }
        let phase = &self.part.state.phase;
        let what = format!("it is {phase}, and no process works on it");
        match phase {
            Phase::CuttingOver { .. } => self.find(Kind::CutoverUnended, what, Step::Run),
            Phase::RollingBack => self.find(Kind::RollbackUnended, what, Step::Run),
            Phase::Abandoning => self.find(Kind::AbandonUnended, what, Step::Abandon),
            Phase::Watching if self.is_redirect_pending() => {
                let what = "the redirect has not been ended since the switch, and no process works \
                            on it: redirected documents may miss the pipeline";
                self.find(Kind::RedirectUnended, what, Step::Run);
            }
            _ => {}
        }
    }

    pub(super) fn is_redirect_pending(&self) -> bool {
        self.part.state.cutover.as_ref().is_some_and(Cutover::is_redirect_pending)
    }

    /// What is behind is no contradiction, as writers go on; what was left stays so unless somebody acts.
    fn enrichment(&mut self) {
        let Ok(Some(EnrichmentSeen { listed: listed @ 1.., behind })) = self.seen.enrichment else {
            return;
        };
        let what = format!(
            "{listed} documents were left as the application wrote them ({behind} operations of the \
             target are still to be looked at): `segue run` names the newest of them"
        );
        self.find(Kind::NotEnriched, what, Step::Run);
    }

    fn lease(&mut self) {
        let Ok(Some(lease)) = &self.seen.lease else { return };
        if lease.known != Known::Dead {
            return;
        }
        let what = format!("the lease is held by {}, which is dead", lease.holder);
        // Where nothing is left to be done no run takes it.
        let done =
            matches!(self.part.state.phase, Phase::Finished | Phase::RolledBack | Phase::Abandoned);
        let next = if done {
            let id = format!("{}:{}", self.part.migration, self.part.source);
            Step::delete(format!("/segue-leases/_doc/{}", id.replace(':', "%3A")))
        } else if self.part.state.phase == Phase::Abandoning {
            Step::Abandon
        } else {
            Step::Run
        };
        self.find(Kind::LeaseOfDead, what, next);
    }
}
