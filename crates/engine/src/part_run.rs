//! One part while it is worked on: what is planned for it, and what the journal says.

use segue_model::id::{AliasName, Epoch, IndexName};
use segue_model::journal::Event;
use segue_model::part::PartState;
use segue_model::phase::Phase;
use segue_model::plan::{PlannedPart, keep_name};

use crate::error::{Error, illegal};
use crate::pass::Lineage;
use crate::progress::Progress;
use crate::session::Session;

/// One part while it is worked on.
#[derive(Debug)]
pub struct PartRun {
    /// What the run's parts share.
    pub session: Session,
    /// What is planned.
    pub planned: PlannedPart,
    /// What the journal adds up to.
    pub state: PartState,
}

impl PartRun {
    /// A part as the journal alone knows it: enough to find out how a cutover ended, and to give it
    /// up; not to copy.
    pub fn known(session: &Session, source: &IndexName, state: PartState) -> PartRun {
        let uuid = state.source.as_ref().map(|source| source.uuid.clone());
        let target = state.target.clone().unwrap_or_else(|| source.clone());
        let also = state.source.as_ref().map(|source| source.also.clone()).unwrap_or_default();
        let planned = PlannedPart { also, ..PlannedPart::known(source.clone(), uuid, target) };
        PartRun { session: session.clone(), planned, state }
    }

    /// The part, by its source; of several sources by the first.
    pub fn source(&self) -> &IndexName {
        &self.planned.source
    }

    /// The indices that the part is read from: its source, and those that go into the same target with it.
    pub fn indices(&self) -> Vec<IndexName> {
        self.planned.indices()
    }

    /// What requests about all of them name.
    pub fn all_sources(&self) -> IndexName {
        self.planned.all_sources()
    }

    /// The other sources that were merged with the part's own: those that it was begun with, whatever is planned
    /// by now.
    pub fn also(&self) -> Vec<IndexName> {
        let begun = self.state.source.as_ref().filter(|_| !self.state.phase.is_given_up());
        begun.map_or_else(|| self.planned.also.clone(), |source| source.also.clone())
    }

    /// The copies of the old indices that a cutover makes, in the order of these.
    pub fn keeps(&self) -> Vec<IndexName> {
        let cutover = self.state.cutover.as_ref();
        let keep =
            cutover.map_or_else(|| self.planned.keep.clone(), |cutover| cutover.keep.clone());
        std::iter::once(keep).chain(self.planned.also.iter().map(keep_name)).collect()
    }

    /// The part's target.
    pub fn target(&self) -> &IndexName {
        &self.planned.target
    }

    /// Whether the pipeline makes the keys of the target's documents, or made those that stand there.
    pub fn is_keyed(&self) -> bool {
        let made = self.state.pipeline.as_deref();
        made.is_some_and(crate::lookup::is_keyed) || self.session.recipe().is_keyed()
    }

    /// The numbers to write with.
    pub fn lineage(&self) -> Lineage {
        Lineage {
            epoch: self.state.epoch.unwrap_or(Epoch(0)),
            incarnation: self.state.incarnation,
            rewrite: self.state.rewrite,
            versioning: self.state.versioning,
        }
    }

    /// The write alias of the last epoch.
    pub fn write_alias(&self) -> AliasName {
        self.state.epoch.unwrap_or(Epoch(0)).write_alias(self.target())
    }

    /// Writes `event` to the journal and takes it. An event the phase does not allow is refused
    /// before anything is written.
    pub async fn record(&mut self, event: Event) -> Result<(), Error> {
        let mut after = self.state.clone();
        after
            .apply_at(&event, crate::moment::now_ms())
            .map_err(|e| illegal(self.source(), &self.state, e))?;
        self.session.journal().append(Some(self.source()), after.records, &event).await?;
        tracing::info!(part = %self.source(), event = event.name(), phase = %after.phase, "journal");
        if after.phase != self.state.phase {
            self.session.listener().tell(Progress::Phase {
                part: self.source().clone(),
                phase: after.phase.to_string(),
            });
        }
        self.state = after;
        Ok(())
    }

    /// Goes on where a pause or a failure stopped.
    pub async fn resume(&mut self) -> Result<(), Error> {
        while matches!(self.state.phase, Phase::Paused { .. } | Phase::Failed { .. }) {
            self.record(Event::Resumed).await?;
        }
        Ok(())
    }
}
