//! What the journal says about one part: its phase, and the names and numbers that go with it.

use crate::balance::Balance;
use crate::id::{AliasName, Epoch, IndexName, IndexUuid, SeqNo};
use crate::journal::{Before, CutoverWindow, Event, SourceIdentity, VerifySummary};
use crate::phase::{IllegalEvent, Phase};
use crate::plan::keep_name;
use crate::stamp::Versioning;
use crate::version::{Incarnation, Rewrite};

/// The fold of a part's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartState {
    /// Where it stands.
    pub phase: Phase,
    /// How many records it is made of; the next one has this number + 1.
    pub records: u64,
    /// The target, once its making was announced.
    pub target: Option<IndexName>,
    /// The target's UUID, once it exists.
    pub target_uuid: Option<IndexUuid>,
    /// The source whose numbers are relied upon.
    pub source: Option<SourceIdentity>,
    /// The fingerprint of the pipeline that made what the target holds.
    pub pipeline: Option<String>,
    /// Whose versions the target's documents carry.
    pub versioning: Versioning,
    /// Which meaning operation numbers have.
    pub incarnation: Incarnation,
    /// Which projection of them is being written.
    pub rewrite: Rewrite,
    /// The last write alias that was announced.
    pub epoch: Option<Epoch>,
    /// The last verification that passed: up to which numbers, and what it counted.
    pub verified: Option<(Vec<SeqNo>, VerifySummary)>,
    /// The cutover that was last begun.
    pub cutover: Option<Cutover>,
    /// The swap that was last begun, of a generation made from files.
    pub swap: Option<Swap>,
    /// The index that is no longer needed and may be gone: after the switch the kept copy, after the
    /// way back the target.
    pub retired: Option<IndexName>,
    /// Which meaning operation numbers have on the way back, once something was carried back.
    pub reverse: Option<Incarnation>,
    /// What the way back cost, once done.
    pub rollback: Option<CutoverWindow>,
    /// When the names were seen to have moved, in milliseconds since 1970.
    pub switched_at_ms: Option<u64>,
}

/// A cutover as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cutover {
    /// The epoch whose write alias decides between switch and back-out.
    pub epoch: Epoch,
    /// The copy of the source kept for the way back.
    pub keep: IndexName,
    /// The names that move, besides the source's own.
    pub aliases: Vec<AliasName>,
    /// The source before, as far as the way back needs it.
    pub before: Option<Box<Before>>,
    /// The target's numbers before any write of an application.
    pub cursor: Option<Vec<SeqNo>>,
    /// What it cost, once done.
    pub window: Option<CutoverWindow>,
    /// The redirect, in that mode, once it was begun.
    pub redirect: Option<Redirect>,
}

/// A swap as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The epoch whose write alias decides between swap and back-out.
    pub epoch: Epoch,
    /// The alias that moves.
    pub alias: AliasName,
    /// The generation that it stood for; none = it was new.
    pub from: Option<IndexName>,
    /// The generation's numbers before any write of an application.
    pub cursor: Option<Vec<SeqNo>>,
}

/// A redirect as the journal knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// The target's numbers before any write of an application.
    pub cursor: Vec<SeqNo>,
    /// The pipeline that sends writes on.
    pub pipeline: String,
    /// The source's own default pipeline.
    pub default_pipeline: Option<String>,
    /// The source's own final pipeline.
    pub final_pipeline: Option<String>,
    /// What became of the documents of the last pass.
    pub balance: Balance,
    /// Documents for which the application's own version stands.
    pub superseded: u64,
    /// The target's numbers once no redirected write was under way any more, after the switch.
    pub ends: Option<Vec<SeqNo>>,
    /// Whether the redirected documents went through the part's pipeline.
    pub enriched: bool,
}

impl Cutover {
    /// Whether something of a redirect is left to be done after the switch.
    pub fn is_redirect_pending(&self) -> bool {
        self.redirect.as_ref().is_some_and(|redirect| !redirect.enriched)
    }
}

impl Default for PartState {
    fn default() -> Self {
        PartState {
            phase: Phase::Planned,
            records: 0,
            target: None,
            target_uuid: None,
            source: None,
            pipeline: None,
            versioning: Versioning::Ours,
            incarnation: Incarnation::FIRST,
            rewrite: Rewrite::FIRST,
            epoch: None,
            verified: None,
            cutover: None,
            swap: None,
            retired: None,
            reverse: None,
            rollback: None,
            switched_at_ms: None,
        }
    }
}

