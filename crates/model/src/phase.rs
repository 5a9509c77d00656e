//! Where a part stands.
//!
//! A phase is never stored. It is what the journal adds up to: [`Phase::next`] takes one event at a
//! time, live and on replay alike, so recovery can't be laxer than operation. The table below is the
//! only one; what it does not list is illegal.

use std::fmt;

use serde::Serialize;

use crate::journal::Event;

/// Where one part of a migration stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// The plan is adopted. Nothing in the cluster has changed.
    Planned,
    /// The target is being made.
    Preparing,
    /// The first pass over what exists.
    Backfilling,
    /// Further passes over what changed since.
    CatchingUp,
    /// Source and target are being compared.
    Verifying,
    /// Verified: the cutover may start. Catching up goes on.
    Ready,
    /// Names are being switched; the source may refuse writes.
    CuttingOver {
        /// How far the cutover is.
        step: CutoverStep,
    },
    /// The names point at the target; the way back is kept.
    Watching,
    /// Done.
    Finished,
    /// Stopped for a while, for a reason.
    Paused {
        /// Where it goes on.
        at: Box<Phase>,
        /// Why.
        reason: String,
    },
    /// Stopped by an error; the source serves as before.
    Failed {
        /// Where it goes on once the cause is gone.
        at: Box<Phase>,
        /// Why.
        reason: String,
    },
    /// The names are being moved back.
    RollingBack,
    /// The old index serves again.
    RolledBack,
    /// Being given up: what was made is being removed.
    Abandoning,
    /// Given up before the switch; the source is as it was.
    Abandoned,
}

/// How far a cutover is. Each step says what may be found in the cluster after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CutoverStep {
    /// The source may be blocked; no name has moved.
    Closing,
    /// The source's pipeline may send writes on to the target; no name has moved.
    Redirecting,
    /// Every write goes to the target; the source may be blocked; no name has moved.
    Redirected,
    /// The target's cursor is recorded; any name may have moved.
    Switching,
}

/// An event that the phase does not allow. In operation a defect; on replay a damaged journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part that is {phase} cannot take the event {event}")]
pub struct IllegalEvent {
    /// Where the part stood.
    pub phase: Phase,
    /// What was to happen.
    pub event: &'static str,
}

