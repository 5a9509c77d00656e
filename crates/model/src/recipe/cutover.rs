//! How names are switched.

use std::time::Duration;

use super::{NameTemplate, SwapSpec};

/// How names are switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutoverSpec {
    /// The way writers are held while names move.
    pub mode: CutoverMode,
    /// What the writers do; a redirect needs it stated.
    pub writers: Option<Writers>,
    /// What starts the switch.
    pub start: CutoverStart,
    /// The read alias that moves from source to target, if there is one.
    pub alias: Option<NameTemplate>,
    /// How long the source must have gone without a write before it is closed; none = not asked.
    pub quiet_for: Option<Duration>,
    /// What is true of writes after the switch; a recipe with a pipeline has to say.
    pub after_switch: Option<AfterSwitch>,
    /// The longest time that writers may be refused; predicted before, enforced during.
    pub max_pause: Duration,
    /// How many dead letters may remain. Default 0.
    pub max_dead_letters: u64,
    /// For how long after the switch what is written to the target is carried back into the kept
    /// copy. Zero: not at all.
    pub reverse_for: Duration,
    /// For how long after the switch documents are enriched in place; none = as long as `reverse_for`.
    pub enrich_for: Option<Duration>,
}

impl CutoverSpec {
    /// Whether what is written after the switch is carried back.
    #[must_use]
    pub fn is_fed_back(&self) -> bool {
        !self.reverse_for.is_zero()
    }

    /// Whether documents that writers go on to send in the old shape are enriched in place.
    #[must_use]
    pub fn keeps_enriching(&self) -> bool {
        self.after_switch == Some(AfterSwitch::KeepEnriching)
    }

    /// For how long after the switch documents are enriched in place. Zero: not at all.
    #[must_use]
    pub fn enriched_for(&self) -> Duration {
        if self.keeps_enriching() {
            self.enrich_for.unwrap_or(self.reverse_for)
        } else {
            Duration::ZERO
        }
    }

    /// For how long a part is watched after the switch: as long as anything goes on for it.
    #[must_use]
    pub fn watched_for(&self) -> Duration {
        self.reverse_for.max(self.enriched_for())
    }
}

/// The way writers are held while names move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CutoverMode {
    /// A write block: writers are refused for a short, measured time.
    #[default]
    Block,
    /// An ingest pipeline on the old index sends writes on to the target: no write is refused, if
    /// writers only index.
    Redirect,
    /// The alias moves from one generation to the next, both made by segue; nobody writes to them.
    Swap(SwapSpec),
}

/// What the recipe states about the application's writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// They only index whole documents, with or without ids. They neither create with an id of their
    /// own, update nor delete, and send no `if_seq_no`, no versions, no `require_alias` and no
    /// `?pipeline=`.
    IndexOnly,
}

/// What starts the switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CutoverStart {
    /// The gate: as soon as it is open.
    #[default]
    Auto,
    /// `segue cutover`.
    Manual,
}

/// What is true of the documents that are written after the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSwitch {
    /// Writers send documents in the target's shape from then on.
    WritersSendNewShape,
    /// They may go on as before: the target, and whoever reads it, takes the old shape too.
    TargetAcceptsBoth,
    /// They go on as before, and segue applies the pipeline to what they wrote, in the target.
    KeepEnriching,
}

impl Default for CutoverSpec {
    fn default() -> Self {
        Self {
            mode: CutoverMode::default(),
            writers: None,
            start: CutoverStart::default(),
            alias: None,
            quiet_for: None,
            after_switch: None,
            max_pause: Duration::from_secs(30),
            max_dead_letters: 0,
            reverse_for: Duration::ZERO,
            enrich_for: None,
        }
    }
}