impl PartState {
    /// The part by each of the indices that are merged into its target, as if it were that one's alone: its
    /// UUID, its kept copy. Of a part with one source just that.
    pub fn by_source(&self, part: &IndexName) -> Vec<(IndexName, PartState)> {
        let also = self.source.as_ref().map(|source| source.also.clone()).unwrap_or_default();
        if also.is_empty() {
            return vec![(part.clone(), self.clone())];
        }
        let uuids = self.source.as_ref().map(|source| source.uuid.to_string()).unwrap_or_default();
        let kept = self.cutover.as_ref().map(|cutover| cutover.keep.clone());
        let gone = kept.is_some() && self.retired == kept;
        let of_one = |(index, uuid): (IndexName, &str)| {
            let mut state = self.clone();
            if let Some(source) = &mut state.source {
                source.uuid = IndexUuid::new(uuid);
                source.also.clear();
            }
            if let Some(cutover) = state.cutover.as_mut().filter(|_| index != *part) {
                cutover.keep = keep_name(&index);
                state.retired = if gone { Some(cutover.keep.clone()) } else { state.retired };
            }
            (index, state)
        };
        let names = std::iter::once(part.clone()).chain(also);
        names.zip(uuids.split(',')).map(of_one).collect()
    }

    /// Takes one event. On refusal nothing has changed.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        self.phase = self.phase.next(event)?;
        self.records += 1;
        self.remember(event);
        Ok(())
    }

    /// Takes one event that happened at `at_ms`. On refusal nothing has changed.
    pub fn apply_at(&mut self, event: &Event, at_ms: u64) -> Result<(), IllegalEvent> {
        self.apply(event)?;
        if matches!(event, Event::Switched { .. }) {
            self.switched_at_ms = Some(at_ms);
        }
        Ok(())
    }

    /// The state after all of `events`.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, IllegalEvent> {
        let mut state = PartState::default();
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    /// The epoch after the last one that was announced.
    pub fn next_epoch(&self) -> Epoch {
        self.epoch.map_or(Epoch(1), Epoch::next)
    }

    fn remember(&mut self, event: &Event) {
        match event {
            Event::PrepareStarted { source, target, pipeline, versioning } => {
                self.source = Some(source.clone());
                self.target = Some(target.clone());
                self.pipeline = Some(pipeline.clone());
                self.versioning = *versioning;
            }
            Event::Prepared { target_uuid, incarnation, rewrite } => {
                self.target_uuid = Some(target_uuid.clone());
                (self.incarnation, self.rewrite) = (*incarnation, *rewrite);
            }
            Event::Restarted { source, incarnation, rewrite, pipeline, .. } => {
                self.source = Some(source.clone());
                self.pipeline = Some(pipeline.clone());
                (self.incarnation, self.rewrite) = (*incarnation, *rewrite);
                self.verified = None;
            }
            Event::EpochOpened { epoch } => self.epoch = Some(*epoch),
            Event::Verified { positions, summary } => {
                self.verified = Some((positions.clone(), summary.clone()));
            }
            Event::CutoverStarted { epoch, keep, aliases, before } => {
                self.cutover = Some(Cutover {
                    epoch: *epoch,
                    keep: keep.clone(),
                    aliases: aliases.clone(),
                    before: before.clone(),
                    cursor: None,
                    window: None,
                    redirect: None,
                });
            }
            Event::RedirectStarted { .. }
            | Event::RedirectCarried { .. }
            | Event::RedirectEnded { .. }
            | Event::RedirectEnriched { .. } => self.remember_redirect(event),
            Event::SwapStarted { epoch, alias, from } => {
                let (epoch, alias, from) = (*epoch, alias.clone(), from.clone());
                self.swap = Some(Swap { epoch, alias, from, cursor: None });
            }
            Event::Switching { cursor } => {
                if let Some(swap) = &mut self.swap {
                    swap.cursor = Some(cursor.clone());
                }
                if let Some(cutover) = &mut self.cutover {
                    cutover.cursor = Some(cursor.clone());
                }
            }
            Event::Switched { window } => {
                if let Some(cutover) = &mut self.cutover {
                    cutover.window = Some(*window);
                }
            }
            Event::Retired { index, .. } => self.retired = Some(index.clone()),
            // Epochs are never used twice: a request of the first beginning may still be on its way.
            Event::BegunAnew { incarnation } => {
                *self = PartState {
                    phase: self.phase.clone(),
                    records: self.records,
                    epoch: self.epoch,
                    incarnation: *incarnation,
                    ..PartState::default()
                };
            }
            Event::ReverseFeedStarted { incarnation } => self.reverse = Some(*incarnation),
            Event::RolledBack { window } => self.rollback = Some(*window),
            _ => {}
        }
    }

    fn remember_redirect(&mut self, event: &Event) {
        let Some(cutover) = &mut self.cutover else { return };
        let redirect = cutover.redirect.get_or_insert_default();
        match event {
            Event::RedirectStarted { cursor, pipeline, default_pipeline, final_pipeline } => {
                redirect.cursor = cursor.clone();
                redirect.pipeline = pipeline.clone();
                redirect.default_pipeline = default_pipeline.clone();
                redirect.final_pipeline = final_pipeline.clone();
            }
            Event::RedirectCarried { balance, superseded, .. } => {
                redirect.balance = balance.clone();
                redirect.superseded = *superseded;
            }
            Event::RedirectEnded { ends } => redirect.ends = Some(ends.clone()),
            Event::RedirectEnriched { .. } => redirect.enriched = true,
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;