impl Phase {
    /// The phase after `event`.
    pub fn next(&self, event: &Event) -> Result<Phase, IllegalEvent> {
        use {CutoverStep as S, Event as E, Phase as P};
        Ok(match (self, event) {
            (P::Planned, E::PrepareStarted { .. }) => P::Preparing,
            (P::Preparing, E::PrepareStarted { .. }) => P::Preparing,
            (P::Preparing, E::Prepared { .. }) => P::Backfilling,
            (P::Backfilling, E::Backfilled) => P::CatchingUp,
            (P::CatchingUp | P::Ready, E::VerifyStarted) => P::Verifying,
            (P::Verifying, E::Verified { .. }) => P::Ready,
            (P::Verifying | P::Ready, E::CatchUpStarted) => P::CatchingUp,
            (P::Verifying | P::Ready, E::Diverged { reason, .. }) => {
                P::Failed { at: Box::new(P::CatchingUp), reason: reason.clone() }
            }
            (P::Ready, E::CutoverStarted { .. }) => P::CuttingOver { step: S::Closing },
            (P::Ready, E::SwapStarted { .. }) => P::CuttingOver { step: S::Closing },
            (P::CuttingOver { step: S::Closing }, E::RedirectStarted { .. }) => {
                P::CuttingOver { step: S::Redirecting }
            }
            (P::CuttingOver { step: S::Redirecting }, E::Redirected)
            | (P::CuttingOver { step: S::Redirected }, E::RedirectCarried { .. }) => {
                P::CuttingOver { step: S::Redirected }
            }
            (P::CuttingOver { step: S::Closing | S::Redirected }, E::Switching { .. }) => {
                P::CuttingOver { step: S::Switching }
            }
            (P::Watching, E::RedirectEnded { .. } | E::RedirectEnriched { .. }) => P::Watching,
            (P::CuttingOver { step: S::Switching }, E::Switched { .. }) => P::Watching,
            (P::CuttingOver { .. }, E::BackedOut { .. }) => P::CatchingUp,
            (P::Watching, E::WatchEnded) => P::Finished,
            // What is written to the target may be carried back as long as the kept copy is there.
            (P::Watching | P::Finished, E::ReverseFeedStarted { .. } | E::EpochOpened { .. }) => {
                self.clone()
            }
            (P::Watching | P::Finished, E::RollbackStarted { .. }) => P::RollingBack,
            (P::RollingBack, E::RollbackBackedOut { .. }) => P::Watching,
            (P::RollingBack, E::RolledBack { .. }) => P::RolledBack,

            // An epoch may be opened whenever the target takes writes of ours; the phase stays.
            (p, E::EpochOpened { .. }) if p.is_copying() => p.clone(),
            (P::Finished | P::RolledBack, E::Retired { .. }) => self.clone(),
            // Everything is projected anew: another lookup epoch, another source incarnation.
            (p, E::Restarted { .. }) if p.is_copying() => P::Backfilling,

            (P::Paused { at, .. } | P::Failed { at, .. }, E::Resumed) => at.as_ref().clone(),
            (p, E::Paused { reason }) if p.may_stop() => {
                P::Paused { at: Box::new(p.clone()), reason: reason.clone() }
            }
            (p, E::Failed { reason }) if p.may_stop() => {
                P::Failed { at: Box::new(p.clone()), reason: reason.clone() }
            }
            (P::Paused { at, .. } | P::Failed { at, .. }, E::AbandonStarted) if at.may_stop() => {
                P::Abandoning
            }
            (p, E::AbandonStarted) if p.may_stop() => P::Abandoning,
            (P::Abandoning, E::Abandoned) => P::Abandoned,
            (P::Abandoned, E::BegunAnew { .. }) => P::Planned,
            _ => return Err(IllegalEvent { phase: self.clone(), event: event.name() }),
        })
    }

    /// Whether the part may simply stop here: before the switch, with no name being moved.
    pub fn may_stop(&self) -> bool {
        matches!(self, Phase::Planned | Phase::Preparing) || self.is_copying()
    }

    /// Whether the names point at the target.
    pub fn is_switched(&self) -> bool {
        matches!(self, Phase::Watching | Phase::Finished)
    }

    /// Whether the part was given up, or is about to be: another run begins it anew.
    pub fn is_given_up(&self) -> bool {
        matches!(self, Phase::Abandoning | Phase::Abandoned)
    }

    /// Whether the target exists and takes versioned writes of ours.
    pub fn is_copying(&self) -> bool {
        matches!(self, Phase::Backfilling | Phase::CatchingUp | Phase::Verifying | Phase::Ready)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Planned => "planned",
            Phase::Preparing => "preparing",
            Phase::Backfilling => "backfilling",
            Phase::CatchingUp => "catching up",
            Phase::Verifying => "verifying",
            Phase::Ready => "ready",
            Phase::CuttingOver { step: CutoverStep::Closing } => "cutting over (closing)",
            Phase::CuttingOver { step: CutoverStep::Redirecting } => "cutting over (redirecting)",
            Phase::CuttingOver { step: CutoverStep::Redirected } => "cutting over (redirected)",
            Phase::CuttingOver { step: CutoverStep::Switching } => "cutting over (switching)",
            Phase::Watching => "watching",
            Phase::Finished => "finished",
            Phase::Paused { at, reason } => return write!(f, "paused while {at}: {reason}"),
            Phase::Failed { at, reason } => return write!(f, "failed while {at}: {reason}"),
            Phase::RollingBack => "rolling back",
            Phase::RolledBack => "rolled back",
            Phase::Abandoning => "abandoning",
            Phase::Abandoned => "abandoned",
        })
    }
}
